internal import Benchmarking
internal import Raft
internal import RaftClient
internal import Synchronization

/// Puts alone, puts beside the attack, puts alone.
struct FloodRun {
    private let cluster: ServerCluster
    private let command: FloodCommand

    init(_ cluster: ServerCluster, _ command: FloodCommand) {
        self.cluster = cluster
        self.command = command
    }

    /// The most memory that any node had since it was last asked.
    private final class MemoryWatch: Sendable {
        private let most = Mutex(0)

        func run(_ cluster: ServerCluster) async {
            while !Task.isCancelled {
                let now = cluster.running.compactMap { try? Program.usage(of: $0.pid).residentBytes }.max() ?? 0
                most.withLock { $0 = max($0, now) }
                try? await Task.sleep(for: .milliseconds(250))
            }
        }

        func take() -> Int {
            most.withLock { most in
                defer { most = 0 }
                return most
            }
        }
    }

    func report() async throws -> FloodReport {
        Output.note("measuring what this machine does at best")
        let floors = try cluster.floors()
        try await cluster.bootstrap([1, 2, 3])
        let ports = cluster.running.map(\.port).sorted()
        let endpoints = cluster.running.map(\.address)
        let admin = try cluster.admin(endpoints)
        try await cluster.waitForLeader(admin)
        let client = try cluster.client(endpoints)
        let load = PutLoad(
            client, rate: command.load.rate, valueBytes: command.load.valueSize, timeout: command.load.timeout)
        let (watch, memory) = (LeaderWatch(every: .milliseconds(100)), MemoryWatch())
        let flood = HalfOpenFlood(
            ports: ports, addressCount: command.addresses, count: command.halfOpen,
            perSecond: command.opening)
        let stranger = try cluster.stranger()
        let failing = FailingFlood(
            ports: ports, addressCount: command.addresses, perSecond: command.failing,
            certificate: stranger.certificate, key: stranger.key)

        let (bounds, most, work) = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await load.run() }
            group.addTask { await watch.run(cluster, admin, now: { load.now }) }
            group.addTask { await memory.run(cluster) }
            var bounds: [Int64] = []
            var most: [Int] = []
            var work: [Double] = []
            func note() {
                bounds.append(load.now)
                work.append(
                    cluster.running.compactMap { try? Program.usage(of: $0.pid).processorTime }.reduce(0, +))
            }
            Output.note("puts alone")
            // The first moments are everybody's first.
            try await Task.sleep(for: .seconds(2))
            _ = memory.take()
            note()
            try await Task.sleep(for: .seconds(1) * command.before)
            most.append(memory.take())
            note()
            Output.note("puts beside the attack")
            await withTaskGroup(of: Void.self) { attack in
                attack.addTask { await flood.run() }
                attack.addTask { await failing.run() }
                try? await Task.sleep(for: .seconds(1) * command.seconds)
                flood.stop()
                failing.stop()
                await attack.waitForAll()
            }
            most.append(memory.take())
            note()
            Output.note("puts alone again")
            try await Task.sleep(for: .seconds(1) * command.before)
            most.append(memory.take())
            note()
            load.stop()
            try await group.next()  // the load: every put has its outcome
            group.cancelAll()
            return (bounds, most, work)
        }
        Output.note("reading everything back")
        let ledger = load.ledger
        let verdict = ledger.verdict(found: try await load.readBack(client))
        await client.close()
        await admin.close()
        let acknowledged = Acknowledgements(ledger.acknowledgedMoments, from: bounds[0], to: bounds[3])
        let phases = ["before", "during", "after"].enumerated().map { number, name in
            let (start, end) = (bounds[number], bounds[number + 1])
            return FloodReport.Phase(
                name: name, puts: ledger.latencies(from: start, to: end).summary,
                errors: ledger.errors(from: start, to: end),
                longestPauseMilliseconds: acknowledged.longest(from: start, to: end).map { milliseconds($0.length) },
                maximumResidentMebibytes: mebibytes(most[number]),
                processors: (work[number + 1] - work[number]) / (Double(end - start) / 1e9))
        }
        let failed = failing.figures
        return FloodReport(
            floors: floors, electionTimeoutMilliseconds: milliseconds(command.cluster.electionTimeoutNanoseconds),
            rate: command.load.rate, valueBytes: command.load.valueSize, halfOpen: command.halfOpen,
            addresses: command.addresses, opened: flood.figures.opened, notOpened: flood.figures.failed,
            refused: failed.refused, cutOff: failed.cutOff, letIn: failed.letIn, verdict: verdict, phases: phases,
            leadershipMoves: watch.leaderships.moves.count)
    }
}
