import Foundation
import Raft
import RaftTransport
import Testing

@Suite("A TLS context")
struct TLSContextTests {
    let authority: TestAuthority
    init() throws {
        authority = try TestAuthority()
        try authority.ca.issue(Principal(cluster: "c", role: .peer, name: "1"))
            .write(certificate: authority.path("1.pem"), key: authority.path("1.key"))
    }

    /// The message with which the files are refused.
    private func refusal(certificate: String = "1.pem", key: String = "1.key", ca: String = "ca.pem") -> String {
        do throws(RaftError) {
            _ = try TLSContext(
                certificate: authority.path(certificate), key: authority.path(key), ca: authority.path(ca))
            return "accepted"
        } catch {
            #expect(error.code.description == "transport")
            return error.message
        }
    }

    private func write(_ issued: IssuedCertificate) throws {
        try issued.write(certificate: authority.path("x.pem"), key: authority.path("x.key"))
    }

    private func leaf(
        uris: [String], notAfter: Int64 = 3600, notBefore: Int64 = -10, isCA: Bool = false,
        usage: String? = "serverAuth,clientAuth"
    ) throws {
        try write(
            authority.ca.issue(
                name: "x", uris: uris, usage: usage, isCA: isCA, notBefore: notBefore, notAfter: notAfter))
    }

    @Test("is made of files that fit together")
    func good() { #expect(refusal() == "accepted") }

    @Test("names the file that is missing")
    func missing() {
        #expect(refusal(certificate: "no.pem").contains("certificate file \(authority.path("no.pem")) does not exist"))
        #expect(refusal(key: "no.key").contains("key file \(authority.path("no.key")) does not exist"))
        #expect(refusal(ca: "no.pem").contains("CA file \(authority.path("no.pem")) does not exist"))
    }

    @Test(
        "refuses a key that others may read, and says what to run",
        arguments: [0o640, 0o604, 0o660, 0o644, 0o610] as [mode_t])
    func mode(mode: mode_t) {
        chmod(authority.path("1.key"), mode)
        #expect(refusal().contains("chmod 600 \(authority.path("1.key"))"))
        chmod(authority.path("1.key"), 0o400)
        #expect(refusal() == "accepted")
    }

    @Test("does not wait for a pipe that nobody writes to, in the place of any file")
    func pipes() {
        let pipe = authority.path("pipe")
        mkfifo(pipe, 0o600)
        #expect(refusal(certificate: "pipe").contains("certificate file \(pipe) is not a regular file"))
        #expect(refusal(key: "pipe").contains("key file \(pipe) is not a regular file"))
        #expect(refusal(ca: "pipe").contains("CA file \(pipe) is not a regular file"))
    }

    @Test("refuses a key of another certificate")
    func mismatch() throws {
        try leaf(uris: ["raft://c/peer/2"])
        #expect(refusal(key: "x.key").contains("does not belong to certificate"))
    }

    @Test("refuses files that hold something else")
    func garbage() {
        #expect(refusal(certificate: "1.key").contains("holds no certificate"))
        #expect(refusal(ca: "1.key").contains("holds no certificate"))
        chmod(authority.path("1.pem"), 0o600)
        #expect(refusal(key: "1.pem").contains("cannot be read"))
    }

    @Test("refuses a certificate that has expired, or is not valid yet")
    func time() throws {
        try leaf(uris: ["raft://c/peer/1"], notAfter: -5)
        #expect(refusal(certificate: "x.pem", key: "x.key").contains("expired"))
    }

    @Test("refuses a certificate of the future")
    func future() throws {
        try leaf(uris: ["raft://c/peer/1"], notBefore: 1000)
        #expect(refusal(certificate: "x.pem", key: "x.key").contains("not valid yet"))
    }

    @Test("refuses a CA that did not issue the certificate")
    func otherCA() throws {
        let other = try TestAuthority()
        try other.ca.write(certificate: authority.path("other.pem"), key: authority.path("other.key"))
        #expect(refusal(ca: "other.pem").contains("does not verify certificate"))
    }

    @Test(
        "refuses a certificate without exactly one identity",
        arguments: [
            [], ["raft://c/peer/1", "raft://c/peer/2"], ["https://example.com"],
            ["raft://c/peer/1", "https://example.com"],
        ])
    func identities(uris: [String]) throws {
        try leaf(uris: uris)
        #expect(refusal(certificate: "x.pem", key: "x.key").contains("raft://<cluster>/<role>/<name>"))
    }

    @Test("takes the intermediates that follow the certificate in its file, and does not verify it without them")
    func chain() throws {
        let root = try Forge.root()
        let leaf = try Forge.leaf("URI:raft://c/peer/1", by: Forge.intermediate("between", by: root))
        for (name, text) in [
            ("root.pem", root.certificatePEM), ("chain.pem", leaf.chainPEM), ("leaf.pem", leaf.certificatePEM),
            ("leaf.key", leaf.keyPEM),
        ] {
            try text.write(toFile: authority.path(name), atomically: false, encoding: .utf8)
        }
        chmod(authority.path("leaf.key"), 0o600)
        #expect(refusal(certificate: "chain.pem", key: "leaf.key", ca: "root.pem") == "accepted")
        #expect(
            refusal(certificate: "leaf.pem", key: "leaf.key", ca: "root.pem").contains("does not verify certificate"))
    }

    @Test("refuses an authority's certificate, and one without usage")
    func kinds() throws {
        try leaf(uris: ["raft://c/peer/1"], usage: nil)
        #expect(refusal(certificate: "x.pem", key: "x.key").contains("extended key usage"))
        unlink(authority.path("x.pem"))
        unlink(authority.path("x.key"))
        try leaf(uris: ["raft://c/peer/1"], isCA: true)
        // The CA allows no further CA below it, so either check may be the first.
        #expect(refusal(certificate: "x.pem", key: "x.key") != "accepted")
    }
}
