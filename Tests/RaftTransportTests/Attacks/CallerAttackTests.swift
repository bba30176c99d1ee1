import COpenSSL
import Raft
import RaftTransport
import Testing

/// One way to come with a certificate that must not be let in.
struct CallerAttack: Sendable, CustomTestStringConvertible {
    let name: String
    /// What is presented; nil for nothing. Its honest twin differs in nothing else.
    let forge: @Sendable (AttackLab, Purpose) throws -> Forged?
    var twin: @Sendable (AttackLab, Purpose) throws -> Forged? = { try $0.honest($1) }
    /// Whether it can only be tried where lists are checked.
    var needsList = false
    /// What belongs to the attack and not to the certificate, such as a new list.
    var prepare: @Sendable (AttackLab, Forged?) throws -> Void = { _, _ in }
    var testDescription: String { name }

    static let all = identity + issuers + usage + time + strength + revocation

    private static func names(_ name: String, _ text: @escaping @Sendable (Purpose) -> String?) -> CallerAttack {
        CallerAttack(name: name) { lab, purpose in
            try Forge.leaf(text(purpose), by: lab.root, subject: "peer 2")
        }
    }

    private static func identity(_ cluster: String, _ role: String, _ name: String) -> String {
        "URI:raft://\(cluster)/\(role)/\(name)"
    }
    private static func own(_ purpose: Purpose) -> String { "URI:" + AttackLab.identity(for: purpose) }

    static let identity: [CallerAttack] =
        [
            CallerAttack(name: "no certificate") { _, _ in nil },
            names("identity in the common name only") { _ in nil },
            names("identity as a DNS name only") { _ in "DNS:test.peer.2,IP:127.0.0.1" },
            names("two identities, the good one first") { own($0) + ",URI:raft://test/admin/root" },
            names("two identities, the good one last") { "URI:raft://test/admin/root," + own($0) },
            names("another URI beside the identity") { own($0) + ",URI:https://example.com" },
            names("the same identity twice") { own($0) + "," + own($0) },
            names("SPIFFE's scheme") { "URI:spiffe://test/\(AttackLab.role(for: $0))/2" },
            names("cluster of a sibling under the same authority") {
                identity("sibling", AttackLab.role(for: $0).rawValue, "2")
            },
            names("cluster that begins with ours") { identity("test2", AttackLab.role(for: $0).rawValue, "2") },
            names("cluster that ours begins with") { identity("tes", AttackLab.role(for: $0).rawValue, "2") },
            names("cluster in other letters") { identity("Test", AttackLab.role(for: $0).rawValue, "2") },
            names("wildcard cluster") { identity("*", AttackLab.role(for: $0).rawValue, "2") },
            names("wildcard name") { identity("test", AttackLab.role(for: $0).rawValue, "*") },
            names("role in other letters") { identity("test", AttackLab.role(for: $0).rawValue.uppercased(), "2") },
            names("role that does not exist") { _ in identity("test", "root", "2") },
            names("something behind the name") { own($0) + "/more" },
            names("query behind the name") { own($0) + "?role=peer" },
            names("credentials before the cluster") {
                "URI:raft://admin@test/\(AttackLab.role(for: $0))/2"
            },
            names("percent-encoded role") { _ in "URI:raft://test/%70eer/2" },
            names("empty cluster") { identity("", AttackLab.role(for: $0).rawValue, "2") },
            names("name longer than 63") {
                identity("test", AttackLab.role(for: $0).rawValue, String(repeating: "1", count: 64))
            },
            // A zero byte within the name: whoever reads it as C does sees the honest identity (CVE-2009-2408's kind).
            names("zero byte behind the identity") { purpose in
                let uri = Array(AttackLab.identity(for: purpose).utf8) + [0] + Array(".evil".utf8)
                let body = [0x86, UInt8(uri.count)] + uri
                let bytes: [UInt8] = [0x30, UInt8(body.count)] + body
                return "DER:" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
            },
        ]
        + Role.allCases.flatMap { role in
            ["0", "02", "+2", "18446744073709551616", "2"].map { number in
                CallerAttack(name: "role \(role) with name \(number) where it has no use") { lab, purpose in
                    // Where the role is the right one, only a number that is no node's is an attack.
                    let isRight = role == AttackLab.role(for: purpose)
                    let name = isRight && (role != .peer || number == "2") ? "*" : number
                    return try Forge.leaf(identity("test", role.rawValue, name), by: lab.root)
                }
            }
        }

