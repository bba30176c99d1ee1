internal import Benchmarking
internal import Foundation
internal import NIOCore
internal import NIOPosix
internal import Raft
internal import RaftStorage
internal import RaftTransport

/// Three nodes in this process as a program embeds them: on the disk, over mutual TLS. One of them leads.
struct DurableCluster {
    private static let name = "benchmark"
    private static let ids: [NodeID] = [1, 2, 3]

    /// The members' certificates, which all clusters of a run share.
    static func certificates(in directory: String) throws -> [BareTLS.Files] {
        try BareTLS.Files.issue(to: ids, of: name, in: directory)
    }

    private struct Member {
        let node: RaftNode<Noted>
        let loop: NIOLoop
        let server: RPCServer
        let data: DataDirectory
        let files: CountingFileSystem
        let group: MultiThreadedEventLoopGroup
    }

    let leader: RaftNode<Noted>
    /// The leader's.
    let loop: any Loop
    private let leaderFiles: CountingFileSystem
    private let members: [Member]

    /// How often the leader's log was synced so far.
    var leaderSyncs: Int { leaderFiles.syncCount }

    init(_ certificates: [BareTLS.Files], in directory: String, timing: NodeTiming = .usual) async throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let hosts = try certificates.map { files in
            let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
            let tls = try TLSContext(certificate: files.certificate, key: files.key, ca: files.authority)
            return (group: group, tls: tls, server: try RPCServer(listen: "127.0.0.1:0", tls: tls, group: group))
        }
        let configuration = try ClusterConfiguration(
            voters: zip(Self.ids, hosts).map { .init(id: $0, address: "127.0.0.1:\($1.server.port)") })
        var random = SystemRandomNumberGenerator()
        var members: [Member] = []
        for (id, host) in zip(Self.ids, hosts) {
            let files = CountingFileSystem()
            let data = try DataDirectory.open(
                "\(directory)/node-\(id)", cluster: Self.name, node: id, mode: .create, fileSystem: files,
                using: &random)
            let loop = NIOLoop(host.group.next())
            let node = try RaftNode(
                configuration: timing.configuration(id, Self.name), machine: Noted(),
                store: try SegmentedLog(directory: data),
                transport: TLSTransport(server: host.server, tls: host.tls, loop: loop), loops: .with(loop),
                bootstrap: configuration, peers: try data.peers(), logger: .errorsOnly)
            try await node.start()
            members.append(
                Member(
                    node: node, loop: loop, server: host.server, data: data, files: files, group: host.group))
        }
        self.members = members
        let leading = members[try await placeOfLeader(among: members.map(\.node))]
        leader = leading.node
        loop = leading.loop
        leaderFiles = leading.files
    }

    func stop() async {
        for member in members { await member.node.stop() }
        for member in members {
            await member.server.stop()
            member.data.close()
            try? await member.group.shutdownGracefully()
        }
    }
}
