internal import CProtobufC
internal import CRaftProtos
package import Raft
package import RaftTransport

extension LeadershipPreference {
    var message: Raft__Admin__V1__LeadershipPreference {
        switch self {
        case .ordinary: RAFT__ADMIN__V1__LEADERSHIP_PREFERENCE__ORDINARY
        case .preferred: RAFT__ADMIN__V1__LEADERSHIP_PREFERENCE__PREFERRED
        case .never: RAFT__ADMIN__V1__LEADERSHIP_PREFERENCE__NEVER
        }
    }

    init?(message: Raft__Admin__V1__LeadershipPreference) {
        switch message {
        case RAFT__ADMIN__V1__LEADERSHIP_PREFERENCE__ORDINARY: self = .ordinary
        case RAFT__ADMIN__V1__LEADERSHIP_PREFERENCE__PREFERRED: self = .preferred
        case RAFT__ADMIN__V1__LEADERSHIP_PREFERENCE__NEVER: self = .never
        default: return nil
        }
    }
}

/// `raft.admin.v1.TransferLeadershipRequest`.
package struct TransferLeadershipRequest: Hashable, Sendable {
    /// Nil for the fittest voter.
    package var target: NodeID?
    package init(target: NodeID?) { self.target = target }

    package func encoded() -> [UInt8] {
        var message = Raft__Admin__V1__TransferLeadershipRequest()
        raft__admin__v1__transfer_leadership_request__init(&message)
        message.target = target?.rawValue ?? 0
        return Protobuf.encode(message)
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: 4096, unpack: raft__admin__v1__transfer_leadership_request__unpack
        ) { TransferLeadershipRequest(target: $0.pointee.target == 0 ? nil : NodeID($0.pointee.target)) }
    }
}

/// `raft.admin.v1.TransferLeadershipResponse`: the node that was asked no longer leads.
package struct TransferLeadershipResponse: Hashable, Sendable {
    package init() {}
    package func encoded() -> [UInt8] { [] }
    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: 4096, unpack: raft__admin__v1__transfer_leadership_response__unpack
        ) { _ in TransferLeadershipResponse() }
    }
}
