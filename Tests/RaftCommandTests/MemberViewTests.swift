import Raft
import RaftClient
import Testing

@testable import RaftCommand

@Suite("The members, as the program shows them")
struct MemberViewTests {
    static func status(
        _ id: NodeID, _ role: String, isJoint: Bool = false, voters: [NodeID] = [1, 2, 3], learners: [NodeID] = [4],
        peers: [MemberStatus.Peer] = []
    ) -> MemberStatus {
        MemberStatus(
            id: id, cluster: "test", role: role, term: 3, leader: nil, last: LogID(term: 3, index: 50), commit: 50,
            applied: 50, snapshot: 0,
            members: (voters + learners).map {
                .init(
                    id: $0, address: "n\($0):1", isVoter: voters.contains($0),
                    incarnation: $0 == 1 ? Incarnation(rawValue: 7) : nil)
            }, configuration: LogID(term: 3, index: 41), isJoint: isJoint, peers: peers, stopReason: nil)
    }

    static func view(_ statuses: MemberStatus...) -> MemberView {
        MemberView(ClusterStatus(cluster: "test", answers: statuses.map { ("n\($0.id):1", .success($0)) }))
    }

    static let led = view(
        status(
            1, "leader",
            peers: [
                .init(
                    id: 2, matchIndex: 50, isReachable: true, heardBefore: .milliseconds(20), steadyFor: .seconds(9)),
                .init(id: 3, matchIndex: 20, isReachable: false, heardBefore: .seconds(7)),
                .init(id: 4, matchIndex: 48, isReachable: true),
            ]),
        status(2, "follower"))

    @Test("How far a member is behind is not known while the leader has heard nothing of its log on this connection")
    func unknownLag() {
        let view = Self.view(
            Self.status(
                1, "leader", peers: [.init(id: 2, matchIndex: 0, isReachable: false, heardBefore: .seconds(7))]))
        #expect(view.rows.map(\.lag) == [0, nil, nil, nil])
        #expect(view.table.text(color: false).contains("2     n2:1     voter    ?    7 s ago  no      no\n"))
        #expect(view.json.text.contains(#""id":2,"address":"n2:1","voter":true,"leader":false,"lag":null,"#))
    }

    @Test("Each member has its state, its distance to the leader, and whether it is reached")
    func table() {
        #expect(
            Self.led.table.text(color: false) == """
                NODE  ADDRESS  STATE    LAG  HEARD      STEADY  REACHABLE
                1     n1:1     leader   0    -          yes     yes
                2     n2:1     voter    0    20 ms ago  yes     yes
                3     n3:1     voter    30   7 s ago    no      no
                4     n4:1     learner  2    0 s ago    no      yes

                """)
        #expect(Self.led.notes == ["members of entry 41@3", "0 more voters may fail"])
    }

    @Test("The same as JSON, with the life that each id is bound to")
    func json() {
        let text = Self.led.json.text
        #expect(
            text.hasPrefix(
                #"{"cluster":"test","leader":1,"entry":"41@3","changing":false,"mayFail":0,"members":[{"id":1,"address":"n1:1","voter":true,"leader":true,"lag":0,"reachable":true,"incarnation":"0000000000000007","heardMillisecondsAgo":0,"steady":true,"preference":"ordinary","promotedWhenReady":false}"#
            ))
        #expect(
            text.contains(
                #"{"id":4,"address":"n4:1","voter":false,"leader":false,"lag":2,"reachable":true,"incarnation":null,"heardMillisecondsAgo":0,"steady":false,"preference":"ordinary","promotedWhenReady":false}"#
            ))
    }

    @Test("Without a leader the members are shown, and what nobody knows is not made up")
    func noLeader() {
        let view = Self.view(Self.status(2, "follower"))
        #expect(view.rows.map(\.id) == [1, 2, 3, 4] && view.rows.allSatisfy { $0.lag == nil && $0.isReachable == nil })
        #expect(view.notes == ["members of entry 41@3", "no leader"] && view.failureTolerance == nil)
    }

    @Test("How many voters may fail counts majorities; while the voters change it is not said")
    func tolerance() {
        let all = (2...5).map { MemberStatus.Peer(id: NodeID(UInt64($0)), matchIndex: 50, isReachable: true) }
        let five = Self.view(Self.status(1, "leader", voters: [1, 2, 3, 4, 5], learners: [], peers: all))
        #expect(five.failureTolerance == 2 && five.notes.last == "2 more voters may fail")
        let four = Self.view(Self.status(1, "leader", voters: [1, 2, 3, 4], learners: [5], peers: all))
        #expect(four.failureTolerance == 1 && four.notes.last == "1 more voter may fail")
        let lost = Self.view(Self.status(1, "leader", peers: []))
        #expect(lost.failureTolerance == -1 && lost.notes.last == "no majority of the voters is reached")
        #expect(Self.view(Self.status(1, "leader", isJoint: true, peers: all)).failureTolerance == nil)
    }

    @Test("What the leader itself counts goes before what its peers' list lets one guess, also while the voters change")
    func reported() {
        var status = Self.status(1, "leader", isJoint: true, peers: [])
        status.failureTolerance = 1
        #expect(Self.view(status).failureTolerance == 1)
        let cluster = ClusterStatus(cluster: "test", answers: [("n1:1", .success(status))])
        #expect(cluster.failureTolerance == 1 && cluster.notes == ["1 more voter may fail"])
        #expect(cluster.json.text.hasPrefix(#"{"cluster":"test","leader":1,"term":3,"mayFail":1,"#))
    }

    @Test("Entries and ids are read as they are printed; anything else is refused with what to write")
    func arguments() throws {
        #expect(try EntryArgument(parsing: "41@3").id == LogID(term: 3, index: 41))
        for text in ["41", "@3", "41@", "0@3", "a@b", "1@2@3"] {
            #expect(throws: ArgumentProblem.self) { try EntryArgument(parsing: text) }
        }
        #expect(try MembersArgument.ids("4,5,6") == [4, 5, 6])
        for text in ["", "4,", "4,4", "0", "x", "4;5"] {
            #expect(throws: Failure.self) { try MembersArgument.ids(text) }
        }
        #expect(try NodeArgument(parsing: "7").id == 7)
        for text in ["", "0", "x", "-1", "1.5"] {
            #expect(throws: ArgumentProblem.self) { try NodeArgument(parsing: text) }
        }
    }
}
