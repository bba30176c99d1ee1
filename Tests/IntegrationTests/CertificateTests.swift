import Foundation
import NIOPosix
import Raft
import RaftClient
import RaftTransport
import TestTraits
import Testing

@testable import RaftCommand

/// Certificates of a cluster of processes come, go and are revoked while it serves.
@Suite("Certificates of a cluster of processes", .processes, .serialized)
struct CertificateTests {
    private struct Status: Decodable {
        struct Node: Decodable {
            let id: Int?
            let role: String?
            let term: UInt64?
            let certificateDaysLeft: Int?
        }
        let term: UInt64
        let leader: Int?
        let nodes: [Node]
    }

    private func cluster(electionTimeout: Duration = .milliseconds(400)) async throws -> ServedCluster {
        let cluster = try await ServedCluster(3, electionTimeout: electionTimeout)
        try await cluster.require("cert", "revoke")
        for id in 1...3 {
            try await cluster.start(
                id, data: "data-\(id)", "--bootstrap", "--members", cluster.members, "--crl", "crl.pem")
        }
        try await cluster.putUntilDone("a", "1")
        return cluster
    }

    private func status(_ cluster: ServedCluster) async throws -> Status {
        try JSONDecoder().decode(Status.self, from: Data(try await cluster.require("status", "-o", "json").utf8))
    }

    /// Waits until a node has taken its files, by itself.
    private func taken(_ cluster: ServedCluster, _ ids: [Int] = [1, 2, 3], times count: Int) async throws {
        for id in ids {
            try await eventually("node \(id) has taken its certificates \(count) times") {
                cluster.log(of: id).components(separatedBy: "took certificate raft://test/peer/\(id)").count - 1
                    >= count
            }
        }
    }

    /// Somebody is out now. Prints how long after the list was in its place that is: promised are two seconds, on a
    /// machine that has time for it.
    private func note(_ who: String, since start: ContinuousClock.Instant) {
        let milliseconds = (ContinuousClock.now - start) / .milliseconds(1)
        print("revocation: \(who) was out \(Int(milliseconds)) ms after the list was there")
    }

    private func takenCount(_ cluster: ServedCluster, _ id: Int) -> Int {
        cluster.log(of: id).components(separatedBy: "took certificate raft://test/peer/\(id)").count - 1
    }

    /// A client in this process, as an application has one.
    private func client(_ cluster: ServedCluster, _ name: String = "client-app") throws -> (KeyValueClient, TLSContext)
    {
        let tls = try TLSContext(
            TLSFiles(
                certificate: cluster.file("\(name).pem"), key: cluster.file("\(name)-key.pem"),
                ca: cluster.file("ca.pem"), crl: cluster.file("crl.pem")))
        var options = KeyValueClient.Options()
        options.timeout = .seconds(30)
        let client = KeyValueClient(
            endpoints: cluster.addresses.sorted { $0.key < $1.key }.map(\.value), tls: tls,
            group: MultiThreadedEventLoopGroup.singleton, options: options)
        return (client, tls)
    }

    private func text(_ cluster: ServedCluster, _ name: String) throws -> String {
        try String(contentsOfFile: cluster.file(name), encoding: .utf8)
    }

    @Test("Every leaf, then the authority (old, both, new) is rotated under writes: none fails, and nobody campaigns")
    func rotation() async throws {
        // So long that a machine full of other work does not make a follower campaign: only what is done here may.
        let cluster = try await cluster(electionTimeout: .seconds(8))
        let (client, tls) = try client(cluster)
        let before = try await status(cluster)
        let isOver = Lock(false)
        let failures = Lock<[String]>([])
        async let writes = {
            var count: UInt64 = 0
            while !isOver.withLock({ $0 }) {
                do {
                    _ = try await client.put(Array("key".utf8), Array("\(count)".utf8))
                    count += 1
                } catch { failures.withLock { $0.append("\(error)") } }
            }
            return count
        }()

        // Each node's own, one after the other.
        for id in 1...3 {
            try await cluster.require("cert", "rotate", "--cert", "peer-\(id).pem", "--key", "peer-\(id)-key.pem")
            try await taken(cluster, [id], times: 1)
        }
        // A second authority: its list first, then itself beside the old one.
        try await cluster.require("cert", "ca", "--name", "second", "--cert", "ca2.pem", "--key", "ca2-key.pem")
        try await cluster.require("cert", "revoke", "--ca", "ca2.pem", "--ca-key", "ca2-key.pem")
        try await taken(cluster, times: 2)
        let both = try text(cluster, "ca.pem") + text(cluster, "ca2.pem")
        try both.write(toFile: cluster.file("ca.pem"), atomically: true, encoding: .utf8)
        try await taken(cluster, times: 3)
        _ = try tls.reload()
        // Everybody's certificate by the new one, while both are trusted.
        let holders = (1...3).map { "peer-\($0)" } + ["client-app", "admin-ops"]
        for name in holders {
            try await cluster.require(
                "cert", "rotate", "--cert", "\(name).pem", "--key", "\(name)-key.pem", "--ca", "ca2.pem", "--ca-key",
                "ca2-key.pem")
        }
        try await taken(cluster, times: 4)
        _ = try tls.reload()
        // The old one goes.
        try text(cluster, "ca2.pem").write(toFile: cluster.file("ca.pem"), atomically: true, encoding: .utf8)
        try await taken(cluster, times: 5)
        _ = try tls.reload()
        try await cluster.putUntilDone("b", "2")
        isOver.withLock { $0 = true }
        let count = await writes
        let after = try await status(cluster)
        #expect(failures.withLock { $0 } == [], "a write failed")
        #expect(count > 0)
        #expect(after.term == before.term && after.leader == before.leader, "somebody campaigned")
        #expect(after.nodes.allSatisfy { $0.certificateDaysLeft ?? 0 >= 363 })
        await client.close()
    }

