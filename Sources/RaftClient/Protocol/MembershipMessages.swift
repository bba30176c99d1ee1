internal import CProtobufC
internal import CRaftProtos
package import Raft
package import RaftTransport

/// `raft.admin.v1.ChangeMembershipRequest`.
package struct ChangeMembershipRequest: Hashable, Sendable {
    package var request: MembershipRequest
    /// Of an added learner: answer once it has caught up.
    package var waiting: Bool
    /// Only if the members are still those of this entry.
    package var seen: LogID?

    package init(_ request: MembershipRequest, waiting: Bool = false, ifUnchangedSince seen: LogID? = nil) {
        self.request = request
        self.waiting = waiting
        self.seen = seen
    }

    package func encoded() -> [UInt8] {
        let addressBytes =
            switch request {
            case .add(_, let address, _), .changeAddress(_, let address): address.utf8.count
            case .promote, .promoteWhenReady, .prefer, .demote, .remove, .replaceVoters, .redirect, .allowLeases: 0
            }
        let arena = ProtobufArena(budget: addressBytes + 1024)
        var message = Raft__Admin__V1__ChangeMembershipRequest()
        raft__admin__v1__change_membership_request__init(&message)
        message.seen_term = seen?.term.rawValue ?? 0
        message.seen_index = seen?.index.rawValue ?? 0
        switch request {
        case .promoteWhenReady(let id, let isWanted):
            var field = Raft__Admin__V1__PromoteWhenReady()
            raft__admin__v1__promote_when_ready__init(&field)
            field.id = id.rawValue
            field.wanted = isWanted ? 1 : 0
            message.change_case = RAFT__ADMIN__V1__CHANGE_MEMBERSHIP_REQUEST__CHANGE_PROMOTE_WHEN_READY
            return withUnsafeMutablePointer(to: &field) {
                message.promote_when_ready = $0
                return Protobuf.encode(message)
            }
        case .prefer(let id, let preference):
            var field = Raft__Admin__V1__Prefer()
            raft__admin__v1__prefer__init(&field)
            field.id = id.rawValue
            field.preference = preference.message
            message.change_case = RAFT__ADMIN__V1__CHANGE_MEMBERSHIP_REQUEST__CHANGE_PREFER
            return withUnsafeMutablePointer(to: &field) {
                message.prefer = $0
                return Protobuf.encode(message)
            }
        case .add(let id, let address, let isPromoted):
            var field = Raft__Admin__V1__AddMember()
            raft__admin__v1__add_member__init(&field)
            field.id = id.rawValue
            field.address = arena.string(address)
            field.wait = waiting ? 1 : 0
            field.promoted_when_ready = isPromoted == true ? 1 : 0
            field.has_promotion = isPromoted == nil ? 0 : 1
            message.change_case = RAFT__ADMIN__V1__CHANGE_MEMBERSHIP_REQUEST__CHANGE_ADD
            return withUnsafeMutablePointer(to: &field) {
                message.add = $0
                return Protobuf.encode(message)
            }
        case .promote(let id):
            message.change_case = RAFT__ADMIN__V1__CHANGE_MEMBERSHIP_REQUEST__CHANGE_PROMOTE
            message.promote = id.rawValue
            return Protobuf.encode(message)
        case .demote(let id):
            message.change_case = RAFT__ADMIN__V1__CHANGE_MEMBERSHIP_REQUEST__CHANGE_DEMOTE
            message.demote = id.rawValue
            return Protobuf.encode(message)
        case .remove(let id):
            message.change_case = RAFT__ADMIN__V1__CHANGE_MEMBERSHIP_REQUEST__CHANGE_REMOVE
            message.remove = id.rawValue
            return Protobuf.encode(message)
        case .replaceVoters(let voters, let keepingOthers):
            var field = Raft__Admin__V1__ReplaceVoters()
            raft__admin__v1__replace_voters__init(&field)
            field.keep_others = keepingOthers ? 1 : 0
            var ids = voters.map(\.rawValue)
            return ids.withUnsafeMutableBufferPointer { ids in
                field.n_voters = ids.count
                field.voters = ids.baseAddress
                return withUnsafeMutablePointer(to: &field) {
                    message.change_case = RAFT__ADMIN__V1__CHANGE_MEMBERSHIP_REQUEST__CHANGE_REPLACE
                    message.replace = $0
                    return Protobuf.encode(message)
                }
            }
        case .changeAddress(let id, let address):
            var field = Raft__Admin__V1__MoveMember()
            raft__admin__v1__move_member__init(&field)
            field.id = id.rawValue
            field.address = arena.string(address)
            message.change_case = RAFT__ADMIN__V1__CHANGE_MEMBERSHIP_REQUEST__CHANGE_MOVE
            return withUnsafeMutablePointer(to: &field) {
                message.move = $0
                return Protobuf.encode(message)
            }
        case .allowLeases(let window):
            message.change_case = RAFT__ADMIN__V1__CHANGE_MEMBERSHIP_REQUEST__CHANGE_LEASE_WINDOW
            message.lease_window = window.map(wireNanoseconds) ?? 0
            return Protobuf.encode(message)
        case .redirect(let voters):
            var field = Raft__Admin__V1__VoterList()
            raft__admin__v1__voter_list__init(&field)
            var ids = voters.map(\.rawValue)
            return ids.withUnsafeMutableBufferPointer { ids in
                field.n_voters = ids.count
                field.voters = ids.baseAddress
                return withUnsafeMutablePointer(to: &field) {
                    message.change_case = RAFT__ADMIN__V1__CHANGE_MEMBERSHIP_REQUEST__CHANGE_REDIRECT
                    message.redirect = $0
                    return Protobuf.encode(message)
                }
            }
        }
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: 65_536, unpack: raft__admin__v1__change_membership_request__unpack
        ) { pointer throws(RPCStatus) in
            let message = pointer.pointee
            func ids(_ start: UnsafePointer<UInt64>?, _ count: Int) -> [NodeID] {
                UnsafeBufferPointer(start: start, count: count).map { NodeID($0) }
            }
            var waiting = false
            let request: MembershipRequest
            switch message.change_case {
            case RAFT__ADMIN__V1__CHANGE_MEMBERSHIP_REQUEST__CHANGE_ADD:
                let field = message.add.pointee
                waiting = field.wait != 0
                request = .add(
                    NodeID(field.id), address: Protobuf.string(field.address),
                    promotedWhenReady: field.has_promotion == 0 ? nil : field.promoted_when_ready != 0)
            case RAFT__ADMIN__V1__CHANGE_MEMBERSHIP_REQUEST__CHANGE_PROMOTE_WHEN_READY:
                let field = message.promote_when_ready.pointee
                request = .promoteWhenReady(NodeID(field.id), field.wanted != 0)
            case RAFT__ADMIN__V1__CHANGE_MEMBERSHIP_REQUEST__CHANGE_PREFER:
                let field = message.prefer.pointee
                guard let preference = LeadershipPreference(message: field.preference) else {
                    throw RPCStatus(
                        .invalidArgument, "preference \(field.preference.rawValue) is none that this node knows")
                }
                request = .prefer(NodeID(field.id), preference)
            case RAFT__ADMIN__V1__CHANGE_MEMBERSHIP_REQUEST__CHANGE_PROMOTE: request = .promote(NodeID(message.promote))
            case RAFT__ADMIN__V1__CHANGE_MEMBERSHIP_REQUEST__CHANGE_DEMOTE: request = .demote(NodeID(message.demote))
            case RAFT__ADMIN__V1__CHANGE_MEMBERSHIP_REQUEST__CHANGE_REMOVE: request = .remove(NodeID(message.remove))
            case RAFT__ADMIN__V1__CHANGE_MEMBERSHIP_REQUEST__CHANGE_REPLACE:
                let field = message.replace.pointee
                request = .replaceVoters(ids(field.voters, field.n_voters), keepingOthers: field.keep_others != 0)
            case RAFT__ADMIN__V1__CHANGE_MEMBERSHIP_REQUEST__CHANGE_MOVE:
                request = .changeAddress(
                    NodeID(message.move.pointee.id), to: Protobuf.string(message.move.pointee.address))
            case RAFT__ADMIN__V1__CHANGE_MEMBERSHIP_REQUEST__CHANGE_LEASE_WINDOW:
                request = .allowLeases(
                    message.lease_window == 0 ? nil : duration(wireNanoseconds: message.lease_window))
            case RAFT__ADMIN__V1__CHANGE_MEMBERSHIP_REQUEST__CHANGE_REDIRECT:
                let field = message.redirect.pointee
                request = .redirect(to: ids(field.voters, field.n_voters))
            default: throw RPCStatus(.invalidArgument, "the request names no change")
            }
            return ChangeMembershipRequest(
                request, waiting: waiting,
                ifUnchangedSince: message.seen_index == 0
                    ? nil : LogID(term: Term(message.seen_term), index: LogIndex(message.seen_index)))
        }
    }
}

/// `raft.admin.v1.ChangeMembershipResponse`: it is committed.
package struct ChangeMembershipResponse: Hashable, Sendable {
    package init() {}
    package func encoded() -> [UInt8] { [] }
    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: 4096, unpack: raft__admin__v1__change_membership_response__unpack
        ) { _ in ChangeMembershipResponse() }
    }
}

/// At least 1 for what is above zero: 0 means none on the wire.
func wireNanoseconds(_ duration: Duration) -> UInt64 {
    let (seconds, attoseconds) = duration.components
    guard duration > .zero else { return 1 }
    let (whole, overflows) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    return overflows ? .max : max(whole.addingReportingOverflow(UInt64(attoseconds / 1_000_000_000)).partialValue, 1)
}

func duration(wireNanoseconds: UInt64) -> Duration { .nanoseconds(Int64(clamping: wireNanoseconds)) }
