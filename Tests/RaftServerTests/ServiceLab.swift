import Logging
import NIOPosix
import Raft
import RaftClient
import RaftServer
import RaftTransport
import Testing

/// Where a sole voter lives in this process, and those who call it over real mTLS.
struct ServiceLab {
    let directory: TemporaryDirectory
    let authority: CertificateAuthority

    init() throws {
        directory = try TemporaryDirectory()
        authority = try CertificateAuthority(name: "test")
        try authority.write(certificate: directory.file("ca.pem"), key: directory.file("ca-key.pem"))
        for (name, role, holder) in [("node", Role.peer, "1"), ("client", .client, "c"), ("admin", .admin, "a")] {
            try authority.issue(try Principal(cluster: "test", role: role, name: holder))
                .write(certificate: directory.file("\(name).pem"), key: directory.file("\(name)-key.pem"))
        }
    }

    var logger: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }

    func configuration(id: NodeID = 1) throws -> ServerConfiguration {
        var configuration = ServerConfiguration(
            id: id, cluster: "test", listen: "127.0.0.1:0", data: directory.file("data"),
            certificate: directory.file("node.pem"), key: directory.file("node-key.pem"), ca: directory.file("ca.pem"))
        configuration.firstStart = .bootstrap
        configuration.members = try ClusterConfiguration(voters: [.init(id: 1, address: "127.0.0.1:9")])
        configuration.electionTimeout = .milliseconds(200)...(.milliseconds(400))
        configuration.heartbeatInterval = .milliseconds(50)
        return configuration
    }

    func client(_ name: String, _ service: NodeService, usesSessions: Bool = false) throws -> KeyValueClient {
        let tls = try TLSContext(
            certificate: directory.file("\(name).pem"), key: directory.file("\(name)-key.pem"),
            ca: directory.file("ca.pem"))
        var options = KeyValueClient.Options()
        options.timeout = .seconds(30)
        options.usesSessions = usesSessions
        return KeyValueClient(
            endpoints: ["127.0.0.1:\(service.port)"], tls: tls, group: MultiThreadedEventLoopGroup.singleton,
            options: options)
    }

    /// A client's, once the node leads.
    func connection(_ service: NodeService) async throws -> RPCConnection {
        let tls = try TLSContext(
            certificate: directory.file("client.pem"), key: directory.file("client-key.pem"),
            ca: directory.file("ca.pem"))
        while service.status.role != .leader { try await Task.sleep(for: .milliseconds(5)) }
        return try await RPCConnection.connect(
            to: "127.0.0.1:\(service.port)", tls: tls, purpose: .client,
            on: MultiThreadedEventLoopGroup.singleton, timeout: .seconds(10))
    }

    /// Starts a node, hands it out with a client, and stops both.
    func withService(
        _ changed: ServerConfiguration? = nil, usesSessions: Bool = false,
        _ body: (NodeService, KeyValueClient) async throws -> Void
    ) async throws {
        let service = try await NodeService.start(try changed ?? configuration(), logger: logger)
        let client = try client("client", service, usesSessions: usesSessions)
        try await body(service, client)
        await client.close()
        await service.stop()
        #expect(await service.untilEnded() == nil)
        #expect(service.status.role == .stopped)
    }
}
