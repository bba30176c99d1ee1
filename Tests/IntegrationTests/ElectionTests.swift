import Foundation
import NIOPosix
import Raft
import RaftClient
import RaftTransport
import TestTraits
import Testing

@testable import ElectionExample

@Suite("The election of the example", .processes, .serialized, .timeLimit(.minutes(10)))
struct ElectionTests {
    @Test("Who cannot reach the cluster stops when the lease may be over by its own clock, and not a third later")
    func silence() async throws {
        let cluster = try await DevCluster(["--no-restart"])
        let certificates = cluster.data + "/certificates"
        let tls = try TLSContext(
            certificate: certificates + "/client.pem", key: certificates + "/client-key.pem",
            ca: certificates + "/ca.pem")
        let client = KeyValueClient(
            endpoints: try cluster.endpoints(), tls: tls, group: MultiThreadedEventLoopGroup.singleton)
        // A third of it is far more than a busy machine takes to notice.
        let patience = Duration.seconds(9)
        let leadership = try await Election("a", at: client, patience: patience).campaign("ann")
        for node in 1...3 { kill(try #require(cluster.processID(of: node)), SIGKILL) }
        let ended = Lock<ContinuousClock.Instant?>(nil)
        await #expect(throws: Leadership.Lost.self) {
            try await leadership.hold { _ in
                defer { ended.withLock { $0 = .now } }
                try await Task.sleep(for: .seconds(60))
            }
        }
        let time = try #require(ended.withLock { $0 }) - leadership.since
        #expect(time >= patience && time < patience * 1.25, "\(time)")
        await client.close()
    }
}
