import Dispatch
import NIOCore
import NIOPosix
import Raft
import RaftTransport
import Testing

@Suite("A server that gives no sign of life", .timeLimit(.minutes(5)))
struct DoubtTests {
    @Test("is in doubt while a call waits for it; the call waits on")
    func silence() async throws {
        let lab = try AttackLab()
        // Good settings, and not a word after them, also not for a ping.
        var raw = try lab.raw(.client, try Forge.leaf("URI:raft://test/peer/2", by: lab.root))
        raw.says = ServerAttack.settings
        let tls = try lab.context(.client)
        let failure = try await raw.serve { port -> RPCStatus? in
            let connection = try await RPCConnection.connect(
                to: "\(RawTLS.host):\(port)", tls: tls, purpose: .client, on: MultiThreadedEventLoopGroup.singleton,
                timeout: .seconds(120), limits: AttackLab.patient)
            #expect(!connection.isInDoubt)
            async let failure = status { try await connection.call(Methods.never, [1], timeout: .seconds(240)) }
            while !connection.isInDoubt { try await Task.sleep(for: .milliseconds(5)) }
            #expect(connection.isOpen)
            await connection.close()
            return await failure
        }
        #expect(failure?.code == .unavailable && failure?.wasSent == true)
        await lab.stop()
    }

    @Test("is in doubt no more once it has spoken")
    func recovery() async throws {
        let authority = try TestAuthority()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let server = try RPCServer(
            listen: "127.0.0.1:0", tls: authority.context(.peer, "1"), group: group, limits: AttackLab.patient)
        // The server's only thread stands still, so nothing of it answers.
        let standstill = DispatchSemaphore(value: 0)
        var table = ServiceTable()
        table.register(Methods.echo) { call in
            standstill.wait()
            call.respond(call.request)
        }
        server.serve(.client, table)
        server.start()
        let connection = try await RPCConnection.connect(
            to: "127.0.0.1:\(server.port)", tls: authority.context(.client, "alice"), purpose: .client,
            on: MultiThreadedEventLoopGroup.singleton, timeout: .seconds(120), limits: AttackLab.patient)
        async let answer = connection.call(Methods.echo, [5], timeout: .seconds(240))
        while !connection.isInDoubt { try await Task.sleep(for: .milliseconds(5)) }
        standstill.signal()
        #expect(try await answer == [5])
        #expect(!connection.isInDoubt)
        await connection.close()
        await server.stop()
        try await group.shutdownGracefully()
    }
}
