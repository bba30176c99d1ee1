internal import COpenSSL
public import Raft

/// What an authority's revocation list says.
public struct RevocationSummary: Hashable, Sendable {
    public let issuer: String
    /// Rises with each list of an authority.
    public let number: Int64
    /// Serial numbers of what is revoked, in hex.
    public let serials: [String]
    /// Seconds since 1970-01-01 UTC; by then a newer list is due.
    public let nextUpdate: Int64?

    init(_ list: RevocationList) {
        issuer = list.issuer
        number = list.number
        serials = list.serials
        nextUpdate = list.nextUpdate
    }

    /// The lists of a PEM file.
    ///
    /// - Throws: ``RaftError/Code/transport`` when the file cannot be read or holds none.
    public static func inspect(_ file: String) throws(RaftError) -> [RevocationSummary] {
        try RevocationList.all(in: SecureFile.read(file, .list), path: file).map { RevocationSummary($0) }
    }
}

extension CertificateAuthority {
    /// Adds certificates to this authority's list in a file, and gives the list a new time. The file is replaced whole,
    /// or made when there is none; lists of other authorities in it stay.
    ///
    /// - Parameters:
    ///   - certificates: paths of PEM files, whose first certificate is revoked; none to renew the list as it is.
    ///   - validity: how long the list is good, from now on; above zero.
    /// - Throws: ``RaftError/Code/transport`` for a certificate that this authority did not issue, or a file that cannot
    ///   be used; then nothing has changed.
    public func revoke(
        _ certificates: [String], in file: String, validity: Duration = .seconds(30 * 86_400)
    ) throws(RaftError) -> RevocationSummary {
        guard validity > .zero else { throw RaftError(.transport, "validity \(validity) is not above zero") }
        var leaves: [X509Certificate] = []
        for path in certificates {
            let leaf = try X509Certificate.all(in: SecureFile.read(path, .certificate), path: path, .certificate)[0]
            ERR_clear_error()
            let isOwn =
                X509_NAME_cmp(X509_get_issuer_name(leaf.pointer), X509_get_subject_name(certificate.pointer)) == 0
                && X509_verify(leaf.pointer, X509_get0_pubkey(certificate.pointer)) == 1
            ERR_clear_error()
            guard isOwn else {
                throw RaftError(
                    .transport,
                    "certificate \(path) was issued by \(leaf.issuer), not by this authority, \(certificate.subject): only its own authority can revoke it"
                )
            }
            leaves.append(leaf)
        }
        var lists: [RevocationList] = []
        var mode: UInt32 = 0o644
        if let old = FileStamp(file) {
            mode = old.mode
            lists = try RevocationList.all(in: SecureFile.read(file, .list), path: file)
        }
        let own = lists.filter { $0.isSigned(by: certificate) }.max { $0.number < $1.number }
        let list = try RevocationList.make(
            by: certificate, key, old: own, adding: leaves, validity: validity.components.seconds)
        lists.removeAll { $0.isSigned(by: certificate) }
        lists.append(list)
        var text = ""
        for list in lists { text += try list.pem() }
        try SecureFile.replace([(file, text, mode)])
        return RevocationSummary(list)
    }

    /// Puts a new certificate with a new key in the place of an old pair: of the same holder, with the same hosts. A
    /// node that watches the files takes it without a restart.
    ///
    /// The old certificate may be another authority's, and may have expired.
    ///
    /// - Throws: ``RaftError/Code/transport`` when the old certificate names nobody, or a file cannot be used; then both
    ///   files are what they were, or, if the second of them cannot be put in its place, the error says so.
    public func renew(
        certificate certificateFile: String, key keyFile: String, validity: Duration = .seconds(365 * 86_400)
    ) throws(RaftError) -> CertificateInfo {
        let bytes = try SecureFile.read(certificateFile, .certificate)
        let old = try X509Certificate.all(in: bytes, path: certificateFile, .certificate)[0]
        _ = try PrivateKey(file: keyFile)
        let names = old.alternativeNames
        let issued = try issue(try old.principal(), hosts: names.dns + names.ips, validity: validity)
        let new = try X509Certificate.all(in: Array(issued.certificate.utf8), path: certificateFile, .certificate)[0]
        try SecureFile.replace([(keyFile, issued.key, 0o600), (certificateFile, issued.certificate, 0o644)])
        return CertificateInfo(new)
    }
}
