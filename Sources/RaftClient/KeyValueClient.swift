public import NIOCore
public import Raft
public import RaftTransport

/// A client of a key-value cluster. Any number of calls may be under way at a time; they share the connections.
///
/// It finds the leader and follows it, and makes a call again by itself when that is safe: a read always, a write only
/// if it certainly had no effect. A write whose result got lost ends in ``RaftClientError/Code/outcomeUnknown``.
public final class KeyValueClient: Sendable {
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
        public init() {}
    }

    /// The nodes that are asked at first, `host:port`. Any one of them is enough.
    public let endpoints: [String]
    private let options: Options
    private let pool: ConnectionPool
    private let clock: any ClientClock
    private let random: @Sendable () -> Double
    /// Who answered last as a leader does.
    private let leader = Lock<String?>(nil)

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

    package init(
        endpoints: [String], connector: any Connector, options: Options, clock: any ClientClock,
        random: @escaping @Sendable () -> Double
    ) {
        precondition(!endpoints.isEmpty, "a client needs at least one endpoint")
        self.endpoints = endpoints
        self.options = options
        self.clock = clock
        self.random = random
        pool = ConnectionPool(connector)
    }

    /// Closes every connection. Calls still under way fail.
    public func close() async { await pool.close() }

    // MARK: Calls

    /// Sets a key.
    ///
    /// - Parameter timeout: of the whole call; nil for ``Options/timeout``.
    public func put(
        _ key: [UInt8], _ value: [UInt8], timeout: Duration? = nil
    ) async throws(RaftClientError) -> PutResult {
        let request = PutRequest(key: key, value: value)
        return try await call(ClientMethods.put, request.encoded(), isRead: false, timeout) {
            bytes throws(RPCStatus) in try PutResult(decoding: bytes)
        }
    }

    /// Removes a key, if it is there.
    public func delete(_ key: [UInt8], timeout: Duration? = nil) async throws(RaftClientError) -> DeleteResult {
        try await call(ClientMethods.delete, DeleteRequest(key: key).encoded(), isRead: false, timeout) {
            bytes throws(RPCStatus) in try DeleteResult(decoding: bytes)
        }
    }

    /// Sets a key if it is what it is expected to be.
    public func compareAndSwap(
        _ key: [UInt8], expecting expectation: KeyExpectation, _ value: [UInt8], timeout: Duration? = nil
    ) async throws(RaftClientError) -> SwapResult {
        let request = CompareAndSwapRequest(key: key, expectation: expectation, value: value)
        return try await call(ClientMethods.compareAndSwap, request.encoded(), isRead: false, timeout) {
            bytes throws(RPCStatus) in try SwapResult(decoding: bytes)
        }
    }

    /// Reads a key; nil when it is absent.
    public func get(
        _ key: [UInt8], _ consistency: Consistency = .linearizable, timeout: Duration? = nil
    ) async throws(RaftClientError) -> KeyValue? {
        let request = GetRequest(key: key, consistency: consistency)
        let response = try await call(
            ClientMethods.get, request.encoded(), isRead: true, needsLeader: consistency.needsLeader, timeout
        ) {
            bytes throws(RPCStatus) in try GetResponse(decoding: bytes)
        }
        return response.found.map { KeyValue(key: key, value: $0.value, revision: $0.revision) }
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
            ClientMethods.range, request.encoded(), isRead: true, needsLeader: consistency.needsLeader, timeout
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

    /// Asks one node, once.
    private func ask<Response>(
        _ endpoint: String, _ method: Method, _ request: [UInt8], _ timeout: Duration?,
        decode: (_ bytes: [UInt8]) throws(RPCStatus) -> Response
    ) async throws(RaftClientError) -> Response {
        let deadline = clock.now + (timeout ?? options.timeout)
        do throws(RPCStatus) {
            let channel = try await pool.channel(
                to: endpoint, purpose: method.purpose, timeout: min(timeout ?? options.timeout, options.connectTimeout))
            let left = max(deadline - clock.now, .milliseconds(1))
            return try decode(try await channel.call(method, request, timeout: left))
        } catch {
            let isRefused = error.code == .permissionDenied || error.code == .unauthenticated
            throw RaftClientError(isRefused ? .notAuthorized : .unavailable, error.message(from: endpoint))
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

    // MARK: Attempts

    private func call<Response>(
        _ method: Method, _ request: [UInt8], isRead: Bool, needsLeader: Bool = true, _ timeout: Duration?,
        decode: (_ bytes: [UInt8]) throws(RPCStatus) -> Response
    ) async throws(RaftClientError) -> Response {
        let timeout = timeout ?? options.timeout
        let deadline = clock.now + timeout
        var route = Route(endpoints: endpoints, first: needsLeader ? leader.withLock { $0 } : nil)
        var pause = options.minimumPause
        var problem = "no node was asked"
        while true {
            guard deadline > clock.now else {
                throw RaftClientError(
                    .unavailable, "no node served the call within \(timeout); the last one asked said: \(problem)")
            }
            let endpoint = route.endpoint
            let status: RPCStatus
            do throws(RPCStatus) {
                let bytes = try await attempt(method, request, isRead: isRead, at: endpoint, deadline)
                if needsLeader { leader.withLock { $0 = endpoint } }
                do throws(RPCStatus) { return try decode(bytes) } catch {
                    // The answer came, so the call was made: not the caller's fault, whatever the code says.
                    throw RPCStatus(.internal, "the answer cannot be read: \(error.message)")
                }
            } catch {
                status = error
            }
            leader.withLock { if $0 == endpoint { $0 = nil } }
            problem = status.message(from: endpoint)
            let mayGoOn: Bool
            switch CallPolicy.judge(status, isRead: isRead, endpoint: endpoint) {
            case .give(up: let error): throw error
            case .follow(let address): mayGoOn = route.follow(address)
            case .elsewhere: mayGoOn = route.turn(isRefused: status.code == .unauthenticated)
            case .later: mayGoOn = false
            }
            if route.isRefusedEverywhere { throw RaftClientError(.notAuthorized, problem) }
            if mayGoOn { continue }
            let jittered = min(pause * (0.5 + random() / 2), max(deadline - clock.now, .zero))
            pause = min(pause * 2, options.maximumPause)
            do { try await clock.pause(jittered) } catch {
                throw RaftClientError(.cancelled, "cancelled; the last node asked said: \(problem)")
            }
        }
    }

    private func attempt(
        _ method: Method, _ request: [UInt8], isRead: Bool, at endpoint: String, _ deadline: Duration
    ) async throws(RPCStatus) -> [UInt8] {
        let channel = try await pool.channel(
            to: endpoint, purpose: method.purpose, timeout: min(options.connectTimeout, deadline - clock.now))
        let left = deadline - clock.now
        guard left > .zero else { throw RPCStatus(.deadlineExceeded, "too late to ask", wasSent: false) }
        return try await channel.call(
            method, request, timeout: isRead ? min(left, options.readAttemptTimeout) : left)
    }
}
