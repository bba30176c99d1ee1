import Glibc
import Raft
import RaftTransport

/// A CA in a directory of its own, and certificates made on demand. The directory is removed with it.
final class TestAuthority: Sendable {
    let directory: String
    let ca: CertificateAuthority
    let caFile: String

    init() throws {
        var template = Array("/tmp/raft-transport-XXXXXX\0".utf8.map { CChar($0) })
        directory = String(cString: mkdtemp(&template))
        ca = try CertificateAuthority(name: "test CA")
        caFile = directory + "/ca.pem"
        try ca.write(certificate: caFile, key: directory + "/ca.key")
    }

    deinit { removeDirectory(directory) }

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    /// A context for a good certificate.
    func context(_ role: Role, _ name: String, cluster: String = "test", trusting ca: String? = nil) throws
        -> TLSContext
    {
        let file = path("\(cluster)-\(role)-\(name)-\(UInt64.random(in: 0 ... .max))")
        try self.ca.issue(Principal(cluster: cluster, role: role, name: name), hosts: ["localhost", "127.0.0.1"])
            .write(certificate: file + ".pem", key: file + ".key")
        return try TLSContext(certificate: file + ".pem", key: file + ".key", ca: ca ?? caFile)
    }
}

/// With the files in it; there are no others below.
func removeDirectory(_ directory: String) {
    guard let entries = opendir(directory) else { return }
    while let entry = readdir(entries) {
        let name = withUnsafePointer(to: entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        unlink(directory + "/" + name)
    }
    closedir(entries)
    rmdir(directory)
}
