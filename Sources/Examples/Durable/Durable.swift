import Foundation
import NIOCore
import NIOPosix
import Raft
import RaftStorage
import RaftTransport

/// The counter of the other example: its state is in memory, so each start applies the whole log from entry 1.
struct Counter: StateMachine {
    struct Add: ReplicatedCommand {
        var amount: UInt8
        init(_ amount: UInt8) { self.amount = amount }
        func encode(into bytes: inout [UInt8]) { bytes.append(amount) }
        init(decoding bytes: ArraySlice<UInt8>) { amount = bytes.first ?? 0 }
    }
    private(set) var total = 0
    mutating func apply(_ command: Add, at id: LogID) -> Int {
        total += Int(command.amount)
        return total
    }
}

/// A node and what it stands on. A production program has one per process, its paths and addresses from its settings.
struct Host {
    let id: NodeID, server: RPCServer, tls: TLSContext, group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    init(_ id: NodeID, listen: String, in folder: String) throws {
        self.id = id
        tls = try TLSContext(certificate: folder + "/\(id).pem", key: folder + "/\(id)-key.pem", ca: folder + "/ca.pem")
        server = try RPCServer(listen: listen, tls: tls, group: group)
    }

    func start(_ members: ClusterConfiguration, in folder: String) async throws -> (RaftNode<Counter>, DataDirectory) {
        var random = SystemRandomNumberGenerator()  // draws a new directory's incarnation
        // `.create` is for a member's very first start; later ones say `.existing`, so that a lost disk is noticed.
        let directory = try DataDirectory.open(
            "\(folder)/node-\(id)", cluster: "example", node: id, mode: .create, using: &random)
        let loop = NIOLoop(group.next())  // one object, which the transport and the node's actors must share
        let node = try RaftNode(
            configuration: .init(id: id, cluster: "example"), machine: Counter(),
            store: SegmentedLog(directory: directory, segmentBytes: 1 << 20),
            transport: TLSTransport(server: server, tls: tls, loop: loop), loops: .with(loop), bootstrap: members,
            peers: directory.peers())
        try await node.start()
        return (node, directory)
    }
}

@main
struct Example {
    static func main() async throws {
        let (files, folder) = (FileManager.default, NSTemporaryDirectory() + "/raft-\(UUID())")
        try files.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? files.removeItem(atPath: folder) }
        // In production the authority's key is on none of the nodes; `raft cert` makes such files as well.
        let authority = try CertificateAuthority(name: "example")
        try authority.write(certificate: "\(folder)/ca.pem", key: "\(folder)/ca-key.pem")
        for id: NodeID in [1, 2, 3] {
            try authority.issue(Principal(cluster: "example", node: id))
                .write(certificate: "\(folder)/\(id).pem", key: "\(folder)/\(id)-key.pem")
        }
        var ports = [0, 0, 0]  // the first time the kernel chooses; the log holds the addresses from then on
        for run in 1...2 {
            let hosts = try (0..<3).map { try Host([1, 2, 3][$0], listen: "127.0.0.1:\(ports[$0])", in: folder) }
            ports = hosts.map(\.server.port)
            let voters = zip(hosts, ports).map { ClusterConfiguration.Member(id: $0.id, address: "127.0.0.1:\($1)") }
            var running: [(node: RaftNode<Counter>, directory: DataDirectory)] = []
            for host in hosts { running.append(try await host.start(.init(voters: voters), in: folder)) }
            while running.allSatisfy({ $0.node.status.role != .leader }) { try await Task.sleep(for: .seconds(0.01)) }
            let leader = running.first { $0.node.status.role == .leader }!.node
            print("run \(run): total \(try await leader.propose(.init(5)))")  // 5, then 10
            for (place, host) in zip(running, hosts) {
                await place.node.stop()  // in this order: node, listener, directory, threads
                await host.server.stop()
                place.directory.close()
                try await host.group.shutdownGracefully()
            }
        }
    }
}
