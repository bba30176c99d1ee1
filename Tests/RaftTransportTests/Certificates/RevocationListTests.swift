import Foundation
import Raft
import Testing

@testable import RaftTransport

@Suite("A revocation list")
struct RevocationListTests {
    @Test("says when it was made and is due, of whom, and whom it names, and is good from a little earlier on")
    func contents() throws {
        let authority = try CertificateAuthority(name: "own")
        let leaf = try authority.issue(Principal(uri: "raft://test/peer/1")).certificate
        let certificates = try X509Certificate.all(in: Array(leaf.utf8), path: "leaf", .certificate)
        let made = try RevocationList.make(
            by: authority.certificate, authority.key, old: nil, adding: certificates, validity: 86_400)
        let list = try #require(try RevocationList.all(in: Array(made.pem().utf8), path: "list").first)
        let now = Int64(Date().timeIntervalSince1970)
        #expect((now - 7200...now).contains(list.lastUpdate))
        #expect(try (now + 86_000...now + 87_000).contains(#require(list.nextUpdate)))
        #expect(list.issuer.contains("own") && list.number == 1 && list.serials == certificates.map(\.serial))
        #expect(list.isSigned(by: authority.certificate))
        #expect(try !list.isSigned(by: CertificateAuthority(name: "own").certificate))
    }

    @Test("is not made with a key that signs no lists, and whoever wants it is told")
    func unfitKey() throws {
        // Ed25519, in PKCS #8 (RFC 8410, section 7): it signs without a digest of its own.
        let header: [UInt8] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20]
        let text = Data(header + Array(repeating: 7, count: 32)).base64EncodedString()
        let directory = try TestAuthority()
        let path = directory.path("ed.key")
        try SecureFile.create(path, "-----BEGIN PRIVATE KEY-----\n\(text)\n-----END PRIVATE KEY-----\n", mode: 0o600)
        let authority = try CertificateAuthority(name: "own")
        let error = try #require(throws: RaftError.self) {
            _ = try RevocationList.make(
                by: authority.certificate, PrivateKey(file: path), old: nil, adding: [], validity: 86_400)
        }
        #expect(error.message.hasPrefix("cannot make a revocation list: "), "\(error.message)")
    }
}
