internal import CProtobufC
internal import CRaftProtos
internal import Raft
package import RaftTransport

/// `raft.admin.v1.StatusRequest`: asks for everything, so it says nothing.
package struct StatusRequest: Hashable, Sendable {
    package init() {}
    package func encoded() -> [UInt8] { [] }
    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(bytes, budget: 4096, unpack: raft__admin__v1__status_request__unpack) { _ in
            StatusRequest()
        }
    }
}

extension MemberStatus {
    package func encoded() -> [UInt8] {
        let addresses = members.reduce(0) { $0 + $1.address.utf8.count + 160 }
        let texts = (stopReason?.utf8.count ?? 0) + (logShortage?.utf8.count ?? 0) + (certificates?.byteCount ?? 0)
        let arena = ProtobufArena(budget: addresses + peers.count * 160 + 16_384 + texts)
        var message = Raft__Admin__V1__StatusResponse()
        raft__admin__v1__status_response__init(&message)
        message.id = id.rawValue
        message.cluster = arena.string(cluster)
        message.role = arena.string(role)
        message.term = term.rawValue
        message.leader_id = leader?.id.rawValue ?? 0
        message.leader_address = arena.string(leader?.address ?? "")
        message.last_term = last.term.rawValue
        message.last_index = last.index.rawValue
        message.commit_index = commit.rawValue
        message.applied_index = applied.rawValue
        message.snapshot_index = snapshot.rawValue
        message.stop_reason = arena.string(stopReason ?? "")
        message.log_shortage = arena.string(logShortage ?? "")
        message.configuration_term = configuration.term.rawValue
        message.configuration_index = configuration.index.rawValue
        message.is_joint = isJoint ? 1 : 0
        message.is_removed = isRemoved ? 1 : 0
        message.failure_tolerance = Int32(clamping: failureTolerance ?? 0)
        message.has_failure_tolerance = failureTolerance == nil ? 0 : 1
        message.transfer_target = transfer?.target.rawValue ?? 0
        message.transfer_is_told = transfer?.isTold == true ? 1 : 0
        message.transfer_lag = transfer?.lag ?? 0
        message.n_members = members.count
        message.members = arena.repeated(
            members.map { member in
                var field = Raft__Admin__V1__Member()
                raft__admin__v1__member__init(&field)
                field.id = member.id.rawValue
                field.address = arena.string(member.address)
                field.is_voter = member.isVoter ? 1 : 0
                field.incarnation = member.incarnation?.rawValue ?? 0
                field.preference = member.preference.message
                field.promoted_when_ready = member.isPromotedWhenReady ? 1 : 0
                return field
            })
        message.n_peers = peers.count
        message.peers = arena.repeated(
            peers.map { peer in
                var field = Raft__Admin__V1__Peer()
                raft__admin__v1__peer__init(&field)
                field.id = peer.id.rawValue
                field.match_index = peer.matchIndex.rawValue
                field.reachable = peer.isReachable ? 1 : 0
                field.heard_before = peer.heardBefore.milliseconds
                field.is_steady = peer.steadyFor == nil ? 0 : 1
                field.steady_for = (peer.steadyFor ?? .zero).milliseconds
                return field
            })
        guard var field = certificates?.message(arena) else { return Protobuf.encode(message) }
        return withUnsafeMutablePointer(to: &field) { (pointer: UnsafeMutablePointer<Raft__Admin__V1__Certificates>) in
            message.certificates = pointer
            return Protobuf.encode(message)
        }
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(bytes, unpack: raft__admin__v1__status_response__unpack) { pointer in
            let message = pointer.pointee
            let address = Protobuf.string(message.leader_address)
            let reason = Protobuf.string(message.stop_reason)
            let shortage = Protobuf.string(message.log_shortage)
            return MemberStatus(
                id: NodeID(message.id), cluster: Protobuf.string(message.cluster), role: Protobuf.string(message.role),
                term: Term(message.term),
                leader: message.leader_id == 0
                    ? nil : LeaderHint(id: NodeID(message.leader_id), address: address.isEmpty ? nil : address),
                last: LogID(term: Term(message.last_term), index: LogIndex(message.last_index)),
                commit: LogIndex(message.commit_index), applied: LogIndex(message.applied_index),
                snapshot: LogIndex(message.snapshot_index),
                members: UnsafeBufferPointer(start: message.members, count: message.n_members).compactMap { field in
                    field.map {
                        Member(
                            id: NodeID($0.pointee.id), address: Protobuf.string($0.pointee.address),
                            isVoter: $0.pointee.is_voter != 0,
                            incarnation: $0.pointee.incarnation == 0
                                ? nil : Incarnation(rawValue: $0.pointee.incarnation),
                            // What a newer node means by a number that this one does not know is not shown.
                            preference: LeadershipPreference(message: $0.pointee.preference) ?? .ordinary,
                            isPromotedWhenReady: $0.pointee.promoted_when_ready != 0)
                    }
                },
                configuration: LogID(
                    term: Term(message.configuration_term), index: LogIndex(message.configuration_index)),
                isJoint: message.is_joint != 0, isRemoved: message.is_removed != 0,
                peers: UnsafeBufferPointer(start: message.peers, count: message.n_peers).compactMap { field in
                    field.map {
                        Peer(
                            id: NodeID($0.pointee.id), matchIndex: LogIndex($0.pointee.match_index),
                            isReachable: $0.pointee.reachable != 0,
                            heardBefore: .milliseconds($0.pointee.heard_before),
                            steadyFor: $0.pointee.is_steady == 0 ? nil : .milliseconds($0.pointee.steady_for))
                    }
                },
                failureTolerance: message.has_failure_tolerance == 0 ? nil : Int(message.failure_tolerance),
                transfer: message.transfer_target == 0
                    ? nil
                    : Transfer(
                        target: NodeID(message.transfer_target), isTold: message.transfer_is_told != 0,
                        lag: message.transfer_lag),
                logShortage: shortage.isEmpty ? nil : shortage, stopReason: reason.isEmpty ? nil : reason,
                certificates: message.certificates.map { Certificates($0.pointee) })
        }
    }
}

extension Duration {
    /// Whole milliseconds; none below zero.
    fileprivate var milliseconds: UInt64 {
        UInt64(clamping: components.seconds) * 1000 + UInt64(clamping: components.attoseconds / 1_000_000_000_000_000)
    }
}
