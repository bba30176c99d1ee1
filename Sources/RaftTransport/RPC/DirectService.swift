internal import Raft

/// A table's methods without a connection: for whoever stands in for the network, such as a simulation.
///
/// A handler runs on the thread that calls or delivers; what it answers is given on where it answers. Nothing here bounds
/// or delays anything: that is the network's part.
package struct DirectService: Sendable {
    private let entries: [UInt16: ServiceTable.Entry]
    private let principal: Principal

    /// - Parameter principal: who calls, as far as the handlers are told.
    package init(_ table: ServiceTable, principal: Principal) {
        entries = table.entries
        self.principal = principal
    }

    /// Makes one call.
    ///
    /// - Parameter answer: told what came of it: once, if the handler does.
    package func call(
        _ method: Method, _ request: [UInt8], timeout: Duration?,
        answer: @escaping @Sendable (Result<[UInt8], RPCStatus>) -> Void
    ) {
        guard case .unary(let handler)? = entries[method.id]?.service else {
            return answer(.failure(RPCStatus(.unimplemented, "there is no method \(method.name)")))
        }
        let milliseconds = timeout.map { UInt32(clamping: max(1, Int64($0 / .milliseconds(1)))) } ?? 0
        let hasAnswered = Lock(false)
        let outbox = Outbox { command in
            guard case .answer(_, let result) = command else { return false }
            let isFirst = hasAnswered.withLock { hasAnswered in
                defer { hasAnswered = true }
                return !hasAnswered
            }
            if isFirst { answer(result) }
            return isFirst
        }
        handler(
            ServerCall(
                method, principal: principal, request: request, timeoutMilliseconds: milliseconds, stream: 0,
                outbox: outbox))
    }

    /// Opens a stream.
    ///
    /// - Parameters:
    ///   - send: takes each message on its way to the caller.
    ///   - end: told once how the serving end has ended it; nil is a good end.
    package func open(
        _ method: Method, send: @escaping @Sendable ([UInt8]) -> Void,
        end: @escaping @Sendable (RPCStatus?) -> Void
    ) -> DirectStream {
        let outbox = Outbox { command in
            switch command {
            case .send(let stream, let message, let isUrgent):
                if !isUrgent { stream.left(message.count) }
                send(message)
            case .finish(let stream): Self.end(stream, nil, end)
            case .end(let stream, let status): Self.end(stream, status, end)
            case .consumed: break
            default: return false
            }
            return true
        }
        let stream = RPCStream(outbox, method, principal: principal)
        guard case .stream(let handler)? = entries[method.id]?.service else {
            stream.end(RPCStatus(.unimplemented, "there is no stream \(method.name)"))
            return DirectStream(stream)
        }
        let receiver = handler(stream)
        // It may have ended the stream at once.
        if stream.isEnded { receiver.streamEnded(nil, on: stream) } else { stream.handler = receiver }
        return DirectStream(stream)
    }

    private static func end(_ stream: RPCStream, _ status: RPCStatus?, _ told: (RPCStatus?) -> Void) {
        guard !stream.isEnded else { return }
        stream.markEnded()?.streamEnded(status, on: stream)
        told(status)
    }
}

/// The calling end of a stream without a connection.
package struct DirectStream: Sendable {
    private let stream: RPCStream
    fileprivate init(_ stream: RPCStream) { self.stream = stream }

    /// A message of the caller arrives.
    package func deliver(_ message: [UInt8]) {
        guard !stream.isEnded else { return }
        stream.handler?.streamReceived(message, on: stream)
    }

    /// The caller has given it up, or is gone: the serving end hears that, and sends nothing more.
    package func leave(_ status: RPCStatus) { stream.markEnded()?.streamEnded(status, on: stream) }
}
