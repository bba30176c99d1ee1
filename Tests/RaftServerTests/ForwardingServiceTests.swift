import Foundation
import Logging
import NIOPosix
import Raft
import RaftTransport
import Testing

@testable import RaftClient
@testable import RaftServer

/// Three nodes in this process, over real mTLS, and clients that reach one of them only.
@Suite("Writes that a node passes on, over mTLS", .serialized, .timeLimit(.minutes(2)))
struct ForwardingServiceTests {
    private let directory: TemporaryDirectory
    private let authority: CertificateAuthority

    init() throws {
        directory = try TemporaryDirectory()
        authority = try CertificateAuthority(name: "test")
        try authority.write(certificate: directory.file("ca.pem"), key: directory.file("ca-key.pem"))
        try issue(.client, "app")
        for id in 1...3 { try issue(.peer, "\(id)") }
    }

    private func issue(_ role: Role, _ name: String) throws {
        try authority.issue(try Principal(cluster: "test", role: role, name: name))
            .write(certificate: directory.file("\(role)-\(name).pem"), key: directory.file("\(role)-\(name)-key.pem"))
    }

    /// An address of this machine that no outgoing connection takes a port of.
    private static let host = "127.77.0.1"

    /// Ports of it that nobody has.
    private func freePorts(_ count: Int) async throws -> [Int] {
        let tls = try TLSContext(
            certificate: directory.file("peer-1.pem"), key: directory.file("peer-1-key.pem"),
            ca: directory.file("ca.pem"))
        var servers: [RPCServer] = []
        for _ in 0..<count {
            servers.append(
                try RPCServer(listen: "\(Self.host):0", tls: tls, group: MultiThreadedEventLoopGroup.singleton))
        }
        let ports = servers.map(\.port)
        for server in servers { await server.stop() }
        return ports
    }

    private func cluster() async throws -> [NodeService] {
        let ports = try await freePorts(3)
        let members = try ClusterConfiguration(
            voters: ports.enumerated().map { .init(id: NodeID(UInt64($0 + 1)), address: "\(Self.host):\($1)") })
        var services: [NodeService] = []
        for (at, port) in ports.enumerated() {
            let id = at + 1
            var configuration = ServerConfiguration(
                id: NodeID(UInt64(id)), cluster: "test", listen: "\(Self.host):\(port)",
                data: directory.file("data-\(id)"),
                certificate: directory.file("peer-\(id).pem"), key: directory.file("peer-\(id)-key.pem"),
                ca: directory.file("ca.pem"))
            configuration.firstStart = .bootstrap
            configuration.members = members
            services.append(
                try await NodeService.start(
                    configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
        }
        return services
    }

    /// A member that follows a leader.
    private func follower(_ services: [NodeService]) async throws -> NodeService {
        while true {
            if let follower = services.first(where: { $0.status.role == .follower && $0.status.leader != nil }) {
                return follower
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Reaches one endpoint, as if a firewall kept it from the others.
    private struct OneWay: Connector {
        let endpoint: String
        let inner: TLSConnector
        func connect(
            to endpoint: String, purpose: Purpose, timeout: Duration
        ) async throws(RPCStatus) -> any RaftClient.Channel {
            guard endpoint == self.endpoint else {
                throw RPCStatus(.unavailable, "\(endpoint) is behind a firewall", wasSent: false)
            }
            return try await inner.connect(to: endpoint, purpose: purpose, timeout: timeout)
        }
    }

    private func client(_ service: NodeService, _ change: (inout KeyValueClient.Options) -> Void) throws
        -> KeyValueClient
    {
        let endpoint = "\(Self.host):\(service.port)"
        let tls = try TLSContext(
            certificate: directory.file("client-app.pem"), key: directory.file("client-app-key.pem"),
            ca: directory.file("ca.pem"))
        var options = KeyValueClient.Options()
        options.timeout = .seconds(60)
        change(&options)
        return KeyValueClient(
            endpoints: [endpoint],
            connector: OneWay(
                endpoint: endpoint, inner: TLSConnector(tls: tls, group: MultiThreadedEventLoopGroup.singleton)),
            options: options, clock: SystemClock(), random: { 0.5 })
    }

    @Test("A client that reaches a follower only writes through it when it asks for that, with and without a session")
    func passesOn() async throws {
        let services = try await cluster()
        let follower = try await follower(services)
        let plain = try client(follower) { $0.timeout = .seconds(1) }
        let refused = await #expect(throws: RaftClientError.self) { try await plain.put([1], [1]) }
        #expect(refused?.code == .unavailable, "it is told to go to the leader, and cannot")
        await plain.close()

        for usesSessions in [false, true] {
            let client = try client(follower) {
                $0.forwardsWrites = true
                $0.usesSessions = usesSessions
            }
            let put = try await client.put([7], [1, 2])
            let swap = try await client.compareAndSwap([7], expecting: .revision(put.revision), [3])
            #expect(swap.isSwapped && swap.previousRevision == put.revision)
            #expect(try await client.get([7])?.value == [3])
            #expect(try await client.delete([7]).previousRevision == swap.revision)
            let (_, before) = try await client.exchange([8], [4])
            #expect(before == nil)
            #expect(try await client.delete(KeyRange(key: [8])).count == 1)
            try await client.keepSessionsAlive()
            // What the leader's machine refuses is refused here, too.
            let large = await #expect(throws: RaftClientError.self) { try await client.put([], [1]) }
            #expect(large?.code == .refused)
            await client.close()
        }
        for service in services { await service.stop() }
        for service in services { #expect(await service.untilEnded() == nil) }
    }
}
