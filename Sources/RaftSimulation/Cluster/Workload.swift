internal import Raft

/// Clients that write serial numbers and read them back, and what became of each call.
final class Workload: @unchecked Sendable {
    // @unchecked: as the scheduler.
    private let scheduler: Scheduler
    private let nodes: [SimulatedNode]
    private let checker: SafetyChecker
    private var random: RandomSource
    private var nextSerial: UInt64 = 1
    private var clientCount = 0
    private(set) var acknowledged: [UInt64: LogIndex] = [:]
    private(set) var refused: Set<UInt64> = []
    private(set) var unknownCount = 0
    private(set) var readCount = 0
    private var acknowledgedThrough: LogIndex = 0
    var isActive = true
    /// Nanoseconds that a client waits for an answer.
    private let patience: Int64 = 3_000_000_000

    init(scheduler: Scheduler, nodes: [SimulatedNode], checker: SafetyChecker, seed: UInt64) {
        self.scheduler = scheduler
        self.nodes = nodes
        self.checker = checker
        random = RandomSource(seed: seed)
    }

    /// How one client behaves.
    private struct Habit {
        /// Nanoseconds between an answer and the next call.
        var pause: ClosedRange<Int64>
        /// How many of ten calls are reads.
        var readsOfTen: UInt64
    }

    /// Every second client mostly reads: one that writes soon waits at a leader that was cut off, and would never see
    /// a stale read there.
    func addClient(pause: ClosedRange<Int64>) {
        clientCount += 1
        think(Habit(pause: pause, readsOfTen: clientCount % 2 == 0 ? 9 : 2), hint: nil)
    }

    private func think(_ habit: Habit, hint: NodeID?) {
        let pause = habit.pause
        let span = UInt64(pause.upperBound - pause.lowerBound + 1)
        scheduler.schedule(after: pause.lowerBound + Int64(random.next() % span)) { [self] in
            guard isActive else { return }
            let up = nodes.filter(\.isUp)
            guard !up.isEmpty else { return think(habit, hint: nil) }
            // Now and then somewhere else: whoever only follows hints never meets a second leader.
            let isSticky = random.next() % 10 < 7
            let node = (isSticky ? up.first { $0.id == hint } : nil) ?? up[Int(random.next() % UInt64(up.count))]
            if random.next() % 10 < habit.readsOfTen { read(node, habit) } else { write(node, habit) }
        }
    }

    private func write(_ target: SimulatedNode, _ habit: Habit) {
        guard let node = target.node else { return think(habit, hint: nil) }
        let serial = nextSerial
        nextSerial += 1
        let once = Once()
        scheduler.schedule(after: patience) { [self] in
            if once.claim() {
                unknownCount += 1
                think(habit, hint: nil)
            }
        }
        node.propose(Ledger.Write(serial: serial)) { [self] result in
            switch result {
            case .success(let index):
                // Even if the client has given up: the node has promised.
                acknowledged[serial] = index
                acknowledgedThrough = max(acknowledgedThrough, index)
                if checker.applied[index] != serial {
                    checker.fail("I5", "serial \(serial) was acknowledged at entry \(index), which holds another")
                }
                if once.claim() { think(habit, hint: target.id) }
            case .failure(let error):
                if error.outcome == .nothingHappened { refused.insert(serial) } else { unknownCount += 1 }
                if once.claim() { think(habit, hint: error.leader?.id) }
            }
        }
    }

    private func read(_ target: SimulatedNode, _ habit: Habit) {
        guard let node = target.node else { return think(habit, hint: nil) }
        let floor = acknowledgedThrough
        let once = Once()
        scheduler.schedule(after: patience) { [self] in if once.claim() { think(habit, hint: nil) } }
        let settle = { @Sendable [self] (result: Result<Result<LogIndex, any Error>, RaftError>) in
            switch result {
            case .success(let value):
                if let last = try? value.get(), last < floor {
                    checker.fail(
                        "I16", "node \(target.id) read entry \(last) as its last after \(floor) was acknowledged")
                }
                readCount += 1
                if once.claim() { think(habit, hint: target.id) }
            case .failure(let error):
                if once.claim() { think(habit, hint: error.leader?.id) }
            }
        }
        node.read(.linearizable, { $0.last }, completion: settle)
    }

    /// At the end: everything acknowledged is there, and nothing that was refused.
    func checkOutcomes() {
        var indexes: [UInt64: LogIndex] = [:]
        for (index, serial) in checker.applied {
            if let other = indexes[serial] {
                checker.fail("I18", "serial \(serial) was applied at \(other) and \(index)")
            }
            indexes[serial] = index
        }
        for (serial, index) in acknowledged where indexes[serial] != index {
            checker.fail("I7", "serial \(serial), acknowledged at entry \(index), is lost")
        }
        for serial in refused where indexes[serial] != nil {
            checker.fail("I19", "serial \(serial) was refused, and applied all the same")
        }
    }
}

/// Whoever comes first.
private final class Once: @unchecked Sendable {
    // @unchecked: as the scheduler.
    private var isClaimed = false
    func claim() -> Bool {
        defer { isClaimed = true }
        return !isClaimed
    }
}
