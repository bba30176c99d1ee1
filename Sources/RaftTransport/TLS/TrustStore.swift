internal import COpenSSL
internal import Raft

/// The authorities that other sides must come from, with their revocation lists; judges certificates by OpenSSL's own
/// rules.
///
/// Handshakes and connections that stand are judged by the same store, flags and policy.
final class TrustStore: @unchecked Sendable {
    // @unchecked: nothing is added after `init`; OpenSSL locks what it caches in there.

    /// What the holder of a certificate acts as.
    enum Side {
        case client, server
        fileprivate var name: String { self == .client ? "ssl_client" : "ssl_server" }
    }

    /// Why a certificate is not good.
    struct Refusal {
        let code: Int32
        let text: String
        var rule: RefusalRule {
            if isOfTime { return .time }
            return isRevoked || TrustStore.isMissingList(code) ? .revocation : .certificate
        }
        var isRevoked: Bool { code == X509_V_ERR_CERT_REVOKED }
        var isOfTime: Bool { code == X509_V_ERR_CERT_HAS_EXPIRED || code == X509_V_ERR_CERT_NOT_YET_VALID }
    }

    /// How many intermediates there may be between a leaf and its authority.
    static let maximumDepth: Int32 = 3
    /// OpenSSL's levels: 112 bits, so no RSA below 2048 bits, no MD5 and no SHA-1.
    static let securityLevel: Int32 = 2

    let store: OpaquePointer
    let authorities: [X509Certificate]
    /// nil when nothing is checked for revocation.
    let lists: [RevocationList]?
    private let policy: RevocationPolicy

    init(_ authorities: [X509Certificate], lists: [RevocationList]?, _ policy: RevocationPolicy) throws(RaftError) {
        guard let store = X509_STORE_new() else { throw RaftError(.transport, "out of memory for authorities") }
        self.store = store
        self.authorities = authorities
        self.lists = lists
        self.policy = policy
        for authority in authorities { X509_STORE_add_cert(store, authority.pointer) }
        for list in lists ?? [] { X509_STORE_add_crl(store, list.pointer) }
        ERR_clear_error()
    }

    deinit { X509_STORE_free(store) }

    private func configure(_ parameters: OpaquePointer?) {
        X509_VERIFY_PARAM_set_depth(parameters, Self.maximumDepth)
        X509_VERIFY_PARAM_set_auth_level(parameters, Self.securityLevel)
        guard lists != nil else { return }
        X509_VERIFY_PARAM_set_flags(parameters, UInt(X509_V_FLAG_CRL_CHECK) | UInt(X509_V_FLAG_CRL_CHECK_ALL))
    }

    /// Lets handshakes of `context` judge by this store.
    func apply(to context: OpaquePointer) {
        SSL_CTX_set1_cert_store(context, store)
        SSL_CTX_set_verify_depth(context, Self.maximumDepth)
        SSL_CTX_set_security_level(context, Self.securityLevel)
        configure(SSL_CTX_get0_param(context))
    }

    /// Whether an error of OpenSSL's is only that a list is missing or old, and that is allowed.
    func tolerates(_ code: Int32) -> Bool { policy == .failOpen && Self.isMissingList(code) }

    private static func isMissingList(_ code: Int32) -> Bool {
        code == X509_V_ERR_UNABLE_TO_GET_CRL || code == X509_V_ERR_CRL_HAS_EXPIRED
    }

    /// Why a certificate is not good; nil when it is.
    ///
    /// - Parameters:
    ///   - chain: certificates that may lead to an authority.
    ///   - side: what its holder acts as; nil for whatever.
    ///   - ignoresTime: whether it is good but for the time.
    func refusal(
        of leaf: X509Certificate, chain: [X509Certificate], as side: Side?, ignoresTime: Bool = false
    ) -> Refusal? {
        let untrusted = OPENSSL_sk_new_null()
        defer { OPENSSL_sk_free(untrusted) }
        for certificate in chain { OPENSSL_sk_push(untrusted, UnsafeRawPointer(certificate.pointer)) }
        let context = X509_STORE_CTX_new()
        defer { X509_STORE_CTX_free(context) }
        guard X509_STORE_CTX_init(context, store, leaf.pointer, untrusted) == 1 else {
            return Refusal(code: X509_V_ERR_OUT_OF_MEM, text: "out of memory")
        }
        if let side { X509_STORE_CTX_set_default(context, side.name) }
        configure(X509_STORE_CTX_get0_param(context))
        if ignoresTime {
            X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(context), UInt(X509_V_FLAG_NO_CHECK_TIME))
        }
        if policy == .failOpen {
            X509_STORE_CTX_set_verify_cb(context) { isGood, context in
                guard isGood == 0, TrustStore.isMissingList(X509_STORE_CTX_get_error(context)) else { return isGood }
                X509_STORE_CTX_set_error(context, X509_V_OK)
                return 1
            }
        }
        ERR_clear_error()
        defer { ERR_clear_error() }
        return withExtendedLifetime(chain) {
            if X509_verify_cert(context) == 1 { return nil }
            var culprit = leaf
            if let current = X509_STORE_CTX_get_current_cert(context), X509_up_ref(current) == 1 {
                culprit = X509Certificate(owning: current)
            }
            return Self.explain(X509_STORE_CTX_get_error(context), culprit)
        }
    }

    /// Why a connection that stands must go; nil when it may stay.
    func expulsion(of connection: LiveConnection) -> Expulsion? {
        refusal(of: connection.leaf, chain: connection.chain, as: connection.side).map {
            Expulsion(reason: $0.text, isSudden: $0.isRevoked)
        }
    }

    /// What OpenSSL found, of which certificate, and what to do.
    static func explain(_ code: Int32, _ certificate: X509Certificate) -> Refusal {
        let reason = String(cString: X509_verify_cert_error_string(Int(code)))
        let advice: String? =
            switch code {
            case X509_V_ERR_CERT_HAS_EXPIRED:
                "it expired at \(UTC.text(certificate.notAfter)); issue a new one, or check the clocks"
            case X509_V_ERR_CERT_NOT_YET_VALID:
                "it is valid from \(UTC.text(certificate.notBefore)) on; check the clocks"
            case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
                X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
                X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
                "none of the authorities in the CA file issued it"
            case X509_V_ERR_CERT_SIGNATURE_FAILURE: "an authority of that name is in the CA file, with another key"
            case X509_V_ERR_CERT_REVOKED: "its authority has revoked it; issue a new one"
            case X509_V_ERR_UNABLE_TO_GET_CRL:
                "the revocation lists hold none of its authority; make one with `raft cert revoke`"
            case X509_V_ERR_CRL_HAS_EXPIRED:
                "its authority's revocation list is past its next update; renew it with `raft cert revoke`"
            case X509_V_ERR_INVALID_PURPOSE:
                "a node's needs the extended key usages clientAuth and serverAuth, any other clientAuth"
            case X509_V_ERR_EE_KEY_TOO_SMALL, X509_V_ERR_CA_KEY_TOO_SMALL, X509_V_ERR_CA_MD_TOO_WEAK:
                "at least RSA of 2048 bits or a curve of 224, signed with SHA-256 or better, is taken"
            default: nil
            }
        let shown =
            "certificate \(certificate.subject) (issuer \(certificate.issuer), SHA-256 \(certificate.fingerprint))"
        return Refusal(code: code, text: "\(shown): \(reason)" + (advice.map { ": \($0)" } ?? ""))
    }
}
