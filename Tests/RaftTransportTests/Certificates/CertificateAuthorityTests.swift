import Glibc
import Raft
import RaftTransport
import Testing

@Suite("A certificate authority")
struct CertificateAuthorityTests {
    let authority: TestAuthority
    init() throws { authority = try TestAuthority() }

    private func mode(_ path: String) -> mode_t {
        var information = stat()
        stat(path, &information)
        return information.st_mode & 0o777
    }

    @Test("issues a certificate that says who, where and until when")
    func issues() throws {
        let principal = try Principal(cluster: "prod", role: .peer, name: "7")
        let issued = try authority.ca.issue(
            principal, hosts: ["node7.example", "10.0.0.7", "::1"], validity: .seconds(3600))
        try issued.write(certificate: authority.path("7.pem"), key: authority.path("7.key"))
        let info = try CertificateInfo.inspect(authority.path("7.pem"))
        #expect(info.uris == ["raft://prod/peer/7"])
        #expect(info.dns == ["node7.example"])
        #expect(info.ips == ["10.0.0.7", "::1"])
        #expect(info.subject == "CN=peer 7")
        #expect(info.issuer == "CN=test CA")
        #expect(info.notAfter - info.notBefore == 3600 + 300)
        #expect(info.fingerprint.count == 64)
        #expect(info.serial.count == 32)
        #expect(info.isCA == false)
        #expect(info.keyType == "EC P-256")
        #expect(try CertificateInfo.inspect(authority.caFile).isCA)
    }

    @Test("keeps keys for their owner, and overwrites nothing")
    func files() throws {
        #expect(mode(authority.path("ca.key")) == 0o600)
        let issued = try authority.ca.issue(Principal(cluster: "c", role: .client, name: "a"))
        try issued.write(certificate: authority.path("a.pem"), key: authority.path("a.key"))
        #expect(mode(authority.path("a.key")) == 0o600)
        #expect(throws: RaftError.self) {
            try issued.write(certificate: authority.path("b.pem"), key: authority.path("a.key"))
        }
        #expect(access(authority.path("b.pem"), F_OK) != 0)
        // The key is not left behind when the certificate cannot be written.
        #expect(throws: RaftError.self) {
            try issued.write(certificate: authority.path("a.pem"), key: authority.path("c.key"))
        }
        #expect(access(authority.path("c.key"), F_OK) != 0)
    }

    @Test("loaded from its files goes on issuing certificates that the first ones accept")
    func loads() throws {
        let again = try CertificateAuthority(certificate: authority.caFile, key: authority.path("ca.key"))
        try again.issue(Principal(cluster: "c", role: .client, name: "a"))
            .write(certificate: authority.path("a.pem"), key: authority.path("a.key"))
        let context = try TLSContext(
            certificate: authority.path("a.pem"), key: authority.path("a.key"), ca: authority.caFile)
        #expect(context.principal.uri == "raft://c/client/a")
    }

    @Test("is not loaded with another's key, or from a certificate that is none")
    func loadsNothingElse() throws {
        let other = try TestAuthority()
        #expect(throws: RaftError.self) {
            try CertificateAuthority(certificate: authority.caFile, key: other.path("ca.key"))
        }
        let leaf = try authority.ca.issue(Principal(cluster: "c", role: .client, name: "a"))
        try leaf.write(certificate: authority.path("a.pem"), key: authority.path("a.key"))
        #expect(throws: RaftError.self) {
            try CertificateAuthority(certificate: authority.path("a.pem"), key: authority.path("a.key"))
        }
    }

    @Test(
        "refuses a host that would say more than one name",
        arguments: ["", "a,URI:raft://c/peer/2", "a b", "ä", "1.2.3", "::g"])
    func hosts(host: String) throws {
        let principal = try Principal(cluster: "c", role: .peer, name: "1")
        #expect(throws: RaftError.self) { try authority.ca.issue(principal, hosts: [host]) }
    }
}
