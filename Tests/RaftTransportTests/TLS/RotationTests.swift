import Glibc
import Logging
import Raft
import RaftTransport
import Testing

/// Files change under connections that stand.
@Suite("Certificates change without a restart", .timeLimit(.minutes(1)))
struct RotationTests {
    private func echo(_ connection: RPCConnection, _ purpose: Purpose) async -> [UInt8]? {
        try? await connection.call(AttackLab.echo[purpose]!, [1], timeout: .seconds(20))
    }

    /// Waits until a connection is no longer open.
    private func ended(_ connection: RPCConnection) async throws {
        while connection.isOpen { try await Task.sleep(for: .milliseconds(2)) }
    }

    /// Puts a new pair, by `issuer`, in the place of a context's.
    private func replace(_ files: TLSFiles, _ forged: Forged) throws {
        try AttackLab.write(forged.keyPEM, files.key)
        try AttackLab.write(forged.chainPEM, files.certificate)
    }

    private func own(_ issuer: Forged, _ name: String = "raft://test/peer/1", notAfter: Int = 3600) throws -> Forged {
        try Forge.leaf("URI:\(name)", by: issuer, notAfter: notAfter)
    }

    @Test("a new leaf and key serve the next connection, and the old connections stay")
    func leaf() async throws {
        let lab = try AttackLab()
        var old: [(Purpose, RPCConnection)] = []
        for purpose in Purpose.ofCalls { old.append((purpose, try await lab.connect(purpose))) }
        let before = lab.tls.certificate.fingerprint
        try replace(lab.files, own(lab.root))
        #expect(try lab.tls.reload().isEmpty)
        #expect(lab.tls.certificate.fingerprint != before)
        for (purpose, connection) in old {
            #expect(await echo(connection, purpose) == [1])
            #expect(try await lab.serves(purpose))
        }
        #expect(lab.tls.status.reloadCount == 1 && lab.tls.status.failureCount == 0)
        await lab.stop()
    }

    @Test("whatever is wrong with the new files, the old ones stay in use, and the reason names the file")
    func refused() async throws {
        let lab = try AttackLab(list: true)
        let files = lab.files
        let before = lab.tls.certificate.fingerprint
        let good = try own(lab.root)
        let stranger = try Forge.root("stranger")
        let steps: [(why: String, names: String, change: () throws -> Void)] = [
            ("another key", "does not belong", { try AttackLab.write(good.keyPEM, files.key) }),
            ("no key", "cannot be read", { try AttackLab.write("", files.key) }),
            (
                "half a certificate", "own.pem",
                { try AttackLab.write(String(good.chainPEM.prefix(200)), files.certificate) }
            ),
            ("no certificate", "does not exist", { unlink(files.certificate) }),
            ("expired", "expired", { try replace(files, own(lab.root, notAfter: -2)) }),
            ("another identity", "cannot change", { try replace(files, own(lab.root, "raft://test/peer/2")) }),
            ("another role", "cannot change", { try replace(files, own(lab.root, "raft://test/admin/1")) }),
            ("another authority's", "does not verify", { try replace(files, own(stranger)) }),
            ("no authority", "ca.pem", { try AttackLab.write("", files.ca) }),
            (
                "without its authority", "does not verify",
                {
                    try AttackLab.write(stranger.certificatePEM, files.ca)
                    try AttackLab.write(Forge.list(of: stranger), files.crl!)
                }
            ),
            ("no list", "crl.pem", { try AttackLab.write("", files.crl!) }),
            (
                "an old list", "past its next update",
                {
                    try AttackLab.write(Forge.list(of: lab.root, notAfter: -2), files.crl!)
                }
            ),
            (
                "a list of nobody's", "no revocation list of authority",
                {
                    try AttackLab.write(Forge.list(of: stranger), files.crl!)
                }
            ),
            ("a forged list", "was not signed by", { try AttackLab.write(Forge.list(of: Forge.root()), files.crl!) }),
            ("a key that others may read", "chmod 600", { chmod(files.key, 0o644) }),
        ]
        func restore() throws {
            try replace(files, good)
            try AttackLab.write(lab.root.certificatePEM, files.ca)
            try AttackLab.write(Forge.list(of: lab.root), files.crl!)
        }
        for (number, step) in steps.enumerated() {
            try step.change()
            let error = #expect(throws: RaftError.self, "\(step.why)") { try lab.tls.reload() }
            #expect(error?.message.contains(step.names) == true, "\(step.why): \(error?.message ?? "")")
            #expect(lab.tls.certificate.fingerprint == before, "\(step.why)")
            #expect(lab.tls.status.failureCount == number + 1)
            #expect(lab.tls.status.lastFailure == error?.message)
            try restore()
        }
        #expect(try await lab.serves(.client), "the old ones still serve")
        // What was only ever wrong in the files is good again.
        _ = try lab.tls.reload()
        #expect(lab.tls.certificate.fingerprint != before)
        #expect(lab.tls.status.lastFailure == nil)
        await lab.stop()
    }

