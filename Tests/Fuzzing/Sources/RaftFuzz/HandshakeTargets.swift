internal import Foundation
internal import Glibc
internal import NIOCore

@testable internal import Raft
@testable internal import RaftTransport

/// What a stranger may send before anybody knows who it is: bytes into the state machine of a TLS handshake, without a
/// socket; and the certificates and lists that are read of it and of files.
enum HandshakeTargets {
    static let all: [Target] = [handshake, certificate]

    private struct World: Sendable {
        let server: TLSContext
        let client: TLSContext
        /// Of another authority, and of another cluster.
        let strangers: [TLSContext]
    }

    private static let world: World = {
        do {
            let directory = NSTemporaryDirectory() + "raft-fuzz-\(getpid())"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let (own, other) = (try CertificateAuthority(name: "own"), try CertificateAuthority(name: "other"))
            let both = try own.certificatePEM() + other.certificatePEM()
            try own.certificatePEM().write(toFile: directory + "/own.pem", atomically: true, encoding: .utf8)
            try both.write(toFile: directory + "/both.pem", atomically: true, encoding: .utf8)
            func context(_ uri: String, by authority: CertificateAuthority, trusting ca: String) throws -> TLSContext {
                let path = directory + "/\(UInt64.random(in: 0 ... .max))"
                try authority.issue(Principal(uri: uri)).write(certificate: path + ".pem", key: path + ".key")
                var files = TLSFiles(certificate: path + ".pem", key: path + ".key", ca: directory + ca)
                files.acceptsTLS12 = true
                return try TLSContext(files)
            }
            return World(
                server: try context("raft://test/peer/1", by: own, trusting: "/own.pem"),
                client: try context("raft://test/client/a", by: own, trusting: "/own.pem"),
                strangers: [
                    try context("raft://test/client/a", by: other, trusting: "/both.pem"),
                    try context("raft://sibling/client/a", by: own, trusting: "/own.pem"),
                ])
        } catch { fatalError("no certificates: \(error)") }
    }()

    private static func serve() -> TLSSession {
        let policy = TLSPolicy(
            serves: { $0 == .client || $0 == .admin },
            judge: { principal, purpose in
                principal.cluster == "test" && purpose == .client && principal.role == .client
                    ? nil : TLSRefusal(.role, "no use")
            })
        guard let session = TLSSession(world.server, purpose: nil, policy: policy) else { fatalError("no memory") }
        return session
    }

    private static func call(_ context: TLSContext) -> TLSSession {
        let policy = TLSPolicy(serves: { _ in false }, judge: { _, _ in nil })
        guard let session = TLSSession(context, purpose: .client, policy: policy) else { fatalError("no memory") }
        return session
    }

    private static func output(_ session: TLSSession) -> [UInt8] {
        Array(session.takeOutput(ByteBufferAllocator()).readableBytesView)
    }

    /// Hands bytes over in pieces. True once the handshake is done; nil when it has failed.
    private static func feed(_ session: TLSSession, _ bytes: [UInt8], pieces size: Int) -> Bool? {
        var isDone = false
        for start in stride(from: 0, to: bytes.count, by: size) {
            bytes[start..<min(start + size, bytes.count)].withUnsafeBytes { session.feed($0) }
            if isDone { continue }
            switch session.handshake() {
            case .needsInput: break
            case .done: isDone = true
            case .failed(let refusal):
                require(!refusal.reason.isEmpty, "refused without a reason")
                return nil
            }
        }
        return isDone
    }

