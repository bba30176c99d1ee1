internal import Raft

/// At the end of a scenario, writes must succeed: tries at every node until enough have.
final class ConvergenceWrites: @unchecked Sendable {
    // @unchecked: as the scheduler.
    private let nodes: [SimulatedNode]
    private let scheduler: Scheduler
    private var needed: Int
    private var next = 0

    init(nodes: [SimulatedNode], scheduler: Scheduler, needed: Int) {
        self.nodes = nodes
        self.scheduler = scheduler
        self.needed = needed
    }

    var isDone: Bool { needed == 0 }

    func begin() {
        guard needed > 0 else { return }
        next += 1
        let target = nodes[next % nodes.count]
        guard let node = target.node else { return again() }
        // High serial numbers: no caller of the scenario has them.
        node.propose(.init(serial: (1 << 40) + UInt64(next), key: "end", .put("\(next)"))) { [self] result in
            if case .success = result { needed -= 1 }
            again()
        }
    }

    private func again() { scheduler.schedule(after: 10_000_000) { [self] in begin() } }
}
