internal import COpenSSL
public import Raft

/// An authority that issues the certificates of one or more clusters. Its keys are on the curve P-256.
///
/// Enough for `raft cert`, `raft dev` and tests; a company's own authority serves as well, if its certificates carry
/// the identity URI.
public final class CertificateAuthority: Sendable {
    let certificate: X509Certificate
    let key: PrivateKey

    /// A new authority.
    ///
    /// - Parameters:
    ///   - name: its common name, 1 to 64 bytes.
    ///   - validity: from now on.
    public init(name: String, validity: Duration = .seconds(10 * 365 * 86_400)) throws(RaftError) {
        let key = try PrivateKey()
        let builder = try CertificateBuilder(
            name: name, key: key, notBefore: -CertificateBuilder.leeway, notAfter: validity.components.seconds)
        try builder.add(NID_basic_constraints, "critical,CA:TRUE,pathlen:0", issuer: nil)
        try builder.add(NID_key_usage, "critical,keyCertSign,cRLSign", issuer: nil)
        try builder.add(NID_subject_key_identifier, "hash", issuer: nil)
        self.key = key
        certificate = try builder.sign(by: nil, key)
    }

    /// Loads what ``write(certificate:key:)`` wrote.
    ///
    /// - Throws: ``RaftError/Code/transport`` when a file cannot be used, the key is not the certificate's, or others
    ///   may read it.
    public init(certificate certificateFile: String, key keyFile: String) throws(RaftError) {
        let bytes = try SecureFile.read(certificateFile, .authority)
        certificate = try X509Certificate.all(in: bytes, path: certificateFile, .authority)[0]
        key = try PrivateKey(file: keyFile)
        ERR_clear_error()
        guard X509_check_private_key(certificate.pointer, key.pointer) == 1 else {
            ERR_clear_error()
            throw RaftError(
                .transport,
                "key \(keyFile) does not belong to CA certificate \(certificateFile); give the pair made together")
        }
        guard certificate.isCA else {
            throw RaftError(.transport, "certificate \(certificateFile) is not an authority and cannot issue others")
        }
    }

    /// The authority's certificate, PEM: what everybody who trusts it needs.
    public func certificatePEM() throws(RaftError) -> String { try CertificateBuilder.pem(certificate) }

    /// Writes certificate and key. Both files must not exist yet; the key's mode is 0600.
    public func write(certificate certificateFile: String, key keyFile: String) throws(RaftError) {
        try IssuedCertificate(certificate: certificatePEM(), key: key.pem())
            .write(certificate: certificateFile, key: keyFile)
    }

    /// A certificate and a fresh key for one holder.
    ///
    /// A peer's may be used as server and as client, any other only as client.
    ///
    /// - Parameters:
    ///   - hosts: DNS names and IP addresses to add beside the identity URI. Nodes do not look at them.
    ///   - validity: from now on; above zero.
    /// - Throws: ``RaftError/Code/transport`` for a host that is neither.
    public func issue(
        _ principal: Principal, hosts: [String] = [], validity: Duration = .seconds(365 * 86_400)
    ) throws(RaftError) -> IssuedCertificate {
        guard validity > .zero else { throw RaftError(.transport, "validity \(validity) is not above zero") }
        return try issue(
            name: "\(principal.role) \(principal.name)", uris: [principal.uri], hosts: hosts,
            usage: principal.role == .peer ? "serverAuth,clientAuth" : "clientAuth",
            notBefore: -CertificateBuilder.leeway, notAfter: validity.components.seconds)
    }

    /// Any leaf, also one that nobody should accept: tests present those. Times are seconds from now.
    package func issue(
        name: String, uris: [String], hosts: [String] = [], usage: String?, isCA: Bool = false, notBefore: Int64,
        notAfter: Int64
    ) throws(RaftError) -> IssuedCertificate {
        let leafKey = try PrivateKey()
        let builder = try CertificateBuilder(name: name, key: leafKey, notBefore: notBefore, notAfter: notAfter)
        try builder.add(NID_basic_constraints, isCA ? "critical,CA:TRUE" : "critical,CA:FALSE", issuer: certificate)
        try builder.add(NID_key_usage, "critical,digitalSignature" + (isCA ? ",keyCertSign" : ""), issuer: certificate)
        if let usage { try builder.add(NID_ext_key_usage, usage, issuer: certificate) }
        try builder.add(NID_subject_key_identifier, "hash", issuer: certificate)
        try builder.add(NID_authority_key_identifier, "keyid", issuer: certificate)
        var names = uris.map { "URI:\($0)" }
        for host in hosts { names.append(try Self.alternativeName(host)) }
        if !names.isEmpty {
            try builder.add(NID_subject_alt_name, names.joined(separator: ","), issuer: certificate)
        }
        let leaf = try builder.sign(by: certificate, key)
        return IssuedCertificate(certificate: try CertificateBuilder.pem(leaf), key: try leafKey.pem())
    }

    /// `DNS:` or `IP:` for the extension. Strict: the text is parsed by OpenSSL, which would take a comma for the next
    /// name.
    private static func alternativeName(_ host: String) throws(RaftError) -> String {
        let bytes = Array(host.utf8)
        func all(_ isAllowed: (UInt8) -> Bool) -> Bool { bytes.allSatisfy(isAllowed) }
        func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) }
        if (1...253).contains(bytes.count) {
            if all({ isDigit($0) || $0 == UInt8(ascii: ".") }) { return "IP:\(host)" }
            if bytes.contains(UInt8(ascii: ":")), all({ isDigit($0) || isLetter($0) || $0 == UInt8(ascii: ":") }) {
                return "IP:\(host)"
            }
            if all({ isDigit($0) || isLetter($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }) {
                return "DNS:\(host)"
            }
        }
        throw RaftError(
            .transport, "\"\(host)\" is neither a host name nor an IP address; a certificate cannot carry it")
    }
}