    /// The first byte says who calls: nobody (the rest is what the server is sent), an honest client, or a stranger; of
    /// these the rest says what becomes of their bytes on the way, as places (two bytes) and what they are changed by.
    private static let handshake = Target(
        name: "handshake",
        seeds: {
            let hello = call(world.client)
            _ = hello.handshake()
            return [
                [0, 255] + output(hello), [0, 1] + Array("GET / HTTP/1.1\r\n\r\n".utf8), [1, 255], [1, 3, 9, 0, 1],
                [2, 255], [3, 255], [1, 255, 200, 0, 1, 44, 2, 128],
            ]
        },
        run: { input in
            guard input.count >= 2 else { return }
            let (kind, size, rest) = (input[0] % 4, Int(input[1]) + 1, Array(input.dropFirst(2)))
            let server = serve()
            guard kind != 0 else {
                let isDone = feed(server, rest, pieces: size * 16) ?? false
                require(!isDone && server.principal == nil, "a handshake without a client")
                return
            }
            let client = call(kind == 1 ? world.client : world.strangers[Int(kind) - 2])
            var changes: [Int: UInt8] = [:]
            for start in stride(from: 0, to: rest.count - 2, by: 3) {
                changes[Int(rest[start]) | Int(rest[start + 1]) << 8] = rest[start + 2]
            }
            var sent = 0
            var isDone = false
            flights: for _ in 0..<6 {
                if case .failed = client.handshake() { break }
                var bytes = output(client)
                for position in bytes.indices { bytes[position] ^= changes[sent + position] ?? 0 }
                sent += bytes.count
                guard !bytes.isEmpty, let step = feed(server, bytes, pieces: size * 16) else { break }
                output(server).withUnsafeBytes { client.feed($0) }
                if step {
                    isDone = true
                    break flights
                }
            }
            if kind == 1, changes.values.allSatisfy({ $0 == 0 }) { require(isDone, "an honest client was not let in") }
            guard isDone else { return }
            require(kind == 1, "a stranger was let in")
            require(server.principal?.uri == "raft://test/client/a", "\(String(describing: server.principal))")
            require(server.purpose == .client, "\(String(describing: server.purpose))")
        })

    /// A certificate or, after an odd first byte, a revocation list, without the armour of its file.
    private static let certificate = Target(
        name: "certificate",
        seeds: {
            let authority = try CertificateAuthority(name: "own")
            let leaf = try authority.issue(
                Principal(uri: "raft://test/peer/1"), hosts: ["a.example", "10.0.0.1"]
            ).certificate
            let list = try RevocationList.make(
                by: authority.certificate, authority.key, old: nil,
                adding: try X509Certificate.all(in: Array(leaf.utf8), path: "leaf", .certificate), validity: 86_400)
            return [
                [0] + content(of: leaf), [0] + content(of: try authority.certificatePEM()),
                [1] + content(of: try list.pem()),
            ]
        },
        run: { input in
            guard let kind = input.first else { return }
            let text = Data(input.dropFirst()).base64EncodedString(options: .lineLength64Characters)
            func file(_ title: String) -> [UInt8] {
                Array("-----BEGIN \(title)-----\n\(text)\n-----END \(title)-----\n".utf8)
            }
            if kind % 2 == 0 {
                let all = try? X509Certificate.all(in: file("CERTIFICATE"), path: "fuzz", .certificate)
                for certificate in all ?? [] {
                    _ = (certificate.subject, certificate.issuer, certificate.serial, certificate.fingerprint)
                    _ = (certificate.validityNow, certificate.isCA, certificate.keyType, certificate.notAfter)
                    guard let principal = try? certificate.principal() else { continue }
                    let uris = certificate.alternativeNames.uris
                    require(uris == [principal.uri], "\(principal) of a certificate that names \(uris)")
                }
            } else {
                for list in (try? RevocationList.all(in: file("X509 CRL"), path: "fuzz")) ?? [] {
                    _ = (list.issuer, list.number, list.serials, list.lastUpdate, list.nextUpdate)
                }
            }
        })

    private static func content(of file: String) -> [UInt8] {
        let lines = file.split(separator: "\n").filter { !$0.hasPrefix("-----") }
        return Array(Data(base64Encoded: lines.joined()) ?? Data())
    }
}
