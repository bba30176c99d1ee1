internal import COpenSSL
internal import NIOCore
internal import Raft

/// One TLS connection between two memory BIOs: bytes in, bytes out, no socket.
///
/// Used by one event loop at a time; a server's may be handed to another loop once the handshake is done.
final class TLSSession: @unchecked Sendable {
    // @unchecked: see above; whoever hands it over touches it no more.

    enum HandshakeStep {
        case needsInput
        case done
        case failed(TLSRefusal)
    }
    enum ReadResult {
        case bytes
        case needsInput
        /// The other side has said that it sends nothing more.
        case closeNotify
        case failed(String)
    }

    private let ssl: OpaquePointer
    private let input: OpaquePointer
    private let output: OpaquePointer
    private let policy: TLSPolicy
    private let isServer: Bool
    private let context: TLSContext
    /// What the handshake is judged by, even if the context has newer material by then.
    private let material: TLSMaterial
    /// What the client asked for; on the server, what was selected.
    private(set) var purpose: Purpose?
    /// Who the other side is; set during the handshake, once its certificate was found good.
    private(set) var principal: Principal?
    /// Why our own check refused the other side.
    private var refusal: TLSRefusal?

    /// - Parameter purpose: what a client asks for; nil makes a server.
    init?(_ context: TLSContext, purpose: Purpose?, policy: TLSPolicy) {
        isServer = purpose == nil
        self.policy = policy
        self.purpose = purpose
        self.context = context
        material = context.current
        guard let ssl = SSL_new(isServer ? material.serverContext : material.clientContext) else { return nil }
        guard let input = BIO_new(BIO_s_mem()), let output = BIO_new(BIO_s_mem()) else {
            SSL_free(ssl)
            return nil
        }
        self.ssl = ssl
        self.input = input
        self.output = output
        // Empty means "later", not "end".
        BIO_ctrl(input, BIO_C_SET_BUF_MEM_EOF_RETURN, -1, nil)
        BIO_ctrl(output, BIO_C_SET_BUF_MEM_EOF_RETURN, -1, nil)
        SSL_set_bio(ssl, input, output)  // which now owns both
        // Unretained: the callbacks below run only inside calls that this object makes.
        SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(self).toOpaque())
        if let purpose {
            SSL_set_connect_state(ssl)
            let name = Array(purpose.rawValue.utf8)
            let offered = [UInt8(name.count)] + name
            guard SSL_set_alpn_protos(ssl, offered, UInt32(offered.count)) == 0 else { return nil }
        } else {
            SSL_set_accept_state(ssl)
        }
    }

    deinit { SSL_free(ssl) }

    // MARK: Bytes

    /// Takes what came from the network.
    func feed(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return }
        BIO_write(input, start, Int32(bytes.count))
    }

    /// Bytes from the network that have not been deciphered yet.
    var pendingInput: Int { Int(BIO_ctrl_pending(input)) }

    var hasOutput: Bool { BIO_ctrl_pending(output) > 0 }

    /// Moves everything that waits for the network into a buffer.
    func takeOutput(_ allocator: ByteBufferAllocator) -> ByteBuffer {
        let count = Int(BIO_ctrl_pending(output))
        var buffer = allocator.buffer(capacity: count)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { room in
            max(0, Int(BIO_read(output, room.baseAddress, Int32(count))))
        }
        return buffer
    }

    /// Deciphers as much as fits into the room of `buffer`.
    func read(into buffer: inout ByteBuffer) -> ReadResult {
        var result = ReadResult.needsInput
        var isFirst = true
        while buffer.writableBytes > 0 {
            ERR_clear_error()
            var code: Int32 = 0
            buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 0) { room in
                code = SSL_read(ssl, room.baseAddress, Int32(clamping: room.count))
                return max(0, Int(code))
            }
            if code > 0 {
                result = .bytes
                isFirst = false
                continue
            }
            switch SSL_get_error(ssl, code) {
            case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return result
            // The bytes before it are given first; the next read finds it again.
            case SSL_ERROR_ZERO_RETURN: return isFirst ? .closeNotify : result
            default: return .failed(explain().reason)
            }
        }
        return result
    }

    /// Seals bytes; they wait in the output.
    func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard !bytes.isEmpty else { return true }
        ERR_clear_error()
        return SSL_write(ssl, bytes.baseAddress, Int32(bytes.count)) == Int32(bytes.count)
    }

    /// Says that nothing more will be sent.
    func shutdown() {
        ERR_clear_error()
        SSL_shutdown(ssl)
        ERR_clear_error()
    }

    // MARK: Handshake

    func handshake() -> HandshakeStep {
        ERR_clear_error()
        let code = SSL_do_handshake(ssl)
        if code == 1 {
            // The callbacks have seen to all of this; a connection without it must not come into being all the same.
            guard principal != nil, let purpose, purpose == selected, Self.allows(ssl, purpose, material) else {
                return .failed(
                    TLSRefusal(.identity, "the other side completed a handshake without purpose or identity"))
            }
            return .done
        }
        switch SSL_get_error(ssl, code) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .needsInput
        default: return .failed(explain())
        }
    }

    /// Whether the version of TLS that was agreed on is good enough for a purpose.
    private static func allows(_ ssl: OpaquePointer, _ purpose: Purpose, _ material: TLSMaterial) -> Bool {
        switch SSL_version(ssl) {
        case TLS1_3_VERSION: true
        case TLS1_2_VERSION: material.acceptsTLS12 && !purpose.isBetweenMembers
        default: false
        }
    }

    // MARK: Standing

    /// Lets the connection be judged again whenever the context's files are read anew.
    ///
    /// - Parameter drop: ends it; called from any thread.
    /// - Returns: what to call once it is over; or why it must not stand, by material newer than the handshake's.
    func enrol(drop: @escaping @Sendable (Expulsion) -> Void) -> Enrolment {
        guard let principal, let peer = SSL_get1_peer_certificate(ssl) else { return .refused("no identity") }
        let leaf = X509Certificate(owning: peer)
        let connection = LiveConnection(
            principal, leaf: leaf, chain: Self.all(SSL_get_peer_cert_chain(ssl)), as: isServer ? .client : .server,
            validUntil: Self.all(SSL_get0_verified_chain(ssl)).map(\.notAfter).min() ?? leaf.notAfter, drop: drop)
        context.live.add(connection)
        // Enrolled first: material that comes between the two judges it as well.
        let newest = context.current
        if newest !== material,
            let expulsion = newest.trust.expulsion(of: connection)
        {
            context.live.remove(connection)
            return .refused(expulsion.reason)
        }
        return .standing { [context] in context.live.remove(connection) }
    }

    enum Enrolment {
        case standing(() -> Void)
        case refused(String)
    }

    private static func all(_ stack: OpaquePointer?) -> [X509Certificate] {
        guard let stack else { return [] }
        return (0..<max(0, OPENSSL_sk_num(stack))).compactMap { position in
            guard let pointer = OPENSSL_sk_value(stack, position).map({ OpaquePointer($0) }),
                X509_up_ref(pointer) == 1
            else { return nil }
            return X509Certificate(owning: pointer)
        }
    }

    private func explain() -> TLSRefusal {
        let reason = OpenSSLErrors.take()
        // The one thing about certificates that OpenSSL says without asking us.
        let isMissing = reason.contains("did not return a certificate")
        return refusal ?? TLSRefusal(isMissing ? .certificate : .tls, reason)
    }

    private var selected: Purpose? {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &count)
        return Purpose(rawValue: String(decoding: UnsafeBufferPointer(start: name, count: Int(count)), as: UTF8.self))
    }

    private static func of(_ ssl: OpaquePointer?) -> TLSSession? {
        SSL_get_ex_data(ssl, 0).map { Unmanaged<TLSSession>.fromOpaque($0).takeUnretainedValue() }
    }

    /// ALPN, at the server: the first purpose offered that is served; a fatal alert when there is none.
    static let selectProtocol: SSL_CTX_alpn_select_cb_func = { ssl, out, outCount, offered, offeredCount, _ in
        guard let session = TLSSession.of(ssl), let offered, let out, let outCount else {
            return SSL_TLSEXT_ERR_ALERT_FATAL
        }
        let all = UnsafeBufferPointer(start: offered, count: Int(offeredCount))
        var position = 0
        while position < all.count {
            let count = Int(all[position])
            guard count > 0, position + 1 + count <= all.count else { break }
            let name = UnsafeBufferPointer(rebasing: all[(position + 1)..<(position + 1 + count)])
            if let purpose = Purpose(rawValue: String(decoding: name, as: UTF8.self)), session.policy.serves(purpose) {
                guard let ssl, allows(ssl, purpose, session.material) else {
                    session.refusal = TLSRefusal(
                        .tls, "TLS older than 1.3 for \(purpose.rawValue), which is between members")
                    return SSL_TLSEXT_ERR_ALERT_FATAL
                }
                session.purpose = purpose
                out.pointee = name.baseAddress
                outCount.pointee = UInt8(count)
                return SSL_TLSEXT_ERR_OK
            }
            position += 1 + count
        }
        session.refusal = TLSRefusal(.protocol, "the client asked for no protocol that is served here")
        return SSL_TLSEXT_ERR_ALERT_FATAL
    }

    /// The verdict on a certificate: OpenSSL's first, then ours on the leaf. A refusal is an alert in the handshake.
    static let judgeCertificate: @convention(c) (Int32, OpaquePointer?) -> Int32 = { isGood, context in
        let ssl = X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx())
        guard let session = TLSSession.of(ssl.map { OpaquePointer($0) }),
            let current = X509_STORE_CTX_get_current_cert(context), X509_up_ref(current) == 1
        else { return 0 }
        let certificate = X509Certificate(owning: current)
        let depth = X509_STORE_CTX_get_error_depth(context)
        guard isGood == 1 else {
            let code = X509_STORE_CTX_get_error(context)
            if session.material.trust.tolerates(code) {
                X509_STORE_CTX_set_error(context, X509_V_OK)
                return 1
            }
            let refusal = TrustStore.explain(code, certificate)
            session.refusal = TLSRefusal(refusal.rule, refusal.text)
            return 0
        }
        guard depth == 0 else { return 1 }
        if let refusal = session.judge(certificate) {
            session.refusal = refusal
            X509_STORE_CTX_set_error(context, X509_V_ERR_APPLICATION_VERIFICATION)
            return 0
        }
        return 1
    }

    private func judge(_ certificate: X509Certificate) -> TLSRefusal? {
        guard let purpose, !isServer || selected == purpose else {
            return TLSRefusal(.protocol, "the client named no protocol (ALPN)")
        }
        do throws(RaftError) {
            let principal = try certificate.principal()
            if let refusal = policy.judge(principal, purpose) { return refusal }
            self.principal = principal
            return nil
        } catch {
            return TLSRefusal(.identity, error.message)
        }
    }
}
