internal import Raft
internal import RaftClient
internal import RaftKeyValue
internal import RaftKeyValueModel
internal import RaftTransport

extension ClientService {
    func transact(_ call: ServerCall) {
        answering(call) { () throws(RPCStatus) in
            let request = try TxnRequest(decoding: call.request)
            let transaction = request.transaction
            try check(transaction)
            guard !transaction.isReadOnly else {
                return read(.linearizable, call) { machine in
                    switch try machine.read(transaction) {
                    case .transaction(let result): return result.encoded()
                    case .refused(let reason): throw RPCStatus(refusing: reason)
                    case let output: throw RaftError(.stateMachine, "the key-value state answered \(output)")
                    }
                }
            }
            propose(.transaction(transaction), Rim(call, request.session, request.forwards)) { output in
                guard case .transaction(let result) = output else { return nil }
                return result.encoded()
            }
        }
    }

    func compact(_ call: ServerCall) {
        answering(call) { () throws(RPCStatus) in
            let request = try CompactRequest(decoding: call.request)
            propose(.compact(through: request.revision), Rim(call, request.session)) { output in
                guard case .compacted(let revision) = output else { return nil }
                return CompactResponse(revision: revision).encoded()
            }
        }
    }

    private func check(_ transaction: KeyValueTransaction) throws(RPCStatus) {
        for (count, what) in [
            (transaction.comparisons.count, "comparisons"), (transaction.then.count, "operations"),
            (transaction.otherwise.count, "operations in its other list"),
        ] where count > maximumTransactionCount {
            throw RPCStatus(
                refusing:
                    "the transaction has \(count) \(what), the limit is \(maximumTransactionCount); make it smaller, or raise --max-txn-operations on every node"
            )
        }
        if let reason = KeyValueLimits.refusal(transaction) { throw RPCStatus(refusing: reason) }
        for list in [transaction.then, transaction.otherwise] {
            for case .put(_, let value, _, _) in list { try check(value: value) }
        }
        var bytes: [UInt8] = []
        transaction.encode(into: &bytes)
        // A few bytes for what is around it in a command.
        let limit = ServerConfiguration.maximumCommandBytes - 1024
        guard bytes.count <= limit else {
            throw RPCStatus(
                refusing: "the transaction has \(bytes.count) bytes, the limit is \(limit); make several of it")
        }
    }
}
