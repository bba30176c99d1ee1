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

    init(_ certificate: X509Certificate) {
        let names = certificate.alternativeNames
        subject = certificate.subject
        issuer = certificate.issuer
        uris = names.uris
        dns = names.dns
        ips = names.ips
        notBefore = certificate.notBefore
        notAfter = certificate.notAfter
        fingerprint = certificate.fingerprint
        serial = certificate.serial
        isCA = certificate.isCA
        keyType = certificate.keyType
    }

    /// Reads the first certificate of a PEM file.
    ///
    /// - Throws: ``RaftError/Code/transport`` when the file cannot be read or holds none.
    public static func inspect(_ file: String) throws(RaftError) -> CertificateInfo {
        let bytes = try SecureFile.read(file, .certificate)
        return CertificateInfo(try X509Certificate.all(in: bytes, path: file, .certificate)[0])
    }
}