    static let issuers: [CallerAttack] = [
        CallerAttack(name: "self-signed") { _, purpose in try Forge.leaf(own(purpose), by: nil) },
        CallerAttack(name: "another authority") { _, purpose in
            try Forge.leaf(own(purpose), by: try Forge.root("mallory"))
        },
        CallerAttack(name: "another authority of the same name") { _, purpose in
            try Forge.leaf(own(purpose), by: try Forge.root())
        },
        CallerAttack(name: "the authority's certificate itself") { lab, _ in lab.root },
        CallerAttack(name: "leaf that is an authority") { lab, purpose in
            try Forge.leaf(own(purpose), by: lab.root, isCA: true)
        },
        CallerAttack(
            name: "leaf issued by another leaf",
            forge: { lab, purpose in try Forge.leaf(own(purpose), by: try lab.honest(purpose)) },
            twin: underIntermediate),
        CallerAttack(
            name: "intermediate without basic constraints",
            forge: { lab, purpose in
                let bare = try Forge.intermediate(
                    "bare", by: lab.root,
                    [(NID_key_usage, "critical,keyCertSign"), (NID_subject_key_identifier, "hash")])
                return try Forge.leaf(own(purpose), by: bare)
            }, twin: underIntermediate),
        CallerAttack(
            name: "intermediate that may not sign certificates",
            forge: { lab, purpose in
                let bare = try Forge.intermediate(
                    "bare", by: lab.root,
                    [(NID_basic_constraints, "critical,CA:TRUE"), (NID_key_usage, "critical,cRLSign")])
                return try Forge.leaf(own(purpose), by: bare)
            }, twin: underIntermediate),
        CallerAttack(
            name: "path length exceeded",
            forge: { lab, purpose in
                let short = try Forge.intermediate(
                    "short", by: lab.root,
                    [
                        (NID_basic_constraints, "critical,CA:TRUE,pathlen:0"), (NID_key_usage, "critical,keyCertSign"),
                        (NID_subject_key_identifier, "hash"),
                    ])
                return try Forge.leaf(own(purpose), by: try Forge.intermediate("further", by: short))
            },
            twin: { lab, purpose in
                let first = try Forge.intermediate("first", by: lab.root)
                return try Forge.leaf(own(purpose), by: try Forge.intermediate("further", by: first))
            }),
        CallerAttack(
            name: "chain too deep", forge: { try chained(4, $0, $1) }, twin: { try chained(3, $0, $1) }),
        CallerAttack(
            name: "name constraint of the intermediate violated",
            forge: { try constrained("permitted;URI:.example.com", $0, $1) },
            twin: { try constrained("permitted;URI:test", $0, $1) }),
        CallerAttack(
            name: "name that the intermediate excludes",
            forge: { try constrained("excluded;URI:test", $0, $1) },
            twin: { try constrained("excluded;URI:other", $0, $1) }),
        CallerAttack(name: "critical extension that nobody knows") { lab, purpose in
            try Forge.leaf(own(purpose), by: lab.root, extra: [(unknownExtension, "critical,DER:05:00")])
        },
    ]

    private static let unknownExtension = OBJ_create("1.3.6.1.4.1.55555.1", "unknownToAll", "unknown to all")

    private static let underIntermediate: @Sendable (AttackLab, Purpose) throws -> Forged? = { lab, purpose in
        try Forge.leaf(own(purpose), by: try Forge.intermediate("good", by: lab.root))
    }

