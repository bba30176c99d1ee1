import CoreMetrics
import Glibc
import NIOCore
import NIOPosix
import Raft
import RaftTransport

/// A node of cluster `test` that serves every purpose, with an authority whose every certificate can be made: what the
/// attacks are tried on. The directory is removed with it.
final class AttackLab: Sendable {
    let directory: String
    let root: Forged
    let files: TLSFiles
    let tls: TLSContext
    let server: RPCServer
    var port: Int { server.port }
    private let number = Lock(0)

    /// Many of these tests run at once, on machines that have other things to do.
    static let patient = {
        var limits = TransportLimits()
        limits.handshakeTimeout = .seconds(120)
        limits.keepaliveTimeout = .seconds(120)
        // All attacks come from one address, unless that is what is tried.
        limits.maximumFailedHandshakesPerAddress = 1_000_000
        return limits
    }()

    static let echo = Dictionary(
        uniqueKeysWithValues: Purpose.ofCalls.map { ($0, method(1, "Echo", $0)) })

    static func method(_ id: UInt16, _ name: String, _ purpose: Purpose) -> Method {
        Method(id: id, name: "test/\(name)", purpose: purpose, roles: [role(for: purpose)])
    }

    /// The one role that a purpose is for.
    static func role(for purpose: Purpose) -> Role {
        switch purpose {
        case .peer, .snapshot: .peer
        case .client: .client
        case .admin: .admin
        case .metrics: .metrics
        }
    }

    /// Whose certificate is let in.
    static func identity(for purpose: Purpose) -> String {
        let role = role(for: purpose)
        return "raft://test/\(role)/\(role == .peer ? "2" : "alice")"
    }

    /// How many calls have come that are answered only when a test says so.
    let unanswered = Lock(0)
    private let held = Lock<[ServerCall]>([])

    func answerOne() { held.withLock { $0.removeFirst() }.respond([]) }

    func answerAll() {
        let calls = held.withLock { held in
            defer { held = [] }
            return held
        }
        for call in calls { call.respond([]) }
    }

    /// - Parameters:
    ///   - list: whether revocation is checked, by a list of the root that names nothing.
    ///   - acceptsTLS12: whether it is so lax as to speak that with clients.
    init(
        list: Bool = false, revocation: RevocationPolicy = .failClosed, acceptsTLS12: Bool = false,
        limits: TransportLimits = AttackLab.patient, metrics: any MetricsFactory = NOOPMetricsHandler.instance
    ) throws {
        var template = Array("/tmp/raft-attacks-XXXXXX\0".utf8.map { CChar($0) })
        directory = String(cString: mkdtemp(&template))
        root = try Forge.root()
        let own = try Forge.leaf("URI:raft://test/peer/1", by: root, subject: "peer 1")
        var files = TLSFiles(
            certificate: directory + "/own.pem", key: directory + "/own.key", ca: directory + "/ca.pem",
            crl: list ? directory + "/crl.pem" : nil, revocation: revocation)
        files.acceptsTLS12 = acceptsTLS12
        self.files = files
        try Self.write(own.chainPEM, files.certificate)
        try Self.write(own.keyPEM, files.key)
        try Self.write(root.certificatePEM, files.ca)
        if let crl = files.crl { try Self.write(try Forge.list(of: root), crl) }
        tls = try TLSContext(files)
        server = try RPCServer(
            listen: "127.0.0.1:0", tls: tls, group: MultiThreadedEventLoopGroup.singleton, limits: limits,
            metrics: metrics)
        for purpose in Purpose.ofCalls {
            var table = ServiceTable()
            table.register(Self.echo[purpose]!) { $0.respond($0.request) }
            table.register(Self.method(2, "Never", purpose)) { [unanswered, held] call in
                held.withLock { $0.append(call) }
                unanswered.withLock { $0 += 1 }
            }
            table.register(Self.method(3, "Big", purpose)) { $0.respond([UInt8](repeating: 0, count: 1 << 20)) }
            server.serve(purpose, table)
        }
        server.start()
    }

    deinit { removeDirectory(directory) }

    /// Puts a file in the place of another, whole, as an operator should.
    static func write(_ text: String, _ path: String) throws {
        let beside = path + ".new"
        let file = open(beside, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        _ = text.withCString { Glibc.write(file, $0, strlen($0)) }
        close(file)
        rename(beside, path)
    }

    /// Files of a pair, for whoever presents it.
    func files(_ forged: Forged) throws -> (certificate: String, key: String) {
        let id = number.withLock { number in
            number += 1
            return number
        }
        let path = "\(directory)/\(id)"
        try Self.write(forged.chainPEM, path + ".pem")
        try Self.write(forged.keyPEM, path + ".key")
        return (path + ".pem", path + ".key")
    }

    /// A client by OpenSSL itself, for a purpose, with whatever certificate.
    func raw(_ purpose: Purpose, _ forged: Forged?) throws -> RawTLS {
        var raw = RawTLS()
        raw.alpn = RawTLS.protocols(purpose.rawValue)
        if let forged {
            let pair = try files(forged)
            (raw.certificateFile, raw.keyFile) = (pair.certificate, pair.key)
        }
        return raw
    }

    /// A good certificate for a purpose.
    func honest(_ purpose: Purpose, by issuer: Forged? = nil, name: String? = nil) throws -> Forged {
        let uri = name.map { "raft://test/\(Self.role(for: purpose))/\($0)" } ?? Self.identity(for: purpose)
        return try Forge.leaf("URI:\(uri)", by: issuer ?? root)
    }

    /// A client of ours with a good certificate.
    func context(
        _ purpose: Purpose, by issuer: Forged? = nil, name: String? = nil, trusting ca: String? = nil
    ) throws -> TLSContext {
        let pair = try files(honest(purpose, by: issuer, name: name))
        return try TLSContext(certificate: pair.certificate, key: pair.key, ca: ca ?? files.ca)
    }

    func connect(
        _ purpose: Purpose, tls: TLSContext? = nil, to port: Int? = nil, at host: String = "127.0.0.1"
    ) async throws -> RPCConnection {
        try await RPCConnection.connect(
            to: "\(host):\(port ?? self.port)", tls: tls ?? context(purpose), purpose: purpose,
            on: MultiThreadedEventLoopGroup.singleton, timeout: .seconds(120), limits: Self.patient)
    }

    /// Whether an honest client of this purpose is served now.
    func serves(_ purpose: Purpose) async throws -> Bool {
        let connection = try await connect(purpose)
        let answer = try await connection.call(Self.echo[purpose]!, [7], timeout: .seconds(120))
        await connection.close()
        return answer == [7]
    }

    func stop() async { await server.stop() }
}
