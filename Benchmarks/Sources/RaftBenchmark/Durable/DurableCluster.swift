internal import Benchmarking
internal import Foundation
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Raft
internal import RaftStorage
internal import RaftTransport

/// Three nodes in this process as a program embeds them: on the disk, over mutual TLS. One of them leads.
struct DurableCluster {
    private static let name = "benchmark"

    /// The members' certificates, which all clusters of a run share.
    struct Certificates {
        let directory: String
        var authority: String { directory + "/ca.pem" }

        init(in directory: String) throws {
            self.directory = directory
            let issuer = try CertificateAuthority(name: "raft benchmark")
            try issuer.write(certificate: authority, key: directory + "/ca-key.pem")
            for id: NodeID in [1, 2, 3] {
                try issuer.issue(
                    try Principal(cluster: DurableCluster.name, node: id), hosts: ["127.0.0.1", "localhost"]
                )
                .write(certificate: certificate(of: id), key: key(of: id))
            }
        }

        func certificate(of id: NodeID) -> String { "\(directory)/\(id).pem" }
        func key(of id: NodeID) -> String { "\(directory)/\(id)-key.pem" }
    }

    private struct Member {
        let id: NodeID
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

    init(
        _ certificates: Certificates, in directory: String, timing: NodeTiming = .usual
    ) async throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let ids: [NodeID] = [1, 2, 3]
        let hosts = try ids.map { id in
            let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
            let tls = try TLSContext(
                certificate: certificates.certificate(of: id), key: certificates.key(of: id),
                ca: certificates.authority)
            return (group: group, tls: tls, server: try RPCServer(listen: "127.0.0.1:0", tls: tls, group: group))
        }
        let configuration = try ClusterConfiguration(
            voters: zip(ids, hosts).map { .init(id: $0, address: "127.0.0.1:\($1.server.port)") })
        var random = SystemRandomNumberGenerator()
        // Of each node that starts, leads and stops there is nothing to say.
        var logger = Logger(label: "raft")
        logger.logLevel = .error
        var members: [Member] = []
        for (id, host) in zip(ids, hosts) {
            let files = CountingFileSystem()
            let data = try DataDirectory.open(
                "\(directory)/node-\(id)", cluster: Self.name, node: id, mode: .create, fileSystem: files,
                using: &random)
            let loop = NIOLoop(host.group.next())
            let node = try RaftNode(
                configuration: timing.configuration(id, Self.name), machine: Noted(),
                store: try SegmentedLog(directory: data),
                transport: TLSTransport(server: host.server, tls: host.tls, loop: loop), loops: .with(loop),
                bootstrap: configuration, peers: try data.peers(), logger: logger)
            try await node.start()
            members.append(
                Member(
                    id: id, node: node, loop: loop, server: host.server, data: data, files: files, group: host.group))
        }
        self.members = members
        let elected = try await members[0].node.untilLeader(within: .seconds(60))
        let chosen = members.first { $0.id == elected.id }!
        leader = chosen.node
        loop = chosen.loop
        leaderFiles = chosen.files
        try await leader.barrier()
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
