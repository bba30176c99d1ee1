internal import DequeModule
internal import NIOCore

/// The calling side of a connection: calls and streams that are open, and calls that wait for a place.
final class ClientSide: ConnectionSide {
    private enum Open {
        case call(ClientCall)
        case stream(RPCStream)
    }

    // Unchecked by the runtime, with each frame: the loop sees to it, and no use begins within another.
    @exclusivity(unchecked) private var open: [UInt32: Open] = [:]
    @exclusivity(unchecked) private var waiting: Deque<ClientCall> = []
    @exclusivity(unchecked) private var nextStream: UInt32 = 1
    /// Why no new calls are taken.
    @exclusivity(unchecked) private var goaway: String?
    private var timer: Scheduled<Void>?
    @exclusivity(unchecked) private var timerDue = NIODeadline.distantFuture
    /// Told once: the connection is ready, or has failed before it was.
    private var onReady: ((RPCStatus?) -> Void)?

    init(onReady: @escaping (RPCStatus?) -> Void) { self.onReady = onReady }

    /// Who dialled decides when it has no more use for it.
    var idleSince: NIODeadline? { nil }

    var awaitsAnswer: Bool { open.values.contains { if case .call = $0 { true } else { false } } }

    func began(_ connection: Connection) {
        onReady?(nil)
        onReady = nil
    }

    // MARK: Commands

    func perform(_ command: Command, _ connection: Connection) {
        switch command {
        case .call(let call): begin(call, connection)
        case .abandon(let call): if call.abandon() { abandon(call, Self.cancelled(call), connection) }
        case .open(let stream): begin(stream, connection)
        case .send(let stream, let message, let isUrgent):
            connection.streamSend(stream, message, isUrgent: isUrgent)
        case .finish(let stream): connection.streamFinish(stream, nil)
        case .end(let stream, let status): cancel(stream, status, connection)
        case .consumed(let stream, let count): connection.streamConsumed(stream, count)
        case .retire(let reason):
            goaway = goaway ?? reason
            connection.outbox.retire()
            closeIfDone(connection)
        case .close(let reason): connection.fail(reason)
        case .answer: break  // a server's
        }
    }

    private func begin(_ call: ClientCall, _ connection: Connection) {
        call.begin()
        if call.isAbandoned { return call.complete(.failure(Self.cancelled(call))) }
        if let goaway { return call.complete(.failure(.init(.unavailable, goaway, wasSent: false))) }
        let maximum = Int(connection.settings?.maximumMessageBytes ?? 0)
        guard call.request.count <= maximum else {
            return call.complete(
                .failure(
                    .init(
                        .invalidArgument,
                        "a request of \(call.request.count) bytes; the server takes at most \(maximum)", wasSent: false)
                ))
        }
        watch(call.deadline, connection)
        guard open.count < Int(connection.settings?.maximumCalls ?? 0) else {
            guard waiting.count < connection.limits.maximumWaitingCalls else {
                return call.complete(
                    .failure(
                        .init(
                            .resourceExhausted, "\(waiting.count) calls are waiting on this connection already",
                            wasSent: false)))
            }
            return waiting.append(call)
        }
        send(call, connection)
    }

    private func send(_ call: ClientCall, _ connection: Connection) {
        let left = call.deadline - .now()
        guard left > .nanoseconds(0) else {
            return call.complete(.failure(Self.late(call, wasSent: false)))
        }
        guard let stream = newStream(connection) else {
            return call.complete(.failure(.init(.unavailable, goaway ?? "", wasSent: false)))
        }
        call.stream = stream
        open[stream] = .call(call)
        let request = call.takeRequest(connection.queue)
        connection.send(
            .init(
                type: .request, stream: stream,
                head: .request(
                    method: call.method.id,
                    timeoutMilliseconds: UInt32(clamping: (left.nanoseconds + 999_999) / 1_000_000),
                    count: UInt32(request.count)),
                body: request))
    }

