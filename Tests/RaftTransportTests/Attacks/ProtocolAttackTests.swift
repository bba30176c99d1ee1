import COpenSSL
import Glibc
import NIOPosix
import Raft
import RaftTransport
import Testing

/// What a scanner for TLS servers would look at, for every purpose.
@Suite("What a listener offers of TLS is exactly what is promised", .serialized)
struct ProtocolAttackTests {
    @Test(
        "TLS 1.3 and nothing older; the three suites of it with GCM and ChaCha20 and no other",
        arguments: Purpose.ofCalls)
    func versionsAndSuites(_ purpose: Purpose) async throws {
        let lab = try AttackLab()
        let raw = try lab.raw(purpose, lab.honest(purpose))
        for version in [TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION] {
            var client = raw
            client.versions = version...version
            client.ciphers = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
            let outcome = try await client.connect(to: lab.port)
            #expect(outcome.isDone == (version == TLS1_3_VERSION), "version \(String(version, radix: 16))")
            #expect(outcome.isServed == (version == TLS1_3_VERSION))
        }
        let offered = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
        for suite in offered + ["TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"] {
            var client = raw
            client.suites = suite
            let outcome = try await client.connect(to: lab.port)
            #expect(outcome.isServed == offered.contains(suite), "\(suite)")
            if outcome.isServed { #expect(outcome.suite == suite) }
        }
        // A client that offers everything, old and new, gets the new.
        var eager = raw
        eager.versions = TLS1_VERSION...TLS1_3_VERSION
        eager.ciphers = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
        #expect(try await eager.connect(to: lab.port).version == TLS1_3_VERSION)
        await lab.stop()
    }

    @Test(
        "NULL, anonymous, export, CBC and static RSA suites are refused",
        arguments: ["eNULL", "aNULL", "kRSA", "AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-GCM-SHA256"])
    func oldSuites(_ ciphers: String) async throws {
        let lab = try AttackLab()
        for purpose in Purpose.ofCalls {
            var client = try lab.raw(purpose, lab.honest(purpose))
            client.versions = TLS1_VERSION...TLS1_2_VERSION
            client.ciphers = ciphers + ":@SECLEVEL=0"
            #expect(try await !client.connect(to: lab.port).isDone)
            client.versions = TLS1_VERSION...TLS1_3_VERSION
            #expect(try await client.connect(to: lab.port).isServed, "the honest twin speaks TLS 1.3 too")
        }
        await lab.stop()
    }

    @Test(
        "no session can be resumed, no early data sent, nothing compressed, nothing renegotiated",
        arguments: Purpose.ofCalls)
    func sessions(_ purpose: Purpose) async throws {
        let lab = try AttackLab()
        let raw = try lab.raw(purpose, lab.honest(purpose))
        let first = try await raw.connect(to: lab.port)
        #expect(first.isServed)
        #expect(!first.isResumable && first.maximumEarlyData == 0 && !first.isCompressed && !first.canRenegotiate)
        let second = try await raw.connect(to: lab.port, again: true)
        #expect(second.isServed && !second.isReused)
        await lab.stop()
    }

    @Test(
        "where TLS 1.2 is allowed: with ECDHE and AEAD for clients and administrators, and nothing else of what is old",
        arguments: Purpose.ofCalls)
    func olderByOption(_ purpose: Purpose) async throws {
        let lab = try AttackLab(acceptsTLS12: true)
        let raw = try lab.raw(purpose, lab.honest(purpose))
        let isAllowed = purpose == .client || purpose == .admin
        for version in [TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION] {
            var client = raw
            client.versions = version...version
            client.ciphers = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
            let outcome = try await client.connect(to: lab.port)
            #expect(
                outcome.isServed == (version == TLS1_3_VERSION || (version == TLS1_2_VERSION && isAllowed)),
                "version \(String(version, radix: 16))")
        }
        // Who can do better does.
        var eager = raw
        eager.versions = TLS1_VERSION...TLS1_3_VERSION
        #expect(try await eager.connect(to: lab.port).version == TLS1_3_VERSION)
        var old = raw
        old.versions = TLS1_2_VERSION...TLS1_2_VERSION
        guard isAllowed else { return await lab.stop() }
        // The lab's key is of a curve; those of the list with RSA need such a one.
        let good: Set = [
            "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305",
        ]
        let suites = RawTLS.oldSuites
        #expect(suites.count > 50 && good.isSubset(of: suites))
        for suite in suites {
            old.ciphers = suite + ":@SECLEVEL=0"
            #expect(try await old.connect(to: lab.port).isServed == good.contains(suite), "\(suite)")
        }
        old.ciphers = nil
        let first = try await old.connect(to: lab.port)
        #expect(!first.isResumable && !first.isCompressed)
        let second = try await old.connect(to: lab.port, again: true)
        #expect(second.isServed && !second.isReused)
        old.renegotiates = true
        let third = try await old.connect(to: lab.port)
        #expect(third.isServed && !third.hasRenegotiated && third.alert?.contains("renegotiation") == true)
        await lab.stop()
    }

