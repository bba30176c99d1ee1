import COpenSSL
import Glibc
import NIOCore
import NIOPosix
import Raft
import RaftTransport
import Testing

@Suite("A connection is refused")
struct RefusalTests {
    let authority: TestAuthority
    init() throws { authority = try TestAuthority() }

    /// A context whose certificate is made as told.
    private func context(
        uris: [String], usage: String? = "serverAuth,clientAuth", notAfter: Int64 = 3600, by ca: TestAuthority? = nil,
        trusting: String? = nil
    ) throws -> TLSContext {
        let issuer = ca ?? authority
        let file = authority.path("leaf-\(UInt64.random(in: 0 ... .max))")
        try issuer.ca.issue(name: "leaf", uris: uris, usage: usage, notBefore: -100, notAfter: notAfter)
            .write(certificate: file + ".pem", key: file + ".key")
        return try TLSContext(certificate: file + ".pem", key: file + ".key", ca: trusting ?? issuer.caFile)
    }

    /// A file with the certificates of both authorities, so that one side can be shown what the other does not trust.
    private func bundle(_ other: TestAuthority) throws -> String {
        let path = authority.path("bundle.pem")
        let text = try authority.ca.certificatePEM() + other.ca.certificatePEM()
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        _ = text.withCString { write(file, $0, strlen($0)) }
        close(file)
        return path
    }

    @Test("to a client of another authority, and the client learns why")
    func otherAuthority() async throws {
        let server = try TestServer(authority)
        let other = try TestAuthority()
        let stranger = try context(uris: ["raft://test/client/mallory"], by: other, trusting: bundle(other))
        let failure = await status { try await server.connect(tls: stranger) }
        #expect(failure?.code == .unauthenticated)
        #expect(failure?.message.contains("alert") == true)
        #expect(failure?.wasSent == false)
        await server.server.stop()
    }

    @Test("to a client of another cluster under the same authority")
    func otherCluster() async throws {
        let server = try TestServer(authority)
        let failure = await status {
            try await server.connect(tls: authority.context(.client, "a", cluster: "sibling"))
        }
        // The client finds out first: the server is not of its cluster either.
        #expect(failure?.code == .unauthenticated)
        #expect(failure?.message.contains("another cluster") == true)
        await server.server.stop()
    }

    @Test("to a client certificate on the peer purpose, and to a role that a purpose has no use for")
    func wrongRole() async throws {
        let server = try TestServer(authority)
        var table = ServiceTable()
        table.register(Method(id: 1, name: "p", purpose: .peer, roles: [.peer])) { $0.respond([]) }
        server.server.serve(.peer, table)
        for role in [Role.client, .admin, .metrics] {
            let failure = await status { try await server.connect(role, "x", purpose: .peer) }
            #expect(failure?.code == .unauthenticated)
        }
        let metrics = await status { try await server.connect(.metrics, "x", purpose: .client) }
        #expect(metrics?.code == .unauthenticated)
        let peer = try await server.connect(.peer, "2", purpose: .peer)
        #expect(peer.isOpen)
        await server.server.stop()
    }

    @Test("for a purpose that is not served")
    func wrongPurpose() async throws {
        let server = try TestServer(authority)
        let failure = await status { try await server.connect(.admin, "root", purpose: .admin) }
        #expect(failure?.code == .unauthenticated)
        #expect(failure?.message.contains("no application protocol") == true)
        await server.server.stop()
    }

    @Test("by a client whose server is another node than the one it wanted")
    func wrongServer() async throws {
        let server = try TestServer(authority)
        let failure = await status {
            try await server.connect(expecting: { $0.node == 2 ? nil : "\($0) is not node 2" })
        }
        #expect(failure?.code == .unauthenticated)
        #expect(failure?.message.contains("raft://test/peer/1 is not node 2") == true)
        await server.server.stop()
    }

    @Test("by a client whose server has a certificate for clients only")
    func serverUsage() async throws {
        let server = try TestServer(authority, tls: context(uris: ["raft://test/peer/1"], usage: "clientAuth"))
        let failure = await status { try await server.connect() }
        #expect(failure?.code == .unauthenticated)
        #expect(failure?.message.contains("purpose") == true)
        await server.server.stop()
    }

