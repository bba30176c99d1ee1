internal import Raft
internal import RaftTransport

/// What to do about one failed attempt of a call. Pure.
///
/// The rule behind it: a call is made again only if it certainly had no effect, or if having it twice is no harm
/// because it only reads, or because a session sees to it that it has it once.
enum CallPolicy {
    enum Decision: Hashable {
        /// Ask the leader, here.
        case follow(String)
        /// Ask another node.
        case elsewhere
        /// Ask the same node, later.
        case later
        case give(up: RaftClientError)
    }

    /// - Parameters:
    ///   - isRead: the call changes nothing.
    ///   - isOnce: the call is a command of a session: made again, it is applied once.
    ///   - endpoint: who was asked, for the message.
    static func judge(_ status: RPCStatus, isRead: Bool, isOnce: Bool = false, endpoint: String) -> Decision {
        let text = status.message(from: endpoint)
        let detail = status.detail
        let mayHaveHappened = !isRead && !isOnce && self.mayHaveHappened(status)

        switch status.code {
        case .permissionDenied:
            return .give(up: RaftClientError(.notAuthorized, text))
        case .unauthenticated where !mayHaveHappened:
            return .elsewhere
        case .cancelled where !mayHaveHappened && (isOnce || !status.wasSent):
            return .give(up: RaftClientError(.cancelled, text))
        default: break
        }
        if mayHaveHappened {
            return .give(
                up: RaftClientError(
                    .outcomeUnknown, "\(text); the write may have been applied, or may be yet: look before repeating it"
                ))
        }
        switch detail?.code {
        case "notLeader", "tooStale":
            if let address = detail?.leader?.address, address != endpoint { return .follow(address) }
            return .elsewhere
        case "compacted": return .give(up: RaftClientError(.compacted, text))
        case "sessionExpired": return .give(up: RaftClientError(.sessionExpired, text))
        case "replyDropped": return .give(up: RaftClientError(.outcomeUnknown, text))
        case "overloaded", "outOfSpace", "changeInProgress", "notCommittedInTerm", "transferInProgress": return .later
        // What the leader says of the members is so everywhere, and nobody else can send its snapshots.
        case "notInProgress", "membershipChanged", "notALearner", "notAVoter", "emptyMembership", "learnerLags",
            "snapshotFailed", "alreadyLeader", "mayNotLead", "targetLags", "targetSilent", "noSuccessor",
            "transferTimedOut", "transferFailed":
            return .give(up: RaftClientError(.refused, text))
        default: break
        }
        switch status.code {
        case .invalidArgument, .outOfRange, .unimplemented, .alreadyExists, .notFound:
            return .give(up: RaftClientError(.refused, text))
        case .resourceExhausted: return .later
        default: return .elsewhere
        }
    }

    /// Whether this attempt of a call that changes something may have had an effect, or may have one yet.
    static func mayHaveHappened(_ status: RPCStatus) -> Bool {
        status.wasSent && status.detail?.code != "sessionExpired" && !certainlyNothing(status, status.detail)
    }

    /// Whether the server itself says that the call had, and will have, no effect.
    private static func certainlyNothing(_ status: RPCStatus, _ detail: ErrorDetail?) -> Bool {
        if let detail { return detail.outcome == .nothingHappened }
        // Without a detail the answer is the transport's, not the node's: these it gives before it calls the handler.
        switch status.code {
        case .permissionDenied, .unauthenticated, .unimplemented, .invalidArgument, .resourceExhausted: return true
        default: return false
        }
    }
}

extension RPCStatus {
    /// The message with the node that it is about, which the transport has named already when it could not connect.
    func message(from endpoint: String) -> String {
        message.hasPrefix("\(endpoint): ") ? message : "\(endpoint): \(message)"
    }
}
