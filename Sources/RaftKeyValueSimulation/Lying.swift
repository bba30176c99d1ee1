internal import Raft
internal import RaftClient
internal import RaftKeyValueModel
internal import RaftTransport

/// Tells clients something else than nodes say, in a run that is to show that it is noticed.
enum Lying {
    /// What a stream tells.
    struct Stream {
        private var beginsInPast = false
        private var hasAsked = false
        private var count = 0
        private var held: [UInt8]?

        /// A message on its way to the node.
        ///
        /// - Parameter compacted: through which revision the node's history is gone.
        mutating func asked(_ message: [UInt8], _ lie: Lie?, compacted: UInt64) -> [UInt8] {
            guard lie != nil, !hasAsked, var request = try? WatchRequest(decoding: message) else { return message }
            hasAsked = true
            beginsInPast = request.position != nil
            guard lie == .servesCompacted, let position = request.position else { return message }
            request.position = max(position, ChangePosition(revision: compacted))
            return request.encoded()
        }

        /// What goes on to the client when the node has sent this.
        mutating func messages(_ message: [UInt8], _ lie: Lie?) -> [[UInt8]] {
            guard let lie, var response = try? WatchResponse(decoding: message) else { return [message] }
            count += 1
            let hasChanges = !response.changes.isEmpty
            switch lie {
            case .skipsFirstChange:
                guard beginsInPast, hasChanges, let all = try? KeyChange.all(decoding: response.changes[...]) else {
                    return [message]
                }
                beginsInPast = false
                response.changes = []
                for change in all.dropFirst() { change.encode(into: &response.changes) }
                return [response.encoded()]
            case .losesMessage: return count % 5 == 0 && hasChanges ? [] : [message]
            case .swapsMessages:
                if let first = held {
                    held = nil
                    return [message, first]
                }
                guard count % 4 == 0, hasChanges else { return [message] }
                held = message
                return []
            case .silencesWatch: return count > 3 ? [] : [message]
            case .neverBeginsWatch: return beginsInPast ? [message] : []
            case .losesProgress: return count > 1 && !hasChanges ? [] : [message]
            default: return [message]
            }
        }
    }

    /// What a call is told.
    ///
    /// - Parameter last: what the read before it was told; of any key, for as long as it is the same one.
    static func answer(
        _ answer: Result<[UInt8], RPCStatus>, to method: Method, _ request: [UInt8], _ lie: Lie?,
        last: inout (request: [UInt8], answer: [UInt8])?
    ) -> Result<[UInt8], RPCStatus> {
        switch lie {
        case .keepsLeasesByItself where method == ClientMethods.keepLease:
            guard case .failure = answer, let asked = try? LeaseRequest(decoding: request) else { return answer }
            return .success(LeaseResponse(lease: asked.lease, milliseconds: 1000).encoded())
        case .readsOldAnswer where method == ClientMethods.get:
            guard case .success(let bytes) = answer else { return answer }
            defer { last = (request, bytes) }
            if let last, last.request == request { return .success(last.answer) }
            return answer
        case .deniesWrites where method == ClientMethods.put:
            guard case .success(let bytes) = answer, bytes.hashed % 8 == 0 else { return answer }
            return .failure(RPCStatus(RaftError(.notLeader, "not the leader")))
        default: return answer
        }
    }
}

extension [UInt8] {
    /// The same in every process.
    fileprivate var hashed: UInt64 { reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 } }
}
