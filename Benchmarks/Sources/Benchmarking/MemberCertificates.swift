public import Raft
internal import RaftTransport

extension BareTLS.Files {
    /// Certificates of members of this machine, with the authority that issued them, in a directory.
    ///
    /// - Returns: those of each, in the order of `members`.
    public static func issue(
        to members: [NodeID], of cluster: String, in directory: String
    ) throws -> [BareTLS.Files] {
        let authority = try CertificateAuthority(name: "raft benchmark")
        let ca = directory + "/ca.pem"
        try authority.write(certificate: ca, key: directory + "/ca-key.pem")
        return try members.map { id in
            let files = BareTLS.Files(
                certificate: "\(directory)/\(id).pem", key: "\(directory)/\(id)-key.pem", authority: ca)
            try authority.issue(try Principal(cluster: cluster, node: id), hosts: ["127.0.0.1", "localhost"])
                .write(certificate: files.certificate, key: files.key)
            return files
        }
    }
}