    /// Stream ids are never used twice; a connection that has used them all is retired.
    private func newStream(_ connection: Connection) -> UInt32? {
        guard nextStream < UInt32.max - 1 else {
            goaway = goaway ?? "this connection has used all its stream ids; dial again"
            connection.outbox.retire()
            return nil
        }
        defer { nextStream += 1 }
        return nextStream
    }

    private func begin(_ stream: RPCStream, _ connection: Connection) {
        guard !stream.isEnded else { return }
        let maximum = Int(connection.settings?.maximumCalls ?? 0)
        guard goaway == nil, open.count < maximum, let id = newStream(connection) else {
            let status =
                goaway.map { RPCStatus(.unavailable, $0, wasSent: false) }
                ?? RPCStatus(.resourceExhausted, "\(maximum) calls are open on this connection", wasSent: false)
            stream.markEnded()?.streamEnded(status, on: stream)
            return
        }
        connection.begin(stream, id: id)
        open[id] = .stream(stream)
        // Urgent, since the stream's urgent messages must not overtake it.
        connection.sendUrgent(
            .init(
                type: .request, flags: .streaming, stream: id,
                head: .request(method: stream.method.id, timeoutMilliseconds: 0, count: 0)))
    }

    private func cancel(_ stream: RPCStream, _ status: RPCStatus, _ connection: Connection) {
        guard open.removeValue(forKey: stream.flow.id) != nil else { return }
        connection.drop(stream.flow.id)
        connection.send(.init(type: .cancel, stream: stream.flow.id))
        stream.markEnded()?.streamEnded(status, on: stream)
        freePlace(connection)
    }

    private func abandon(_ call: ClientCall, _ status: RPCStatus, _ connection: Connection) {
        guard !call.isDone else { return }
        if call.stream != 0, open.removeValue(forKey: call.stream) != nil {
            connection.drop(call.stream)
            connection.send(.init(type: .cancel, stream: call.stream))
        }
        call.complete(.failure(status))
        freePlace(connection)
    }

    private func freePlace(_ connection: Connection) {
        let maximum = Int(connection.settings?.maximumCalls ?? 0)
        while open.count < maximum, let call = waiting.popFirst() {
            if !call.isDone { send(call, connection) }
        }
        closeIfDone(connection)
    }

    private func closeIfDone(_ connection: Connection) {
        if let goaway, open.isEmpty, waiting.isEmpty { connection.fail(goaway) }
    }

    private static func cancelled(_ call: ClientCall) -> RPCStatus {
        RPCStatus(.cancelled, "the caller cancelled", wasSent: call.stream != 0)
    }

    // MARK: Deadlines

    private static func late(_ call: ClientCall, wasSent: Bool) -> RPCStatus {
        RPCStatus(.deadlineExceeded, "\(call.method.name) was not answered in time", wasSent: wasSent)
    }

    /// One timer for all calls, at the earliest deadline seen; it then looks at what is still open. Calls mostly have
    /// similar timeouts and are answered long before, so it fires about once a timeout.
    private func watch(_ deadline: NIODeadline, _ connection: Connection) {
        guard deadline < timerDue else { return }
        timer?.cancel()
        timerDue = deadline
        let bound = NIOLoopBound((self, connection), eventLoop: connection.eventLoop)
        timer = connection.eventLoop.scheduleTask(deadline: deadline + .milliseconds(1)) {
            bound.value.0.expire(bound.value.1)
        }
    }

    private func expire(_ connection: Connection) {
        timerDue = .distantFuture
        let now = NIODeadline.now()
        var late: [ClientCall] = []
        var earliest = NIODeadline.distantFuture
        for case .call(let call) in open.values {
            if call.deadline <= now { late.append(call) } else { earliest = min(earliest, call.deadline) }
        }
        for call in waiting where !call.isDone {
            if call.deadline <= now { late.append(call) } else { earliest = min(earliest, call.deadline) }
        }
        for call in late.sorted(by: { $0.stream < $1.stream }) {
            abandon(call, Self.late(call, wasSent: call.stream != 0), connection)
        }
        if earliest != .distantFuture { watch(earliest, connection) }
        connection.drain()
    }

