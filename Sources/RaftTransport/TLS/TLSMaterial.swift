internal import COpenSSL
internal import Raft

/// What connections need, as it was read from files at one moment: a certificate, its key, and whom to trust. A whole,
/// checked before anybody uses it; never changed, but replaced.
final class TLSMaterial: @unchecked Sendable {
    // @unchecked: an SSL_CTX is not changed after `init`; making sessions of it is thread-safe in OpenSSL.
    let serverContext: OpaquePointer
    let clientContext: OpaquePointer
    let principal: Principal
    let certificate: CertificateInfo
    let trust: TrustStore
    let acceptsTLS12: Bool
    /// Taken before the files were read.
    let stamps: [FileStamp?]
    /// A new list revokes our own certificate. It is taken all the same: what else it revokes must not stay because of
    /// that.
    let ownRevocation: String?

    /// - Parameter old: what is to be replaced.
    /// - Throws: ``RaftError/Code/transport``, naming the file, what is wrong with it, and what to do.
    init(_ files: TLSFiles, replacing old: TLSMaterial?) throws(RaftError) {
        stamps = files.all.map { FileStamp($0) }
        let chain = try X509Certificate.all(
            in: SecureFile.read(files.certificate, .certificate), path: files.certificate, .certificate)
        let authorities = try X509Certificate.all(in: SecureFile.read(files.ca, .authority), path: files.ca, .authority)
        let key = try PrivateKey(file: files.key)
        let leaf = chain[0]
        ERR_clear_error()
        guard X509_check_private_key(leaf.pointer, key.pointer) == 1 else {
            ERR_clear_error()
            throw RaftError(
                .transport,
                "key \(files.key) does not belong to certificate \(files.certificate); give the pair that was issued together"
            )
        }
        try Self.checkTime(leaf, files.certificate)
        do throws(RaftError) {
            principal = try leaf.principal()
        } catch {
            throw RaftError(.transport, "certificate file \(files.certificate): \(error.message)")
        }
        if let old, old.principal != principal {
            throw RaftError(
                .transport,
                "certificate file \(files.certificate) names \(principal) now, and this is \(old.principal): an identity cannot change while its holder runs; put a certificate for \(old.principal) there"
            )
        }
        certificate = CertificateInfo(leaf)
        let lists = try Self.readLists(files, authorities)
        trust = try TrustStore(authorities, lists: lists, files.revocation)
        let refusal = trust.refusal(of: leaf, chain: Array(chain.dropFirst()), as: nil)
        if let refusal, refusal.isRevoked, old != nil {
            ownRevocation = "certificate file \(files.certificate): \(refusal.text)"
        } else if let refusal {
            throw RaftError(
                .transport,
                "CA file \(files.ca)\(files.crl.map { " with revocation lists \($0)" } ?? "") does not verify certificate \(files.certificate) of issuer \(leaf.issuer): \(refusal.text); give the CA that issued it"
            )
        } else {
            ownRevocation = nil
        }
        acceptsTLS12 = files.acceptsTLS12
        let server = try Self.makeContext(
            TLS_server_method(), chain: chain, key: key, trust, oldest: acceptsTLS12 ? TLS1_2_VERSION : TLS1_3_VERSION)
        do throws(RaftError) {
            clientContext = try Self.makeContext(
                TLS_client_method(), chain: chain, key: key, trust, oldest: TLS1_3_VERSION)
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

    private static func checkTime(_ leaf: X509Certificate, _ file: String) throws(RaftError) {
        switch leaf.validityNow {
        case 0: break
        case ..<0:
            throw RaftError(
                .transport,
                "certificate \(file) is not valid yet (from \(UTC.text(leaf.notBefore)) on); check this machine's clock"
            )
        default:
            throw RaftError(
                .transport,
                "certificate \(file) expired (at \(UTC.text(leaf.notAfter))); issue a new one with `raft cert issue`")
        }
    }

    /// - Throws: when a list is not its authority's, or, failing closed, an authority has no current one: that is told
    ///   at once, not by everybody being refused.
    private static func readLists(
        _ files: TLSFiles, _ authorities: [X509Certificate]
    ) throws(RaftError) -> [RevocationList]? {
        guard let path = files.crl else { return nil }
        let all = try RevocationList.all(in: SecureFile.read(path, .list), path: path)
        var lists: [RevocationList] = []
        for list in all {
            let namesakes = authorities.filter { list.isNamed(after: $0) }
            func isSound(_ list: RevocationList) -> Bool { namesakes.contains { list.isSigned(by: $0) } }
            if namesakes.isEmpty || isSound(list) {
                lists.append(list)
            } else if !all.contains(where: isSound) {
                // Beside a good one of that name it is another authority's, which is no longer trusted.
                throw RaftError(
                    .transport,
                    "revocation list of \(list.issuer) in \(path) was not signed by the authority of that name in \(files.ca); fetch both anew"
                )
            }
        }
        guard files.revocation == .failClosed else { return lists }
        let now = UTC.now
        for authority in authorities where authority.isCA {
            let own = lists.filter { $0.isSigned(by: authority) }
            guard let newest = own.max(by: { $0.lastUpdate < $1.lastUpdate }) else {
                throw RaftError(
                    .transport,
                    "\(path) holds no revocation list of authority \(authority.subject) (SHA-256 \(authority.fingerprint)), which \(files.ca) names; make one with `raft cert revoke`, or allow to go without with \(RevocationPolicy.failOpen.rawValue)"
                )
            }
            if let end = newest.nextUpdate, end <= now {
                throw RaftError(
                    .transport,
                    "the revocation list of authority \(authority.subject) in \(path) is past its next update (\(UTC.text(end))); renew it with `raft cert revoke`, or allow to go without with \(RevocationPolicy.failOpen.rawValue)"
                )
            }
        }
        return lists
    }

    // Options whose names are made by a macro that Swift does not see (SSL_OP_BIT).
    private static let sessionCacheOff = 0
    private static let optionNoTicket: UInt64 = 1 << 14
    private static let optionNoCompression: UInt64 = 1 << 17
    private static let optionServerPreference: UInt64 = 1 << 22
    private static let optionNoRenegotiation: UInt64 = 1 << 30

    /// For TLS 1.2, where it is allowed: what etcd allowed beside these was GHSA-5x4g-q5rc-36jp.
    private static let oldSuites = [
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    ].joined(separator: ":")

    private static func makeContext(
        _ method: OpaquePointer?, chain: [X509Certificate], key: PrivateKey, _ trust: TrustStore, oldest: Int32
    ) throws(RaftError) -> OpaquePointer {
        ERR_clear_error()
        guard let context = SSL_CTX_new(method) else {
            throw RaftError(.transport, "cannot set up TLS: \(OpenSSLErrors.take())")
        }
        trust.apply(to: context)
        SSL_CTX_set_options(
            context, optionNoTicket | optionNoCompression | optionServerPreference | optionNoRenegotiation)
        SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, sessionCacheOff, nil)
        SSL_CTX_ctrl(context, SSL_CTRL_MODE, Int(SSL_MODE_NO_AUTO_CHAIN) | Int(SSL_MODE_RELEASE_BUFFERS), nil)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, TLSSession.judgeCertificate)
        var isGood =
            SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(oldest), nil) == 1
            && SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(TLS1_3_VERSION), nil) == 1
            && SSL_CTX_set_ciphersuites(
                context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1
            && SSL_CTX_set_cipher_list(context, oldSuites) == 1
            && SSL_CTX_set_num_tickets(context, 0) == 1
            && SSL_CTX_set_max_early_data(context, 0) == 1
            && SSL_CTX_use_certificate(context, chain[0].pointer) == 1
            && SSL_CTX_use_PrivateKey(context, key.pointer) == 1
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
