import Foundation
import Logging
import NIOPosix
import Raft
package import RaftClient
import RaftServer
import RaftTransport

/// Gives an example a client of a cluster: of the one whose context file (`raft-dev/context.json` of `raft dev`) is the
/// program's first argument, else of a node that is started for it in this process, and is gone afterwards.
package func withCluster(_ body: (KeyValueClient) async throws -> Void) async throws {
    if let path = CommandLine.arguments.dropFirst().first {
        return try await withClient(try ClusterContext(file: URL(filePath: path)), body)
    }
    let folder = NSTemporaryDirectory() + "/raft-\(UUID())"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let authority = try CertificateAuthority(name: "example")
    try authority.write(certificate: "\(folder)/ca.pem", key: "\(folder)/ca-key.pem")
    for (name, principal) in [
        ("node", try Principal(cluster: "example", node: 1)),
        ("client", try Principal(cluster: "example", role: .client, name: "example")),
    ] {
        try authority.issue(principal).write(certificate: "\(folder)/\(name).pem", key: "\(folder)/\(name)-key.pem")
    }
    var configuration = ServerConfiguration(
        id: 1, cluster: "example", listen: "127.0.0.1:0", data: "\(folder)/data", certificate: "\(folder)/node.pem",
        key: "\(folder)/node-key.pem", ca: "\(folder)/ca.pem")
    configuration.firstStart = .bootstrap
    // The port is the kernel's choice, and not known yet; a sole member is dialled by no other.
    configuration.members = try ClusterConfiguration(voters: [.init(id: 1, address: "127.0.0.1:1")])
    configuration.electionTimeout = .milliseconds(200)...(.milliseconds(400))
    configuration.heartbeatInterval = .milliseconds(50)
    let service = try await NodeService.start(
        configuration, logger: Logger(label: "node") { _ in SwiftLogNoOpLogHandler() })
    let context = ClusterContext(endpoints: ["127.0.0.1:\(service.port)"], folder: folder)
    let result: Result<Void, any Error>
    do { result = .success(try await withClient(context, body)) } catch { result = .failure(error) }
    await service.stop()
    _ = await service.untilEnded()
    try result.get()
}

private func withClient(_ context: ClusterContext, _ body: (KeyValueClient) async throws -> Void) async throws {
    let tls = try TLSContext(
        certificate: context.client.certificate, key: context.client.key, ca: context.ca)
    var options = KeyValueClient.Options()
    options.timeout = .seconds(20)
    options.usesSessions = true  // a write whose answer got lost is made again, and done once
    let client = KeyValueClient(
        endpoints: context.endpoints, tls: tls, group: MultiThreadedEventLoopGroup.singleton, options: options)
    let result: Result<Void, any Error>
    do { result = .success(try await body(client)) } catch { result = .failure(error) }
    await client.close()
    try result.get()
}

/// Where a cluster is, and as whom to call it: as `raft dev` writes it.
private struct ClusterContext: Decodable {
    struct Credentials: Decodable {
        var certificate, key: String
    }
    var endpoints: [String]
    var ca: String
    var client: Credentials
    struct NoEndpoints: Error {}

    /// Relative paths in it are meant from the file's own directory.
    init(file: URL) throws {
        self = try JSONDecoder().decode(Self.self, from: Data(contentsOf: file))
        guard !endpoints.isEmpty else { throw NoEndpoints() }
        func path(_ text: String) -> String { URL(filePath: text, relativeTo: file).path }
        ca = path(ca)
        client = Credentials(certificate: path(client.certificate), key: path(client.key))
    }

    init(endpoints: [String], folder: String) {
        self.endpoints = endpoints
        ca = folder + "/ca.pem"
        client = Credentials(certificate: folder + "/client.pem", key: folder + "/client-key.pem")
    }
}
