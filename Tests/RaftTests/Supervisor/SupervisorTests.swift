import Testing

@testable import Raft

@Suite("The supervisor")
struct SupervisorTests {
    @Test("A bootstrapped node begins as a follower, and leads once a quorum has voted for it")
    func elected() throws {
        let bench = try Bench()
        bench.start()
        #expect(bench.started.answerCount == 1 && bench.started.error == nil)
        #expect(bench.node?.status.role == .follower)
        bench.elect()
        #expect(bench.node?.status.role == .leader)
        #expect(bench.node?.status.currentTerm == 1)
        let proposed = Caller()
        bench.node?.propose(.init(5)) { proposed.note($0) }
        for _ in 0..<4 { bench.answer() }
        #expect(proposed.answerCount == 1 && proposed.error == nil)
    }

    @Test("A leader that was held up steps down before it serves what waited meanwhile")
    func overslept() throws {
        let bench = try Bench()
        bench.start()
        bench.elect()
        for _ in 0..<4 { bench.answer() }
        bench.loop.stall(.seconds(30))
        let read = Caller()
        let proposed = Caller()
        bench.node?.read(.linearizable, { $0.total }, completion: { read.note($0) })
        bench.node?.propose(.init(1)) { proposed.note($0) }
        bench.loop.run()
        #expect(bench.node?.status.role == .follower)
        #expect(read.error?.code == .notLeader)
        #expect(proposed.error?.code == .notLeader, "certainly not appended, so nothing happened")
        #expect(bench.node?.status.last.index == 2)
        // The mailbox must still wake its owner, with no timer to help.
        let later = Caller()
        bench.node?.propose(.init(1)) { later.note($0) }
        bench.loop.run()
        #expect(later.error?.code == .notLeader)
    }

    @Test("Every caller of stop is told, however many there are and whenever they come")
    func manyStops() throws {
        let bench = try Bench()
        bench.start()
        bench.elect()
        for _ in 0..<4 { bench.answer() }
        let callers = (0..<4).map { _ in Caller() }
        bench.node?.stop { callers[0].note($0) }
        bench.node?.stop { callers[1].note($0) }
        bench.loop.run()
        #expect(bench.node?.status.role == .leader, "it passes leadership on first")
        bench.node?.stop { callers[2].note($0) }
        bench.loop.advance(.seconds(3))
        #expect(bench.store.isClosed)
        bench.node?.stop { callers[3].note($0) }
        bench.loop.run()
        #expect(callers.map(\.answerCount) == [1, 1, 1, 1])
    }

    @Test("Whoever called in the moment of the stop, behind it, is told, once")
    func callsBehindStop() throws {
        let bench = try Bench()
        bench.start()
        let callers = (0..<7).map { _ in Caller() }
        let node = try #require(bench.node)
        node.stop { callers[0].note($0) }
        node.propose(.init(1)) { callers[1].note($0) }
        node.read(.linearizable) {
            $0.total
        } completion: {
            callers[2].note($0)
        }
        node.leadership.transfer { callers[3].note($0) }
        node.membership.perform(.remove(2)) { callers[4].note($0) }
        node.triggerSnapshot { callers[5].note($0) }
        node.stop { callers[6].note($0) }
        bench.loop.advance(.seconds(5))
        #expect(callers.map(\.answerCount) == [1, 1, 1, 1, 1, 1, 1])
        #expect(callers[1...5].map { $0.error?.code } == [.stopped, .stopped, .stopped, .stopped, .stopped])
        #expect(callers[0].error == nil && callers[6].error == nil)
    }

    @Test("A stop that comes while the node closes is told too")
    func stopDuringClose() throws {
        // The loop ends with the node here, as its own thread does.
        let bench = try Bench()
        bench.start()
        let callers = (0..<4).map { _ in Caller() }
        bench.node?.stop { callers[0].note($0) }
        while bench.node?.status.role != .stopped { bench.loop.runOne() }
        bench.node?.stop { callers[1].note($0) }
        while !bench.store.isClosed { bench.loop.runOne() }
        bench.node?.stop { callers[2].note($0) }
        bench.loop.run()
        bench.node?.stop { callers[3].note($0) }
        #expect(callers.map(\.answerCount) == [1, 1, 1, 1])
    }

    @Test("Dropping a node stops it, a leader too: nothing of it stays open (D12)", arguments: [false, true])
    func dropped(isLeader: Bool) throws {
        let bench = try Bench()
        bench.start()
        if isLeader {
            bench.elect()
            for _ in 0..<4 { bench.answer() }
            #expect(bench.node?.status.role == .leader)
        }
        bench.drop()
        bench.loop.advance(.seconds(5))
        #expect(bench.transport.isStopped)
        #expect(bench.store.isClosed)
        #expect(bench.transport.links.allSatisfy { $0.isClosed })
    }

    @Test("A node that is dropped before it was started closes without being opened")
    func droppedEarly() throws {
        let bench = try Bench()
        bench.drop()
        bench.loop.advance(.seconds(5))
        #expect(bench.transport.isStopped)
    }

    @Test("A failed write stops the node, and the status still says why")
    func writeFails() throws {
        let bench = try Bench()
        bench.start()
        bench.elect()
        for _ in 0..<4 { bench.answer() }
        bench.store.failWrites()
        let proposed = Caller()
        bench.node?.propose(.init(5)) { proposed.note($0) }
        bench.loop.run()
        #expect(proposed.error?.code == .outcomeUnknown)
        #expect(proposed.error?.outcome == .unknown)
        #expect(bench.node?.status.role == .stopped)
        #expect(bench.node?.status.stopReason?.code == .storage)
        let late = Caller()
        bench.node?.propose(.init(5)) { late.note($0) }
        #expect(late.error?.code == .stopped)
    }

    @Test("The log is not read any more once it is closed")
    func readsBeforeClose() throws {
        let bench = try Bench()
        bench.start()
        bench.elect()
        for _ in 0..<4 { bench.answer() }
        bench.node?.stop { _ in }
        bench.loop.advance(.seconds(5))
        #expect(bench.store.isClosed)
        #expect(bench.store.usesAfterClose == 0)
    }

    @Test("A local read before the state machine is open waits for it")
    func readBeforeStart() throws {
        let bench = try Bench()
        let read = Caller()
        bench.node?.read(.local, { $0.total }, completion: { read.note($0) })
        bench.loop.run()
        #expect(read.answerCount == 0)
        bench.start()
        #expect(read.answerCount == 1 && read.error == nil)
    }

    @Test("A node started again stands by the members that it was bootstrapped with")
    func bootstrapAgain() throws {
        let store = WatchedStore()
        let first = try Bench(store: store)
        first.start()
        first.drop()
        first.loop.advance(.seconds(5))
        let same = try Bench(store: store)
        same.start()
        #expect(same.started.error == nil)
        let other = try Bench(members: [1, 2], store: store)
        other.start()
        #expect(other.started.error?.code == .invalidConfiguration)
        #expect(other.node?.status.stopReason?.code == .invalidConfiguration)
        let stranger = try Bench(4, members: [1, 2, 3], store: WatchedStore())
        stranger.start()
        #expect(stranger.started.error?.code == .invalidConfiguration)
    }
}
