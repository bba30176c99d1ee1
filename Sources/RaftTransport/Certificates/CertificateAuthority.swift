public import Raft

/// An authority that issues the certificates of one or more clusters. P-256 throughout.
public final class CertificateAuthority: Sendable {
    /// A new authority.
    public init(name: String, validity: Duration = .seconds(10 * 365 * 86_400)) throws(RaftError) {
        throw RaftError(.transport, name)
    }

    /// Loads what ``write(certificate:key:)`` wrote.
    public init(certificate: String, key: String) throws(RaftError) { throw RaftError(.transport, certificate) }

    /// Writes certificate and key. Both files must not exist yet; the key's mode is 0600.
    public func write(certificate: String, key: String) throws(RaftError) {}

    /// A certificate and a fresh key for one holder. `hosts` are DNS names or IP addresses to add beside its URI.
    public func issue(
        _ principal: Principal, hosts: [String] = [], validity: Duration = .seconds(365 * 86_400)
    ) throws(RaftError) -> IssuedCertificate { throw RaftError(.transport, principal.uri) }
}

/// A certificate with its key, in memory.
public struct IssuedCertificate: Sendable {
    /// The certificate, PEM.
    public let certificate: String
    /// The private key, PEM. Not for logs.
    public let key: String

    /// Writes both. The files must not exist yet; the key's mode is 0600.
    public func write(certificate: String, key: String) throws(RaftError) {}
}
