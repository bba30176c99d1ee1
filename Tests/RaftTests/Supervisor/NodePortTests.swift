import Testing

@testable import Raft

@Suite("The node as others see it")
struct NodePortTests {
    /// Node 1 of cluster "test", members 1 to 3 by the configuration at 5@2.
    func port(_ peers: any PeerMemory = MemoryPeerMemory()) -> NodePort {
        let port = NodePort(
            settings: Configuration(id: 1, cluster: "test"), mailbox: Mailbox(loop: ManualLoop(), maximumCount: 1),
            peers: peers)
        var status = NodeStatus(notStarted: 1, cluster: "test")
        status.configuration = Desk<FollowerRules>.configuration([1, 2, 3])
        status.incarnation = Incarnation(rawValue: 77)
        port.publish(status, configurationID: LogID(5, 2), bootstrap: 11)
        return port
    }

    func hello(
        _ node: NodeID, cluster: String = "test", bootstrap: UInt64? = 11, configuration: LogID = LogID(5, 2)
    ) -> Hello {
        Hello(
            cluster: cluster, node: node, incarnation: Incarnation(rawValue: 5), bootstrap: bootstrap,
            configuration: configuration)
    }

    @Test("It says who it is")
    func says() {
        #expect(
            port().hello
                == Hello(
                    cluster: "test", node: 1, incarnation: Incarnation(rawValue: 77), bootstrap: 11,
                    configuration: LogID(5, 2)))
        #expect(port().address(of: 2) == "node-2" && port().address(of: 9) == nil)
    }

    @Test("Members are admitted; another cluster, another birth, its own id are not")
    func admits() {
        func isAccepted(_ hello: Hello) -> Bool { port().admit(hello) == .accepted }
        #expect(isAccepted(hello(2)))
        #expect(isAccepted(hello(2, bootstrap: nil)), "it holds no entry yet")
        #expect(!isAccepted(hello(1)))
        #expect(!isAccepted(hello(2, cluster: "other")))
        #expect(!isAccepted(hello(2, bootstrap: 12)))
    }

    @Test("A member that comes back as another life is refused, here and after a restart; a stranger is not recorded")
    func otherLife() throws {
        let memory = MemoryPeerMemory()
        #expect(port(memory).admit(hello(2)) == .accepted)
        var empty = hello(2, bootstrap: nil, configuration: .zero)
        empty.incarnation = Incarnation(rawValue: 6)
        guard case .refused(let reason) = port(memory).admit(empty) else {
            Issue.record("a member without its data was admitted")
            return
        }
        #expect(reason.hasPrefix("node 2 came back without its data: it was incarnation 0000000000000005"))
        #expect(port(memory).admit(hello(2)) == .accepted, "the first life may come again")
        #expect(port(memory).admit(hello(9, configuration: LogID(9, 9))) == .accepted)
        #expect(memory.incarnation(of: 9) == nil)
    }

    @Test("A peer that cannot be recorded is not admitted")
    func notRecorded() {
        final class Broken: PeerMemory {
            func incarnation(of node: NodeID) -> Incarnation? { nil }
            func remember(_ incarnation: Incarnation, of node: NodeID) throws { throw RaftError(.storage, "no space") }
        }
        #expect(port(Broken()).admit(hello(2)) == .refused("node 2 cannot be recorded here: no space"))
    }

    @Test("A stranger is refused only by a configuration at least as new as its own")
    func strangers() {
        func isAccepted(_ hello: Hello) -> Bool { port().admit(hello) == .accepted }
        #expect(!isAccepted(hello(9, configuration: LogID(5, 2))))
        #expect(!isAccepted(hello(9, configuration: LogID(9, 1))))
        #expect(isAccepted(hello(9, configuration: LogID(6, 2))))
    }

    @Test("Requests above the mailbox's limit are lost, which Raft bears; they never grow memory")
    func overflow() {
        let port = port()
        for _ in 0..<10 {
            port.receive(.timeoutNow(TimeoutNowRequest(term: 1, leader: 2, lastLog: .zero)), reply: Path())
        }
        #expect(port.mailbox.close().count == 1)
    }

    @Test("After the end the first reason stays")
    func stopReason() {
        let port = port()
        port.publishStop(RaftError(.storage, "first"))
        port.publishStop(RaftError(.stateMachine, "second"))
        #expect(port.status.role == .stopped && port.status.stopReason?.message == "first")
    }
}
