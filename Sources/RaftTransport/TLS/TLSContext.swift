public import Raft

/// A certificate, its key, and the authority that other sides must come from: what every connection needs.
///
/// TLS 1.3 only, and both sides always show a certificate.
public final class TLSContext: Sendable {
    /// Who the certificate says this side is.
    public let principal: Principal

    /// - Parameters: paths of PEM files. The key file must not be readable by group or others.
    /// - Throws: ``RaftError/Code/transport``, naming the file, what is wrong with it, and what to do.
    public init(certificate: String, key: String, ca: String) throws(RaftError) {
        throw RaftError(.transport, "\(certificate) \(key) \(ca)")
    }
}
