import Testing

@testable import Raft

@Suite("A node's status")
struct NodeStatusTests {
    @Test("It prints in one line: role, leader, term, and how far the log is; or why the node stopped")
    func description() {
        var status = NodeStatus(notStarted: 2, cluster: "prod")
        #expect("\(status)" == "node 2: stopped in term 0; log ends 0@0, committed 0, applied 0")
        status.stopReason = RaftError(.storage, "disk full")
        #expect("\(status)" == "node 2: stopped (disk full) in term 0; log ends 0@0, committed 0, applied 0")
        status.stopReason = nil
        status.currentTerm = 9
        status.last = LogID(term: 8, index: 5021)
        status.commitIndex = 5020
        status.lastApplied = 5019
        let log = "in term 9; log ends 5021@8, committed 5020, applied 5019"
        status.role = .follower
        #expect("\(status)" == "node 2: follower \(log)", "it has not heard who leads")
        status.leader = LeaderHint(id: 3, address: "c:7001")
        #expect("\(status)" == "node 2: follower of 3 \(log)")
        status.role = .leader
        status.leader = LeaderHint(id: 2, address: "b:7001")
        #expect("\(status)" == "node 2: leader \(log)")
    }
}
