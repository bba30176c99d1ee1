public import Raft

/// What a certificate says, for people.
public struct CertificateInfo: Sendable {
    public let subject: String
    public let issuer: String
    public let uris: [String]
    public let dns: [String]
    public let ips: [String]
    /// Seconds since 1970-01-01 UTC.
    public let notBefore: Int64
    /// Seconds since 1970-01-01 UTC.
    public let notAfter: Int64
    /// SHA-256 of the certificate, in hex.
    public let fingerprint: String
    /// In hex.
    public let serial: String
    public let isCA: Bool
    /// Such as `EC P-256`.
    public let keyType: String

    /// Reads the first certificate of a PEM file.
    public static func inspect(_ file: String) throws(RaftError) -> CertificateInfo {
        throw RaftError(.transport, file)
    }
}
