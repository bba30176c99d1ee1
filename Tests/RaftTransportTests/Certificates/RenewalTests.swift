import Glibc
import Raft
import RaftTransport
import Testing

@Suite("An authority revokes and renews")
struct RenewalTests {
    let authority: TestAuthority
    init() throws { authority = try TestAuthority() }

    private func issue(_ name: String, role: Role = .client, hosts: [String] = []) throws {
        try authority.ca.issue(Principal(cluster: "c", role: role, name: name), hosts: hosts)
            .write(certificate: authority.path("\(name).pem"), key: authority.path("\(name).key"))
    }

    private func context(_ name: String) throws(RaftError) -> TLSContext {
        try TLSContext(
            TLSFiles(
                certificate: authority.path("\(name).pem"), key: authority.path("\(name).key"), ca: authority.caFile,
                crl: authority.path("crl.pem")))
    }

    @Test("A list grows, its number rises, and what it names is refused")
    func revokes() throws {
        for name in ["a", "b", "d"] { try issue(name) }
        let list = authority.path("crl.pem")
        let empty = try authority.ca.revoke([], in: list)
        #expect(empty.number == 1 && empty.serials.isEmpty)
        for name in ["a", "b", "d"] { _ = try context(name) }
        let first = try authority.ca.revoke([authority.path("a.pem")], in: list)
        #expect(first.number == 2)
        #expect(first.serials == [try CertificateInfo.inspect(authority.path("a.pem")).serial])
        // Twice is once.
        let second = try authority.ca.revoke([authority.path("a.pem"), authority.path("b.pem")], in: list)
        #expect(second.number == 3 && second.serials.count == 2)
        #expect(try RevocationSummary.inspect(list) == [second])
        for name in ["a", "b"] {
            let error = #expect(throws: RaftError.self) { try context(name) }
            #expect(error?.message.contains("revoked") == true)
        }
        _ = try context("d")
    }

    @Test("The lists of other authorities in the file stay, also of one of the same name")
    func keepsOthers() throws {
        let other = try CertificateAuthority(name: "test CA")
        let list = authority.path("crl.pem")
        _ = try other.revoke([], in: list)
        _ = try authority.ca.revoke([], in: list)
        let both = try RevocationSummary.inspect(list)
        #expect(both.map(\.number) == [1, 1])
        _ = try authority.ca.revoke([], in: list)
        #expect(try RevocationSummary.inspect(list).map(\.number).sorted() == [1, 2])
        try issue("a")
        _ = try context("a")
    }

    @Test("Only what it issued itself, and nothing is written otherwise")
    func foreign() throws {
        let other = try TestAuthority()
        try other.ca.issue(Principal(cluster: "c", role: .client, name: "x"))
            .write(certificate: authority.path("x.pem"), key: authority.path("x.key"))
        let error = #expect(throws: RaftError.self) {
            try authority.ca.revoke([authority.path("x.pem")], in: authority.path("crl.pem"))
        }
        #expect(error?.message.contains("only its own authority can revoke it") == true)
        #expect(access(authority.path("crl.pem"), F_OK) != 0)
    }

    @Test("A list that is damaged is not written over")
    func damaged() throws {
        let list = authority.path("crl.pem")
        try AttackLab.write("nothing", list)
        #expect(throws: RaftError.self) { try authority.ca.revoke([], in: list) }
        try AttackLab.write("", list)
        #expect(throws: RaftError.self) { try authority.ca.revoke([], in: list) }
    }

    @Test("A name cannot forge a line of a log, or colour a terminal")
    func forgedLines() async throws {
        let lab = try AttackLab()
        let names = ["x\nnotice took certificate raft://test/peer/1", "x\u{1B}[2J", "x\r\nforged"]
        for name in names {
            let forged = try Forge.leaf("URI:raft://test/client/a", by: nil, subject: name)
            let check = CertificateCheck(ca: lab.files.ca, cluster: "test", purpose: .client, roles: [.client])
            let problems = try check.findings(lab.files(forged).certificate).compactMap(\.problem)
            #expect(problems.contains { $0.contains("CN=x") })
            #expect(problems.allSatisfy { $0.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F } })
        }
        await lab.stop()
    }

    @Test("A renewed certificate is the same holder's, for the same hosts, with a new key")
    func renews() throws {
        try issue("7", role: .peer, hosts: ["node7.example", "10.0.0.7", "::1"])
        let (certificate, key) = (authority.path("7.pem"), authority.path("7.key"))
        let old = try CertificateInfo.inspect(certificate)
        let new = try authority.ca.renew(certificate: certificate, key: key, validity: .seconds(100 * 86_400))
        #expect(new.uris == old.uris && new.dns == old.dns && new.ips == old.ips)
        #expect(new.serial != old.serial)
        #expect(try CertificateInfo.inspect(certificate).fingerprint == new.fingerprint)
        var information = stat()
        stat(key, &information)
        #expect(information.st_mode & 0o777 == 0o600)
        #expect(try TLSContext(certificate: certificate, key: key, ca: authority.caFile).principal.node == 7)
    }

    @Test("The check without a connection names the one rule that is broken, and nothing else")
    func checks() throws {
        for name in ["a", "b"] { try issue(name) }
        try issue("7", role: .peer)
        let list = authority.path("crl.pem")
        _ = try authority.ca.revoke([authority.path("b.pem")], in: list)
        func broken(
            _ name: String, cluster: String = "c", purpose: Purpose = .client, roles: Set<Role> = [.client],
            node: NodeID? = nil, key: String? = nil, ca: String? = nil
        ) throws -> [String] {
            let check = CertificateCheck(
                ca: ca ?? authority.caFile, crl: ca == nil ? list : nil, cluster: cluster, purpose: purpose,
                roles: roles, node: node)
            return try check.findings(authority.path(name + ".pem"), key: authority.path((key ?? name) + ".key"))
                .filter { $0.problem != nil }.map(\.rule)
        }
        #expect(try broken("a").isEmpty)
        #expect(try broken("7", purpose: .peer, roles: [.peer], node: 7).isEmpty)
        #expect(try broken("b") == ["is not revoked, by a current list"])
        #expect(try broken("a", cluster: "d") == ["is of cluster d"])
        #expect(try broken("a", purpose: .admin, roles: [.admin]) == ["has a role for raft-admin/1"])
        #expect(try broken("7", purpose: .peer, roles: [.peer], node: 8) == ["is node 8's"])
        #expect(try broken("a", key: "7") == ["has its key, for its owner alone"])
        let other = try TestAuthority()
        #expect(try broken("a", ca: other.caFile) == ["comes from an authority in the CA file"])
    }
}
