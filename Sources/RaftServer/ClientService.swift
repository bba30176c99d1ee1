internal import Raft
internal import RaftClient
internal import RaftKeyValue
internal import RaftKeyValueModel
internal import RaftTransport

/// The methods of Protos/client.proto: each maps one call to one method of the node, without a task.
struct ClientService: Sendable {
    let node: RaftNode<KeyValueMachine>
    let maximumValueBytes: Int
    /// The most comparisons, and the most operations in each list of a transaction.
    let maximumTransactionCount: Int
    let watches: WatchHub
    let leases: LeaseKeeper

    /// How long a read waits whose caller names no time.
    static let longestRead = Duration.seconds(60)

    var table: ServiceTable {
        var table = ServiceTable()
        table.register(ClientMethods.put) { put($0) }
        table.register(ClientMethods.delete) { delete($0) }
        table.register(ClientMethods.compareAndSwap) { compareAndSwap($0) }
        table.register(ClientMethods.get) { get($0) }
        table.register(ClientMethods.range) { range($0) }
        table.register(ClientMethods.txn) { transact($0) }
        table.register(ClientMethods.compact) { compact($0) }
        watches.offer(&table)
        offerLeases(&table)
        offerSessions(&table)
        return table
    }

    // MARK: Writes

    private func put(_ call: ServerCall) {
        answering(call) { () throws(RPCStatus) in
            let request = try PutRequest(decoding: call.request)
            try check(key: request.key, value: request.value)
            let rim = Rim(call, request.session, request.forwards)
            propose(.put(key: request.key, value: request.value), rim) { output in
                guard case .done(let revision, let previous) = output else { return nil }
                return PutResult(revision: revision, previousRevision: previous).encoded()
            }
        }
    }

    private func delete(_ call: ServerCall) {
        answering(call) { () throws(RPCStatus) in
            let request = try DeleteRequest(decoding: call.request)
            try check(key: request.key)
            let rim = Rim(call, request.session, request.forwards)
            propose(.delete(key: request.key), rim) { output in
                switch output {
                case .done(let revision, let previous):
                    DeleteResult(revision: revision, previousRevision: previous).encoded()
                case .unchanged(let current): DeleteResult(revision: nil, previousRevision: current).encoded()
                case .refused, .transaction, .compacted, .granted, .revoked: nil
                }
            }
        }
    }

    private func compareAndSwap(_ call: ServerCall) {
        answering(call) { () throws(RPCStatus) in
            let request = try CompareAndSwapRequest(decoding: call.request)
            try check(key: request.key, value: request.value)
            let expectation: KeyValueCommand.Expectation =
                switch request.expectation {
                case .value(let value): .value(value)
                case .revision(let revision): .revision(revision)
                case .absent: .absent
                }
            if case .value(let expected) = request.expectation {
                // Both travel in one command.
                let (count, limit) = (
                    expected.count + request.value.count, ServerConfiguration.maximumPairBytes
                )
                guard count <= limit else {
                    throw RPCStatus(
                        refusing:
                            "the expected and the new value have \(count) bytes together, the limit is \(limit); compare the revision instead"
                    )
                }
            }
            let command = KeyValueCommand.compareAndSwap(
                key: request.key, expectation: expectation, value: request.value)
            let rim = Rim(call, request.session, request.forwards)
            propose(command, rim) { output in
                switch output {
                case .done(let revision, let previous):
                    SwapResult(revision: revision, previousRevision: previous).encoded()
                case .unchanged(let current): SwapResult(revision: nil, previousRevision: current).encoded()
                case .refused, .transaction, .compacted, .granted, .revoked: nil
                }
            }
        }
    }

    /// A write as it came: who asked what, and how it may be made.
    struct Rim: Sendable {
        let call: ServerCall
        let session: SessionRequest?
        let forwarding: Forwarding

        init(_ call: ServerCall, _ session: SessionRequest?, _ forwards: Bool = false) {
            self.call = call
            self.session = session
            forwarding =
                forwards
                ? .toLeader(for: ForwardedCaller(identity: call.principal.uri, method: call.method.name)) : .never
        }

        /// What of its time is left. Without any it waits as long as a leader leads; passed on, as long as a read does.
        var timeout: Duration? { call.timeout ?? (forwarding == .never ? nil : ClientService.longestRead) }
    }

    /// - Parameter encode: the answer's bytes; nil for an output that this command does not have.
    func propose(
        _ command: KeyValueCommand, _ rim: Rim, encode: @escaping @Sendable (KeyValueOutput) -> [UInt8]?
    ) {
        let call = rim.call
        let settle = { @Sendable (result: Result<KeyValueOutput, RaftError>) in
            switch result {
            case .failure(let error): call.fail(RPCStatus(error))
            case .success(.refused(let reason)): call.fail(RPCStatus(refusing: reason))
            case .success(let output):
                guard let bytes = encode(output) else {
                    return call.fail(RPCStatus(.internal, "the key-value state answered \(output)"))
                }
                call.respond(bytes)
            }
        }
        if let session = rim.session {
            node.propose(
                command, in: session, forwarding: rim.forwarding, within: rim.timeout, completion: settle)
        } else {
            node.propose(command, forwarding: rim.forwarding, within: rim.timeout, completion: settle)
        }
    }

    // MARK: Reads

    private func get(_ call: ServerCall) {
        answering(call) { () throws(RPCStatus) in
            let request = try GetRequest(decoding: call.request)
            try check(key: request.key)
            read(request.consistency, call) { machine in
                GetResponse(found: try machine.get(request.key)).encoded()
            }
        }
    }

    private func range(_ call: ServerCall) {
        answering(call) { () throws(RPCStatus) in
            let request = try RangeRequest(decoding: call.request)
            let most = KeyValueLimits.maximumRangeCount
            let limit = request.limit == 0 ? most : min(Int(request.limit), most)
            read(request.consistency, call) { machine in
                try machine.range(KeyRange(from: request.from, upTo: request.upTo), limit: limit).encoded()
            }
        }
    }

    func read(
        _ consistency: Consistency, _ call: ServerCall,
        _ body: @escaping @Sendable (borrowing KeyValueMachine) throws -> [UInt8]
    ) {
        let promise: ReadConsistency =
            switch consistency {
            case .linearizable: .linearizable
            case .lease: .lease
            case .noOlderThan(let age): .noOlderThan(age)
            case .atLeast(let revision): .atLeast(LogIndex(revision))
            case .local: .local
            }
        // Whoever waits no more must not be waited for.
        node.look(promise, timeout: call.timeout ?? Self.longestRead) { machine in
            do { call.respond(try body(machine)) } catch {
                call.fail(error as? RPCStatus ?? RPCStatus(RaftError(error, or: .stateMachine)))
            }
        } failure: { error in
            call.fail(RPCStatus(error))
        }
    }

    // MARK: The rim

    /// Runs `body`; a request that it refuses is answered at once.
    func answering(_ call: ServerCall, _ body: () throws(RPCStatus) -> Void) {
        do throws(RPCStatus) { try body() } catch { call.fail(error) }
    }

    private func check(key: [UInt8], value: [UInt8] = []) throws(RPCStatus) {
        if let reason = KeyValueLimits.refusal(key: key) { throw RPCStatus(refusing: reason) }
        try check(value: value)
    }

    func check(value: [UInt8]) throws(RPCStatus) {
        guard value.count <= maximumValueBytes else {
            throw RPCStatus(
                refusing:
                    "the value has \(value.count) bytes, the limit is \(maximumValueBytes); store less, or raise --max-value-bytes on every node"
            )
        }
    }
}
