internal import Raft
internal import RaftClient
internal import RaftKeyValueModel
internal import RaftTransport

/// One watch at this node: how far it was told, and how much of that it has dealt with.
///
/// What changes is the hub's, under its lock.
final class Watcher: @unchecked Sendable, RPCStreamHandler {
    // @unchecked: `work` is touched under the hub's lock only; the rest is constant.
    enum Phase: Hashable {
        /// Opened, and has not said yet what it wants.
        case silent
        /// Is told as things happen.
        case live
        /// Is read for from the history. A read is under way, or not while it takes nothing.
        case behind(isRead: Bool)
    }
    struct Work {
        var phase = Phase.silent
        var range = KeyRange()
        /// Everything up to here was sent; of a live one, everything that was applied.
        var position = ChangePosition(revision: 0, ordinal: 0)
        var sentBytes: UInt64 = 0
        var takenBytes: UInt64 = 0
        /// At how many ticks in a row it had taken nothing while something waited for it.
        var idleTicks = 0
    }
    var work = Work()
    let stream: RPCStream
    /// The how-manieth it is of the hub.
    let number: UInt64
    private let hub: WatchHub

    init(_ stream: RPCStream, _ hub: WatchHub, number: UInt64) {
        self.stream = stream
        self.hub = hub
        self.number = number
    }

    /// Whether it may be sent more: it has dealt with all but a little of what was sent.
    var mayTake: Bool { work.sentBytes - work.takenBytes <= hub.windowBytes }

    /// - Returns: false when the stream takes nothing any more.
    func send(_ changes: [UInt8], _ position: ChangePosition) -> Bool {
        let message = WatchResponse(changes: changes, position: position).encoded()
        work.sentBytes += UInt64(message.count)
        work.position = position
        return stream.send(message)
    }

    func streamReceived(_ message: [UInt8], on stream: RPCStream) {
        stream.consumed(message.count)
        hub.received(message, from: self)
    }
    func streamFinished(_ stream: RPCStream) {}
    func streamEnded(_ status: RPCStatus?, on stream: RPCStream) { hub.remove(self) }
}
