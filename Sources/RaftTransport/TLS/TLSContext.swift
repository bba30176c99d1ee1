internal import COpenSSL
public import Raft

/// A certificate, its key, and the authority that other sides must come from: what every connection needs.
///
/// TLS 1.3 only, both sides always show a certificate, and there is no resumption: each connection is judged anew
/// (curl CVE-2016-5419, nginx CVE-2025-23419 and their like are all resumptions that skipped it).
public final class TLSContext: @unchecked Sendable {
    // @unchecked: an SSL_CTX is not changed after `init`; making sessions of it is thread-safe in OpenSSL.
    let serverContext: OpaquePointer
    let clientContext: OpaquePointer

    /// Who the certificate says this side is.
    public let principal: Principal
    /// What the certificate says, for status and logs.
    public let certificate: CertificateInfo

    /// - Parameters: paths of PEM files: the certificate with the intermediates that lead to its authority, its key,
    ///   and the authorities that other sides may come from. The key must not be readable by group or others.
    /// - Throws: ``RaftError/Code/transport``, naming the file, what is wrong with it, and what to do.
    public init(certificate certificateFile: String, key keyFile: String, ca caFile: String) throws(RaftError) {
        let chain = try X509Certificate.all(
            in: SecureFile.read(certificateFile, .certificate), path: certificateFile, .certificate)
        let authorities = try X509Certificate.all(in: SecureFile.read(caFile, .authority), path: caFile, .authority)
        let key = try PrivateKey(file: keyFile)
        let leaf = chain[0]
        ERR_clear_error()
        guard X509_check_private_key(leaf.pointer, key.pointer) == 1 else {
            ERR_clear_error()
            throw RaftError(
                .transport,
                "key \(keyFile) does not belong to certificate \(certificateFile); give the pair that was issued together"
            )
        }
        switch leaf.validityNow {
        case 0: break
        case ..<0:
            throw RaftError(
                .transport,
                "certificate \(certificateFile) is not valid yet (from \(leaf.notBefore), in seconds since 1970); check this machine's clock"
            )
        default:
            throw RaftError(
                .transport,
                "certificate \(certificateFile) expired (at \(leaf.notAfter), in seconds since 1970); issue a new one with `raft cert issue`"
            )
        }
        do throws(RaftError) {
            principal = try leaf.principal()
        } catch {
            throw RaftError(.transport, "certificate file \(certificateFile): \(error.message)")
        }
        certificate = CertificateInfo(leaf)

        let store = X509_STORE_new()
        defer { X509_STORE_free(store) }
        for authority in authorities { X509_STORE_add_cert(store, authority.pointer) }
        if let reason = Self.verify(leaf, chain: chain.dropFirst(), store: store) {
            throw RaftError(
                .transport,
                "CA file \(caFile) does not verify certificate \(certificateFile) of issuer \(leaf.issuer): \(reason); give the CA that issued it"
            )
        }
        let server = try Self.makeContext(TLS_server_method(), chain: chain, key: key, store: store)
        do throws(RaftError) {
            clientContext = try Self.makeContext(TLS_client_method(), chain: chain, key: key, store: store)
        } catch {
            SSL_CTX_free(server)
            throw error
        }
        serverContext = server
        SSL_CTX_set_alpn_select_cb(serverContext, TLSSession.selectProtocol, nil)
    }

    deinit {
        SSL_CTX_free(serverContext)
        SSL_CTX_free(clientContext)
    }

    /// Why the store does not verify a certificate; nil when it does.
    private static func verify(
        _ leaf: X509Certificate, chain: ArraySlice<X509Certificate>, store: OpaquePointer?
    ) -> String? {
        let untrusted = OPENSSL_sk_new_null()
        defer { OPENSSL_sk_free(untrusted) }
        for certificate in chain { OPENSSL_sk_push(untrusted, UnsafeRawPointer(certificate.pointer)) }
        let context = X509_STORE_CTX_new()
        defer { X509_STORE_CTX_free(context) }
        guard X509_STORE_CTX_init(context, store, leaf.pointer, untrusted) == 1 else { return "out of memory" }
        return withExtendedLifetime(chain) {
            if X509_verify_cert(context) == 1 { return nil }
            return String(cString: X509_verify_cert_error_string(Int(X509_STORE_CTX_get_error(context))))
        }
    }

    // Options whose names are made by a macro that Swift does not see (SSL_OP_BIT).
    private static let sessionCacheOff = 0
    private static let optionNoTicket: UInt64 = 1 << 14
    private static let optionNoCompression: UInt64 = 1 << 17
    private static let optionServerPreference: UInt64 = 1 << 22
    private static let optionNoRenegotiation: UInt64 = 1 << 30

    private static func makeContext(
        _ method: OpaquePointer?, chain: [X509Certificate], key: PrivateKey, store: OpaquePointer?
    ) throws(RaftError) -> OpaquePointer {
        ERR_clear_error()
        guard let context = SSL_CTX_new(method) else {
            throw RaftError(.transport, "cannot set up TLS: \(OpenSSLErrors.take())")
        }
        SSL_CTX_set_security_level(context, 2)
        SSL_CTX_set_options(
            context, optionNoTicket | optionNoCompression | optionServerPreference | optionNoRenegotiation)
        SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, sessionCacheOff, nil)
        SSL_CTX_ctrl(context, SSL_CTRL_MODE, Int(SSL_MODE_NO_AUTO_CHAIN) | Int(SSL_MODE_RELEASE_BUFFERS), nil)
        SSL_CTX_set_verify_depth(context, 3)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, TLSSession.judgeCertificate)
        var isGood =
            SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(TLS1_3_VERSION), nil) == 1
            && SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(TLS1_3_VERSION), nil) == 1
            && SSL_CTX_set_ciphersuites(
                context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1
            && SSL_CTX_set_num_tickets(context, 0) == 1
            && SSL_CTX_use_certificate(context, chain[0].pointer) == 1
            && SSL_CTX_use_PrivateKey(context, key.pointer) == 1
        SSL_CTX_set1_cert_store(context, store)
        for certificate in chain.dropFirst() {
            isGood =
                isGood
                && SSL_CTX_ctrl(
                    context, SSL_CTRL_CHAIN_CERT, 1,
                    UnsafeMutableRawPointer(certificate.pointer)) == 1
        }
        guard isGood else {
            SSL_CTX_free(context)
            throw RaftError(.transport, "cannot set up TLS with this certificate: \(OpenSSLErrors.take())")
        }
        return context
    }
}