    @Test("to a client with a certificate for servers only")
    func clientUsage() async throws {
        let server = try TestServer(authority)
        let tls = try context(uris: ["raft://test/client/a"], usage: "serverAuth")
        let failure = await status { try await server.connect(tls: tls) }
        #expect(failure?.code == .unauthenticated)
        await server.server.stop()
    }

    @Test("where only a peer's certificate could serve")
    func serverRole() throws {
        #expect(throws: RaftError.self) { try TestServer(authority, tls: authority.context(.client, "a")) }
    }

    @Test("at a port where nobody listens, and nothing was sent")
    func nobodyThere() async throws {
        // Bound, so that nobody else gets the port, but not listening.
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        let any = try SocketAddress(ipAddress: "127.0.0.1", port: 0)
        try #require(any.withSockAddr { bind(descriptor, $0, socklen_t($1)) } == 0)
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(descriptor, $0, &length) }
        }
        let port = withUnsafeBytes(of: &storage) { Int($0[2]) << 8 | Int($0[3]) }
        let tls = try authority.context(.client, "a")
        let failure = await status {
            try await RPCConnection.connect(
                to: "127.0.0.1:\(port)", tls: tls, purpose: .client, on: MultiThreadedEventLoopGroup.singleton,
                timeout: .seconds(20))
        }
        #expect(failure?.code == .unavailable)
        #expect(failure?.wasSent == false)
    }

    @Test("and a second listener on the same port is told so at once")
    func busyPort() async throws {
        let server = try TestServer(authority)
        let tls = try authority.context(.peer, "1")
        let error = #expect(throws: RaftError.self) {
            try RPCServer(listen: server.endpoint, tls: tls, group: server.group)
        }
        #expect(error?.message.contains("another process listens there") == true)
        await server.server.stop()
    }

    @Test("when all places are taken, and not when one is free again")
    func places() async throws {
        var limits = TransportLimits()
        limits.maximumConnections = 3
        limits.reservedPeerConnections = 2
        let server = try TestServer(authority, limits: limits)
        var table = ServiceTable()
        table.register(Method(id: 1, name: "p", purpose: .peer, roles: [.peer])) { $0.respond([]) }
        server.server.serve(.peer, table)
        let first = try await server.connect()
        let second = await status { try await server.connect() }
        #expect(second?.code == .unavailable)
        #expect(second?.message.contains("no room") == true && second?.message.contains("reserved for peers") == true)
        let peer = try await server.connect(.peer, "2", purpose: .peer)
        #expect(first.isOpen && peer.isOpen)
        await server.server.stop()
    }

    // MARK: Other clients than ours

    /// A handshake by OpenSSL itself, as told; returns what the server sent that could be read.
    private func rawHandshake(
        _ server: TestServer, version: Int32 = TLS1_3_VERSION, alpn: String? = "raft-client/1",
        certificate: Bool = true, issued: IssuedCertificate? = nil
    ) async throws -> (isDone: Bool, bytes: Int) {
        let port = server.server.port
        let file = authority.path("raw-\(UInt64.random(in: 0 ... .max))")
        let good = try authority.ca.issue(Principal(cluster: "test", role: .client, name: "raw"))
        try (issued ?? good).write(certificate: file + ".pem", key: file + ".key")
        return try await NIOThreadPool.singleton.runIfActive {
            let context = SSL_CTX_new(TLS_client_method())
            defer { SSL_CTX_free(context) }
            SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(version), nil)
            if certificate {
                SSL_CTX_use_certificate_chain_file(context, file + ".pem")
                SSL_CTX_use_PrivateKey_file(context, file + ".key", SSL_FILETYPE_PEM)
            }
            if let alpn {
                let name = Array(alpn.utf8)
                SSL_CTX_set_alpn_protos(context, [UInt8(name.count)] + name, UInt32(name.count + 1))
            }
            let descriptor = try Self.connectTCP(port)
            defer { close(descriptor) }
            let ssl = SSL_new(context)
            defer { SSL_free(ssl) }
            SSL_set_fd(ssl, descriptor)
            guard SSL_connect(ssl) == 1 else { return (false, 0) }
            var bytes = [UInt8](repeating: 0, count: 1024)
            return (true, max(0, Int(SSL_read(ssl, &bytes, 1024))))
        }
    }

    static func connectTCP(_ port: Int) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: port)
        let result = address.withSockAddr { connect(descriptor, $0, socklen_t($1)) }
        try #require(result == 0)
        return descriptor
    }

    @Test("to a client without a certificate, with TLS 1.2, or without or with another ALPN: not a byte of service")
    func otherClients() async throws {
        let server = try TestServer(authority)
        let good = try await rawHandshake(server, version: TLS1_3_VERSION, alpn: "raft-client/1", certificate: true)
        #expect(good.isDone && good.bytes > 0)
        let bare = try await rawHandshake(server, version: TLS1_3_VERSION, alpn: "raft-client/1", certificate: false)
        #expect(bare.bytes == 0)
        let old = try await rawHandshake(server, version: TLS1_2_VERSION, alpn: "raft-client/1", certificate: true)
        #expect(!old.isDone)
        let none = try await rawHandshake(server, version: TLS1_3_VERSION, alpn: nil, certificate: true)
        #expect(none.bytes == 0)
        let other = try await rawHandshake(server, version: TLS1_3_VERSION, alpn: "h2", certificate: true)
        #expect(!other.isDone)
        await server.server.stop()
    }

    private static let name = "raft://test/client/raw"

    @Test(
        "to a certificate that is not good: not a byte of service",
        arguments: [
            ("expired", [name], "clientAuth", false, Int64(-100), Int64(-5)),
            ("not valid yet", [name], "clientAuth", false, 1000, 2000),
            ("for servers", [name], "serverAuth", false, -100, 3600),
            ("without usage", [name], nil, false, -100, 3600),
            ("an authority's", [name], "clientAuth", true, -100, 3600),
            ("without identity", [], "clientAuth", false, -100, 3600),
            ("with two identities", [name, "raft://test/admin/root"], "clientAuth", false, -100, 3600),
            ("with another URI beside", [name, "https://example.com"], "clientAuth", false, -100, 3600),
            ("of a sibling cluster", ["raft://test2/client/raw"], "clientAuth", false, -100, 3600),
            ("in other case", ["raft://Test/client/raw"], "clientAuth", false, -100, 3600),
            ("of no role", ["raft://test/root/raw"], "clientAuth", false, -100, 3600),
            ("of a role without use here", ["raft://test/metrics/raw"], "clientAuth", false, -100, 3600),
        ] as [(String, [String], String?, Bool, Int64, Int64)])
    func badCertificates(
        what: String, uris: [String], usage: String?, isCA: Bool, notBefore: Int64, notAfter: Int64
    ) async throws {
        let server = try TestServer(authority)
        let issued = try authority.ca.issue(
            name: "raw", uris: uris, usage: usage, isCA: isCA, notBefore: notBefore, notAfter: notAfter)
        #expect(try await rawHandshake(server, issued: issued).bytes == 0, "\(what)")
        await server.server.stop()
    }

    @Test("to another authority of the same name")
    func sameName() async throws {
        let server = try TestServer(authority)
        let issued = try TestAuthority().ca.issue(Principal(uri: Self.name))
        #expect(try await rawHandshake(server, issued: issued).bytes == 0)
        #expect(try await rawHandshake(server).bytes > 0)
        await server.server.stop()
    }

    @Test("when the handshake does not come to an end in time")
    func slowHandshake() async throws {
        var limits = TransportLimits()
        limits.handshakeTimeout = .milliseconds(100)
        let server = try TestServer(authority, limits: limits)
        let port = server.server.port
        // The first bytes of a client's hello, then nothing.
        let count = try await NIOThreadPool.singleton.runIfActive { () -> Int in
            let descriptor = try Self.connectTCP(port)
            defer { close(descriptor) }
            var bytes: [UInt8] = [22, 3, 1, 2, 0, 1]
            try #require(write(descriptor, bytes, bytes.count) == bytes.count)
            return read(descriptor, &bytes, bytes.count)
        }
        #expect(count <= 0)
        await server.server.stop()
    }

    /// Everything that comes back before the other side closes.
    static func answer(toPlaintext text: String, at port: Int) async throws -> [UInt8] {
        try await NIOThreadPool.singleton.runIfActive {
            let descriptor = try connectTCP(port)
            defer { close(descriptor) }
            _ = text.withCString { write(descriptor, $0, text.utf8.count) }
            shutdown(descriptor, Int32(SHUT_WR))
            var all: [UInt8] = []
            var bytes = [UInt8](repeating: 0, count: 1024)
            while case let count = read(descriptor, &bytes, 1024), count > 0 { all += bytes[..<count] }
            return all
        }
    }

    @Test("to plaintext, whatever it says: no answer but an alert, and the next client is served")
    func plaintext() async throws {
        let server = try TestServer(authority)
        let port = server.server.port
        for text in ["GET / HTTP/1.1\r\n\r\n", String(repeating: "\u{0}", count: 64), "raft://test/peer/1"] {
            let answer = try await Self.answer(toPlaintext: text, at: port)
            // A TLS alert is a record of type 21 with two bytes.
            #expect(answer.isEmpty || (answer.count == 7 && answer[0] == 21))
        }
        #expect(try await server.connect().call(Methods.echo, [1], timeout: .seconds(20)) == [1])
        await server.server.stop()
    }

    /// Speaks TLS as a good client would, says `bytes`, and reads until the server closes; returns how much came.
    private func rawSession(_ server: TestServer, saying bytes: [UInt8]) async throws -> Int {
        let port = server.server.port
        let file = authority.path("session-\(UInt64.random(in: 0 ... .max))")
        try authority.ca.issue(Principal(uri: Self.name)).write(certificate: file + ".pem", key: file + ".key")
        return try await NIOThreadPool.singleton.runIfActive {
            let context = SSL_CTX_new(TLS_client_method())
            defer { SSL_CTX_free(context) }
            SSL_CTX_use_certificate_chain_file(context, file + ".pem")
            SSL_CTX_use_PrivateKey_file(context, file + ".key", SSL_FILETYPE_PEM)
            let name = Array("raft-client/1".utf8)
            SSL_CTX_set_alpn_protos(context, [UInt8(name.count)] + name, UInt32(name.count + 1))
            let descriptor = try Self.connectTCP(port)
            defer { close(descriptor) }
            let ssl = SSL_new(context)
            defer { SSL_free(ssl) }
            SSL_set_fd(ssl, descriptor)
            try #require(SSL_connect(ssl) == 1)
            try #require(SSL_write(ssl, bytes, Int32(bytes.count)) == Int32(bytes.count))
            var answer = [UInt8](repeating: 0, count: 4096)
            var total = 0
            while case let count = SSL_read(ssl, &answer, 4096), count > 0 { total += Int(count) }
            return total
        }
    }

    @Test("to garbage within TLS: that connection ends, others go on")
    func garbage() async throws {
        let server = try TestServer(authority)
        let bystander = try await server.connect()
        // Settings and the reason come, then the end.
        #expect(try await rawSession(server, saying: [UInt8](repeating: 0xff, count: 100)) > 0)
        #expect(try await bystander.call(Methods.echo, [1], timeout: .seconds(20)) == [1])
        await server.server.stop()
    }

    @Test("to a client that no longer answers a ping")
    func silence() async throws {
        var limits = TransportLimits()
        limits.keepaliveInterval = .milliseconds(20)
        limits.keepaliveTimeout = .milliseconds(100)
        let server = try TestServer(authority, limits: limits)
        // Good settings, and not a word after them.
        let settings: [UInt8] = [16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 1, count: 16)
        // The server's settings are 32 bytes, its ping 24.
        #expect(try await rawSession(server, saying: settings) >= 56)
        await server.server.stop()
    }
}
