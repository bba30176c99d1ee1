import COpenSSL
import Glibc
import Raft
import RaftTransport
import Testing

/// A certificate with its key, made by OpenSSL's own calls: of any kind, most of them bad.
final class Forged: @unchecked Sendable {
    // @unchecked: only read once it has been made.
    let certificate: OpaquePointer
    let key: OpaquePointer
    /// What leads to the root, from the issuer on, without the root.
    let above: [Forged]

    fileprivate init(_ certificate: OpaquePointer, _ key: OpaquePointer, above: [Forged]) {
        self.certificate = certificate
        self.key = key
        self.above = above
    }

    deinit {
        X509_free(certificate)
        EVP_PKEY_free(key)
    }

    /// The certificate and what is above it, PEM.
    var chainPEM: String {
        ([self] + above).map { item in pem { PEM_write_bio_X509($0, item.certificate) } }.joined()
    }
    var certificatePEM: String { pem { PEM_write_bio_X509($0, certificate) } }
    var keyPEM: String { pem { PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) } }
}

private func pem(_ write: (OpaquePointer) -> Int32) -> String {
    let sink = BIO_new(BIO_s_mem())!
    defer { BIO_free(sink) }
    #expect(write(sink) == 1)
    var bytes = [UInt8](repeating: 0, count: Int(BIO_ctrl_pending(sink)))
    BIO_read(sink, &bytes, Int32(bytes.count))
    return String(decoding: bytes, as: UTF8.self)
}

enum Forge {
    enum Key {
        case curve
        case rsa(Int)
    }
    enum Digest {
        case sha256, sha1, md5
        fileprivate var pointer: OpaquePointer? {
            switch self {
            case .sha256: EVP_sha256()
            case .sha1: EVP_sha1()
            case .md5: EVP_md5()
            }
        }
    }

    static let authorityExtensions: [(Int32, String)] = [
        (NID_basic_constraints, "critical,CA:TRUE"), (NID_key_usage, "critical,keyCertSign,cRLSign"),
        (NID_subject_key_identifier, "hash"),
    ]

    static func root(_ name: String = "root") throws -> Forged { try make(name, by: nil, authorityExtensions) }

    static func intermediate(
        _ name: String, by issuer: Forged, _ extensions: [(Int32, String)] = authorityExtensions, notAfter: Int = 3600
    ) throws -> Forged {
        try make(name, by: issuer, extensions + [(NID_authority_key_identifier, "keyid")], notAfter: notAfter)
    }

    /// A leaf with these names (as OpenSSL's configuration writes them), good but for what is said here.
    static func leaf(
        _ names: String?, by issuer: Forged?, usage: String? = "serverAuth,clientAuth", subject: String = "leaf",
        isCA: Bool = false, key: Key = .curve, digest: Digest = .sha256, notBefore: Int = -100, notAfter: Int = 3600,
        extra: [(Int32, String)] = []
    ) throws -> Forged {
        var extensions: [(Int32, String)] = [
            (NID_basic_constraints, isCA ? "critical,CA:TRUE" : "critical,CA:FALSE"),
            (NID_key_usage, "critical,digitalSignature"), (NID_subject_key_identifier, "hash"),
        ]
        if let usage { extensions.append((NID_ext_key_usage, usage)) }
        if let names { extensions.append((NID_subject_alt_name, names)) }
        return try make(
            subject, by: issuer, extensions + extra, key: key, digest: digest, notBefore: notBefore, notAfter: notAfter)
    }