    @Test("A revoked client, and then a revoked node, is out while it speaks; the others go on; SIGHUP says so, too")
    func revocation() async throws {
        // No write is made twice here, so none may meet an election that a busy machine brings about.
        let cluster = try await cluster(electionTimeout: .seconds(4))
        try await cluster.require("cert", "issue", "--cluster", "test", "--role", "client", "--name", "mallory")
        let (victim, _) = try client(cluster, "client-mallory")
        let (bystander, _) = try client(cluster)
        _ = try await victim.put([1], [1])
        let verdict = try await cluster.run(
            "cert", "verify", "client-mallory.pem", "--cluster", "test", "--crl", "crl.pem")
        #expect(verdict.code == 0, "\(verdict.text)")
        try await cluster.require("cert", "revoke", "client-mallory.pem")
        let listed = ContinuousClock.now
        try await eventually("the revoked client is out") {
            do {
                _ = try await victim.put([1], [2])
                return false
            } catch { return (error as? RaftClientError)?.code == .notAuthorized }
        }
        note("a revoked client, in the midst of its puts,", since: listed)
        let judged = try await cluster.run(
            "cert", "verify", "client-mallory.pem", "--cluster", "test", "--crl", "crl.pem")
        #expect(judged.code == 1 && judged.text.contains("NO   is not revoked"))
        let wrote = cluster.log(of: 1) + cluster.log(of: 2) + cluster.log(of: 3)
        #expect(wrote.contains("ended a connection of raft://test/client/mallory"))
        _ = try await bystander.put([1], [3])

        // A follower, so that nobody has to campaign.
        let before = try await status(cluster)
        let follower = try #require(before.nodes.first { $0.role == "follower" }?.id)
        let others = (1...3).filter { $0 != follower }
        let leader = try #require(before.leader)
        try await cluster.require("cert", "revoke", "peer-\(follower).pem")
        let removed = ContinuousClock.now
        try await eventually("the leader has ended the revoked node's connections") {
            cluster.log(of: leader).contains("ended a connection of raft://test/peer/\(follower): certificate")
        }
        note("a revoked member", since: removed)
        // It campaigns now, which nobody hears.
        for id in others {
            try await eventually("node \(id) refuses the revoked node") {
                cluster.log(of: id).split(separator: "\n").contains {
                    $0.contains("refused a connection") && $0.contains("CN=peer \(follower) ") && $0.contains("revoked")
                }
            }
        }
        try await eventually("the revoked node says that it is") {
            cluster.log(of: follower).contains("this node's own certificate")
        }
        _ = try await bystander.put([1], [4])
        let count = takenCount(cluster, others[0])
        cluster.programs[others[0]]?.signal(SIGHUP)
        try await eventually("SIGHUP is heard") { self.takenCount(cluster, others[0]) > count }
        #expect(cluster.log(of: others[0]).contains("(SIGHUP)"))
        // Asked for by an administrator; the revoked node serves nobody who looks.
        let asked = try await cluster.run("cert", "reload")
        #expect(asked.text.contains("raft://test/peer/\(others[0]) until"), "\(asked.errors)")
        await victim.close()
        await bystander.close()
    }

    @Test("Files that cannot be used are kept out of a node that runs, which says so, and of one that starts")
    func broken() async throws {
        let cluster = try await cluster()
        let good = try text(cluster, "peer-1-key.pem")
        try "nothing".write(toFile: cluster.file("peer-1-key.pem"), atomically: true, encoding: .utf8)
        chmod(cluster.file("peer-1-key.pem"), 0o600)
        try await eventually("node 1 says what is wrong") {
            cluster.log(of: 1).contains("kept the certificates in use")
        }
        try await cluster.putUntilDone("a", "2")
        let shown = try await cluster.require("status")
        #expect(shown.contains("node 1: it kept its old certificates: key file"))
        let asked = try await cluster.run("cert", "reload")
        #expect(asked.code == 1 && asked.text.contains("kept the certificates in use"))
        try good.write(toFile: cluster.file("peer-1-key.pem"), atomically: true, encoding: .utf8)
        chmod(cluster.file("peer-1-key.pem"), 0o600)
        try await taken(cluster, [1], times: 1)
        #expect(try await !cluster.require("status").contains("kept its old"))
        try "nothing".write(toFile: cluster.file("crl.pem"), atomically: true, encoding: .utf8)
        try await cluster.stop(2)
        let refused = try await cluster.failure(2, data: "data-2", "--crl", "crl.pem")
        #expect(refused.code == 1 && refused.errors.contains("crl.pem holds no list"))
    }
}
