import COpenSSL
import Glibc
import MetricsTestKit
import NIOPosix
import Raft
import Testing

@testable import RaftTransport

@Suite("What a listener counts and shows", .serialized)
struct TransportMetricsTests {
    private func count(_ backend: TestMetrics, _ rule: RefusalRule) throws -> Int64 {
        try backend.expectCounter("raft_refused_connections", [("rule", rule.rawValue)]).totalValue
    }

    private func calls(_ backend: TestMetrics, _ method: String, _ status: String) -> Int64 {
        (try? backend.expectCounter("raft_requests", [("method", method), ("status", status)]).totalValue) ?? 0
    }

    private func expectRefused(_ lab: AttackLab, _ raw: RawTLS) async throws {
        let isServed = try await raw.connect(to: lab.port).isServed
        #expect(!isServed)
    }

    private func eventually(_ what: String, _ isTrue: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(50)
        while try await !isTrue() {
            try #require(ContinuousClock.now < deadline, "never: \(what)")
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    @Test("A refused connection is counted under the rule that it broke, and under no other")
    func refusals() async throws {
        signal(SIGPIPE, SIG_IGN)
        let backend = TestMetrics()
        let lab = try AttackLab(list: true, limits: AttackLab.patient, metrics: backend)
        let (root, uri) = (lab.root, "URI:\(AttackLab.identity(for: .client))")
        let revoked = try lab.honest(.client)
        try AttackLab.write(try Forge.list(of: root, revoking: [revoked]), lab.files.crl!)
        _ = try lab.tls.reload()
        let certificates: [(RefusalRule, Forged?)] = [
            (.certificate, nil), (.certificate, try Forge.leaf(uri, by: nil)),
            (.certificate, try Forge.leaf(uri, by: root, usage: "serverAuth")),
            (.time, try Forge.leaf(uri, by: root, notAfter: -10)),
            (.time, try Forge.leaf(uri, by: root, notBefore: 99)),
            (.revocation, revoked), (.identity, try Forge.leaf("URI:https://test/client/a", by: root)),
            (.cluster, try Forge.leaf("URI:raft://sibling/client/a", by: root)),
            (.role, try Forge.leaf("URI:raft://test/metrics/a", by: root)),
        ]
        var attempts: [(RefusalRule, () async throws -> Void)] = certificates.map { rule, certificate in
            (rule, { try await self.expectRefused(lab, lab.raw(.client, certificate)) })
        }
        var nameless = try lab.raw(.client, lab.honest(.client))
        nameless.alpn = RawTLS.protocols("h2")
        var old = try lab.raw(.client, lab.honest(.client))
        old.versions = TLS1_2_VERSION...TLS1_2_VERSION
        attempts += [
            (.protocol, { [nameless] in try await self.expectRefused(lab, nameless) }),
            (.tls, { [old] in try await self.expectRefused(lab, old) }),
            (.tls, { _ = try await RefusalTests.answer(toPlaintext: "GET / HTTP/1.1\r\n\r\n", at: lab.port) }),
            (.abandoned, { [nameless] in _ = try nameless.hold(lab.port) }),
        ]
        var expected: [RefusalRule: Int64] = [:]
        for (rule, attempt) in attempts {
            try await attempt()
            expected[rule, default: 0] += 1
            try await eventually("\(rule) is counted") { try count(backend, rule) == expected[rule] }
            for other in RefusalRule.allCases {
                #expect(try count(backend, other) == expected[other] ?? 0, "\(other) after \(rule)")
            }
        }
        await lab.stop()
    }

    @Test("A handshake that does not come to an end is counted as that")
    func deadline() async throws {
        signal(SIGPIPE, SIG_IGN)
        let backend = TestMetrics()
        // On a busy machine an honest one may take longer than this, too: nothing else is asked of this listener.
        var limits = AttackLab.patient
        limits.handshakeTimeout = .milliseconds(300)
        let lab = try AttackLab(limits: limits, metrics: backend)
        let isClosed = try await lab.raw(.client, lab.honest(.client)).hold(lab.port).isClosed()
        #expect(isClosed)
        try await eventually("it is counted") { try count(backend, .deadline) == 1 }
        for other in RefusalRule.allCases where other != .deadline { #expect(try count(backend, other) == 0) }
        await lab.stop()
    }

    @Test("Connections above a limit, and of addresses that fail too often, are counted as such")
    func limits() async throws {
        signal(SIGPIPE, SIG_IGN)
        let backend = TestMetrics()
        var limits = AttackLab.patient
        limits.maximumConnectionsPerAddress = 1
        limits.maximumFailedHandshakesPerAddress = 1
        let lab = try AttackLab(limits: limits, metrics: backend)
        let first = try await lab.connect(.client)
        #expect(await status { try await lab.connect(.client) } != nil)
        try await eventually("it is counted") { try count(backend, .places) >= 1 }
        try await eventually("its address is turned away") {
            var stranger = try lab.raw(.client, Forge.leaf("URI:raft://test/client/a", by: nil))
            stranger.source = "127.0.0.9"
            _ = try await stranger.connect(to: lab.port)
            return try count(backend, .failures) >= 1
        }
        await first.close()
        await lab.stop()
    }

    @Test("A call is counted once, by its method and how it ended")
    func calls() async throws {
        let backend = TestMetrics()
        let lab = try AttackLab(metrics: backend)
        let client = try await lab.connect(.client)
        for _ in 0..<3 { _ = try await client.call(AttackLab.echo[.client]!, [1], timeout: .seconds(20)) }
        let strange = Method(id: 77, name: "test/Strange", purpose: .client, roles: [.client])
        #expect(await status { try await client.call(strange, [], timeout: .seconds(20)) }?.code == .unimplemented)
        let never = AttackLab.method(2, "Never", .client)
        let call = Task { await status { try await client.call(never, [], timeout: .seconds(60)) } }
        try await eventually("it has come") { lab.unanswered.withLock { $0 } == 1 }
        call.cancel()
        #expect(await call.value?.code == .cancelled)
        try await eventually("all are counted") { calls(backend, "test/Never", "cancelled") == 1 }
        lab.answerAll()
        #expect(calls(backend, "test/Echo", "ok") == 3)
        #expect(calls(backend, "none", "unimplemented") == 1)
        await client.close()
        await lab.stop()
        #expect(calls(backend, "test/Never", "ok") == 0 && calls(backend, "test/Never", "unavailable") == 0)
    }

    // MARK: The page

    private func ask(_ lab: AttackLab, _ role: Role, _ request: String) async throws -> String? {
        let name = role == .peer ? "2" : "a"
        var raw = try lab.raw(.metrics, Forge.leaf("URI:raft://test/\(role)/\(name)", by: lab.root))
        raw.says = Array(request.utf8)
        raw.hasEnough = { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            return text.contains("\r\n\r\n")
                && (request.hasPrefix("HEAD") || text.hasSuffix("\n") && !text.hasSuffix("\r\n"))
        }
        let outcome = try await raw.connect(to: lab.port)
        return outcome.bytes.isEmpty ? nil : String(decoding: outcome.bytes, as: UTF8.self)
    }

    @Test("The page is for the roles that it names, over TLS, by GET; nobody else gets a byte")
    func page() async throws {
        let lab = try AttackLab()
        lab.server.servePage("/metrics", to: [.metrics, .admin]) { "raft_term 9\n" }
        let get = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
        for role in Role.allCases {
            let answer = try await ask(lab, role, get)
            guard role == .metrics || role == .admin else {
                #expect(answer == nil, "\(role)")
                continue
            }
            #expect(
                answer?.hasPrefix("HTTP/1.1 200 OK\r\n") == true && answer?.hasSuffix("\r\n\r\nraft_term 9\n") == true)
            #expect(answer?.contains("Content-Type: text/plain; version=0.0.4") == true)
        }
        #expect(try await ask(lab, .metrics, "GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n")?.contains(" 200 ") == true)
        #expect(try await ask(lab, .metrics, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n")?.contains(" 404 ") == true)
        let post = "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"
        #expect(try await ask(lab, .metrics, post)?.contains(" 405 ") == true)
        let head = try await ask(lab, .metrics, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(head?.contains("Content-Length: 12") == true && head?.contains("raft_term") == false)
        let plain = try await RefusalTests.answer(toPlaintext: get, at: lab.port)
        #expect(plain.isEmpty || (plain.count == 7 && plain[0] == 21))
        for purpose in Purpose.ofCalls { #expect(try await lab.serves(purpose)) }
        await lab.stop()
    }
}
