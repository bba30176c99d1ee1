import Testing

@testable import Raft

@Suite("What happened between two looks at a node")
struct NodeEventTests {
    private func status(_ change: (inout NodeStatus) -> Void) -> NodeStatus {
        var status = NodeStatus(notStarted: 1, cluster: "test")
        status.role = .follower
        status.currentTerm = 3
        status.configuration = Desk<FollowerRules>.configuration([1, 2, 3])
        status.configurationID = LogID(5, 2)
        status.commitIndex = 5
        change(&status)
        return status
    }

    private func peer(_ id: NodeID, reachable: Bool) -> PeerStatus {
        var peer = PeerStatus(Progress(peer: id, nextIndex: 1, now: .zero), last: 0, now: .zero)
        peer.isReachable = reachable
        peer.lastFailure = reachable ? nil : "refused"
        return peer
    }

    @Test("Nothing, however much was applied")
    func nothing() {
        let later = status {
            $0.lastApplied = 9
            $0.commitIndex = 9
            $0.last = LogID(9, 3)
        }
        #expect(NodeEvent.between(status { _ in }, later).isEmpty)
    }

    @Test("An election that is won: the role, the votes asked for, the leader")
    func election() {
        let asking = status { $0.role = .candidate }
        let voting = status {
            $0.role = .candidate
            $0.currentTerm = 4
        }
        let leading = status {
            $0.role = .leader
            $0.currentTerm = 4
            $0.leader = LeaderHint(id: 1, address: nil)
        }
        guard case .role(.candidate, term: 3) = NodeEvent.between(status { _ in }, asking)[0],
            case .election(term: 3) = NodeEvent.between(status { _ in }, asking)[1],
            case .election(term: 4) = NodeEvent.between(asking, voting)[0]
        else {
            Issue.record("\(NodeEvent.between(status { _ in }, asking))")
            return
        }
        #expect(NodeEvent.between(asking, voting).count == 1)
        #expect(NodeEvent.between(voting, leading).count == 2)
        guard case .role(.leader, term: 4) = NodeEvent.between(voting, leading)[0],
            case .leader(let hint, term: 4) = NodeEvent.between(voting, leading)[1]
        else {
            Issue.record("\(NodeEvent.between(voting, leading))")
            return
        }
        #expect(hint?.id == 1)
    }

    @Test("Another leader, the same one in a new term, and none are each told once")
    func leaders() {
        let two = status { $0.leader = LeaderHint(id: 2, address: "b") }
        let again = status {
            $0.leader = LeaderHint(id: 2, address: "b")
            $0.currentTerm = 4
        }
        let none = status { $0.currentTerm = 4 }
        for (old, new) in [(status { _ in }, two), (two, again), (again, none)] {
            let events = NodeEvent.between(old, new)
            guard events.count == 1, case .leader(let hint, term: new.currentTerm) = events[0] else {
                Issue.record("\(events)")
                continue
            }
            #expect(hint == new.leader)
        }
        #expect(NodeEvent.between(none, status { $0.currentTerm = 5 }).isEmpty)
    }

    @Test("A configuration in force, and later its commit; one that is cut gives the old one back")
    func configurations() {
        let changed = status {
            $0.configuration = Desk<FollowerRules>.configuration([1, 2])
            $0.configurationID = LogID(8, 3)
        }
        var committed = changed
        committed.commitIndex = 8
        guard case .configuration(_, LogID(8, 3))? = NodeEvent.between(status { _ in }, changed).first,
            case .configurationCommitted(LogID(8, 3))? = NodeEvent.between(changed, committed).first
        else {
            Issue.record("no event")
            return
        }
        #expect(NodeEvent.between(status { _ in }, changed).count == 1)
        #expect(NodeEvent.between(changed, committed).count == 1)
        #expect(NodeEvent.between(status { _ in }, committed).count == 2)
        #expect(NodeEvent.between(changed, status { _ in }).count == 2)
    }

    @Test("Peers that are reached and lost, a snapshot, a full disk, a removal")
    func others() {
        let lonely = status { $0.peers = [peer(2, reachable: false), peer(3, reachable: true)] }
        let joined = status { $0.peers = [peer(2, reachable: true), peer(3, reachable: false)] }
        let events = NodeEvent.between(lonely, joined)
        guard events.count == 2, case .peer(2, isReachable: true, reason: nil) = events[0],
            case .peer(3, isReachable: false, reason: "refused") = events[1]
        else {
            Issue.record("\(events)")
            return
        }
        #expect(NodeEvent.between(status { _ in }, lonely).count == 1)
        #expect(NodeEvent.between(lonely, status { _ in }).isEmpty)
        let full = status { $0.logShortage = RaftError(.outOfSpace, "full") }
        #expect(NodeEvent.between(status { _ in }, full).count == 1 && NodeEvent.between(full, full).isEmpty)
        #expect(NodeEvent.between(full, status { _ in }).count == 1)
        #expect(NodeEvent.between(status { _ in }, status { $0.isRemoved = true }).count == 1)
    }
}
