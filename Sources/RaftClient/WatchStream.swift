internal import DequeModule
internal import Raft
package import RaftTransport

/// A stream of messages that a caller opened: the seam at which tests put streams of their own.
package protocol ClientStream: AnyObject, Sendable {
    func send(_ message: [UInt8])
    /// Gives it up.
    func cancel()
}

/// Who hears of a stream, on any thread, one call at a time.
package protocol ClientStreamListener: AnyObject, Sendable {
    func received(_ message: [UInt8])
    /// Nothing follows; nil is a good end.
    func ended(_ status: RPCStatus?)
}

extension RPCConnection {
    package func openStream(_ method: Method, _ listener: any ClientStreamListener) -> any ClientStream {
        let relay = StreamRelay(listener)
        let stream = open(method, relay)
        return OpenStream(stream)
    }
}

/// Gives what comes on, and the credit for it back at once: how much may come is for the listener to bound.
private final class StreamRelay: RPCStreamHandler {
    private let listener: any ClientStreamListener
    init(_ listener: any ClientStreamListener) { self.listener = listener }

    func streamReceived(_ message: [UInt8], on stream: RPCStream) {
        listener.received(message)
        stream.consumed(message.count)
    }
    func streamFinished(_ stream: RPCStream) {}
    func streamEnded(_ status: RPCStatus?, on stream: RPCStream) { listener.ended(status) }
}

private final class OpenStream: ClientStream {
    private let stream: RPCStream
    init(_ stream: RPCStream) { self.stream = stream }
    func send(_ message: [UInt8]) { stream.send(message) }
    func cancel() { stream.end(RPCStatus(.cancelled, "the caller has no more use for it")) }
}

/// One watch at one node: its messages, from the event loop that they come on to the task that takes them.
///
/// Holds no more than the node sends ahead of what was taken.
final class WatchStream: ClientStreamListener {
    enum Event {
        case message([UInt8])
        case ended(RPCStatus?)
    }
    private struct State {
        var messages: Deque<[UInt8]> = []
        var end: RPCStatus??
        var waiting: CheckedContinuation<Event, Never>?
        var stream: (any ClientStream)?
        var takenBytes: UInt64 = 0
        var toldBytes: UInt64 = 0
        var isCancelled = false
    }
    private let state = Lock(State())
    /// The node is told how much was taken after so many bytes more.
    private let reportBytes: UInt64

    init(reportBytes: UInt64 = KeyValueClient.Options.usualReportBytes) { self.reportBytes = reportBytes }

    /// - Parameter request: the stream's first message.
    func begin(_ request: WatchRequest, on channel: any Channel) {
        let stream = channel.openStream(ClientMethods.watch, self)
        stream.send(request.encoded())
        let isLate = state.withLock { state in
            state.stream = stream
            return state.isCancelled
        }
        if isLate { stream.cancel() }
    }

    func received(_ message: [UInt8]) {
        let waiting = state.withLock { state -> CheckedContinuation<Event, Never>? in
            guard state.end == nil else { return nil }
            if let waiting = state.waiting {
                state.waiting = nil
                return waiting
            }
            state.messages.append(message)
            return nil
        }
        waiting?.resume(returning: .message(message))
    }

    func ended(_ status: RPCStatus?) {
        let waiting = state.withLock { state in
            if state.end == nil { state.end = .some(status) }
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume(returning: .ended(status))
    }

    /// The next message, or the end behind all of them. Cancelling the task ends the stream.
    func next() async -> Event {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let event = state.withLock { state -> Event? in
                    if let message = state.messages.popFirst() { return .message(message) }
                    if let end = state.end { return .ended(end) }
                    state.waiting = continuation
                    return nil
                }
                if let event { continuation.resume(returning: event) }
            }
        } onCancel: {
            cancel()
        }
    }

    /// Says that so many bytes more were dealt with.
    func took(_ byteCount: Int) {
        let report = state.withLock { state -> (any ClientStream, UInt64)? in
            state.takenBytes += UInt64(byteCount)
            guard let stream = state.stream, state.takenBytes - state.toldBytes >= reportBytes else { return nil }
            state.toldBytes = state.takenBytes
            return (stream, state.takenBytes)
        }
        if let (stream, bytes) = report { stream.send(WatchProgress(takenBytes: bytes).encoded()) }
    }

    func cancel() {
        let stream = state.withLock { state in
            state.isCancelled = true
            return state.stream
        }
        stream?.cancel()
        ended(RPCStatus(.cancelled, "the caller cancelled"))
    }
}
