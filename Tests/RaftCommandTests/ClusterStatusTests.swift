import Foundation
import Raft
import RaftClient
import Testing

@testable import RaftCommand

@Suite("ClusterStatus")
struct ClusterStatusTests {
    private func node(
        _ id: UInt64, _ role: String, term: Term = 5, commit: LogIndex = 10, stopReason: String? = nil
    ) -> MemberStatus {
        MemberStatus(
            id: NodeID(id), cluster: "dev", role: role, term: term, leader: nil,
            last: LogID(term: term, index: 12), commit: commit, applied: 9, snapshot: 0,
            members: (1...3).map { .init(id: NodeID($0), address: "h:\($0)", isVoter: true) }, peers: [],
            stopReason: stopReason)
    }
    private let dead = Result<MemberStatus, RaftClientError>.failure(RaftClientError(.unavailable, "h:2: refused"))

    @Test("One leader and its followers")
    func healthy() {
        let status = ClusterStatus(
            cluster: "dev",
            answers: [
                ("h:1", .success(node(1, "follower"))), ("h:2", .success(node(2, "leader"))),
                ("h:3", .success(node(3, "follower"))),
            ])
        #expect(status.leader == 2)
        #expect(status.term == 5)
        #expect(status.notes == [])
        #expect(
            status.table.text(color: false) == """
                NODE  ADDRESS  ROLE      TERM  LAST  COMMIT  APPLIED  CERT
                1     h:1      follower  5     12    10      9        ?
                2     h:2      leader    5     12    10      9        ?
                3     h:3      follower  5     12    10      9        ?

                """)
    }

    @Test("A node that does not answer is named by what the others know, and everything else is still told")
    func unreachable() {
        let status = ClusterStatus(
            cluster: "dev", answers: [("h:2", dead), ("h:1", .success(node(1, "candidate", term: 7)))])
        #expect(status.nodes.map(\.id) == [1, 2])
        #expect(status.leader == nil)
        #expect(status.term == 7)
        #expect(status.notes == ["no leader", "node 2: h:2: refused"])
        #expect(
            status.json.text
                == #"{"cluster":"dev","leader":null,"term":7,"mayFail":null,"nodes":[{"id":1,"address":"h:1","role":"candidate","term":7,"last":12,"commit":10,"applied":9,"snapshot":0,"reachable":true,"diskFull":false,"certificateDaysLeft":null},{"id":2,"address":"h:2","role":null,"term":null,"last":null,"commit":null,"applied":null,"snapshot":null,"reachable":false,"diskFull":null,"certificateDaysLeft":null}]}"#
        )
    }

    @Test("A node that nobody knows by its id is named by its address, once")
    func stranger() {
        let status = ClusterStatus(
            cluster: "dev", answers: [("h:9", .failure(RaftClientError(.unavailable, "h:9: refused")))])
        #expect(status.notes == ["no leader", "h:9: refused"])
    }

    @Test("A leader of an older term that has not heard of the newer one is not the leader")
    func twoLeaders() {
        let status = ClusterStatus(
            cluster: "dev",
            answers: [("h:1", .success(node(1, "leader", term: 5))), ("h:2", .success(node(2, "leader", term: 6)))])
        #expect(status.leader == 2)
        #expect(status.term == 6)
    }

    @Test("Members that were not asked are found through those that answered, once each")
    func missing() {
        let answers: [(endpoint: String, result: Result<MemberStatus, RaftClientError>)] = [
            ("h:1", .success(node(1, "leader"))), ("h:2", dead),
        ]
        #expect(ClusterStatus.missing(answers) == ["h:3"])
        // Asked under another name, it has answered all the same.
        #expect(ClusterStatus.missing([("elsewhere:1", .success(node(1, "leader")))]) == ["h:2", "h:3"])
        #expect(ClusterStatus.missing([("h:2", dead)]) == [])
    }

    @Test("A node that has stopped says why")
    func stopped() {
        let status = ClusterStatus(
            cluster: "dev", answers: [("h:1", .success(node(1, "stopped", stopReason: "no space left")))])
        #expect(status.notes.contains("node 1 has stopped: no space left"))
    }

    @Test("The days that a certificate has left are in the table, and what is wrong with one under it")
    func certificates() {
        var node = node(1, "leader")
        node.certificates = .init(
            identity: "raft://dev/peer/1", notAfter: 0, daysLeft: 6, authorityNotAfter: 0,
            problem: "its certificate expires in 6 days")
        let status = ClusterStatus(cluster: "dev", answers: [("h:1", .success(node))])
        #expect(status.table.text(color: false).contains(" 6d\n"))
        #expect(status.notes.contains("node 1: its certificate expires in 6 days"))
        #expect(status.json.text.contains(#""certificateDaysLeft":6"#))
        node.certificates?.daysLeft = -1
        let late = ClusterStatus(cluster: "dev", answers: [("h:1", .success(node))])
        #expect(late.table.text(color: false).contains(" -1d\n"))
        #expect(late.json.text.contains(#""certificateDaysLeft":0"#))
    }

    @Test("A node whose disk is full says so")
    func full() {
        var full = node(1, "leader")
        full.logShortage = "cannot write 4096 bytes"
        let status = ClusterStatus(cluster: "dev", answers: [("h:1", .success(full))])
        #expect(status.notes.contains("node 1: its disk is full: cannot write 4096 bytes"))
    }
}

