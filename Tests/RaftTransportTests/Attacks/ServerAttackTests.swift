import COpenSSL
import NIOPosix
import Raft
import RaftTransport
import Testing

/// One way to be dialled, and not be who was meant.
struct ServerAttack: Sendable, CustomTestStringConvertible {
    let name: String
    let forge: @Sendable (AttackLab, Purpose) throws -> Forged
    var change: @Sendable (inout RawTLS) -> Void = { _ in }
    var testDescription: String { name }

    static let settings: [UInt8] =
        [16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 1, count: 16)

    private static func names(_ name: String, _ names: String?) -> ServerAttack {
        ServerAttack(name: name) { lab, _ in try Forge.leaf(names, by: lab.root) }
    }
    private static let honest: @Sendable (AttackLab, Purpose) throws -> Forged = { lab, _ in
        try Forge.leaf("URI:raft://test/peer/2", by: lab.root)
    }

    static let all: [ServerAttack] = [
        ServerAttack(name: "self-signed") { _, _ in try Forge.leaf("URI:raft://test/peer/2", by: nil) },
        ServerAttack(name: "another authority of the same name") { _, _ in
            try Forge.leaf("URI:raft://test/peer/2", by: try Forge.root())
        },
        ServerAttack(name: "expired") { lab, _ in
            try Forge.leaf("URI:raft://test/peer/2", by: lab.root, notAfter: -2)
        },
        ServerAttack(name: "not valid yet") { lab, _ in
            try Forge.leaf("URI:raft://test/peer/2", by: lab.root, notBefore: 100)
        },
        ServerAttack(name: "extended key usage for clients only") { lab, _ in
            try Forge.leaf("URI:raft://test/peer/2", by: lab.root, usage: "clientAuth")
        },
        ServerAttack(name: "leaf that is an authority") { lab, _ in
            try Forge.leaf("URI:raft://test/peer/2", by: lab.root, isCA: true)
        },
        ServerAttack(name: "RSA key of 1024 bits") { lab, _ in
            try Forge.leaf("URI:raft://test/peer/2", by: lab.root, key: .rsa(1024))
        },
        names("another node", "URI:raft://test/peer/3"),
        names("a client's certificate", "URI:raft://test/client/2"),
        names("an administrator's certificate", "URI:raft://test/admin/2"),
        names("a sibling cluster", "URI:raft://sibling/peer/2"),
        names("host names only", "DNS:localhost,IP:\(RawTLS.host)"),
        names("two identities", "URI:raft://test/peer/2,URI:raft://test/peer/3"),
        names("wildcard", "URI:raft://test/peer/*"),
        ServerAttack(name: "no protocol agreed on (ALPN stripped)", forge: honest) { $0.alpn = nil },
        ServerAttack(name: "a protocol that was not asked for", forge: honest) {
            $0.alpn = RawTLS.protocols("raft-client/0")
        },
        ServerAttack(name: "TLS 1.2", forge: honest) { $0.versions = TLS1_2_VERSION...TLS1_2_VERSION },
        ServerAttack(name: "TLS 1.0", forge: honest) { $0.versions = TLS1_VERSION...TLS1_1_VERSION },
    ]
}

@Suite("Nobody is taken for the node that was dialled", .serialized)
struct ServerAttackTests {
    /// Dials node 2 as `purpose` does.
    private func dial(_ lab: AttackLab, _ purpose: Purpose, _ tls: TLSContext, _ port: Int) async -> RPCStatus? {
        await status {
            try await RPCConnection.connect(
                to: "\(RawTLS.host):\(port)", tls: tls, purpose: purpose,
                expecting: { $0.node == 2 ? nil : "\($0) is not node 2" }, on: MultiThreadedEventLoopGroup.singleton,
                timeout: .seconds(120), limits: AttackLab.patient)
        }
    }

    private func server(_ lab: AttackLab, _ purpose: Purpose, _ forged: Forged) throws -> RawTLS {
        var raw = try lab.raw(purpose, forged)
        raw.says = ServerAttack.settings
        return raw
    }

    @Test("by", arguments: ServerAttack.all)
    func attack(_ attack: ServerAttack) async throws {
        let lab = try AttackLab()
        for purpose in Purpose.ofCalls {
            let tls = try lab.context(purpose)
            let twin = try server(lab, purpose, try Forge.leaf("URI:raft://test/peer/2", by: lab.root))
            let refusal = try await twin.serve { port in await dial(lab, purpose, tls, port) }
            #expect(refusal == nil, "the honest twin was refused for \(purpose): \(refusal?.message ?? "")")

            var hostile = try server(lab, purpose, try attack.forge(lab, purpose))
            attack.change(&hostile)
            let outcome = try await hostile.serve { port in await dial(lab, purpose, tls, port) }
            #expect(outcome?.code == .unauthenticated, "\(purpose): \(outcome.map { "\($0)" } ?? "taken")")
            #expect(outcome?.wasSent == false)
        }
        await lab.stop()
    }

    @Test("by a revoked certificate, where lists are checked")
    func revoked() async throws {
        let lab = try AttackLab(list: true)
        for purpose in Purpose.ofCalls {
            let pair = try lab.files(lab.honest(purpose))
            let tls = try TLSContext(
                TLSFiles(certificate: pair.certificate, key: pair.key, ca: lab.files.ca, crl: lab.files.crl))
            let forged = try Forge.leaf("URI:raft://test/peer/2", by: lab.root)
            let hostile = try server(lab, purpose, forged)
            #expect(try await hostile.serve { port in await dial(lab, purpose, tls, port) } == nil)
            try AttackLab.write(try Forge.list(of: lab.root, revoking: [forged]), lab.files.crl!)
            _ = try tls.reload()
            let outcome = try await hostile.serve { port in await dial(lab, purpose, tls, port) }
            #expect(outcome?.code == .unauthenticated)
            #expect(outcome?.message.contains("revoked") == true)
        }
        await lab.stop()
    }
}
