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
    /// What a client calls the server (SNI).
    var serverName: String?
    /// For TLS 1.3, and for what is older.
    var suites: String?
    var ciphers: String?
    /// What is said once the handshake is done, from this side.
    var says: [UInt8] = []
    /// Which address of this machine a client comes from.
    var source = "127.0.0.1"
    /// Whether a client has read enough; nil for the first frame, or, when it says something, for the end.
    var hasEnough: (@Sendable ([UInt8]) -> Bool)?
    /// Whether a client, done with all that, asks for another handshake on the same connection.
    var renegotiates = false
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
        var hasRenegotiated = false
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

    /// Every suite that OpenSSL knows for what is older than TLS 1.3.
    static var oldSuites: [String] {
        let context = SSL_CTX_new(TLS_client_method())!
        defer { SSL_CTX_free(context) }
        SSL_CTX_set_cipher_list(context, "ALL:COMPLEMENTOFALL:@SECLEVEL=0")
        let stack = SSL_CTX_get_ciphers(context)
        return (0..<max(0, OPENSSL_sk_num(stack))).map { position in
            String(cString: SSL_CIPHER_get_name(OpaquePointer(OPENSSL_sk_value(stack, position))))
        }.filter { !$0.hasPrefix("TLS_") }
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
        let descriptor = try Self.connectTCP(port, from: source)
        defer { close(descriptor) }
        var patience = timeval(tv_sec: 240, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let ssl = SSL_new(context)!
        defer { SSL_free(ssl) }
        SSL_set_fd(ssl, descriptor)
        if let session { SSL_set_session(ssl, session) }
        if let serverName {
            var name = Array(serverName.utf8.map { CChar(bitPattern: $0) }) + [0]
            SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, Int(TLSEXT_NAMETYPE_host_name), &name)
        }
        var outcome = Outcome()
        ERR_clear_error()
        guard SSL_connect(ssl) == 1 else {
            outcome.alert = Self.reason()
            return (outcome, nil)
        }
        outcome.isDone = true
        if !says.isEmpty { SSL_write(ssl, says, Int32(says.count)) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !(hasEnough?(outcome.bytes) ?? (says.isEmpty && outcome.bytes.count >= 32)) {
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
        if renegotiates {
            outcome.hasRenegotiated = SSL_do_handshake(ssl) == 1
            outcome.alert = Self.reason()
        }
        return (outcome, kept)
    }

    static func connectTCP(_ port: Int, from source: String, receiveBuffer: Int32? = nil) throws -> CInt {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if var receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<Int32>.size))
        }
        let from = try SocketAddress(ipAddress: source, port: 0)
        let to = try SocketAddress(ipAddress: "127.0.0.1", port: port)
        try #require(from.withSockAddr { bind(descriptor, $0, socklen_t($1)) } == 0)
        try #require(to.withSockAddr { Glibc.connect(descriptor, $0, socklen_t($1)) } == 0)
        return descriptor
    }

    /// A client that has connected and says nothing until it is told to.
    func hold(_ port: Int, receiveBuffer: Int32? = nil) throws -> HeldTLS {
        let context = makeContext(TLS_client_method())
        if let alpn { SSL_CTX_set_alpn_protos(context, alpn, UInt32(alpn.count)) }
        let descriptor = try Self.connectTCP(port, from: source, receiveBuffer: receiveBuffer)
        return HeldTLS(context, descriptor)
    }

    /// Runs blocking calls where they keep nobody waiting.
    static func blocking<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await threads.runIfActive(body)
    }

    private static func reason() -> String? {
        let code = ERR_get_error()
        guard code != 0 else { return nil }
        return ERR_reason_error_string(code).map { String(cString: $0) }
    }

    /// Where it serves: an address that nothing else here dials, such as a client that comes back to a server which is
    /// gone, and whose port the next listener is given.
    static let host = "127.78.0.1"

    /// Serves one connection at a port of its own, which `body` is told; then says what is to be said.
    func serve<Result: Sendable>(_ body: (Int) async throws -> Result) async throws -> Result {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let any = try SocketAddress(ipAddress: Self.host, port: 0)
        try #require(any.withSockAddr { bind(listener, $0, socklen_t($1)) } == 0 && listen(listener, 8) == 0)
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(listener, $0, &length) }
        }
        let port = withUnsafeBytes(of: &storage) { Int($0[2]) << 8 | Int($0[3]) }
        // On its way at once: a task of its own would wait for a thread of the tests', and who dials does not wait so long.
        let served = Self.threads.runIfActive(eventLoop: MultiThreadedEventLoopGroup.singleton.any()) {
            let descriptor = accept(listener, nil, nil)
            defer { close(descriptor) }
            guard descriptor >= 0 else { return }
            var patience = timeval(tv_sec: 240, tv_usec: 0)
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
        try await served.get()
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

/// A connection in the hand of a test: blocking calls, one at a time.
final class HeldTLS: @unchecked Sendable {
    // @unchecked: the test calls one after the other.
    private let context: OpaquePointer
    private let ssl: OpaquePointer
    private let descriptor: CInt

    fileprivate init(_ context: OpaquePointer, _ descriptor: CInt) {
        self.context = context
        self.descriptor = descriptor
        ssl = SSL_new(context)
        SSL_set_fd(ssl, descriptor)
        var patience = timeval(tv_sec: 240, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit {
        SSL_free(ssl)
        SSL_CTX_free(context)
        close(descriptor)
    }

    /// Waits until the other side has closed the connection without a word.
    func isClosed() async throws -> Bool {
        try await RawTLS.blocking {
            var byte: UInt8 = 0
            let count = Glibc.read(self.descriptor, &byte, 1)
            // EAGAIN: it was open for as long as this waits.
            return count == 0 || (count < 0 && errno != EAGAIN)
        }
    }

    /// Goes on with the handshake, and reads the first frame.
    func isServed() async throws -> Bool {
        try await RawTLS.blocking {
            guard SSL_connect(self.ssl) == 1 else { return false }
            var bytes = [UInt8](repeating: 0, count: 32)
            return SSL_read(self.ssl, &bytes, 32) == 32 && bytes[4] == 1
        }
    }

    /// Sends bytes that are no part of TLS's own.
    func sendRaw(_ bytes: [UInt8]) async throws -> Bool {
        try await RawTLS.blocking { Glibc.write(self.descriptor, bytes, bytes.count) == bytes.count }
    }

    /// Says something, and reads nothing. False once the other side is gone.
    func say(_ bytes: [UInt8]) async throws -> Bool {
        try await RawTLS.blocking {
            ERR_clear_error()
            return SSL_write(self.ssl, bytes, Int32(bytes.count)) == Int32(bytes.count)
        }
    }

    /// How many bytes still come, until the other side closes or `limit` are there.
    func read(atMost limit: Int) async throws -> Int {
        try await RawTLS.blocking {
            var total = 0
            var bytes = [UInt8](repeating: 0, count: 65_536)
            while total < limit, case let count = SSL_read(self.ssl, &bytes, 65_536), count > 0 { total += Int(count) }
            return total
        }
    }
}

/// Frames as they go over the wire, written down by hand.
enum RawFrame {
    static func frame(_ type: UInt8, stream: UInt32 = 0, _ payload: [UInt8], flags: UInt8 = 0) -> [UInt8] {
        word(UInt32(payload.count)) + [type, flags, 0, 0, 0, 0, 0, 0] + word(stream) + payload
    }
    static func word(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }

    static let settings = frame(1, [UInt8](repeating: 1, count: 16))
    static let ping = frame(10, [UInt8](repeating: 9, count: 8))

    /// A whole request.
    static func request(_ method: UInt8, stream: UInt32, _ body: [UInt8] = []) -> [UInt8] {
        frame(2, stream: stream, [method, 0, 0, 0, 0, 0, 0, 0] + word(UInt32(body.count)) + body)
    }

    /// Type, stream and payload of every whole frame.
    static func all(_ bytes: [UInt8]) -> [(type: UInt8, stream: UInt32, payload: [UInt8])] {
        var frames: [(UInt8, UInt32, [UInt8])] = []
        var rest = bytes[...]
        func word(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) } }
        while rest.count >= 16 {
            let count = Int(word(rest.prefix(4)))
            guard rest.count >= 16 + count else { break }
            let start = rest.startIndex
            frames.append(
                (rest[start + 4], word(rest[(start + 12)..<(start + 16)]), Array(rest.dropFirst(16).prefix(count))))
            rest = rest.dropFirst(16 + count)
        }
        return frames
    }
}
