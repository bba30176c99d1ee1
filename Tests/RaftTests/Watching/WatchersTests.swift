import Testing

@testable import Raft

@Suite("Whoever watches a node")
struct WatchersTests {
    private func status(_ role: NodeRole, _ term: Term) -> NodeStatus {
        var status = NodeStatus(notStarted: 1, cluster: "test")
        status.role = role
        status.currentTerm = term
        return status
    }

    @Test("Leadership is gained and lost by turns, whatever the node goes through, and lost at the end")
    func alternation() {
        for seed in 1...200 as ClosedRange<UInt64> {
            var random = RandomSource(seed: seed)
            let changes = Lock<[LeadershipChange]>([])
            let watchers = Watchers()
            let roles: [NodeRole] = [.leader, .leader, .follower, .candidate, .learner]
            var term: UInt64 = 1
            func next() -> NodeStatus {
                term += random.next() % 2
                return status(roles[Int(random.next() % 5)], Term(term))
            }
            watchers.add(LeadershipWatcher { change in changes.withLock { $0.append(change) } }) { (next(), false) }
            for _ in 0..<30 {
                watchers.tell {
                    (next(), false)
                } whenEmpty: {
                }
            }
            // It may have led until then.
            watchers.tell {
                (next(), true)
            } whenEmpty: {
            }
            watchers.tell {
                (status(.leader, 99), false)
            } whenEmpty: {
            }
            var held: Term?
            for change in changes.withLock({ $0 }) {
                switch change {
                case .gained(let term):
                    #expect(held == nil)
                    held = term
                case .lost(let term):
                    #expect(held == term)
                    held = nil
                }
            }
            #expect(held == nil && changes.withLock { $0.allSatisfy { $0 != .gained(term: 99) } })
        }
    }

    @Test("Who has ended is told nothing more, and is forgotten; the last one ends the telling")
    func ends() {
        let watchers = Watchers()
        let told = Lock(0)
        let watcher = StatusSequence(give: { _ in told.withLock { $0 += 1 } }, finish: {})
        watchers.add(watcher) { (status(.follower, 1), false) }
        var isEmpty = false
        watchers.tell {
            (status(.follower, 2), false)
        } whenEmpty: {
            isEmpty = true
        }
        #expect(told.withLock { $0 } == 2 && !isEmpty)
        watcher.end()
        watchers.tell {
            (status(.follower, 3), false)
        } whenEmpty: {
            isEmpty = true
        }
        #expect(told.withLock { $0 } == 2 && isEmpty)
    }

    @Test("Who comes to a node that has ended hears its end, and is not kept")
    func late() {
        let watchers = Watchers()
        let finished = Lock<[NodeEvent]>([])
        let watcher = EventSequence(give: { _ in true }, finish: { events in finished.withLock { $0 = events } })
        watchers.add(watcher) { (status(.stopped, 1), true) }
        #expect(finished.withLock { $0.count } == 1)
        var isEmpty = false
        watchers.tell {
            (status(.stopped, 1), true)
        } whenEmpty: {
            isEmpty = true
        }
        #expect(isEmpty)
    }

    @Test("Events for which there is no room are counted, and the count comes before the next one")
    func missed() {
        let given = Lock<[String]>([])
        let room = Lock(1)
        let watchers = Watchers()
        watchers.add(
            EventSequence(
                give: { event in
                    guard room.withLock({ $0 > 0 }) else { return false }
                    room.withLock { $0 -= 1 }
                    given.withLock { $0.append("\(event)".prefix { $0 != "(" }.description) }
                    if case .missed(let count) = event { given.withLock { $0.append("\(count)") } }
                    return true
                }, finish: { last in given.withLock { $0 += last.map { "\($0)".prefix { $0 != "(" }.description } } })
        ) { (status(.follower, 1), false) }
        watchers.tell {
            (status(.learner, 1), false)
        } whenEmpty: {
        }
        watchers.tell {
            (status(.follower, 1), false)
        } whenEmpty: {
        }
        watchers.tell(.certificates("renewed", isUsed: true))
        room.withLock { $0 = 2 }
        watchers.tell {
            (status(.learner, 1), false)
        } whenEmpty: {
        }
        #expect(given.withLock { $0 } == ["role", "missed", "2", "role"])
        watchers.tell {
            (status(.follower, 1), false)
        } whenEmpty: {
        }
        watchers.tell {
            (status(.follower, 1), true)
        } whenEmpty: {
        }
        #expect(given.withLock { $0 }.suffix(2) == ["missed", "stopped"])
    }
}
