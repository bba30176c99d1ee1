import TestTraits
import Testing

@testable import Raft
@testable import RaftSimulation

@Suite("Who begins a term, who leads it, and for how long", .heavy)
struct TenureCheckerTests {
    private let limits: Configuration = {
        var limits = Configuration(id: 1)
        limits.heartbeatInterval = .milliseconds(50)
        limits.electionTimeout = .milliseconds(150)...(.milliseconds(300))
        return limits
    }()
    private let members = try! ClusterConfiguration(voters: [1, 2, 3].map { .init(id: $0, address: "a:\($0)") })

    private func status(_ role: NodeRole, term: Term = 2, last: UInt64 = 5, durable: LogIndex = 5) -> NodeStatus {
        var status = NodeStatus(notStarted: 1, cluster: "c")
        status.role = role
        status.currentTerm = term
        status.last = LogID(term: term, index: LogIndex(last))
        status.durableIndex = durable
        status.configuration = members
        return status
    }

    /// Node 1, elected to term 2 by itself and node 2, at the time 0.
    private func elected() -> TenureChecker {
        let checker = TenureChecker(limits: limits)
        #expect(checker.stored(HardState(currentTerm: 2, votedFor: 1), on: 1) == nil)
        #expect(checker.stored(HardState(currentTerm: 2, votedFor: 1), on: 2) == nil)
        #expect(checker.look(at: status(.leader), now: 0, isWriting: false, pausedUntil: 0) == nil)
        return checker
    }

    /// Looks every 20 ms, with what happens before each look; returns the first violation and when.
    private func watch(
        _ checker: TenureChecker, _ status: NodeStatus, through end: Int64, isWriting: Bool = false,
        pausedUntil: Int64 = 0, before: (TenureChecker, Int64) -> Void = { _, _ in }
    ) -> (at: Int64, violation: Violation)? {
        for time in stride(from: Int64(20), through: end, by: 20) {
            before(checker, time * 1_000_000)
            if let violation = checker.look(
                at: status, now: time * 1_000_000, isWriting: isWriting, pausedUntil: pausedUntil * 1_000_000)
            {
                return (time, violation)
            }
        }
        return nil
    }

    @Test("A term that nobody has begun by a vote for itself is nobody's")
    func begun() {
        let checker = TenureChecker(limits: limits)
        #expect(checker.stored(HardState(currentTerm: 1), on: 2)?.invariant == "I9")
        #expect(checker.stored(HardState(currentTerm: 3, votedFor: 1), on: 2)?.invariant == "I9")
        #expect(checker.stored(HardState(currentTerm: 4, votedFor: 2), on: 2) == nil)
        #expect(checker.stored(HardState(currentTerm: 4), on: 3) == nil)
        checker.recovered(HardState(currentTerm: 6, votedFor: 3), on: 3)
        #expect(checker.stored(HardState(currentTerm: 6), on: 1) == nil)
    }

    @Test("A leader has the durable votes of a quorum, for itself and for this term")
    func votes() {
        let checker = TenureChecker(limits: limits)
        _ = checker.stored(HardState(currentTerm: 2, votedFor: 1), on: 1)
        _ = checker.stored(HardState(currentTerm: 2, votedFor: 3), on: 3)
        _ = checker.stored(HardState(currentTerm: 1, votedFor: 1), on: 2)
        #expect(checker.look(at: status(.leader), now: 0, isWriting: false, pausedUntil: 0)?.invariant == "I1")
        _ = elected()
    }