    private static func chained(_ count: Int, _ lab: AttackLab, _ purpose: Purpose) throws -> Forged {
        var issuer = lab.root
        for number in 0..<count { issuer = try Forge.intermediate("step \(number)", by: issuer) }
        return try Forge.leaf(own(purpose), by: issuer)
    }

    private static func constrained(_ constraint: String, _ lab: AttackLab, _ purpose: Purpose) throws -> Forged {
        let issuer = try Forge.intermediate(
            "constrained", by: lab.root,
            Forge.authorityExtensions + [(NID_name_constraints, "critical," + constraint)])
        return try Forge.leaf(own(purpose), by: issuer)
    }

    static let usage: [CallerAttack] = ["serverAuth", "codeSigning", "anyExtendedKeyUsage", nil].map { usage in
        CallerAttack(name: "extended key usage \(usage ?? "missing")") { lab, purpose in
            try Forge.leaf(own(purpose), by: lab.root, usage: usage)
        }
    }

    static let time: [CallerAttack] = [
        CallerAttack(name: "expired") { lab, purpose in
            try Forge.leaf(own(purpose), by: lab.root, notBefore: -100, notAfter: -2)
        },
        CallerAttack(name: "not valid yet") { lab, purpose in
            try Forge.leaf(own(purpose), by: lab.root, notBefore: 100, notAfter: 3600)
        },
        CallerAttack(
            name: "intermediate expired",
            forge: { lab, purpose in
                try Forge.leaf(own(purpose), by: try Forge.intermediate("old", by: lab.root, notAfter: -2))
            }, twin: underIntermediate),
    ]

    static let strength: [CallerAttack] = [
        CallerAttack(
            name: "RSA key of 1024 bits",
            forge: { lab, purpose in try Forge.leaf(own(purpose), by: lab.root, key: .rsa(1024)) },
            twin: { lab, purpose in try Forge.leaf(own(purpose), by: lab.root, key: .rsa(2048)) }),
        CallerAttack(name: "signed with SHA-1") { lab, purpose in
            try Forge.leaf(own(purpose), by: lab.root, digest: .sha1)
        },
        CallerAttack(
            name: "signed with MD5", forge: { try underRSA(.md5, $0, $1) }, twin: { try underRSA(.sha256, $0, $1) }),
    ]

    private static func underRSA(_ digest: Forge.Digest, _ lab: AttackLab, _ purpose: Purpose) throws -> Forged {
        let issuer = try Forge.make("rsa", by: lab.root, Forge.authorityExtensions, key: .rsa(2048))
        return try Forge.leaf(own(purpose), by: issuer, digest: digest)
    }

    static let revocation: [CallerAttack] = [
        CallerAttack(
            name: "revoked", forge: { try $0.honest($1) }, needsList: true,
            prepare: { lab, forged in
                try AttackLab.write(try Forge.list(of: lab.root, revoking: [forged!]), lab.files.crl!)
                _ = try lab.tls.reload()
            }),
        CallerAttack(
            name: "intermediate revoked", forge: underIntermediate,
            twin: { lab, purpose in
                let issuer = try Forge.intermediate("good", by: lab.root)
                let lists = try Forge.list(of: lab.root) + Forge.list(of: issuer)
                try AttackLab.write(lists, lab.files.crl!)
                _ = try lab.tls.reload()
                return try Forge.leaf(own(purpose), by: issuer)
            }, needsList: true,
            prepare: { lab, forged in
                let issuer = forged!.above[0]
                let lists = try Forge.list(of: lab.root, revoking: [issuer]) + Forge.list(of: issuer)
                try AttackLab.write(lists, lab.files.crl!)
                _ = try lab.tls.reload()
            }),
        CallerAttack(
            name: "intermediate without a list", forge: underIntermediate, needsList: true),
        CallerAttack(
            name: "list of the intermediate signed by somebody else", forge: underIntermediate, needsList: true,
            prepare: { lab, _ in
                let stranger = try Forge.intermediate("good", by: lab.root)
                let lists = try Forge.list(of: lab.root) + Forge.list(of: stranger)
                try AttackLab.write(lists, lab.files.crl!)
                _ = try lab.tls.reload()
            }),
        CallerAttack(
            name: "list of the intermediate past its next update", forge: underIntermediate, needsList: true,
            prepare: { lab, forged in
                let lists = try Forge.list(of: lab.root) + Forge.list(of: forged!.above[0], notAfter: -2)
                try AttackLab.write(lists, lab.files.crl!)
                _ = try lab.tls.reload()
            }),
    ]
}