    static func make(
        _ subject: String, by issuer: Forged?, _ extensions: [(Int32, String)], key kind: Key = .curve,
        digest: Digest = .sha256, notBefore: Int = -100, notAfter: Int = 3600
    ) throws -> Forged {
        let key = try makeKey(kind)
        let certificate = try #require(X509_new())
        X509_set_version(certificate, 2)
        ASN1_INTEGER_set_int64(X509_get_serialNumber(certificate), .random(in: 1 ... .max))
        let name = X509_get_subject_name(certificate)
        let text = Array(subject.utf8)
        X509_NAME_add_entry_by_txt(name, "CN", 0x1000, text, Int32(text.count), -1, 0)
        X509_set_issuer_name(certificate, issuer.map { X509_get_subject_name($0.certificate) } ?? name)
        X509_time_adj_ex(X509_getm_notBefore(certificate), 0, notBefore, nil)
        X509_time_adj_ex(X509_getm_notAfter(certificate), 0, notAfter, nil)
        X509_set_pubkey(certificate, key)
        for (nid, value) in extensions {
            var context = X509V3_CTX()
            X509V3_set_ctx(&context, issuer?.certificate ?? certificate, certificate, nil, nil, 0)
            let item = try #require(X509V3_EXT_conf_nid(nil, &context, nid, value), "extension \(nid) \(value)")
            X509_add_ext(certificate, item, -1)
            X509_EXTENSION_free(item)
        }
        try #require(X509_sign(certificate, issuer?.key ?? key, digest.pointer) > 0)
        // The root is not sent.
        let above = issuer.map { $0.isRoot ? [] : [$0] + $0.above } ?? []
        return Forged(certificate, key, above: above)
    }

    private static func makeKey(_ kind: Key) throws -> OpaquePointer {
        let name: String
        switch kind {
        case .curve: name = "EC"
        case .rsa: name = "RSA"
        }
        let context = EVP_PKEY_CTX_new_from_name(nil, name, nil)
        defer { EVP_PKEY_CTX_free(context) }
        try #require(EVP_PKEY_keygen_init(context) == 1)
        // The sizes of RSA keys are what is tried, not the keys: one of each is enough.
        if case .rsa(let bits) = kind, let key = rsaKeys.withLock({ $0[bits] }) {
            EVP_PKEY_up_ref(key.pointer)
            return key.pointer
        }
        switch kind {
        case .curve: EVP_PKEY_CTX_set_group_name(context, "P-256")
        case .rsa(let bits): EVP_PKEY_CTX_set_rsa_keygen_bits(context, Int32(bits))
        }
        var key: OpaquePointer?
        try #require(EVP_PKEY_generate(context, &key) == 1)
        if case .rsa(let bits) = kind {
            EVP_PKEY_up_ref(key)
            let kept = KeptKey(pointer: try #require(key))
            rsaKeys.withLock { $0[bits] = kept }
        }
        return try #require(key)
    }

    private struct KeptKey: @unchecked Sendable {
        // @unchecked: only read once it has been made.
        let pointer: OpaquePointer
    }
    private static let rsaKeys = Lock<[Int: KeptKey]>([:])

    /// A revocation list of `issuer`.
    static func list(of issuer: Forged, revoking: [Forged] = [], notAfter: Int = 3600) throws -> String {
        let list = try #require(X509_CRL_new())
        defer { X509_CRL_free(list) }
        X509_CRL_set_version(list, 1)
        X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer.certificate))
        let begin = X509_time_adj_ex(nil, 0, -1000, nil)
        let end = X509_time_adj_ex(nil, 0, notAfter, nil)
        defer {
            ASN1_TIME_free(begin)
            ASN1_TIME_free(end)
        }
        X509_CRL_set1_lastUpdate(list, begin)
        X509_CRL_set1_nextUpdate(list, end)
        for item in revoking {
            let entry = X509_REVOKED_new()
            X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(item.certificate))
            X509_REVOKED_set_revocationDate(entry, begin)
            X509_CRL_add0_revoked(list, entry)
        }
        X509_CRL_sort(list)
        try #require(X509_CRL_sign(list, issuer.key, EVP_sha256()) > 0)
        return pem { PEM_write_bio_X509_CRL($0, list) }
    }
}

extension Forged {
    fileprivate var isRoot: Bool {
        X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0
    }
}
