public import NIOCore
public import Raft
public import RaftKeyValueModel
public import RaftTransport

/// A client of a key-value cluster. Any number of calls may be under way at a time; they share the connections.
///
/// It finds the leader and follows it, and makes a call again by itself when that is safe: a read always, a write only
/// if it certainly had no effect, or with ``Options/usesSessions``: then the cluster applies it once, however often it is
/// made. A write whose result got lost and did not come back ends in ``RaftClientError/Code/outcomeUnknown``.
///
/// A node that gives no sign of life for about a second while calls wait is asked nothing new, if another endpoint is
/// known; what it was sent waits for it until the connection is given up, after six seconds.
public final class KeyValueClient: Sendable {
    /// How a client calls.
    public struct Options: Sendable {
        /// How long a call may take in all, unless it says otherwise.
        public var timeout: Duration = .seconds(5)
        /// How long connecting to one node may take.
        public var connectTimeout: Duration = .seconds(1)
        /// How long one attempt of a read waits before another node is asked. A write waits for as long as it may.
        public var readAttemptTimeout: Duration = .seconds(2)
        /// The pause after every node was asked in vain; doubles up to ``maximumPause``, with jitter.
        public var minimumPause: Duration = .milliseconds(20)
        public var maximumPause: Duration = .milliseconds(300)
        /// Make writes as commands of sessions: begun by the client, numbered, made again at the next leader until
        /// ``timeout`` when a result got lost, and applied once. Costs an entry of the log for each client, and 24
        /// bytes for each write.
        public var usesSessions = false
        /// Ask the endpoints in turn for reads, instead of whoever leads: every member serves them. For a linearizable
        /// one it asks the leader from which index on, so the leader has less to do, and the call one more step.
        public var spreadsReads = false
        /// Let the node that is asked pass writes on to the leader, once, instead of going there: for clients that cannot
        /// reach every node. The leader decides by the client's own identity. Costs the members one more step.
        /// Not so ``KeyValueClient/keepLeaseAlive(_:timeout:)`` and ``KeyValueClient/compact(through:timeout:)``, which
        /// only the leader serves. Turn it on when every member has a version that knows it: an earlier one takes a write
        /// that is passed on for an attack, and ends the connection.
        public var forwardsWrites = false
        /// A watch tells its node how much was taken after so many bytes more: less than the node sends ahead.
        package var watchReportBytes = Options.usualReportBytes
        static let usualReportBytes: UInt64 = 64 << 10
        public init() {}
    }

    /// The nodes that are asked at first, `host:port`. Any one of them is enough.
    public let endpoints: [String]
    let options: Options
    /// Nil for a client that uses none.
    let sessions: ClientSessions?
    let pool: ConnectionPool
    package let clock: any ClientClock
    let random: @Sendable () -> Double
    /// Who answered a write last, so leads.
    private let leader = Lock<String?>(nil)
    /// Who answered a call last that a follower serves as well: a read, or a write that is passed on.
    private let reader = Lock<String?>(nil)
    /// Where the next of the reads begins that are spread.
    private let turn = Lock(0)

    /// - Parameters:
    ///   - endpoints: not empty.
    ///   - tls: a certificate of role `client` for the key-value calls, of role `admin` for
    ///     ``status(of:timeout:)`` and ``changeMembership(_:waiting:ifUnchangedSince:timeout:)``.
    ///   - group: where the connections live. The client does not shut it down.
    public convenience init(
        endpoints: [String], tls: TLSContext, group: any EventLoopGroup, options: Options = Options()
    ) {
        self.init(
            endpoints: endpoints, connector: TLSConnector(tls: tls, group: group), options: options,
            clock: SystemClock(), random: { .random(in: 0..<1) })
    }

    /// - Parameter executor: where the client's own tasks run; nil for wherever there is room.
    package init(
        endpoints: [String], connector: any Connector, options: Options, clock: any ClientClock,
        random: @escaping @Sendable () -> Double, executor: (any TaskExecutor)? = nil
    ) {
        precondition(!endpoints.isEmpty, "a client needs at least one endpoint")
        self.endpoints = endpoints
        self.options = options
        self.clock = clock
        self.random = random
        pool = ConnectionPool(connector, clock: clock, timeout: options.connectTimeout, on: executor)
        sessions = options.usesSessions ? ClientSessions(maximumOpen: 64) : nil
    }

