internal import COpenSSL
internal import Raft

/// A revocation list of one authority, owned.
final class RevocationList: @unchecked Sendable {
    // @unchecked: an X509_CRL is only read once it has been made, and OpenSSL's caches inside it have their own locks.
    let pointer: OpaquePointer

    /// Takes over one reference.
    init(owning pointer: OpaquePointer) { self.pointer = pointer }
    deinit { X509_CRL_free(pointer) }

    /// The lists of a PEM file, at least one.
    static func all(in bytes: [UInt8], path: String) throws(RaftError) -> [RevocationList] {
        let (lists, isWhole) = try X509Certificate.readPEM(bytes, path: path) {
            PEM_read_bio_X509_CRL($0, nil, nil, nil).map(RevocationList.init(owning:))
        }
        guard !lists.isEmpty, isWhole else {
            throw RaftError(
                .transport,
                "revocation list file \(path) \(lists.isEmpty ? "holds no list" : "is damaged after list \(lists.count)"); it must hold PEM revocation lists, as `raft cert revoke` writes them"
            )
        }
        return lists
    }

    var issuer: String { X509Certificate.line(X509_CRL_get_issuer(pointer)) }

    /// Seconds since 1970.
    var lastUpdate: Int64 { X509Certificate.seconds(X509_CRL_get0_lastUpdate(pointer)) }
    /// Seconds since 1970; nil for a list that does not say, which is never too old.
    var nextUpdate: Int64? { X509_CRL_get0_nextUpdate(pointer).map { X509Certificate.seconds($0) } }

    /// Serial numbers, in hex.
    var serials: [String] {
        guard let entries = X509_CRL_get_REVOKED(pointer) else { return [] }
        return (0..<max(0, OPENSSL_sk_num(entries))).compactMap { position in
            OPENSSL_sk_value(entries, position).map {
                X509Certificate.hex(X509Certificate.octets(X509_REVOKED_get0_serialNumber(OpaquePointer($0))))
            }
        }
    }

    func isNamed(after authority: X509Certificate) -> Bool {
        X509_NAME_cmp(X509_CRL_get_issuer(pointer), X509_get_subject_name(authority.pointer)) == 0
    }

    /// Whether `authority` is who made it, by name and signature.
    func isSigned(by authority: X509Certificate) -> Bool {
        guard isNamed(after: authority), let key = X509_get0_pubkey(authority.pointer) else { return false }
        ERR_clear_error()
        defer { ERR_clear_error() }
        return X509_CRL_verify(pointer, key) == 1
    }

    /// A list of `issuer` with everything that `old` names, and `certificates`.
    ///
    /// - Parameter validity: how long it is good, from now on, in seconds.
    static func make(
        by issuer: X509Certificate, _ key: PrivateKey, old: RevocationList?, adding certificates: [X509Certificate],
        validity: Int64
    ) throws(RaftError) -> RevocationList {
        func failure() -> RaftError {
            RaftError(.transport, "cannot make a revocation list: \(OpenSSLErrors.take())")
        }
        ERR_clear_error()
        guard let pointer = X509_CRL_new() else { throw failure() }
        let list = RevocationList(owning: pointer)
        let now = X509_gmtime_adj(nil, 0)
        // Whose clock is behind does not take it for one of the future.
        let begin = X509_time_adj_ex(nil, 0, -Int(CertificateBuilder.leeway), nil)
        let end = X509_time_adj_ex(nil, Int32(clamping: validity / 86_400), Int(validity % 86_400), nil)
        defer {
            ASN1_TIME_free(now)
            ASN1_TIME_free(begin)
            ASN1_TIME_free(end)
        }
        guard X509_CRL_set_version(pointer, 1) == 1,
            X509_CRL_set_issuer_name(pointer, X509_get_subject_name(issuer.pointer)) == 1,
            X509_CRL_set1_lastUpdate(pointer, begin) == 1, X509_CRL_set1_nextUpdate(pointer, end) == 1
        else { throw failure() }
        if let old, let entries = X509_CRL_get_REVOKED(old.pointer) {
            for position in 0..<max(0, OPENSSL_sk_num(entries)) {
                guard let copy = X509_REVOKED_dup(OpaquePointer(OPENSSL_sk_value(entries, position))),
                    X509_CRL_add0_revoked(pointer, copy) == 1
                else { throw failure() }
            }
        }
        var known = Set(old?.serials ?? [])
        for certificate in certificates where known.insert(certificate.serial).inserted {
            guard let entry = X509_REVOKED_new() else { throw failure() }
            guard X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate.pointer)) == 1,
                X509_REVOKED_set_revocationDate(entry, now) == 1, X509_CRL_add0_revoked(pointer, entry) == 1
            else {
                X509_REVOKED_free(entry)
                throw failure()
            }
        }
        // Tells apart the lists of two authorities of one name, as there are while one takes the other's place.
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, issuer.pointer, nil, nil, pointer, 0)
        guard let item = X509V3_EXT_conf_nid(nil, &context, NID_authority_key_identifier, "keyid:always") else {
            throw failure()
        }
        defer { X509_EXTENSION_free(item) }
        guard X509_CRL_add_ext(pointer, item, -1) == 1, list.setNumber(old.map { $0.number + 1 } ?? 1),
            X509_CRL_sort(pointer) == 1, X509_CRL_sign(pointer, key.pointer, EVP_sha256()) > 0
        else { throw failure() }
        return list
    }

    /// Rises with each list of an authority; zero when it does not say.
    var number: Int64 {
        guard let extensions = X509_CRL_get_ext_d2i(pointer, NID_crl_number, nil, nil) else { return 0 }
        let number = extensions.assumingMemoryBound(to: ASN1_INTEGER.self)
        defer { ASN1_INTEGER_free(number) }
        var value: Int64 = 0
        return ASN1_INTEGER_get_int64(&value, number) == 1 ? value : 0
    }

    private func setNumber(_ number: Int64) -> Bool {
        guard let value = ASN1_INTEGER_new() else { return false }
        defer { ASN1_INTEGER_free(value) }
        return ASN1_INTEGER_set_int64(value, number) == 1
            && X509_CRL_add1_ext_i2d(pointer, NID_crl_number, value, 0, 0) == 1
    }

    func pem() throws(RaftError) -> String {
        guard let sink = BIO_new(BIO_s_mem()) else {
            throw RaftError(.transport, "out of memory writing a revocation list")
        }
        defer { BIO_free(sink) }
        guard PEM_write_bio_X509_CRL(sink, pointer) == 1 else {
            throw RaftError(.transport, "cannot write a revocation list: \(OpenSSLErrors.take())")
        }
        return X509Certificate.drain(sink)
    }
}
