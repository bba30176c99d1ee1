import COpenSSL
import Glibc
import NIOCore
import NIOPosix
import Testing

/// TLS spoken by OpenSSL itself over a blocking socket, as told: what a client of another make, or an attacker, does.
struct RawTLS: Sendable {
    var certificateFile: String?
    var keyFile: String?
    var versions: ClosedRange<Int32> = TLS1_3_VERSION...TLS1_3_VERSION
    /// The list of protocols as it goes over the wire; nil for no such extension.
    var alpn: [UInt8]?
    /// For TLS 1.3, and for what is older.
    var suites: String?
    var ciphers: String?
    /// What is said once the handshake is done, from this side.
    var says: [UInt8] = []
    /// How a server ends the connection: after so many bytes, with TLS's goodbye or without; nil for when the other side
    /// has.
    var ends: (afterBytes: Int, saysGoodbye: Bool)?

    struct Outcome: Sendable {
        /// This side's handshake is done; in TLS 1.3 the other side has not judged its certificate by then.
        var isDone = false
        var bytes: [UInt8] = []
        var alert: String?
        var version: Int32 = 0
        var suite = ""
        var protocolName = ""
        var isReused = false
        var isResumable = false
        var maximumEarlyData: UInt32 = 0
        var isCompressed = false
        var canRenegotiate = false
        /// The first frame of a server that serves: its settings.
        var isServed: Bool { bytes.count >= 32 && bytes[4] == 1 }
    }

    /// Of its own: who serves waits for who calls, and both may be here.
    private static let threads: NIOThreadPool = {
        let threads = NIOThreadPool(numberOfThreads: 48)
        threads.start()
        return threads
    }()

    static func protocols(_ names: String...) -> [UInt8] {
        names.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
    }