    /// Closes every connection, and ends the sessions if that takes half a second at most. Calls still under way fail.
    public func close() async {
        await closeSessions()
        await pool.close()
    }

    // MARK: Calls

    /// Sets a key.
    ///
    /// - Parameter timeout: of the whole call; nil for ``Options/timeout``.
    public func put(
        _ key: [UInt8], _ value: [UInt8], timeout: Duration? = nil
    ) async throws(RaftClientError) -> PutResult {
        try await write(ClientMethods.put, timeout) {
            PutRequest(key: key, value: value, session: $0, forwards: options.forwardsWrites).encoded()
        } decode: {
            bytes throws(RPCStatus) in
            try PutResult(decoding: bytes)
        }
    }

    /// Removes a key, if it is there.
    public func delete(_ key: [UInt8], timeout: Duration? = nil) async throws(RaftClientError) -> DeleteResult {
        try await write(ClientMethods.delete, timeout) {
            DeleteRequest(key: key, session: $0, forwards: options.forwardsWrites).encoded()
        } decode: {
            bytes throws(RPCStatus) in
            try DeleteResult(decoding: bytes)
        }
    }

    /// Sets a key if it is what it is expected to be.
    public func compareAndSwap(
        _ key: [UInt8], expecting expectation: KeyExpectation, _ value: [UInt8], timeout: Duration? = nil
    ) async throws(RaftClientError) -> SwapResult {
        try await write(ClientMethods.compareAndSwap, timeout) {
            CompareAndSwapRequest(
                key: key, expectation: expectation, value: value, session: $0, forwards: options.forwardsWrites
            ).encoded()
        } decode: {
            bytes throws(RPCStatus) in
            try SwapResult(decoding: bytes)
        }
    }

    /// Reads a key; nil when it is absent.
    public func get(
        _ key: [UInt8], _ consistency: Consistency = .linearizable, timeout: Duration? = nil
    ) async throws(RaftClientError) -> KeyValue? {
        let request = GetRequest(key: key, consistency: consistency)
        let response = try await call(
            ClientMethods.get, request.encoded(), isRead: true, needsLeader: consistency.needsLeader,
            first: spreadFirst, timeout
        ) {
            bytes throws(RPCStatus) in try GetResponse(decoding: bytes, key: key)
        }
        return response.found
    }

    /// Reads the first entries of a range.
    ///
    /// - Parameters:
    ///   - from: the first key that can be in it; empty for the first of all.
    ///   - upTo: the first key behind it; nil for no end.
    ///   - limit: the most entries; nil for as many as the server sends at once.
    public func range(
        from: [UInt8] = [], upTo: [UInt8]? = nil, limit: Int? = nil, _ consistency: Consistency = .linearizable,
        timeout: Duration? = nil
    ) async throws(RaftClientError) -> KeyValuePage {
        let limit = limit.map { UInt32(clamping: max($0, 1)) } ?? 0
        let request = RangeRequest(from: from, upTo: upTo, limit: limit, consistency: consistency)
        return try await call(
            ClientMethods.range, request.encoded(), isRead: true, needsLeader: consistency.needsLeader,
            first: spreadFirst, timeout
        ) {
            bytes throws(RPCStatus) in try KeyValuePage(decoding: bytes)
        }
    }

    /// Asks one node, and only it, what it knows of itself. Needs no leader.
    public func status(of endpoint: String, timeout: Duration? = nil) async throws(RaftClientError) -> MemberStatus {
        try await ask(endpoint, ClientMethods.status, StatusRequest().encoded(), timeout) {
            bytes throws(RPCStatus) in try MemberStatus(decoding: bytes)
        }
    }

    /// Lets one node build a snapshot of what it has applied, whatever its role; returns once that is durable. Needs a
    /// certificate of role `admin`.
    public func triggerSnapshot(
        of endpoint: String, timeout: Duration? = nil
    ) async throws(RaftClientError) -> SnapshotSummary {
        try await ask(endpoint, ClientMethods.triggerSnapshot, TriggerSnapshotRequest().encoded(), timeout) {
            bytes throws(RPCStatus) in try SnapshotSummary(decoding: bytes)
        }
    }

