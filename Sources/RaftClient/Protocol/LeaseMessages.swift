internal import CProtobufC
internal import CRaftProtos
package import Raft
package import RaftKeyValueModel
package import RaftTransport

// What Protos/client.proto says about leases.

package struct GrantLeaseRequest: Hashable, Sendable {
    package var milliseconds: UInt64
    /// Which command of a session it is; nil for one of none.
    package var session: SessionRequest?
    /// Whether a node that does not lead passes it on.
    package var forwards: Bool
    package init(milliseconds: UInt64, session: SessionRequest? = nil, forwards: Bool = false) {
        self.milliseconds = milliseconds
        self.session = session
        self.forwards = forwards
    }

    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__GrantLeaseRequest()
        raft__client__v1__grant_lease_request__init(&message)
        message.milliseconds = milliseconds
        message.forward = forwards ? 1 : 0
        return withSession(session) { session in
            message.session = session
            return Protobuf.encode(message)
        }
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(bytes, budget: 4096, unpack: raft__client__v1__grant_lease_request__unpack) {
            GrantLeaseRequest(
                milliseconds: $0.pointee.milliseconds, session: SessionRequest($0.pointee.session),
                forwards: $0.pointee.forward != 0)
        }
    }
}

/// Of keep-alive and of revoke.
package struct LeaseRequest: Hashable, Sendable {
    package var lease: UInt64
    /// Of revoke: which command of a session it is; nil for one of none.
    package var session: SessionRequest?
    /// Of revoke: whether a node that does not lead passes it on.
    package var forwards: Bool
    package init(lease: UInt64, session: SessionRequest? = nil, forwards: Bool = false) {
        self.lease = lease
        self.session = session
        self.forwards = forwards
    }

    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__LeaseRequest()
        raft__client__v1__lease_request__init(&message)
        message.lease = lease
        message.forward = forwards ? 1 : 0
        return withSession(session) { session in
            message.session = session
            return Protobuf.encode(message)
        }
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(bytes, budget: 4096, unpack: raft__client__v1__lease_request__unpack) {
            LeaseRequest(
                lease: $0.pointee.lease, session: SessionRequest($0.pointee.session),
                forwards: $0.pointee.forward != 0)
        }
    }
}

package struct LeaseResponse: Hashable, Sendable {
    /// Nil when there is no such lease.
    package var lease: UInt64?
    /// How long it lives without being kept alive.
    package var milliseconds: UInt64
    /// Of revoke: how many keys went with it.
    package var keyCount: UInt64
    package init(lease: UInt64?, milliseconds: UInt64 = 0, keyCount: UInt64 = 0) {
        self.lease = lease
        self.milliseconds = milliseconds
        self.keyCount = keyCount
    }

    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__LeaseResponse()
        raft__client__v1__lease_response__init(&message)
        message.lease = lease ?? 0
        message.milliseconds = milliseconds
        message.key_count = keyCount
        return Protobuf.encode(message)
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(bytes, budget: 4096, unpack: raft__client__v1__lease_response__unpack) {
            LeaseResponse(
                lease: $0.pointee.lease == 0 ? nil : $0.pointee.lease, milliseconds: $0.pointee.milliseconds,
                keyCount: $0.pointee.key_count)
        }
    }
}

package struct ListLeasesResponse: Hashable, Sendable {
    package var leases: [LeaseSummary]
    package init(leases: [LeaseSummary]) { self.leases = leases }

    package func encoded() -> [UInt8] {
        let arena = ProtobufArena(budget: leases.count * 96 + 1024)
        var message = Raft__Client__V1__ListLeasesResponse()
        raft__client__v1__list_leases_response__init(&message)
        message.n_leases = leases.count
        message.leases = arena.repeated(
            leases.map { lease in
                var field = Raft__Client__V1__LeaseResponse()
                raft__client__v1__lease_response__init(&field)
                field.lease = lease.id
                field.milliseconds = lease.milliseconds
                field.key_count = lease.keyCount
                return field
            })
        return Protobuf.encode(message)
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: ClientMethods.unpackBudget, unpack: raft__client__v1__list_leases_response__unpack
        ) { message in
            let fields = UnsafeBufferPointer(start: message.pointee.leases, count: message.pointee.n_leases)
            return ListLeasesResponse(
                leases: fields.compactMap { field in
                    field.map {
                        LeaseSummary(
                            id: $0.pointee.lease, milliseconds: $0.pointee.milliseconds, keyCount: $0.pointee.key_count)
                    }
                })
        }
    }
}
