import Testing

@testable import Raft

@Suite("Linearizable reads at a node that follows")
struct RemoteReadsTests {
    func follower() -> Desk<FollowerRules> {
        let desk = Desk(FollowerRules(), term: 2, log: [1, 2], leader: 2, heardAt: .seconds(100))
        desk.begin()
        return desk
    }
    func question(_ desk: Desk<FollowerRules>) -> ReadIndexRequest? {
        for case .askReadIndex(_, let request) in desk.effects { return request }
        return nil
    }
    func answer(_ id: UInt64, _ index: LogIndex?, from: NodeID = 2, term: Term = 2) -> Message {
        .reply(.readIndex(ReadIndexReply(term: term, id: id, index: index)), from: from)
    }

    @Test("One question for all who wait; who comes later waits for the next; served from the leader's index on")
    func asks() throws {
        let desk = follower()
        let (_, acts) = desk.turn([.read(Ticket(), .lease), .read(Ticket(), .lease)])
        #expect(acts == [.askReadIndex(2, mayUseLease: true)])
        let first = try #require(question(desk))
        desk.expect(.read(Ticket()))
        desk.expect(answer(first.id &+ 1, 9))
        desk.expect(answer(first.id, 9, from: 3))
        desk.expect(answer(first.id, 9, term: 1))
        desk.expect(
            answer(first.id, 5), .stay, [.serveReads(2, at: 5), .askReadIndex(2, mayUseLease: false)])
        let second = try #require(question(desk))
        #expect(second.id != first.id)
        desk.expect(answer(first.id, 5))  // Comes twice.
        desk.expect(answer(second.id, 6), .stay, [.serveReads(1, at: 6)])
    }

    @Test("Without a leader a read is refused; so it is when the leader changes, refuses or says nothing")
    func refusals() throws {
        let alone = Desk(FollowerRules(), term: 2, log: [1, 2])
        alone.expect(.read(Ticket()), .stay, [.fail(1, .notLeader)])
        alone.expect(.read(Ticket(), .noOlderThan(.seconds(1))), .stay, [.fail(1, .tooStale)])

        let changed = follower()
        changed.turn([.read(Ticket())])
        let asked = try #require(question(changed))
        let heartbeat = HeartbeatRequest(
            term: 3, leader: 3, stream: StreamID(9), round: 1, commit: 0, leaderCommit: 0)
        #expect(changed.turn([changed.request(.heartbeat(heartbeat))]).acts.contains(.fail(1, .notLeader)))
        changed.expect(answer(asked.id, 5))

        let refused = follower()
        refused.turn([.read(Ticket())])
        refused.expect(answer(try #require(question(refused)).id, nil), .stay, [.fail(1, .notLeader)])

        let silent = follower()
        silent.turn([.read(Ticket(), .noOlderThan(.ms(1)))])
        silent.now += .ms(100)
        #expect(silent.turn([.tick]).acts == [.askReadIndex(2, mayUseLease: false)], "perhaps it was lost")
        silent.turn([
            silent.request(
                .heartbeat(
                    HeartbeatRequest(
                        term: 2, leader: 2, stream: StreamID(9), round: 1, commit: 0, leaderCommit: 0)))
        ])
        silent.now += .ms(1900)
        #expect(silent.turn([.tick]).acts.contains(.fail(1, .tooStale)))
    }

    @Test("A node that leaves its role lets its readers go")
    func ends() {
        let desk = follower()
        desk.turn([.read(Ticket())])
        desk.now += .ms(2000)
        let (verdict, acts) = desk.turn([.tick])
        #expect(verdict == .become(.candidate(isTransfer: false)) && acts.contains(.fail(1, .notLeader)))
    }

    @Test("What the leader's heartbeats have shown serves bounded reads without a question, and by a candidate too")
    func bounded() throws {
        let desk = follower()
        func beat(_ round: UInt64, mark: UInt64, _ index: LogIndex) -> UInt64 {
            let request = HeartbeatRequest(
                term: 2, leader: 2, stream: StreamID(9), round: round, commit: 0, leaderCommit: index, freshMark: mark,
                freshIndex: index)
            desk.turn([desk.request(.heartbeat(request))])
            for case .reply(let held) in desk.effects {
                if case .heartbeat(let reply) = held.reply { return reply.mark }
            }
            return 0
        }
        let mark = beat(1, mark: 0, 0)
        desk.now += .ms(100)
        _ = beat(2, mark: mark, 2)
        desk.expect(.read(Ticket(), .noOlderThan(.ms(200))), .stay, [.serveReads(1, at: 2)])
        desk.expect(
            .read(Ticket(), .noOlderThan(.ms(100))), .stay, [.askReadIndex(2, mayUseLease: false)])
    }

    @Test("A question is not asked before the term that it names is durable")
    func waitsForTerm() {
        let desk = Desk(FollowerRules(), term: 2, log: [1, 2])
        desk.begin()
        let heartbeat = HeartbeatRequest(term: 3, leader: 3, stream: StreamID(9), round: 1, commit: 0, leaderCommit: 0)
        let (_, acts) = desk.turn([desk.request(.heartbeat(heartbeat)), .read(Ticket())])
        #expect(!acts.contains { $0.kind == "ask for read index" })
        #expect(desk.turn([.durable(desk.lastWrite!)]).acts == [.askReadIndex(3, mayUseLease: false)])
    }
}