    /// Lets the leader send a snapshot with everything applied to `peer`, or to every other member; returns once each
    /// has it or is past it. Needs a certificate of role `admin`. Harmless to repeat.
    public func pushSnapshot(
        to peer: NodeID? = nil, timeout: Duration? = nil
    ) async throws(RaftClientError) -> SnapshotSummary {
        try await call(ClientMethods.pushSnapshot, PushSnapshotRequest(peer: peer).encoded(), isRead: true, timeout) {
            bytes throws(RPCStatus) in try SnapshotSummary(decoding: bytes)
        }
    }

    /// Reads a piece of a snapshot that one node has; ``SnapshotDownload`` reads all of it. Needs a certificate of role
    /// `admin`.
    ///
    /// - Parameter offset: where in the state the piece begins.
    public func readSnapshot(
        _ id: SnapshotID, at offset: UInt64, of endpoint: String, timeout: Duration? = nil
    ) async throws(RaftClientError) -> SnapshotPiece {
        let request = ReadSnapshotRequest(id: id, offset: offset)
        return try await ask(endpoint, ClientMethods.readSnapshot, request.encoded(), timeout) {
            bytes throws(RPCStatus) in try SnapshotPiece(decoding: bytes, at: offset)
        }
    }

    /// Asks one node, once.
    func ask<Response>(
        _ endpoint: String, _ method: Method, _ request: [UInt8], _ timeout: Duration?,
        decode: (_ bytes: [UInt8]) throws(RPCStatus) -> Response
    ) async throws(RaftClientError) -> Response {
        let deadline = clock.now + (timeout ?? options.timeout)
        do throws(RPCStatus) {
            let channel = try await pool.channel(
                to: endpoint, purpose: method.purpose, within: timeout ?? options.timeout)
            let left = max(deadline - clock.now, .milliseconds(1))
            return try decode(try await channel.call(method, request, timeout: left))
        } catch {
            if case .give(let refusal) = CallPolicy.judge(error, isRead: true, endpoint: endpoint) { throw refusal }
            let code: RaftClientError.Code =
                switch error.code {
                case .unauthenticated: .notAuthorized
                // Nobody else is asked, and what is damaged stays so.
                case .dataLoss: .refused
                default: .unavailable
                }
            throw RaftClientError(code, error.message(from: endpoint))
        }
    }

    /// Changes who belongs to the cluster; returns once that is committed. Needs a certificate of role `admin`.
    ///
    /// Asked again while another change is under way, until `timeout` is over.
    ///
    /// - Parameters:
    ///   - waiting: of an added learner: until it has caught up and can be promoted.
    ///   - seen: only if the members are still those of this entry; see ``MemberStatus/configuration``.
    public func changeMembership(
        _ request: MembershipRequest, waiting: Bool = false, ifUnchangedSince seen: LogID? = nil,
        timeout: Duration? = nil
    ) async throws(RaftClientError) {
        let request = ChangeMembershipRequest(request, waiting: waiting, ifUnchangedSince: seen)
        try await call(ClientMethods.changeMembership, request.encoded(), isRead: false, timeout) {
            bytes throws(RPCStatus) in _ = try ChangeMembershipResponse(decoding: bytes)
        }
    }

    /// Lets the leader pass its leadership to `target`, or to the fittest voter; returns once it no longer leads. Needs a
    /// certificate of role `admin`. Asked of whoever leads: asked again, it may find the new leader.
    ///
    /// - Throws: ``RaftClientError/Code/refused`` with the reason when the leader goes on leading.
    public func transferLeadership(
        to target: NodeID? = nil, timeout: Duration? = nil
    ) async throws(RaftClientError) {
        try await call(
            ClientMethods.transferLeadership, TransferLeadershipRequest(target: target).encoded(), isRead: false,
            timeout
        ) { bytes throws(RPCStatus) in _ = try TransferLeadershipResponse(decoding: bytes) }
    }

    // MARK: Attempts

    /// Where a read begins when reads are spread; nil when they are not.
    var spreadFirst: String? {
        guard options.spreadsReads else { return nil }
        return endpoints[
            turn.withLock { turn in
                turn = (turn + 1) % endpoints.count
                return turn
            }]
    }

