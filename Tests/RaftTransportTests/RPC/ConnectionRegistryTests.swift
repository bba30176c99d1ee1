import NIOCore
import NIOPosix
import Raft
import RaftTransport
import Testing

@Suite("The places of a listener")
struct ConnectionRegistryTests {
    let authority: TestAuthority
    init() throws { authority = try TestAuthority() }

    @Test("Connections that never finish their handshake take nobody's place")
    func lingering() async throws {
        var limits = TransportLimits()
        limits.maximumConnections = 8
        limits.reservedPeerConnections = 2
        let server = try TestServer(authority, limits: limits)
        var silent: [any Channel] = []
        for _ in 0..<20 {
            let channel = try await ClientBootstrap(group: server.group)
                .connect(host: "127.0.0.1", port: server.server.port).get()
            silent.append(channel)
        }
        let connection = try await server.connect()
        #expect(try await connection.call(Methods.echo, [5], timeout: .seconds(20)) == [5])
        await connection.close()
        for channel in silent { channel.close(promise: nil) }
        await server.server.stop()
    }
}