    @Test("an authority taken away takes its connections with it, of every purpose, and leaves the others")
    func authority() async throws {
        let lab = try AttackLab()
        let second = try Forge.root("second")
        try AttackLab.write(lab.root.certificatePEM + second.certificatePEM, lab.files.ca)
        _ = try lab.tls.reload()
        var old: [(Purpose, RPCConnection)] = []
        var new: [(Purpose, RPCConnection)] = []
        for purpose in Purpose.ofCalls {
            old.append((purpose, try await lab.connect(purpose)))
            new.append((purpose, try await lab.connect(purpose, tls: lab.context(purpose, by: second))))
        }
        // The node's own certificate moves first, then the old authority goes.
        try replace(lab.files, own(second))
        #expect(try lab.tls.reload().isEmpty)
        try AttackLab.write(second.certificatePEM, lab.files.ca)
        let dropped = try lab.tls.reload()
        #expect(dropped.count == Purpose.ofCalls.count)
        #expect(dropped.allSatisfy { $0.reason.contains("none of the authorities") })
        #expect(lab.tls.status.droppedCount == dropped.count)
        for (_, connection) in old { try await ended(connection) }
        for (purpose, connection) in new { #expect(await echo(connection, purpose) == [1]) }
        await lab.stop()
    }

    @Test("a revoked caller is dropped in the midst of its calls, at every purpose, and its twin is not")
    func revoked() async throws {
        let lab = try AttackLab(list: true)
        for purpose in Purpose.ofCalls {
            let bad = try lab.honest(purpose)
            let pair = try lab.files(bad)
            let tls = try TLSContext(certificate: pair.certificate, key: pair.key, ca: lab.files.ca)
            let victim = try await lab.connect(purpose, tls: tls)
            let bystander = try await lab.connect(purpose)
            #expect(await echo(victim, purpose) == [1])
            try AttackLab.write(Forge.list(of: lab.root, revoking: [bad]), lab.files.crl!)
            let dropped = try lab.tls.reload()
            #expect(dropped.count == 1)
            #expect(dropped.first?.reason.contains("revoked") == true)
            #expect(dropped.first?.principal.uri == AttackLab.identity(for: purpose))
            try await ended(victim)
            #expect(await echo(bystander, purpose) == [1])
            let again = await status { try await lab.connect(purpose, tls: tls) }
            #expect(again?.code == .unauthenticated)
            await bystander.close()
            try AttackLab.write(Forge.list(of: lab.root), lab.files.crl!)
            _ = try lab.tls.reload()
        }
        await lab.stop()
    }

    @Test("a node whose own certificate is revoked takes the list all the same, and says so")
    func ownRevocation() async throws {
        let lab = try AttackLab(list: true)
        try replace(lab.files, own(lab.root))
        _ = try lab.tls.reload()
        let mine = try own(lab.root)
        try replace(lab.files, mine)
        try AttackLab.write(Forge.list(of: lab.root, revoking: [mine]), lab.files.crl!)
        _ = try lab.tls.reload()
        #expect(lab.tls.status.ownRevocation?.contains("revoked") == true)
        #expect(lab.tls.status.revokedCount == 1)
        // It does not begin with one.
        #expect(throws: RaftError.self) { try TLSContext(lab.files) }
        await lab.stop()
    }

    @Test("both ends judge again: the caller drops a server whose certificate was revoked")
    func revokedServer() async throws {
        let lab = try AttackLab(list: true)
        let server = try own(lab.root)
        try replace(lab.files, server)
        _ = try lab.tls.reload()
        let pair = try lab.files(lab.honest(.client))
        let list = lab.directory + "/client-crl.pem"
        try AttackLab.write(Forge.list(of: lab.root), list)
        let tls = try TLSContext(
            TLSFiles(certificate: pair.certificate, key: pair.key, ca: lab.files.ca, crl: list))
        let connection = try await lab.connect(.client, tls: tls)
        try AttackLab.write(Forge.list(of: lab.root, revoking: [server]), list)
        let dropped = try tls.reload()
        #expect(dropped.map(\.principal.uri) == ["raft://test/peer/1"])
        try await ended(connection)
        await lab.stop()
    }

    @Test("a connection ends when the certificate that it came with expires")
    func expires() async throws {
        let lab = try AttackLab()
        let pair = try lab.files(Forge.leaf("URI:raft://test/client/brief", by: lab.root, notAfter: 2))
        let tls = try TLSContext(certificate: pair.certificate, key: pair.key, ca: lab.files.ca)
        let brief = try await lab.connect(.client, tls: tls)
        let long = try await lab.connect(.client)
        let loop = ThreadLoop(name: "certificates")
        let watcher = CertificateWatcher(
            lab.tls, on: loop, every: .milliseconds(20), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        watcher.start()
        try await ended(brief)
        #expect(await echo(long, .client) == [1])
        #expect(lab.tls.status.droppedCount == 1)
        watcher.stop()
        loop.stop()
        await lab.stop()
    }

    @Test("a watcher takes changed files by itself, and waits for the second of a pair")
    func watcher() async throws {
        let lab = try AttackLab(list: true)
        let loop = ThreadLoop(name: "certificates")
        let lines = Lock<[String]>([])
        let watcher = CertificateWatcher(
            lab.tls, on: loop, every: .milliseconds(20), logger: Logger(label: "test") { _ in LineLog(lines: lines) })
        let told = Lock<[Bool]>([])
        watcher.start { _, isUsed in told.withLock { $0.append(isUsed) } }
        let bad = try lab.honest(.client)
        let pair = try lab.files(bad)
        let victim = try await lab.connect(
            .client, tls: TLSContext(certificate: pair.certificate, key: pair.key, ca: lab.files.ca))
        try AttackLab.write(Forge.list(of: lab.root, revoking: [bad]), lab.files.crl!)
        try await ended(victim)
        #expect(lines.withLock { $0 }.contains { $0.contains("ended a connection of raft://test/client/alice") })
        // A certificate without its key is kept out, told once, and taken once the key is there.
        let new = try own(lab.root)
        try AttackLab.write(new.chainPEM, lab.files.certificate)
        while lab.tls.status.lastFailure == nil { try await Task.sleep(for: .milliseconds(5)) }
        let before = lab.tls.certificate.fingerprint
        try AttackLab.write(new.keyPEM, lab.files.key)
        while lab.tls.certificate.fingerprint == before { try await Task.sleep(for: .milliseconds(5)) }
        #expect(lines.withLock { $0 }.count { $0.contains("kept the certificates in use") } == 1)
        // Asked for, it reads at once, and answers.
        let asked = await withCheckedContinuation { reply in
            watcher.reload("a test asked") { result in
                if case .success(let dropped) = result { reply.resume(returning: dropped.count) }
            }
        }
        #expect(asked == 0)
        #expect(lines.withLock { $0 }.contains { $0.contains("(a test asked)") })
        // The list, the certificate without its key, both, and what was asked for.
        #expect(told.withLock { $0 } == [true, false, true, true])
        watcher.stop()
        loop.stop()
        await lab.stop()
    }

    @Test("a storm of reloads under calls loses none of them")
    func storm() async throws {
        let lab = try AttackLab(list: true)
        let connection = try await lab.connect(.client)
        let isOver = Lock(false)
        async let calls = {
            var count = 0
            while !isOver.withLock({ $0 }) {
                guard await echo(connection, .client) == [1] else { return -1 }
                count += 1
            }
            return count
        }()
        for round in 0..<50 {
            try replace(lab.files, own(lab.root))
            #expect(try lab.tls.reload().isEmpty)
            if round % 10 == 0 { #expect(try await lab.serves(.admin)) }
        }
        isOver.withLock { $0 = true }
        #expect(await calls > 0)
        #expect(lab.tls.status.reloadCount == 50)
        await lab.stop()
    }
}

/// Keeps the text of each line.
private struct LineLog: LogHandler {
    let lines: Lock<[String]>
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }
    func log(event: LogEvent) { lines.withLock { $0.append("\(event.message)") } }
}