    @Test("A leader that hears nobody must not lead on; one that hears one of two others may")
    func deaf() {
        let checker = elected()
        let found = watch(checker, status(.leader), through: 5000)
        #expect(found?.violation.invariant == "I25")
        #expect((600...1500).contains(found?.at ?? 0))
        let heard = elected()
        #expect(
            watch(heard, status(.leader), through: 5000) { checker, now in
                checker.arrived(from: 3, at: 1, now: now)
            } == nil)
    }

    @Test("A leader that was not looked at for a while has a moment to notice")
    func heldUp() {
        let checker = elected()
        #expect(checker.look(at: status(.leader), now: 9_000_000_000, isWriting: false, pausedUntil: 0) == nil)
        #expect(checker.look(at: status(.leader), now: 18_000_000_000, isWriting: false, pausedUntil: 0) == nil)
    }

    @Test("A leader must not pass leadership on for ever; it may try one after another")
    func passing() {
        func passing(to target: NodeID) -> NodeStatus {
            var status = status(.leader)
            status.transfer = TransferStatus(target: target, isTold: true, lag: 0)
            return status
        }
        func everybody(_ checker: TenureChecker, _ now: Int64) {
            for other in [NodeID(2), 3] { checker.arrived(from: other, at: 1, now: now) }
        }
        let checker = elected()
        let found = watch(checker, passing(to: 2), through: 5000, before: everybody)
        #expect(found?.violation.invariant == "I25")
        #expect((300...1500).contains(found?.at ?? 0))
        let busy = elected()
        for time in stride(from: Int64(20), through: 5000, by: 20) {
            everybody(busy, time * 1_000_000)
            let now = passing(to: time / 400 % 2 == 0 ? 2 : 3)
            #expect(busy.look(at: now, now: time * 1_000_000, isWriting: false, pausedUntil: 0) == nil)
        }
    }

    @Test("A leader whose disk does not answer must not lead on, whoever it hears")
    func disk() {
        let checker = elected()
        let found = watch(checker, status(.leader, durable: 4), through: 5000) { checker, now in
            checker.arrived(from: 2, at: 1, now: now)
        }
        #expect(found?.violation.invariant == "I25")
    }

    @Test("A follower that hears no leader campaigns; whatever else it hears is no reason to wait")
    func idle() {
        let checker = elected()
        let found = watch(checker, status(.follower, term: 3), through: 5000) { checker, now in
            checker.arrived(from: 3, at: 1, now: now)
        }
        #expect(found?.violation.invariant == "I25")
        #expect((500...1500).contains(found?.at ?? 0))
    }

    @Test(
        "Hearing its leader, granting a vote, a busy disk and a pause are reasons to wait",
        arguments: ["leader", "vote", "disk", "pause"])
    func waits(_ reason: String) {
        let checker = TenureChecker(limits: limits)
        _ = checker.stored(HardState(currentTerm: 2, votedFor: 2), on: 2)
        _ = checker.stored(HardState(currentTerm: 2, votedFor: 2), on: 3)
        var leader = status(.leader)
        leader.id = 2
        #expect(checker.look(at: leader, now: 0, isWriting: false, pausedUntil: 0) == nil)
        let found = watch(
            checker, status(.follower), through: 3000, isWriting: reason == "disk",
            pausedUntil: reason == "pause" ? 2900 : 0
        ) { checker, now in
            if reason == "leader" { checker.arrived(from: 2, at: 1, now: now) }
            if reason == "vote" { checker.granted(by: 1, now: now) }
        }
        #expect(found == nil)
    }

    @Test("A wait that began when the node was never to lead lasts until its leader, as such, begins another")
    func patience() throws {
        func node(_ preference: LeadershipPreference, _ index: LogIndex) throws -> NodeStatus {
            var status = status(.follower)
            status.configuration = try ClusterConfiguration(
                voters: [1, 2, 3].map {
                    .init(id: $0, address: "a:\($0)", preference: $0 == 1 ? preference : .ordinary)
                })
            status.configurationID = LogID(term: 2, index: index)
            return status
        }
        func found(_ arrival: (TenureChecker, Int64) -> Void) throws -> (at: Int64, violation: Violation)? {
            let checker = TenureChecker(limits: limits)
            for voter in [NodeID(2), 3] { _ = checker.stored(HardState(currentTerm: 2, votedFor: 2), on: voter) }
            var leader = status(.leader)
            leader.id = 2
            #expect(checker.look(at: leader, now: 0, isWriting: false, pausedUntil: 0) == nil)
            #expect(checker.look(at: try node(.never, 3), now: 0, isWriting: false, pausedUntil: 0) == nil)
            checker.led(by: 2, in: 2, at: 1, now: 0)
            #expect(checker.look(at: try node(.ordinary, 4), now: 0, isWriting: false, pausedUntil: 0) == nil)
            arrival(checker, 10_000_000)
            return watch(checker, try node(.ordinary, 4), through: 3000)
        }
        // Three times 300 ms and what comes on top, or once.
        let word = try #require(try found { $0.arrived(from: 2, at: 1, now: $1) })
        #expect((1300...1700).contains(word.at))
        let heartbeat = try #require(try found { $0.led(by: 2, in: 2, at: 1, now: $1) })
        #expect((500...900).contains(heartbeat.at))
        let stranger = try #require(try found { $0.led(by: 3, in: 2, at: 1, now: $1) })
        #expect(stranger.at > 1300)
    }
}
