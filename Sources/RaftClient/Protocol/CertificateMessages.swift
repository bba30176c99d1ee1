internal import CProtobufC
internal import CRaftProtos
internal import Raft
package import RaftTransport

extension MemberStatus.Certificates {
    init(_ message: Raft__Admin__V1__Certificates) {
        let problem = Protobuf.string(message.problem)
        self.init(
            identity: Protobuf.string(message.identity), notAfter: message.not_after, daysLeft: Int(message.days_left),
            authorityNotAfter: message.authority_not_after,
            listNextUpdate: message.list_next_update == 0 ? nil : message.list_next_update,
            revokedCount: message.revoked_count, reloadCount: message.reload_count,
            failureCount: message.failure_count, droppedCount: message.dropped_count,
            problem: problem.isEmpty ? nil : problem)
    }

    /// What its texts take in an arena.
    var byteCount: Int { identity.utf8.count + (problem?.utf8.count ?? 0) + 64 }

    func message(_ arena: borrowing ProtobufArena) -> Raft__Admin__V1__Certificates {
        var message = Raft__Admin__V1__Certificates()
        raft__admin__v1__certificates__init(&message)
        message.identity = arena.string(identity)
        message.not_after = notAfter
        message.days_left = Int32(clamping: daysLeft)
        message.authority_not_after = authorityNotAfter
        message.list_next_update = listNextUpdate ?? 0
        message.revoked_count = revokedCount
        message.reload_count = reloadCount
        message.failure_count = failureCount
        message.dropped_count = droppedCount
        message.problem = arena.string(problem ?? "")
        return message
    }
}

/// `raft.admin.v1.ReloadCertificatesRequest`: says nothing.
package struct ReloadCertificatesRequest: Hashable, Sendable {
    package init() {}
    package func encoded() -> [UInt8] { [] }
    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: 4096, unpack: raft__admin__v1__reload_certificates_request__unpack
        ) { _ in ReloadCertificatesRequest() }
    }
}

/// `raft.admin.v1.ReloadCertificatesResponse`.
package struct ReloadCertificatesResponse: Hashable, Sendable {
    package var certificates: MemberStatus.Certificates
    package var droppedCount: UInt64

    package init(certificates: MemberStatus.Certificates, droppedCount: UInt64) {
        self.certificates = certificates
        self.droppedCount = droppedCount
    }

    package func encoded() -> [UInt8] {
        let arena = ProtobufArena(budget: 4096 + certificates.byteCount)
        var field = certificates.message(arena)
        return withUnsafeMutablePointer(to: &field) { (pointer: UnsafeMutablePointer<Raft__Admin__V1__Certificates>) in
            var message = Raft__Admin__V1__ReloadCertificatesResponse()
            raft__admin__v1__reload_certificates_response__init(&message)
            message.certificates = pointer
            message.dropped_count = droppedCount
            return Protobuf.encode(message)
        }
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        let decoded = try Protobuf.decode(
            bytes, budget: 65_536, unpack: raft__admin__v1__reload_certificates_response__unpack
        ) { message -> (MemberStatus.Certificates?, UInt64) in
            (message.pointee.certificates.map { MemberStatus.Certificates($0.pointee) }, message.pointee.dropped_count)
        }
        guard let certificates = decoded.0 else {
            throw RPCStatus(.invalidArgument, "an answer without the certificates that it is about")
        }
        self.init(certificates: certificates, droppedCount: decoded.1)
    }
}
