internal import CProtobufC
internal import CRaftProtos
package import Raft
package import RaftTransport

/// What a refused call tells beside its status: what became of it, and whom to ask instead.
package struct ErrorDetail: Hashable, Sendable {
    /// The name of a ``RaftError/Code``.
    package var code: String
    package var outcome: RaftError.Outcome
    package var leader: LeaderHint?

    package init(code: String, outcome: RaftError.Outcome, leader: LeaderHint?) {
        self.code = code
        self.outcome = outcome
        self.leader = leader
    }

    package func encoded() -> [UInt8] {
        let arena = ProtobufArena(budget: 4096)
        var message = Raft__Client__V1__ErrorDetail()
        raft__client__v1__error_detail__init(&message)
        message.code = arena.string(code)
        message.outcome =
            outcome == .unknown
            ? RAFT__CLIENT__V1__OUTCOME__OUTCOME_UNKNOWN : RAFT__CLIENT__V1__OUTCOME__NOTHING_HAPPENED
        message.leader_id = leader?.id.rawValue ?? 0
        // An address out of a configuration has at most 1024 bytes.
        message.leader_address = arena.string(leader?.address ?? "")
        return Protobuf.encode(message)
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(bytes, budget: 16_384, unpack: raft__client__v1__error_detail__unpack) { message in
            let address = Protobuf.string(message.pointee.leader_address)
            let id = message.pointee.leader_id
            return ErrorDetail(
                code: Protobuf.string(message.pointee.code),
                // What is not known to have done nothing may have done something.
                outcome: message.pointee.outcome == RAFT__CLIENT__V1__OUTCOME__NOTHING_HAPPENED
                    ? .nothingHappened : .unknown,
                leader: id == 0 ? nil : LeaderHint(id: NodeID(id), address: address.isEmpty ? nil : address))
        }
    }
}

extension RPCStatus {
    /// A node's refusal, as it travels.
    package init(_ error: RaftError) {
        let code: Code =
            switch error.code {
            case .notLeader, .tooStale: .failedPrecondition
            case .overloaded, .outOfSpace: .resourceExhausted
            case .deadlineExceeded: .deadlineExceeded
            case .cancelled: .cancelled
            case .stopped: .unavailable
            case .outcomeUnknown: .unknown
            case .notAuthorized: .permissionDenied
            case .tooLarge, .invalidConfiguration: .invalidArgument
            case .alreadyInitialized: .alreadyExists
            case .changeInProgress, .notCommittedInTerm, .notInProgress, .membershipChanged, .notALearner, .notAVoter,
                .emptyMembership, .learnerLags, .snapshotFailed, .alreadyLeader, .mayNotLead, .transferInProgress,
                .targetLags, .targetSilent, .noSuccessor, .transferTimedOut, .transferFailed, .sessionExpired,
                .replyDropped:
                .failedPrecondition
            case .unknownNode: .notFound
            case .changeRedirected: .aborted
            case .corrupt: .dataLoss
            default: .internal
            }
        let detail = ErrorDetail(code: error.code.description, outcome: error.outcome, leader: error.leader)
        self.init(code, error.message, details: detail.encoded())
    }

    /// What a server says that refused the call before it looked at the state. Nothing happened.
    package init(refusing reason: String) {
        let detail = ErrorDetail(code: "refused", outcome: .nothingHappened, leader: nil)
        self.init(.invalidArgument, reason, details: detail.encoded())
    }

    /// Changes were asked for that are not kept any more.
    package init(compacted reason: String) {
        let detail = ErrorDetail(code: "compacted", outcome: .nothingHappened, leader: nil)
        self.init(.outOfRange, reason, details: detail.encoded())
    }

    /// The detail that a node sent along, or nil: it has none, or it cannot be read.
    package var detail: ErrorDetail? { details.isEmpty ? nil : try? ErrorDetail(decoding: details) }
}