@Suite("ClusterContext")
struct ClusterContextTests {
    private func load(_ text: String) throws -> ClusterContext {
        let directory = try TemporaryDirectory()
        try text.write(toFile: directory.file("context.json"), atomically: true, encoding: .utf8)
        return try ClusterContext.load(directory.file("context.json"))
    }

    @Test("Relative paths are meant from the file's own directory, wherever one calls from")
    func relativePaths() throws {
        let directory = try TemporaryDirectory()
        let context = ClusterContext(
            cluster: "dev", endpoints: ["a:1"], ca: "c/ca.pem", client: .init(certificate: "../x.pem", key: "/k.pem"),
            admin: nil)
        try context.write(directory.file("context.json"))
        let loaded = try ClusterContext.load(directory.file("context.json"))
        #expect(loaded.ca == directory.file("c/ca.pem"))
        #expect(loaded.client?.certificate.hasSuffix("/x.pem") == true)
        #expect(loaded.client?.certificate.contains("..") == false)
        #expect(loaded.client?.key == "/k.pem")
        #expect(loaded.admin == nil)
    }

    @Test(
        "A file that is no context says what is wrong with it",
        arguments: [
            ("", "it is not JSON"), ("{", "it is not JSON"),
            (#"{"endpoints":["a:1"],"ca":"x"}"#, "\"cluster\" is missing"),
            (#"{"cluster":"c","endpoints":"a:1","ca":"x"}"#, "\"endpoints\" is of another type"),
            (#"{"cluster":"c","endpoints":[],"ca":"x"}"#, "names no endpoints"),
            (#"{"cluster":"c","endpoints":["a"],"ca":"x"}"#, "\"a\" is not HOST:PORT"),
        ])
    func malformed(_ text: String, _ part: String) {
        let failure = #expect(throws: Failure.self) { try load(text) }
        #expect(failure?.code == .usage)
        #expect(failure?.message.contains(part) == true, "\(failure?.message ?? "")")
    }

    @Test("A missing file says how to get one")
    func missing() {
        let failure = #expect(throws: Failure.self) { try ClusterContext.load("/nonexistent/context.json") }
        #expect(failure?.code == .usage)
        #expect(failure?.message.contains("raft dev") == true)
        #expect(failure?.message.hasSuffix(#""key": "admin-key.pem"}}"#) == true)
        #expect(failure?.message.contains("\n") == false)
    }

    @Test("A directory stands for the context.json in it, and without one the error names that file")
    func directory() throws {
        let directory = try TemporaryDirectory()
        let failure = #expect(throws: Failure.self) { try ClusterContext.load(directory.path + "/") }
        #expect(failure?.message.hasPrefix("no context file at \(directory.path)/context.json; ") == true)
        // Also that the example which the error shows is one.
        try ClusterContext.example.write(
            toFile: directory.file("context.json"), atomically: true, encoding: .utf8)
        let context = try ClusterContext.load(directory.path)
        #expect(context.cluster == "prod")
        #expect(context.endpoints == ["a.example:7001", "b.example:7001"])
        #expect(context.admin?.key == directory.file("admin-key.pem"))
        #expect(try ClusterContext.load(directory.path + "/") == context)
    }
}
