import ArgumentParser
import Raft
import RaftClient
import Testing

@testable import RaftCommand

@Suite("Who leads, as the program shows it")
struct LeaderViewTests {
    static func view(_ role: String, transfer: MemberStatus.Transfer? = nil) -> LeaderView {
        let status = MemberStatus(
            id: 1, cluster: "test", role: role, term: 3, leader: nil, last: LogID(term: 3, index: 50), commit: 50,
            applied: 50, snapshot: 0,
            members: [
                .init(id: 1, address: "a:1", isVoter: true),
                .init(id: 2, address: "b:1", isVoter: true, preference: .preferred),
                .init(id: 3, address: "c:1", isVoter: true, preference: .never),
                .init(id: 4, address: "d:1", isVoter: false, isPromotedWhenReady: true),
            ],
            peers: role != "leader"
                ? []
                : [
                    .init(id: 2, matchIndex: 50, isReachable: true, steadyFor: .seconds(9)),
                    .init(id: 3, matchIndex: 20, isReachable: true), .init(id: 4, matchIndex: 48, isReachable: true),
                ], transfer: transfer, stopReason: nil)
        return LeaderView(ClusterStatus(cluster: "test", answers: [("a:1", .success(status))]))
    }

    @Test("Each member has its preference, its distance to the leader, and whether it is steady")
    func table() {
        #expect(
            Self.view("leader").table.text(color: false) == """
                NODE  ADDRESS  STATE                      PREFERENCE  LAG  STEADY
                1     a:1      leader                     ordinary    0    yes
                2     b:1      voter                      preferred   0    yes
                3     c:1      voter                      never       30   no
                4     d:1      learner, voter when ready  ordinary    2    no

                """)
        #expect(Self.view("leader").headline == "node 1 at a:1 leads term 3")
        #expect(Self.view("follower").headline == "no leader; the highest term seen is 3")
        #expect(Self.view("follower").table.text(color: false).contains("2     b:1      voter"))
    }

    @Test("A transfer is shown with how far it has come")
    func transfer() {
        #expect(Self.view("leader").progress == nil)
        let begun = Self.view("leader", transfer: .init(target: 3, isTold: false, lag: 30))
        #expect(begun.progress == "node 3 is brought up to date: 30 entries to go")
        let told = Self.view("leader", transfer: .init(target: 3, isTold: true, lag: 0))
        #expect(told.progress == "node 3 was told to campaign")
        #expect(
            told.json.text.hasPrefix(
                #"{"cluster":"test","leader":1,"address":"a:1","term":3,"transfer":{"target":3,"told":true,"lag":0},"members":[{"id":1,"voter":true,"leader":true,"preference":"ordinary","lag":0,"steady":true}"#
            ))
        #expect(Self.view("follower").json.text.contains(#""leader":null,"address":null,"term":3,"transfer":null"#))
    }

    @Test("A preference is read as it is printed")
    func words() {
        for preference in LeadershipPreference.allCases {
            #expect(PreferenceArgument(argument: preference.word)?.value == preference)
        }
        #expect(PreferenceArgument(argument: "always") == nil)
        #expect(throws: (any Error).self) { try RaftCommand.parseAsRoot(["leader", "prefer", "2", "always"]) }
        #expect(throws: (any Error).self) { try RaftCommand.parseAsRoot(["leader", "transfer", "0"]) }
    }
}
