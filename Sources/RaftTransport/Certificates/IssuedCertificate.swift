public import Raft

/// A certificate with its key, in memory.
public struct IssuedCertificate: Sendable {
    /// The certificate, PEM.
    public let certificate: String
    /// The private key, PEM. Not for logs.
    public let key: String

    /// Writes both. The files must not exist yet; the key's mode is 0600.
    ///
    /// - Throws: ``RaftError/Code/transport``; then neither file is left behind.
    public func write(certificate certificateFile: String, key keyFile: String) throws(RaftError) {
        try SecureFile.create(keyFile, key, mode: 0o600)
        do throws(RaftError) {
            try SecureFile.create(certificateFile, certificate, mode: 0o644)
        } catch {
            SecureFile.remove(keyFile)
            throw error
        }
    }
}