    private func makeContext(_ method: OpaquePointer?) -> OpaquePointer {
        let context = SSL_CTX_new(method)!
        // An attacker has no scruples about strength.
        SSL_CTX_set_security_level(context, 0)
        SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(versions.lowerBound), nil)
        SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(versions.upperBound), nil)
        if let suites { SSL_CTX_set_ciphersuites(context, suites) }
        if let ciphers { SSL_CTX_set_cipher_list(context, ciphers) }
        if let certificateFile, let keyFile {
            #expect(SSL_CTX_use_certificate_chain_file(context, certificateFile) == 1)
            #expect(SSL_CTX_use_PrivateKey_file(context, keyFile, SSL_FILETYPE_PEM) == 1)
        }
        return context
    }

    /// Connects, says what is to be said, and reads until the first frame is there or the other side ends it.
    ///
    /// - Parameter again: a second connection that tries to resume the first one's session.
    func connect(to port: Int, again: Bool = false) async throws -> Outcome {
        try await Self.threads.runIfActive {
            let context = makeContext(TLS_client_method())
            defer { SSL_CTX_free(context) }
            if let alpn { SSL_CTX_set_alpn_protos(context, alpn, UInt32(alpn.count)) }
            var (outcome, session) = try once(context, port, nil)
            if again { (outcome, _) = try once(context, port, session) }
            if let session { SSL_SESSION_free(session) }
            return outcome
        }
    }

    private func once(_ context: OpaquePointer, _ port: Int, _ session: OpaquePointer?) throws -> (
        Outcome, OpaquePointer?
    ) {
        let descriptor = try RefusalTests.connectTCP(port)
        defer { close(descriptor) }
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let ssl = SSL_new(context)!
        defer { SSL_free(ssl) }
        SSL_set_fd(ssl, descriptor)
        if let session { SSL_set_session(ssl, session) }
        var outcome = Outcome()
        ERR_clear_error()
        guard SSL_connect(ssl) == 1 else {
            outcome.alert = Self.reason()
            return (outcome, nil)
        }
        outcome.isDone = true
        if !says.isEmpty { SSL_write(ssl, says, Int32(says.count)) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        while says.isEmpty ? outcome.bytes.count < 32 : true {
            ERR_clear_error()
            let count = SSL_read(ssl, &buffer, 4096)
            guard count > 0 else {
                outcome.alert = Self.reason()
                break
            }
            outcome.bytes += buffer[..<Int(count)]
        }
        outcome.version = SSL_version(ssl)
        outcome.suite = String(cString: SSL_CIPHER_get_name(SSL_get_current_cipher(ssl)))
        var name: UnsafePointer<UInt8>?
        var length: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &length)
        outcome.protocolName = String(decoding: UnsafeBufferPointer(start: name, count: Int(length)), as: UTF8.self)
        outcome.isReused = SSL_session_reused(ssl) == 1
        let kept = SSL_get1_session(ssl)
        outcome.isResumable = SSL_SESSION_is_resumable(kept) == 1
        outcome.maximumEarlyData = SSL_SESSION_get_max_early_data(kept)
        outcome.isCompressed = SSL_get_current_compression(ssl) != nil
        ERR_clear_error()
        outcome.canRenegotiate = SSL_renegotiate(ssl) == 1
        return (outcome, kept)
    }

    private static func reason() -> String? {
        let code = ERR_get_error()
        guard code != 0 else { return nil }
        return ERR_reason_error_string(code).map { String(cString: $0) }
    }

    /// Serves one connection at a port of its own, which `body` is told; then says what is to be said.
    func serve<Result: Sendable>(_ body: (Int) async throws -> Result) async throws -> Result {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let any = try SocketAddress(ipAddress: "127.0.0.1", port: 0)
        try #require(any.withSockAddr { bind(listener, $0, socklen_t($1)) } == 0 && listen(listener, 8) == 0)
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(listener, $0, &length) }
        }
        let port = withUnsafeBytes(of: &storage) { Int($0[2]) << 8 | Int($0[3]) }
        async let served: Void = Self.threads.runIfActive {
            let descriptor = accept(listener, nil, nil)
            defer { close(descriptor) }
            guard descriptor >= 0 else { return }
            var patience = timeval(tv_sec: 20, tv_usec: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
            let context = makeContext(TLS_server_method())
            defer { SSL_CTX_free(context) }
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER) { _, _ in 1 }
            if let alpn {
                let box = Unmanaged.passRetained(Box(alpn))
                defer { box.release() }
                SSL_CTX_set_alpn_select_cb(
                    context,
                    { _, out, outCount, _, _, argument in
                        let chosen = Unmanaged<Box>.fromOpaque(argument!).takeUnretainedValue()
                        out!.pointee = UnsafePointer(chosen.bytes + 1)
                        outCount!.pointee = chosen.bytes[0]
                        return SSL_TLSEXT_ERR_OK
                    }, box.toOpaque())
                answer(context, descriptor)
            } else {
                answer(context, descriptor)
            }
        }
        let result = try await body(port)
        // Lets an accept that nobody came to go.
        shutdown(listener, Int32(SHUT_RDWR))
        try await served
        close(listener)
        return result
    }

    private func answer(_ context: OpaquePointer, _ descriptor: CInt) {
        let ssl = SSL_new(context)!
        defer { SSL_free(ssl) }
        SSL_set_fd(ssl, descriptor)
        guard SSL_accept(ssl) == 1 else { return }
        if !says.isEmpty { SSL_write(ssl, says, Int32(says.count)) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        var total = 0
        while total < ends?.afterBytes ?? .max, case let count = SSL_read(ssl, &buffer, 4096), count > 0 {
            total += Int(count)
        }
        if ends?.saysGoodbye ?? true { SSL_shutdown(ssl) }
    }

    private final class Box {
        let bytes: UnsafeMutablePointer<UInt8>
        init(_ bytes: [UInt8]) {
            self.bytes = .allocate(capacity: bytes.count)
            self.bytes.initialize(from: bytes, count: bytes.count)
        }
        deinit { bytes.deallocate() }
    }
}
