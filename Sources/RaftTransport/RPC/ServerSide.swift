internal import NIOCore

/// The serving side of a connection: looks up methods, checks roles, keeps what is open.
final class ServerSide: ConnectionSide {
    private enum Open {
        case call(ServerCall)
        case stream(RPCStream)

        var id: UInt32 {
            switch self {
            case .call(let call): call.stream
            case .stream(let stream): stream.flow.id
            }
        }
    }

    private let table: ServiceTable
    private let onEnd: (String) -> Void
    private let share: CallShare?
    private let metrics: TransportMetrics?
    // Unchecked by the runtime, with each frame: the loop sees to it, and no use begins within another.
    @exclusivity(unchecked) private var open: [UInt32: Open] = [:]
    /// Calls that their caller has cancelled and their handler not answered yet. They still cost what they cost, so they
    /// count: else calling and cancelling in a circle would be without any limit.
    @exclusivity(unchecked) private var abandoned: Set<UInt32> = []
    /// The highest stream seen.
    @exclusivity(unchecked) private var lastStream: UInt32 = 0
    @exclusivity(unchecked) private var retiring: String?
    /// When something was last asked or answered.
    @exclusivity(unchecked) private var lastUse = NIODeadline.now()

    /// - Parameters:
    ///   - share: what the caller may have at work over all of its connections; nil for as much as it likes.
    ///   - metrics: where calls are counted when they end.
    ///   - onEnd: told once, when the connection is over and why.
    init(
        _ table: ServiceTable, share: CallShare? = nil, metrics: TransportMetrics? = nil,
        onEnd: @escaping (String) -> Void
    ) {
        self.table = table
        self.share = share
        self.metrics = metrics
        self.onEnd = onEnd
    }

    func began(_ connection: Connection) {}

    var idleSince: NIODeadline? { open.isEmpty && abandoned.isEmpty && retiring == nil ? lastUse : nil }

    var awaitsAnswer: Bool { false }

    func received(_ incoming: Incoming, _ connection: Connection) throws(MalformedFrame) {
        switch incoming {
        case .request(let stream, let method, let isStreaming, let timeout, let bytes):
            lastUse = connection.lastRead
            guard open[stream] == nil else { throw MalformedFrame("stream \(stream) is open already") }
            lastStream = max(lastStream, stream)
            if let status = begin(stream, method, isStreaming, timeout, bytes, connection) {
                metrics?.ended(table.entries[method]?.method, status.code)
                answer(stream, .failure(status), connection)
            }
        case .cancel(let stream):
            connection.drop(stream)
            switch open.removeValue(forKey: stream) {
            case .call(let call):
                call.cancel()
                metrics?.ended(call.method, .cancelled)
                abandoned.insert(stream)
            case .stream(let rpc):
                metrics?.ended(rpc.method, .cancelled)
                rpc.markEnded()?.streamEnded(RPCStatus(.cancelled, "the caller cancelled"), on: rpc)
            case nil: break
            }
            closeIfDone(connection)
        case .message(let stream, let isUrgent, let bytes):
            if case .stream(let rpc)? = open[stream] {
                try connection.streamMessage(rpc, bytes, isUrgent: isUrgent)
            }
        case .finish(let stream):
            if case .stream(let rpc)? = open[stream] { rpc.handler?.streamFinished(rpc) }
        case .credit(let stream, let more):
            if case .stream(let rpc)? = open[stream] {
                try connection.streamCredit(rpc, more)
                if rpc.flow.hasFinished { end(rpc, nil, connection) }
            }
        case .goaway: break  // a caller that leaves: it closes when it is done
        case .response, .status: throw MalformedFrame("a caller does not answer")
        case .settings, .ping, .pong: break
        }
    }

    /// - Returns: why the call is refused.
    private func begin(
        _ stream: UInt32, _ id: UInt16, _ isStreaming: Bool, _ timeout: UInt32, _ bytes: [UInt8],
        _ connection: Connection
    ) -> RPCStatus? {
        guard retiring == nil else { return RPCStatus(.unavailable, "the server is going away") }
        guard let entry = table.entries[id] else {
            return RPCStatus(.unimplemented, "no method \(id) is served here; the server may be of another version")
        }
        let method = entry.method
        guard method.roles.contains(connection.principal.role) else {
            let roles = method.roles.map(\.rawValue).sorted().joined(separator: ", ")
            return RPCStatus(
                .permissionDenied, "\(method.name) is for \(roles), not for \(connection.principal)")
        }
        guard open.count + abandoned.count < connection.limits.maximumCallsInFlight else {
            return RPCStatus(
                .resourceExhausted,
                "\(open.count + abandoned.count) calls are at work for this connection; wait for some to end")
        }
        let place = share?.take()
        if let share, place == nil {
            return RPCStatus(
                .resourceExhausted,
                "\(share.maximum) calls are at work for \(connection.principal) over all its connections; wait for some to end"
            )
        }
        func makeCall() -> ServerCall {
            let call = ServerCall(
                method, principal: connection.principal, request: bytes, timeoutMilliseconds: timeout, stream: stream,
                outbox: connection.outbox, place: place, arrival: connection.lastRead)
            open[stream] = .call(call)
            return call
        }
        func makeStream() -> RPCStream {
            let rpc = RPCStream(connection.outbox, method, principal: connection.principal)
            rpc.place = place
            connection.begin(rpc, id: stream)
            open[stream] = .stream(rpc)
            return rpc
        }
        switch entry.service {
        case .unary(let handler) where !isStreaming: handler(makeCall())
        case .connected(let handler) where !isStreaming: handler(makeCall(), connection)
        case .stream(let handler) where isStreaming:
            let rpc = makeStream()
            rpc.handler = handler(rpc)
        case .connectedStream(let handler) where isStreaming:
            let rpc = makeStream()
            switch handler(rpc, connection) {
            case .success(let receiver): rpc.handler = receiver
            case .failure(let status):
                open[stream] = nil
                _ = rpc.markEnded()
                return status
            }
        default:
            return RPCStatus(.unimplemented, "\(method.name) is \(isStreaming ? "not a stream" : "a stream")")
        }
        return nil
    }