@Suite("Nobody gets in as a caller", .serialized)
struct CallerAttackTests {
    @Test("with", arguments: CallerAttack.all)
    func attack(_ attack: CallerAttack) async throws {
        let lab = try AttackLab(list: attack.needsList)
        for purpose in Purpose.ofCalls {
            // The honest twin first: so the attack is the only difference.
            let twin = try lab.raw(purpose, try attack.twin(lab, purpose))
            let served = try await twin.connect(to: lab.port)
            #expect(served.isServed, "the honest twin for \(purpose) was refused: \(served.alert ?? "")")

            let forged = try attack.forge(lab, purpose)
            try attack.prepare(lab, forged)
            let outcome = try await lab.raw(purpose, forged).connect(to: lab.port)
            #expect(!outcome.isServed && outcome.bytes.isEmpty, "let in for \(purpose)")
            // What the offline check says is what the handshake does.
            guard let forged else { continue }
            let check = CertificateCheck(
                ca: lab.files.ca, crl: lab.files.crl, cluster: "test", purpose: purpose,
                roles: [AttackLab.role(for: purpose)])
            let findings = try check.findings(try lab.files(forged).certificate)
            #expect(findings.contains { $0.problem != nil }, "`raft cert verify` finds nothing for \(purpose)")
            // For the next purpose nothing is revoked again.
            if let list = lab.files.crl {
                try AttackLab.write(try Forge.list(of: lab.root), list)
                _ = try lab.tls.reload()
            }
        }
        for purpose in Purpose.ofCalls { #expect(try await lab.serves(purpose), "the node no longer serves") }
        await lab.stop()
    }

    @Test("with a certificate of a role, where the role has no use: every role for every purpose")
    func roles() async throws {
        let lab = try AttackLab()
        for role in Role.allCases {
            let forged = try Forge.leaf("URI:raft://test/\(role)/2", by: lab.root)
            for purpose in Purpose.ofCalls {
                let outcome = try await lab.raw(purpose, forged).connect(to: lab.port)
                #expect(outcome.isServed == (role == AttackLab.role(for: purpose)), "\(role) for \(purpose)")
            }
        }
        await lab.stop()
    }

    @Test("with a revoked certificate, even where a missing list is accepted; without a list, there only")
    func failOpen() async throws {
        let lab = try AttackLab(list: true, revocation: .failOpen)
        let intermediate = try Forge.intermediate("middle", by: lab.root)
        for purpose in Purpose.ofCalls {
            // No list of the intermediate, and an old one of the root: both are let pass here.
            try AttackLab.write(try Forge.list(of: lab.root, notAfter: -2), lab.files.crl!)
            _ = try lab.tls.reload()
            let unlisted = try lab.honest(purpose, by: intermediate)
            #expect(try await lab.raw(purpose, unlisted).connect(to: lab.port).isServed)
            let revoked = try lab.honest(purpose)
            #expect(try await lab.raw(purpose, revoked).connect(to: lab.port).isServed)
            // An old list still says what it says.
            try AttackLab.write(try Forge.list(of: lab.root, revoking: [revoked], notAfter: -2), lab.files.crl!)
            _ = try lab.tls.reload()
            #expect(try await !lab.raw(purpose, revoked).connect(to: lab.port).isServed)
        }
        await lab.stop()
    }
}
