import Foundation
import Raft
import Testing

@testable import RaftTransport

@Suite("Files of certificates and keys")
struct SecureFileTests {
    let authority: TestAuthority
    init() throws { authority = try TestAuthority() }

    private func refusal(_ body: () throws -> Void) -> String {
        let error = #expect(throws: RaftError.self, performing: body)
        #expect(error?.code == .transport)
        return error?.message ?? ""
    }

    @Test("One that is too large, or cannot be opened, is refused with its path and the reason, before it is read")
    func unreadable() throws {
        let large = authority.path("large.pem")
        try Data(repeating: 10, count: SecureFile.maximumBytes + 1).write(to: URL(filePath: large))
        #expect(
            refusal { _ = try SecureFile.read(large, .list) }
                == "revocation list file \(large) has 1048577 bytes; at most 1048576 are read")
        let below = authority.caFile + "/x.pem"
        #expect(
            refusal { _ = try SecureFile.read(below, .certificate) }
                == "certificate file \(below) cannot be opened: Not a directory")
    }

    @Test("One without a certificate, or a list, is refused by its path, and in a check by the first rule")
    func empty() throws {
        let path = authority.path("empty.pem")
        try Data().write(to: URL(filePath: path))
        #expect(refusal { _ = try CertificateInfo.inspect(path) }.contains("\(path) holds no certificate"))
        #expect(refusal { _ = try RevocationList.all(in: [10], path: path) }.contains("\(path) holds no list"))
        let check = CertificateCheck(ca: authority.caFile, cluster: "c", purpose: .client, roles: [.client])
        let findings = try check.findings(path)
        #expect(findings.count == 1 && findings.first?.problem?.contains("holds no certificate") == true)
    }

    @Test("One that a full disk, or one that cannot be synced, did not take is an error by name")
    func full() throws {
        let full = open("/dev/full", O_WRONLY | O_CLOEXEC)
        defer { close(full) }
        #expect(
            refusal { try SecureFile.write([1], to: full, "a.pem") } == "cannot write a.pem: No space left on device")
        let nothing = open("/dev/null", O_WRONLY | O_CLOEXEC)
        defer { close(nothing) }
        #expect(refusal { try SecureFile.write([1], to: nothing, "a.pem") } == "cannot sync a.pem: Invalid argument")
    }

    @Test("None is made where there is no folder, and none is half replaced")
    func unwritable() throws {
        let nowhere = authority.path("no/x.pem")
        #expect(
            refusal { try SecureFile.create(nowhere, "x", mode: 0o600) }
                == "cannot create \(nowhere): No such file or directory")
        // A folder stands in the place of the second: the first is written already, beside its place.
        let folder = authority.path("folder")
        mkdir(folder, 0o700)
        defer { rmdir(folder) }
        let text = refusal { try SecureFile.replace([(folder, "x", 0o600), (authority.caFile, "y", 0o644)]) }
        #expect(text.hasPrefix("cannot replace \(folder): "))
        #expect(try String(contentsOfFile: authority.caFile, encoding: .utf8).hasPrefix("-----BEGIN CERTIFICATE"))
        let left = try FileManager.default.contentsOfDirectory(atPath: authority.directory)
        #expect(!left.contains { $0.contains(".new-") }, "\(left)")
    }
}
