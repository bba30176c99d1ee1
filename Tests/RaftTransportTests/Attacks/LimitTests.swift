import Glibc
import NIOPosix
import Raft
import Testing

@testable import RaftTransport

/// Each limit: just below, at it, just above; and nobody else notices.
@Suite("Past a limit there is a clear answer or a close, and no effect on anybody else", .serialized)
struct LimitTests {
    private func limits(_ change: (inout TransportLimits) -> Void) -> TransportLimits {
        var limits = AttackLab.patient
        change(&limits)
        return limits
    }

    private func client(_ lab: AttackLab, from source: String = "127.0.0.1") throws -> RawTLS {
        var raw = try lab.raw(.client, lab.honest(.client))
        raw.source = source
        return raw
    }

    /// Asks until the answer is yes; only a test that would never end depends on the limit.
    private func eventually(_ what: String, _ isTrue: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(50)
        while try await !isTrue() {
            try #require(ContinuousClock.now < deadline, "never: \(what)")
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// Connects, and waits until the server has seen it: so that it knows which one is the oldest.
    private func hold(_ lab: AttackLab, from source: String) async throws -> HeldTLS {
        let before = lab.server.connections.enteredCount
        let held = try client(lab, from: source).hold(lab.port)
        try await eventually("the connection has been accepted") { lab.server.connections.enteredCount > before }
        return held
    }

    // MARK: Connections

    @Test(
        "connections from one address: the last is taken, one more is refused with the reason, others and peers are not"
    )
    func perAddress() async throws {
        let lab = try AttackLab(limits: limits { $0.maximumConnectionsPerAddress = 3 })
        let tls = try lab.context(.client)
        var open: [RPCConnection] = []
        for _ in 0..<3 { open.append(try await lab.connect(.client, tls: tls)) }
        let refused = await status { try await lab.connect(.client, tls: tls) }
        #expect(refused?.code == .unavailable && refused?.wasSent == false)
        #expect(refused?.message.contains("3 connections are open from the same address") == true)
        // Of whatever purpose but peers'.
        #expect(await status { try await lab.connect(.admin) }?.code == .unavailable)
        for purpose in [Purpose.peer, .snapshot] { #expect(try await lab.serves(purpose)) }
        #expect(try await client(lab, from: "127.0.0.2").connect(to: lab.port).isServed)
        for connection in open {
            #expect(try await connection.call(AttackLab.echo[.client]!, [1], timeout: .seconds(20)) == [1])
        }
        await open.removeLast().close()
        try await eventually("a place that became free is taken") {
            await status { try await lab.connect(.client, tls: tls).close() } == nil
        }
        await lab.stop()
    }

    @Test("half-open handshakes from one address: one more costs that address its oldest, and nobody else anything")
    func handshakesPerAddress() async throws {
        let lab = try AttackLab(limits: limits { $0.maximumHandshakesPerAddress = 2 })
        let other = try await hold(lab, from: "127.0.0.2")
        let first = try await hold(lab, from: "127.0.0.3")
        let second = try await hold(lab, from: "127.0.0.3")
        let third = try await hold(lab, from: "127.0.0.3")
        #expect(try await first.isClosed())
        // Those that are left were not touched: they go on.
        for held in [other, second, third] { #expect(try await held.isServed()) }
        // Done, they no longer count.
        for _ in 0..<3 { #expect(try await hold(lab, from: "127.0.0.3").isServed()) }
        await lab.stop()
    }

    @Test("half-open handshakes in all: one more costs the oldest of them")
    func handshakes() async throws {
        let lab = try AttackLab(limits: limits { $0.maximumHandshakes = 3 })
        var held: [HeldTLS] = []
        for number in 2...4 { held.append(try await hold(lab, from: "127.0.0.\(number)")) }
        let next = try await hold(lab, from: "127.0.0.5")
        #expect(try await held[0].isClosed())
        for left in [held[1], held[2], next] { #expect(try await left.isServed()) }
        await lab.stop()
    }

    @Test(
        "handshakes that fail: above so many a second the address gets none, not even an honest one; others and members do"
    )
    func failedHandshakes() async throws {
        signal(SIGPIPE, SIG_IGN)
        let lab = try AttackLab(limits: limits { $0.maximumFailedHandshakesPerAddress = 1 })
        let stranger = try Forge.leaf("URI:\(AttackLab.identity(for: .client))", by: nil)
        func fail(from source: String) async throws {
            var raw = try lab.raw(.client, stranger)
            raw.source = source
            #expect(try await !raw.connect(to: lab.port).isServed)
        }
        // Whether an honest one is closed before anything is done for it; where this machine is slow, a second passes.
        func isTurnedAway(_ source: String) async throws -> Bool {
            try await fail(from: source)
            let before = lab.server.connections.enteredCount
            let isServed = try await client(lab, from: source).connect(to: lab.port).isServed
            return !isServed && lab.server.connections.enteredCount == before
        }
        try await eventually("an honest one is turned away") { try await isTurnedAway("127.0.0.2") }
        #expect(try await client(lab, from: "127.0.0.3").connect(to: lab.port).isServed)
        // A second later it is as good as any.
        try await eventually("it is let in again") {
            try await client(lab, from: "127.0.0.2").connect(to: lab.port).isServed
        }
        // Where a member has come from, nobody is turned away.
        var member = try lab.raw(.peer, lab.honest(.peer))
        member.source = "127.0.0.4"
        #expect(try await member.connect(to: lab.port).isServed)
        for _ in 0..<5 { try await fail(from: "127.0.0.4") }
        #expect(try await client(lab, from: "127.0.0.4").connect(to: lab.port).isServed)
        await lab.stop()
    }

    @Test("a handshake that comes byte by byte ends at its deadline, and so does one that says nothing after it")
    func deadline() async throws {
        let lab = try AttackLab(
            limits: limits {
                $0.handshakeTimeout = .milliseconds(300)
                $0.keepaliveInterval = .milliseconds(100)
            })
        let slow = try client(lab).hold(lab.port)
        // A hello of 512 bytes, of which there are never enough.
        #expect(try await slow.sendRaw([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]))
        try await eventually("the slow one is cut off") {
            try await Task.sleep(for: .milliseconds(20))
            return try await !slow.sendRaw([0])
        }
        let silent = try client(lab).hold(lab.port)
        if try await silent.isServed() { #expect(try await silent.read(atMost: 1 << 20) < 1 << 20) }
        await lab.stop()
    }

    @Test("a connection on which nothing is asked is ended in good order; one with a call under way is not")
    func idle() async throws {
        let lab = try AttackLab(
            limits: limits {
                $0.idleTimeout = .milliseconds(100)
                $0.keepaliveInterval = .milliseconds(20)
            })
        for purpose in Purpose.ofCalls {
            // Where this machine is slow, a connection has been idle for too long before its first call goes out.
            var call: Task<RPCStatus?, Never>
            var busy: RPCConnection
            repeat {
                let (before, connection) = (lab.unanswered.withLock { $0 }, try await lab.connect(purpose))
                busy = connection
                call = Task {
                    await status {
                        try await connection.call(AttackLab.method(2, "Never", purpose), [], timeout: .seconds(60))
                    }
                }
                try await eventually("the call has come, or the connection is ended") {
                    !connection.isOpen || lab.unanswered.withLock { $0 } > before
                }
            } while !busy.isOpen
            let idle = try await lab.connect(purpose)
            try await eventually("the idle connection is ended") { !idle.isOpen }
            let late = await status { try await idle.call(AttackLab.echo[purpose]!, [1], timeout: .seconds(20)) }
            #expect(late?.code == .unavailable && late?.wasSent == false, "it can be asked again elsewhere")
            call.cancel()
            #expect(await call.value?.code != .unavailable)
            await busy.close()
        }
        await lab.stop()
    }

    // MARK: Calls

    @Test("calls at work for one connection: the last is taken, one more is refused", arguments: [3, 4, 5])
    func callsInFlight(_ count: Int) async throws {
        let lab = try AttackLab(limits: limits { $0.maximumCallsInFlight = 4 })
        for purpose in Purpose.ofCalls {
            var raw = try lab.raw(purpose, lab.honest(purpose))
            raw.says = RawFrame.settings
            for stream in 1...count { raw.says += RawFrame.request(2, stream: UInt32(stream)) }
            raw.says += RawFrame.ping
            raw.hasEnough = { RawFrame.all($0).contains { $0.type == 11 } }
            let frames = RawFrame.all(try await raw.connect(to: lab.port).bytes)
            let refused = frames.filter { $0.type == 6 }
            #expect(refused.map(\.stream) == (count > 4 ? [5] : []))
            #expect(refused.allSatisfy { $0.payload.first == RPCStatus.Code.resourceExhausted.rawValue })
            #expect(try await lab.serves(purpose))
        }
        await lab.stop()
    }

    @Test(
        "calls at work for one caller over all its connections: the last is taken, one more is refused, others' are not"
    )
    func callsPerCaller() async throws {
        let lab = try AttackLab(limits: limits { $0.maximumCallsInFlightPerCaller = 3 })
        for purpose in [Purpose.client, .admin] {
            let (before, tls) = (lab.unanswered.withLock { $0 }, try lab.context(purpose))
            let connections = [try await lab.connect(purpose, tls: tls), try await lab.connect(purpose, tls: tls)]
            let never = AttackLab.method(2, "Never", purpose)
            let calls = (0..<3).map { number in
                Task { await status { try await connections[number % 2].call(never, [], timeout: .seconds(60)) } }
            }
            try await eventually("three are at work") { lab.unanswered.withLock { $0 } == before + 3 }
            func isRefused(_ connection: RPCConnection) async -> Bool {
                let refused = await status {
                    try await connection.call(AttackLab.echo[purpose]!, [1], timeout: .seconds(20))
                }
                return refused?.code == .resourceExhausted
                    && refused?.message.contains("3 calls are at work for \(AttackLab.identity(for: purpose))") == true
            }
            for connection in connections { #expect(await isRefused(connection)) }
            // Another caller of the same role, and a member.
            let other = try await lab.connect(purpose, tls: lab.context(purpose, name: "bob"))
            #expect(try await other.call(AttackLab.echo[purpose]!, [1], timeout: .seconds(20)) == [1])
            #expect(try await lab.serves(.peer))
            calls[0].cancel()
            #expect(await calls[0].value?.code == .cancelled)
            // Its caller is gone, and it is at work all the same.
            #expect(await isRefused(connections[0]))
            lab.answerOne()
            try await eventually("a place that became free is taken") {
                await status { try await connections[0].call(AttackLab.echo[purpose]!, [1], timeout: .seconds(20)) }
                    == nil
            }
            for call in calls { call.cancel() }
            for connection in connections + [other] { await connection.close() }
            lab.answerAll()
        }
        await lab.stop()
        try await eventually("nothing is kept of callers that are gone") { lab.server.callShares.count == 0 }
    }

    @Test("the length of a frame, and of a message, is looked at before anything is kept for it")
    func lengths() async throws {
        let lab = try AttackLab(limits: limits { $0.maximumMessageBytes = 100_000 })
        // Its frames until all of these types have come, or the end is announced (12). A pong overtakes answers.
        func answer(
            _ bytes: [UInt8], until types: Set<UInt8> = [11]
        ) async throws -> [(type: UInt8, stream: UInt32, payload: [UInt8])] {
            var raw = try client(lab)
            raw.says = RawFrame.settings + bytes + RawFrame.ping
            raw.hasEnough = { bytes in
                let come = Set(RawFrame.all(bytes).map(\.type))
                return come.contains(12) || come.isSuperset(of: types)
            }
            return RawFrame.all(try await raw.connect(to: lab.port).bytes)
        }
        // Frames: 65,536 bytes and no more.
        for count in [65_535, 65_536, 65_537] {
            let frames = try await answer(
                RawFrame.request(1, stream: 1, [UInt8](repeating: 7, count: count - 12)), until: [3, 11])
            #expect(frames.contains { $0.type == 12 } == (count > 65_536), "\(count)")
            #expect(frames.contains { $0.type == 3 } == (count <= 65_536), "\(count)")
        }
        // Messages: what is declared counts, whatever comes.
        for count in [99_999, 100_000, 100_001, UInt32.max] as [UInt32] {
            let head = RawFrame.frame(2, stream: 1, [1, 0, 0, 0, 0, 0, 0, 0] + RawFrame.word(count) + [7])
            #expect(try await answer(head).contains { $0.type == 12 } == (count > 100_000), "\(count)")
        }
        // A header that declares 4 GiB, and one of nothing where something belongs.
        var hostile = RawFrame.request(1, stream: 1)
        hostile.replaceSubrange(0..<4, with: [255, 255, 255, 255])
        #expect(try await answer(hostile).contains { $0.type == 12 })
        #expect(try await answer(RawFrame.frame(2, stream: 1, [])).contains { $0.type == 12 })
        // Two calls on one stream, a call on the connection's own, and what only a server says.
        let twice = RawFrame.request(2, stream: 3) + RawFrame.request(2, stream: 3)
        #expect(try await answer(twice).contains { $0.type == 12 })
        #expect(try await answer(RawFrame.request(1, stream: 0)).contains { $0.type == 12 })
        #expect(try await answer(RawFrame.frame(3, stream: 1, RawFrame.word(0))).contains { $0.type == 12 })
        // The honest twin of all of them.
        let good = try await answer(RawFrame.request(1, stream: 1, [7]), until: [3, 11])
        #expect(good.map(\.type).sorted() == [1, 3, 11])
        await lab.stop()
    }

    @Test("what was recorded of one connection says nothing on another: its bytes are no handshake")
    func replay() async throws {
        let lab = try AttackLab()
        let held = try client(lab).hold(lab.port)
        // An application record of an earlier connection, as the wire showed it.
        #expect(try await held.sendRaw([23, 3, 3, 0, 32] + [UInt8](repeating: 0x5a, count: 32)))
        #expect(try await held.read(atMost: 1) == 0)
        #expect(try await lab.serves(.client))
        await lab.stop()
    }

    // MARK: Slow readers

    /// Asks for megabytes, and reads none of them.
    private func slowReader(_ lab: AttackLab, asking count: UInt32) async throws -> HeldTLS {
        let held = try client(lab).hold(lab.port, receiveBuffer: 4096)
        #expect(try await held.isServed())
        var bytes = RawFrame.settings
        for stream in 1...count { bytes += RawFrame.request(3, stream: stream) }
        #expect(try await held.say(bytes))
        return held
    }

    /// Goes on talking, so that it is not taken for dead, until the server has closed the connection.
    private func isDropped(_ held: HeldTLS) async throws -> Bool { try await !held.say(RawFrame.ping) }

    @Test("who asks for much and reads nothing is closed once it has taken none for a while; who reads gets all of it")
    func stalled() async throws {
        signal(SIGPIPE, SIG_IGN)
        let lab = try AttackLab(
            limits: limits {
                $0.stallTimeout = .milliseconds(300)
                $0.keepaliveInterval = .milliseconds(50)
            })
        let slow = try await slowReader(lab, asking: 8)
        try await eventually("the one that reads nothing is closed") { try await isDropped(slow) }
        let good = try await slowReader(lab, asking: 8)
        #expect(try await good.read(atMost: 8 << 20) >= 8 << 20)
        await lab.stop()
    }

    @Test("more bytes waiting for one connection than there may be close it at once")
    func queued() async throws {
        signal(SIGPIPE, SIG_IGN)
        let lab = try AttackLab(limits: limits { $0.maximumQueuedBytes = 3 << 20 })
        let slow = try await slowReader(lab, asking: 16)
        try await eventually("it is closed") { try await isDropped(slow) }
        // Two at a time fit, and what has been taken no longer counts.
        let good = try await lab.connect(.client)
        for _ in 0..<16 {
            let answer = try await good.call(AttackLab.method(3, "Big", .client), [], timeout: .seconds(30))
            #expect(answer.count == 1 << 20)
        }
        await lab.stop()
    }

    @Test("slow readers, each within its limit, do not take the memory of all: those with more than their share go")
    func queuedInAll() async throws {
        signal(SIGPIPE, SIG_IGN)
        let lab = try AttackLab(limits: limits { $0.maximumQueuedBytesInAll = 8 << 20 })
        var slow: [HeldTLS] = []
        for _ in 0..<4 { slow.append(try await slowReader(lab, asking: 5)) }
        try await eventually("one of them is closed") {
            for held in slow { if try await isDropped(held) { return true } }
            return false
        }
        for purpose in Purpose.ofCalls {
            let good = try await lab.connect(purpose)
            let answer = try await good.call(AttackLab.method(3, "Big", purpose), [], timeout: .seconds(30))
            #expect(answer.count == 1 << 20)
            await good.close()
        }
        await lab.stop()
    }
}