    @Test("who comes with TLS 1.2, where it is allowed, is judged as anybody is")
    func olderCallers() async throws {
        let lab = try AttackLab(list: true, acceptsTLS12: true)
        for purpose in [Purpose.client, .admin] {
            let uri = "URI:\(AttackLab.identity(for: purpose))"
            let other = AttackLab.identity(for: purpose == .client ? .admin : .client)
            let bad: [(String, Forged?)] = [
                ("none", nil), ("self-signed", try Forge.leaf(uri, by: nil)),
                ("expired", try Forge.leaf(uri, by: lab.root, notAfter: -10)),
                ("of another role", try Forge.leaf("URI:\(other)", by: lab.root)),
                (
                    "of another cluster",
                    try Forge.leaf("URI:raft://sibling/\(AttackLab.role(for: purpose))/a", by: lab.root)
                ),
            ]
            for (name, certificate) in bad {
                var client = try lab.raw(purpose, certificate)
                client.versions = TLS1_2_VERSION...TLS1_2_VERSION
                let outcome = try await client.connect(to: lab.port)
                #expect(!outcome.isServed && outcome.bytes.isEmpty, "\(name)")
            }
            var honest = try lab.raw(purpose, lab.honest(purpose))
            honest.versions = TLS1_2_VERSION...TLS1_2_VERSION
            #expect(try await honest.connect(to: lab.port).isServed)
            honest.alpn = nil
            #expect(try await !honest.connect(to: lab.port).isServed, "a protocol must be named")
        }
        await lab.stop()
    }

    @Test(
        "the protocol must be named, exactly, in its major version",
        arguments: [
            nil, ["h2"], ["http/1.1"], ["raft/2"], ["raft/0"], ["raft"], ["RAFT/1"], ["raft/1 "], ["raft-client/2"],
            ["raft-admin"], ["x"],
        ] as [[String]?])
    func protocols(_ names: [String]?) async throws {
        let lab = try AttackLab()
        for purpose in Purpose.ofCalls {
            var client = try lab.raw(purpose, lab.honest(purpose))
            #expect(try await client.connect(to: lab.port).protocolName == purpose.rawValue, "the honest twin")
            client.alpn = names.map { $0.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } }
            let outcome = try await client.connect(to: lab.port)
            #expect(!outcome.isServed && outcome.bytes.isEmpty)
        }
        await lab.stop()
    }

    @Test(
        "of several protocols offered, the certificate decides: a client does not become a peer by asking for it first")
    func offeringMany() async throws {
        let lab = try AttackLab()
        var client = try lab.raw(.client, lab.honest(.client))
        client.alpn = RawTLS.protocols("raft/1", "raft-admin/1", "raft-client/1")
        #expect(try await !client.connect(to: lab.port).isServed)
        client.alpn = RawTLS.protocols("h2", "raft-client/1", "raft/1")
        #expect(try await client.connect(to: lab.port).isServed)
        await lab.stop()
    }

    @Test("the name that a client calls the server (SNI) changes nothing, for good or bad")
    func serverName() async throws {
        let lab = try AttackLab()
        for purpose in Purpose.ofCalls {
            for name in ["localhost", "another.example", String(repeating: "a", count: 255)] {
                var client = try lab.raw(purpose, lab.honest(purpose))
                client.serverName = name
                #expect(try await client.connect(to: lab.port).isServed)
                var stranger = try lab.raw(purpose, Forge.leaf("URI:\(AttackLab.identity(for: purpose))", by: nil))
                stranger.serverName = name
                #expect(try await !stranger.connect(to: lab.port).isServed)
            }
        }
        await lab.stop()
    }

    @Test("TLS within TLS, HTTP within TLS: the connection ends, and the node goes on")
    func wrongBytesWithin() async throws {
        let lab = try AttackLab()
        for purpose in Purpose.ofCalls {
            for bytes in [[22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3] + [UInt8](repeating: 7, count: 200)]
                + [Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)]
            {
                var client = try lab.raw(purpose, lab.honest(purpose))
                client.says = bytes
                let outcome = try await client.connect(to: lab.port)
                // Its settings, then why it ends: type 12.
                #expect(outcome.bytes.count > 48 && outcome.bytes[36] == 12)
            }
            #expect(try await lab.serves(purpose))
        }
        await lab.stop()
    }

    @Test("plaintext of any kind, for any purpose's client: never a byte but an alert")
    func plaintext() async throws {
        let lab = try AttackLab()
        let port = lab.port
        for text in [
            "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "SSH-2.0-x\r\n", String(repeating: "\u{0}", count: 64),
        ] {
            let answer = try await RefusalTests.answer(toPlaintext: text, at: port)
            #expect(answer.isEmpty || (answer.count == 7 && answer[0] == 21))
        }
        for purpose in Purpose.ofCalls { #expect(try await lab.serves(purpose)) }
        await lab.stop()
    }

    @Test("a connection cut off between two frames is told from one that was closed", arguments: Purpose.ofCalls)
    func truncation(_ purpose: Purpose) async throws {
        let lab = try AttackLab()
        let tls = try lab.context(purpose)
        var server = try lab.raw(purpose, Forge.leaf("URI:raft://test/peer/2", by: lab.root))
        server.says = ServerAttack.settings
        var reasons: [String] = []
        for saysGoodbye in [true, false] {
            // Settings and a request have come: then the end, at the end of a frame.
            server.ends = (32 + 16 + 12 + 1, saysGoodbye)
            let failure = try await server.serve { port in
                await status {
                    let connection = try await lab.connect(purpose, tls: tls, to: port, at: RawTLS.host)
                    return try await connection.call(AttackLab.echo[purpose]!, [1], timeout: .seconds(20))
                }
            }
            #expect(failure?.code == .unavailable && failure?.wasSent == true)
            reasons.append(failure?.message ?? "answered")
        }
        #expect(reasons[0].contains("the other side closed the connection"))
        #expect(reasons[1].contains("cut off without a goodbye"))
        await lab.stop()
    }
}
