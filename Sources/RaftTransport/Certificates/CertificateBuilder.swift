internal import COpenSSL
internal import Raft

/// A certificate being made.
struct CertificateBuilder {
    /// How long before now a certificate begins to be valid, in seconds: clocks differ.
    static let leeway: Int64 = 300

    /// MBSTRING_UTF8, a macro that Swift does not see.
    private static let utf8Text: Int32 = 0x1000

    private let certificate: X509Certificate

    /// - Parameters: times in seconds from now.
    init(name: String, key: PrivateKey, notBefore: Int64, notAfter: Int64) throws(RaftError) {
        ERR_clear_error()
        guard let pointer = X509_new() else { throw RaftError(.transport, "out of memory making a certificate") }
        certificate = X509Certificate(owning: pointer)
        let common = Array(name.utf8)
        guard (1...64).contains(common.count) else {
            throw RaftError(.transport, "certificate name \"\(name)\" has \(common.count) bytes, not 1 to 64")
        }
        // 127 random bits, positive: serial numbers of one issuer never repeat.
        var serial = [UInt8](repeating: 0, count: 16)
        guard RAND_bytes(&serial, 16) == 1 else { throw Self.failure("random numbers") }
        serial[0] = (serial[0] & 0x7f) | 0x40
        let number = BN_bin2bn(serial, 16, nil)
        defer { BN_free(number) }
        let subject = X509_get_subject_name(pointer)
        guard X509_set_version(pointer, 2) == 1,
            BN_to_ASN1_INTEGER(number, X509_get_serialNumber(pointer)) != nil,
            X509_time_adj_ex(X509_getm_notBefore(pointer), 0, Int(notBefore), nil) != nil,
            X509_time_adj_ex(
                X509_getm_notAfter(pointer), Int32(clamping: notAfter / 86_400), Int(notAfter % 86_400), nil) != nil,
            X509_NAME_add_entry_by_txt(subject, "CN", Self.utf8Text, common, Int32(common.count), -1, 0)
                == 1,
            X509_set_pubkey(pointer, key.pointer) == 1
        else { throw Self.failure("a certificate") }
    }

    private static func failure(_ what: String) -> RaftError {
        RaftError(.transport, "cannot make \(what): \(OpenSSLErrors.take())")
    }

    /// Adds an extension. `issuer` nil means self-signed.
    func add(_ nid: Int32, _ value: String, issuer: X509Certificate?) throws(RaftError) {
        ERR_clear_error()
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, (issuer ?? certificate).pointer, certificate.pointer, nil, nil, 0)
        guard let item = X509V3_EXT_conf_nid(nil, &context, nid, value) else {
            throw Self.failure("extension \"\(value)\"")
        }
        defer { X509_EXTENSION_free(item) }
        guard X509_add_ext(certificate.pointer, item, -1) == 1 else { throw Self.failure("extension \"\(value)\"") }
    }

    func sign(by issuer: X509Certificate?, _ key: PrivateKey) throws(RaftError) -> X509Certificate {
        ERR_clear_error()
        let name = X509_get_subject_name((issuer ?? certificate).pointer)
        guard X509_set_issuer_name(certificate.pointer, name) == 1,
            X509_sign(certificate.pointer, key.pointer, EVP_sha256()) > 0
        else { throw Self.failure("a signature") }
        return certificate
    }

    static func pem(_ certificate: X509Certificate) throws(RaftError) -> String {
        guard let sink = BIO_new(BIO_s_mem()) else {
            throw RaftError(.transport, "out of memory writing a certificate")
        }
        defer { BIO_free(sink) }
        guard PEM_write_bio_X509(sink, certificate.pointer) == 1 else { throw failure("a PEM certificate") }
        return X509Certificate.drain(sink)
    }
}