    // MARK: Frames

    func received(_ incoming: Incoming, _ connection: Connection) throws(MalformedFrame) {
        switch incoming {
        case .response(let stream, let bytes): answered(stream, .success(bytes), connection)
        case .status(let stream, let status):
            switch open[stream] {
            case .call:
                guard status.code != .ok else { throw MalformedFrame("a unary call answered without a response") }
                answered(stream, .failure(status), connection)
            case .stream(let rpc):
                open[stream] = nil
                connection.drop(stream)
                rpc.markEnded()?.streamEnded(status.code == .ok ? nil : status, on: rpc)
                freePlace(connection)
            case nil: connection.dropIncoming(stream)
            }
        case .message(let stream, let isUrgent, let bytes):
            // What was on its way when we cancelled is dropped.
            if case .stream(let rpc)? = open[stream] {
                try connection.streamMessage(rpc, bytes, isUrgent: isUrgent)
            }
        case .credit(let stream, let more):
            if case .stream(let rpc)? = open[stream] { try connection.streamCredit(rpc, more) }
        case .goaway(let through, let status): try goingAway(through, status, connection)
        case .request, .finish, .cancel: throw MalformedFrame("a server does not call")
        case .settings, .ping, .pong: break
        }
    }

    private func answered(_ stream: UInt32, _ result: Result<[UInt8], RPCStatus>, _ connection: Connection) {
        guard case .call(let call)? = open[stream] else { return }
        open[stream] = nil
        call.complete(result)
        freePlace(connection)
    }

    private func goingAway(
        _ through: UInt32, _ status: RPCStatus, _ connection: Connection
    ) throws(MalformedFrame) {
        let reason = "the server ends the connection: \(status.message)"
        goaway = reason
        connection.outbox.retire()
        if onReady != nil { return connection.fail(reason) }
        for (stream, item) in open.sorted(by: { $0.key < $1.key }) where stream > through {
            open[stream] = nil
            end(item, .init(.unavailable, reason, wasSent: false))
        }
        let dropped = waiting
        waiting = []
        for call in dropped { call.complete(.failure(.init(.unavailable, reason, wasSent: false))) }
        closeIfDone(connection)
    }

    private func end(_ item: Open, _ status: RPCStatus) {
        switch item {
        case .call(let call): call.complete(.failure(status))
        case .stream(let stream): stream.markEnded()?.streamEnded(status, on: stream)
        }
    }

    func ended(_ reason: String, commands: [Command], _ connection: Connection) {
        timer?.cancel()
        // What the server said before it closed is a better reason than that it closed.
        let reason = goaway ?? reason
        onReady?(.init(connection.isRefused ? .unauthenticated : .unavailable, reason, wasSent: false))
        onReady = nil
        goaway = reason
        let items = open.sorted { $0.key < $1.key }
        open = [:]
        for (_, item) in items {
            var wasSent = true
            // A call whose bytes never left our own queue certainly was not sent.
            if case .call(let call) = item { wasSent = call.hasLeft(connection.queue) }
            end(item, .init(.unavailable, reason, wasSent: wasSent))
        }
        let unsent = waiting
        waiting = []
        for call in unsent { call.complete(.failure(.init(.unavailable, reason, wasSent: false))) }
        for command in commands {
            switch command {
            case .call(let call): call.complete(.failure(.init(.unavailable, reason, wasSent: false)))
            case .open(let stream):
                stream.markEnded()?.streamEnded(.init(.unavailable, reason, wasSent: false), on: stream)
            default: break
            }
        }
    }
}