    /// - Parameter first: who is asked first; nil for whoever is known to serve such calls.
    func call<Response>(
        _ method: Method, _ request: [UInt8], isRead: Bool, in session: SessionRequest? = nil, needsLeader: Bool = true,
        first: String? = nil, _ timeout: Duration?,
        decode: (_ bytes: [UInt8]) throws(RPCStatus) -> Response
    ) async throws(RaftClientError) -> Response {
        let isOnce = session != nil
        let timeout = timeout ?? options.timeout
        var now = clock.now
        let deadline = now + timeout
        let isForwarded = options.forwardsWrites && ClientMethods.forwarded.contains(method)
        let known = needsLeader ? leader.withLock { $0 } ?? reader.withLock { $0 } : nil
        var route = Route(endpoints: endpoints, first: first ?? known)
        var pause = options.minimumPause
        var problem = "no node was asked"
        // An attempt before this one, with a session: whatever ends the call now, it is not known to have done nothing.
        var mayHaveHappened = false
        func given(_ code: RaftClientError.Code, _ text: String) -> RaftClientError {
            guard mayHaveHappened else { return RaftClientError(code, text) }
            return RaftClientError(
                .outcomeUnknown,
                "\(text); an attempt before may have been applied, or may be yet: look before repeating it")
        }
        while true {
            guard deadline > now else {
                throw given(
                    .unavailable, "no node served the call within \(timeout); the last one asked said: \(problem)")
            }
            let endpoint = route.endpoint
            let status: RPCStatus
            do throws(RPCStatus) {
                let bytes = try await attempt(method, request, isRead: isRead || isOnce, at: endpoint, now, deadline)
                // What a follower has served says nothing about who leads.
                if needsLeader {
                    (isRead || isForwarded ? reader : leader).withLock { if $0 != endpoint { $0 = endpoint } }
                }
                do throws(RPCStatus) { return try decode(bytes) } catch {
                    // The answer came, so the call was made: not the caller's fault, whatever the code says.
                    throw RPCStatus(.internal, "the answer cannot be read: \(error.message)")
                }
            } catch {
                status = error
            }
            now = clock.now
            for known in [leader, reader] { known.withLock { if $0 == endpoint { $0 = nil } } }
            problem = status.message(from: endpoint)
            if isOnce, CallPolicy.mayHaveHappened(status) { mayHaveHappened = true }
            if let session, status.detail?.code == "sessionExpired" { sessions?.forget(session.session) }
            let mayGoOn: Bool
            switch CallPolicy.judge(status, isRead: isRead, isOnce: isOnce, endpoint: endpoint) {
            case .give(up: let error): throw given(error.code, error.message)
            case .follow(let address): mayGoOn = route.follow(address)
            case .elsewhere: mayGoOn = route.turn(isRefused: status.code == .unauthenticated)
            case .later: mayGoOn = false
            }
            if route.isRefusedEverywhere { throw given(.notAuthorized, problem) }
            if mayGoOn { continue }
            let jittered = min(pause * (0.5 + random() / 2), max(deadline - now, .zero))
            pause = min(pause * 2, options.maximumPause)
            do { try await clock.pause(jittered) } catch {
                throw given(.cancelled, "cancelled; the last node asked said: \(problem)")
            }
            now = clock.now
        }
    }

    private func attempt(
        _ method: Method, _ request: [UInt8], isRead: Bool, at endpoint: String, _ now: Duration, _ deadline: Duration
    ) async throws(RPCStatus) -> [UInt8] {
        var left = deadline - now
        let channel: any Channel
        if let open = pool.openChannel(to: endpoint, purpose: method.purpose) {
            // What was sent there waits on; this call has not been, so whoever leads by now may as well have it.
            guard !open.isInDoubt || endpoints.count == 1 else {
                throw RPCStatus(.unavailable, "it has given no sign of life for a second", wasSent: false)
            }
            channel = open
        } else {
            channel = try await pool.channel(to: endpoint, purpose: method.purpose, within: left)
            left = deadline - clock.now
            guard left > .zero else { throw RPCStatus(.deadlineExceeded, "too late to ask", wasSent: false) }
        }
        return try await channel.call(
            method, request, timeout: isRead ? min(left, options.readAttemptTimeout) : left)
    }
}
