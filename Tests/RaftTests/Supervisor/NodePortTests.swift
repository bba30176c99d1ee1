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
        guard case .refused(let reason) = port().admit(hello(2, bootstrap: 12)) else {
            Issue.record("another birth was admitted")
            return
        }
        for way in ["bootstrapped", "restored", "recovered"] { #expect(reason.contains(way)) }
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

    @Test(
        "Requests above the mailbox's limit and the peers' headroom are lost, which Raft bears; they never grow memory")
    func overflow() {
        let port = port()
        for _ in 0..<5000 {
            port.receive(.timeoutNow(TimeoutNowRequest(term: 1, leader: 2, lastLog: .zero)), reply: Path())
        }
        #expect(port.mailbox.close().count == 1 + 4096)
    }

    @Test("After the end the first reason stays")
    func stopReason() {
        let port = port()
        port.publishStop(RaftError(.storage, "first"))
        port.publishStop(RaftError(.stateMachine, "second"))
        #expect(port.status.role == .stopped && port.status.stopReason?.message == "first")
    }

    /// Node 1 with this configuration in entry 5@2, committed or not.
    func port(_ configuration: ClusterConfiguration, commit: LogIndex = 5, _ peers: any PeerMemory) -> NodePort {
        let port = port(peers)
        var status = port.status
        status.configuration = configuration
        status.commitIndex = commit
        port.publish(status, configurationID: LogID(5, 2), bootstrap: 11)
        return port
    }

    @Test("The life that a configuration binds is the member, whatever was met before; any other is refused (R28)")
    func bound() {
        let memory = MemoryPeerMemory()
        let bound = Desk<FollowerRules>.configuration([1, 2, 3]).binding { Incarnation(rawValue: $0.rawValue + 3) }
        #expect(throws: Never.self) { try memory.remember(Incarnation(rawValue: 99), of: 2) }
        let port = port(bound, memory)
        #expect(port.admit(hello(2)) == .accepted, "incarnation 5")
        var other = hello(2)
        other.incarnation = Incarnation(rawValue: 99)
        guard case .refused(let reason) = port.admit(other) else {
            Issue.record("another life was admitted")
            return
        }
        #expect(reason.hasPrefix("node 2 came back without its data"))
        #expect(port.isCounted(2, Incarnation(rawValue: 5)) && !port.isCounted(2, Incarnation(rawValue: 99)))
        #expect(!port.isCounted(9, Incarnation(rawValue: 5)))
    }

    @Test("One that was removed, added again and leads now is heard by who lags behind, and counts for nothing yet")
    func laterLife() throws {
        let memory = MemoryPeerMemory()
        try memory.remember(Incarnation(rawValue: 5), of: 2)
        let members = Desk<FollowerRules>.configuration([1, 2, 3])
        for configuration in [members, members.binding { Incarnation(rawValue: $0.rawValue + 3) }] {
            let port = port(configuration, memory)
            var later = hello(2, configuration: LogID(9, 2))
            later.incarnation = Incarnation(rawValue: 99)
            #expect(port.admit(later) == .accepted)
            #expect(!port.isCounted(2, Incarnation(rawValue: 99)) || configuration == members)
            // With no more than is known here it would have come from nowhere.
            later.configuration = LogID(5, 2)
            guard case .refused = port.admit(later) else {
                Issue.record("another life was admitted")
                continue
            }
        }
        #expect(memory.incarnation(of: 2) == Incarnation(rawValue: 5))
    }

    @Test("An unbound learner is admitted with any life but one that was removed, and none is recorded")
    func unboundLearner() throws {
        let memory = MemoryPeerMemory()
        let learner = Desk<FollowerRules>.configuration([1, 2, 3], nil, [4])
        let configuration = try ClusterConfiguration(
            voterSets: learner.voterSets, members: learner.members,
            removed: [.init(id: 4, incarnation: Incarnation(rawValue: 6))])
        let port = port(configuration, memory)
        #expect(port.admit(hello(4, configuration: .zero)) == .accepted && memory.incarnation(of: 4) == nil)
        var old = hello(4, configuration: .zero)
        old.incarnation = Incarnation(rawValue: 6)
        guard case .refused(let reason) = port.admit(old) else {
            Issue.record("the removed life was admitted")
            return
        }
        #expect(reason.hasPrefix("node 4 came with the data of the member that was removed"))
    }

    @Test("A removed member is told so, once its removal is committed")
    func removed() throws {
        let configuration = try ClusterConfiguration(
            voterSets: [[1]], members: [.init(id: 1, address: "node-1")],
            removed: [.init(id: 2, incarnation: Incarnation(rawValue: 5))])
        #expect(
            port(configuration, MemoryPeerMemory()).admit(hello(2))
                == .removed("node 2 was removed from the cluster"))
        // What may be taken back yet: it may lead until then, and needs its links.
        let memory = MemoryPeerMemory()
        #expect(port(configuration, commit: 4, memory).admit(hello(2)) == .accepted)
        var another = hello(2)
        another.incarnation = Incarnation(rawValue: 6)
        guard case .refused = port(configuration, commit: 4, memory).admit(another) else {
            Issue.record("another life than the one that is to go")
            return
        }
        guard case .refused = port(configuration, MemoryPeerMemory()).admit(hello(9)) else {
            Issue.record("never was a member")
            return
        }
    }

    @Test("That the first entries came from a leader is kept, as an entry under the node's own id")
    func joining() throws {
        let memory = MemoryPeerMemory()
        let port = port(memory)
        #expect(!port.hasJoined(Incarnation(rawValue: 77)))
        try port.rememberJoining()
        #expect(memory.incarnation(of: 1) == Incarnation(rawValue: 77) && port.hasJoined(Incarnation(rawValue: 77)))
        #expect(!port.hasJoined(Incarnation(rawValue: 78)))
    }

    @Test("A configuration that a turn decides on is seen before that turn's effects happen")
    func announces() {
        let port = port()
        port.announce(Desk<FollowerRules>.configuration([1, 4]), LogID(6, 2))
        #expect(port.address(of: 4) == "node-4" && port.address(of: 2) == nil)
        #expect(port.hello.configuration == LogID(6, 2) && port.status.configurationID == LogID(6, 2))
    }
}