    private func answer(_ stream: UInt32, _ result: Result<[UInt8], RPCStatus>, _ connection: Connection) {
        switch result {
        case .success(let bytes):
            let maximum = Int(connection.settings?.maximumMessageBytes ?? 0)
            guard bytes.count <= maximum else {
                let status = RPCStatus(
                    .resourceExhausted, "the response has \(bytes.count) bytes; the caller takes at most \(maximum)")
                return answer(stream, .failure(status), connection)
            }
            connection.send(
                .init(type: .response, stream: stream, head: .length(of: bytes), body: bytes))
        case .failure(let status):
            let status = status.code == .ok ? RPCStatus(.internal, "a failure without a code") : status
            connection.send(.init(type: .status, stream: stream, head: .bytes(Wire.statusHead(status))))
        }
    }

    func perform(_ command: Command, _ connection: Connection) {
        switch command {
        case .answer(let call, let result):
            if !abandoned.isEmpty { abandoned.remove(call.stream) }
            guard case .call(let current)? = open[call.stream], current === call else { return }
            open[call.stream] = nil
            // It counts while nothing is open only; a look at the clock for each answer costs more than the answer's frame.
            if open.isEmpty { lastUse = .now() }
            let code: RPCStatus.Code = if case .failure(let status) = result { status.code } else { .ok }
            metrics?.ended(call.method, code)
            answer(call.stream, result, connection)
            closeIfDone(connection)
        case .send(let stream, let message, let isUrgent):
            connection.streamSend(stream, message, isUrgent: isUrgent)
        case .finish(let stream):
            connection.streamFinish(stream, nil)
            if stream.flow.hasFinished { end(stream, nil, connection) }
        case .end(let stream, let status):
            guard case .stream? = open[stream.flow.id] else { return }
            connection.drop(stream.flow.id)
            answer(stream.flow.id, .failure(status), connection)
            end(stream, status, connection)
        case .consumed(let stream, let count): connection.streamConsumed(stream, count)
        case .retire(let reason):
            guard retiring == nil else { return }
            retiring = reason
            connection.sendUrgent(
                .init(
                    type: .goaway, stream: 0,
                    head: .bytes(Wire.bytes(lastStream) + Wire.statusHead(RPCStatus(.unavailable, reason)))))
            // Calls have until the listener's deadline to end; streams would never end of themselves.
            for case .stream(let stream) in open.values.sorted(by: { $0.id < $1.id }) {
                connection.drop(stream.flow.id)
                answer(stream.flow.id, .failure(RPCStatus(.unavailable, reason)), connection)
                end(stream, RPCStatus(.unavailable, reason), connection)
            }
            closeIfDone(connection)
        case .close(let reason): connection.fail(reason)
        case .call, .abandon, .open: break  // a caller's
        }
    }

    private func end(_ stream: RPCStream, _ status: RPCStatus?, _ connection: Connection) {
        open[stream.flow.id] = nil
        lastUse = .now()
        metrics?.ended(stream.method, status?.code ?? .ok)
        stream.markEnded()?.streamEnded(status, on: stream)
        closeIfDone(connection)
    }

    /// A retiring connection closes once the last answer has been handed over.
    private func closeIfDone(_ connection: Connection) {
        guard let retiring, open.isEmpty else { return }
        let bound = NIOLoopBound(connection, eventLoop: connection.eventLoop)
        connection.eventLoop.execute {
            if bound.value.hasWrittenAll { bound.value.fail(retiring) }
        }
    }

    func ended(_ reason: String, commands: [Command], _ connection: Connection) {
        let items = open.sorted { $0.key < $1.key }
        open = [:]
        for (_, item) in items {
            switch item {
            case .call(let call):
                call.cancel()
                metrics?.ended(call.method, .unavailable)
            case .stream(let stream):
                metrics?.ended(stream.method, .unavailable)
                stream.markEnded()?.streamEnded(RPCStatus(.unavailable, reason), on: stream)
            }
        }
        onEnd(reason)
    }
}
