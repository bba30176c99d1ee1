import Testing

@testable import RaftCommand

@Suite("Dev")
struct DevTests {
    private func report(nodes: Int, restarts: Bool) -> String {
        let layout = DevLayout(directory: "/d", addresses: (1...nodes).map { "127.0.0.1:\($0)" })
        var status = ClusterStatus(cluster: "dev", answers: [])
        status.leader = 1
        return DevReport(
            layout: layout, status: status, processes: [1: 77], restarts: restarts, program: "raft", color: false
        ).text
    }

    @Test("The hint to kill the leader says what comes of it in this very cluster")
    func killHint() {
        #expect(
            report(nodes: 3, restarts: true).contains(
                "kill -9 77    # the leader; a new one takes over, and this one comes back\n"))
        #expect(
            report(nodes: 3, restarts: false).contains("a new one takes over, and this one stays down (--no-restart)"))
        // Two nodes have no majority without one of them.
        #expect(report(nodes: 2, restarts: true).contains("nothing is served until it comes back"))
        #expect(report(nodes: 1, restarts: true).contains("nothing is served until it comes back"))
        #expect(report(nodes: 1, restarts: false).contains("nothing is served any more (--no-restart)"))
    }

    @Test("A node that is back is told with its process and the leader")
    func back() {
        #expect(DevReport.back(node: 2, process: 9, leader: 3) == "node 2 is back (process 9); node 3 leads")
        #expect(DevReport.back(node: 2, process: 9, leader: 2) == "node 2 is back (process 9); it leads")
    }

    @Test("A variable that the nodes would refuse is refused before one is started")
    func inherited() throws {
        try Dev.checkInherited { _ in nil }
        // What the nodes take from flags is not looked at.
        try Dev.checkInherited { $0 == "RAFT_ID" ? "x" : nil }
        #expect(throws: Failure(.usage, "RAFT_HEARTBEAT: \"600\" has no unit; write 600ms or 600s")) {
            try Dev.checkInherited { $0 == "RAFT_HEARTBEAT" ? "600" : nil }
        }
        let failure = #expect(throws: Failure.self) {
            try Dev.checkInherited { $0 == "RAFT_ELECTION_TIMEOUT" ? "150ms" : nil }
        }
        #expect(failure?.message.contains("is not above twice --heartbeat 100 ms") == true)
    }
}
