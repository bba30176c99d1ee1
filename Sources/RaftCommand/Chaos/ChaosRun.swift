internal import Foundation
internal import Raft
internal import RaftClient
internal import RaftSimulation

/// One run: a new cluster, rounds of load under faults, and after each round everything healed, read and checked.
final class ChaosRun: Sendable {
    struct Plan: Sendable {
        var mode = ChaosMode.kill
        /// Cycles, or time under faults; the first that is reached ends the run.
        var cycles: Int?
        var time: Duration?
        var seed: UInt64 = 0
        var clientCount = 8
        var keyCount = 10
        var rate: Double?
        var timeout = Duration.seconds(3)
        /// By how much a call may outlast its deadline.
        var grace = Duration.milliseconds(100)
        /// Calls a second, below which a run without faults shows nothing.
        var leastRate = 100.0
        /// A history is checked, and keys begin anew, after so many cycles.
        static let cyclesPerRound = 25
    }

    /// How the clients of a round call.
    private enum Style: UInt64 {
        case plain
        /// Writes again when a result is lost, applied once.
        case sessions
        /// Reads by the leader's lease.
        case leases
        /// Writes passed on by whoever is asked.
        case forwards
    }

    private struct Shared {
        var report: ChaosReport
        /// Cycles begun in this run, and in this round.
        var begun = 0
        var begunInRound = 0
        var isStopped = false
    }

    private let plan: Plan
    private let cluster: ChaosCluster
    private let electionTimeout: Duration
    private let directory: String
    private let shared: Lock<Shared>
    private let clock = ContinuousClock()

    /// - Parameter number: from 1 on.
    init(_ plan: Plan, number: Int, directory: String, _ settings: ChaosCluster.Settings) async throws {
        self.plan = plan
        self.directory = directory
        electionTimeout = settings.electionTimeout
        cluster = try await ChaosCluster(directory, settings)
        shared = Lock(Shared(report: ChaosReport(number: number, seed: plan.seed)))
    }

    /// No further fault begins; the round is ended and checked.
    func stop() { shared.withLock { $0.isStopped = true } }

    var progress: ChaosReport { shared.withLock { $0.report } }

    /// - Throws: what kept it from running at all. What the cluster did wrong is in the report.
    func run() async throws -> ChaosReport {
        let begin = clock.now
        do {
            try await rounds()
            note { report in
                let missing = plan.mode.kinds.filter { report.faults[$0] == nil }.map(\.rawValue).sorted()
                guard missing.isEmpty else {
                    report.verdict = .void("no \(missing.joined(separator: ", no ")) came to pass")
                    return
                }
            }
        } catch let failure as ChaosFailure {
            note { $0.verdict = .failed(failure.description) }
        } catch let reason as VoidRun {
            note { $0.verdict = .void(reason.description) }
        } catch {
            await cluster.close()
            throw error
        }
        await cluster.close()
        note { $0.elapsed = clock.now - begin }
        return progress
    }

    private func note(_ change: (inout ChaosReport) -> Void) { shared.withLock { change(&$0.report) } }

    // MARK: Rounds

    private func rounds() async throws {
        try await withThrowingTaskGroup { group in
            for id in cluster.layout.addresses.indices { group.addTask { try await self.cluster.start(id + 1) } }
            try await group.waitForAll()
        }
        let first = try await waitForLeader(within: .seconds(30))
        var hasLeases = false
        var schedules = plan.mode.streams.enumerated().map { number, kinds in
            FaultSchedule(
                kinds, nodeCount: cluster.layout.addresses.count, electionTimeout: electionTimeout,
                seed: plan.seed &* 16 &+ UInt64(number))
        }
        let deadline = plan.time.map { clock.now + $0 }
        var number = 0
        repeat {
            number += 1
            let style = Style(rawValue: (plan.seed &+ UInt64(number)) % 4) ?? .plain
            if hasLeases != (style == .leases) {
                hasLeases.toggle()
                do throws(RaftClientError) {
                    try await cluster.allowLeases(hasLeases ? electionTimeout * 3 / 4 : nil)
                } catch {
                    throw ChaosFailure(
                        "leases are not \(hasLeases ? "allowed" : "ended") while nothing is hurt: \(error)")
                }
            }
            try await round(number, style, &schedules, until: deadline)
            let term = await cluster.status()?.term ?? first.term
            note { $0.terms = max($0.terms, term - first.term) }
        } while isOpen(deadline)
    }

    private func isOpen(_ deadline: ContinuousClock.Instant?) -> Bool {
        let now = clock.now
        return shared.withLock { shared in
            !shared.isStopped && plan.cycles.map { shared.begun < $0 } ?? true && deadline.map { now < $0 } ?? true
        }
    }

    private func takeCycle(_ deadline: ContinuousClock.Instant?) -> Bool {
        guard isOpen(deadline) else { return false }
        return shared.withLock { shared in
            guard shared.begunInRound < Plan.cyclesPerRound else { return false }
            shared.begun += 1
            shared.begunInRound += 1
            return true
        }
    }

    private func round(
        _ number: Int, _ style: Style, _ schedules: inout [FaultSchedule], until deadline: ContinuousClock.Instant?
    ) async throws {
        var load = BenchPlan()
        load.clientCount = plan.clientCount
        load.keyCount = plan.keyCount
        load.limit = .time(.seconds(86_400))
        load.casRatio = 0.3
        // Every other round fills segments, and so makes snapshots due.
        load.valueSize = number.isMultiple(of: 2) ? 8192 : 128
        load.rate = plan.rate
        load.tag = "round\(number)-"
        if style == .leases { load.reads = .lease }
        let client = try cluster.client(
            timeout: plan.timeout, usesSessions: style == .sessions, forwardsWrites: style == .forwards)
        let bench = BenchRun(load, [.init(client: client)], keepsHistory: true)
        shared.withLock { $0.begunInRound = 0 }
        do throws(Failure) { try await bench.fill() } catch {
            await client.close()
            throw VoidRun(error.message)
        }
        let hasEnded = Lock(false)
        let running = Task {
            defer { hasEnded.withLock { $0 = true } }
            _ = try await bench.run()
        }
        do {
            try await measureHealthy(bench)
            let chores = Task { try await self.chores(number) }
            defer { chores.cancel() }
            schedules = try await faults(schedules, bench, deadline)
            chores.cancel()
            _ = await chores.result
            try await settle(bench, hasEnded)
        } catch {
            bench.stop()
            keep(bench.history, number)
            note { $0.add(bench.tally, timeout: plan.timeout) }
            // Else it would call the next run's nodes.
            await client.close()
            throw error
        }
        try await running.value
        await client.close()
        note { $0.add(bench.tally, timeout: plan.timeout) }
        do throws(ChaosFailure) { try judge(bench.history) } catch {
            keep(bench.history, number)
            throw error
        }
    }

    private func keep(_ history: [HistoryOperation], _ number: Int) {
        try? HistoryFormat.text(history).write(
            toFile: "\(directory)/history-\(number).jsonl", atomically: false, encoding: .utf8)
    }

    private func measureHealthy(_ bench: BenchRun) async throws {
        let (begin, before) = (clock.now, bench.progress.done)
        try await Task.sleep(for: .seconds(1))
        let rate = Double(bench.progress.done - before) / ((clock.now - begin) / .seconds(1))
        note { $0.healthyRate = min($0.healthyRate ?? rate, rate) }
        guard rate >= plan.leastRate else {
            throw VoidRun(
                "\(Int(rate)) calls a second before the first fault, at least \(Int(plan.leastRate)) are needed")
        }
    }

    // MARK: Faults

    private func faults(
        _ schedules: [FaultSchedule], _ bench: BenchRun, _ deadline: ContinuousClock.Instant?
    ) async throws -> [FaultSchedule] {
        try await withThrowingTaskGroup(of: (Int, FaultSchedule).self) { group in
            for (number, schedule) in schedules.enumerated() {
                group.addTask {
                    var schedule = schedule
                    while self.takeCycle(deadline) {
                        let leader = await self.cluster.status()?.leader.map(Int.init)
                        try await self.perform(schedule.next(leader: leader))
                        try await self.waitForProgress(bench)
                    }
                    return (number, schedule)
                }
            }
            var result = schedules
            for try await (number, schedule) in group { result[number] = schedule }
            return result
        }
    }

    /// What operators do meanwhile; some of it fails, since nodes are away.
    private func chores(_ number: Int) async throws {
        var random = RandomSource(seed: plan.seed &* 1000 &+ UInt64(number))
        while true {
            try await Task.sleep(for: random.duration(in: electionTimeout...(electionTimeout * 8)))
            let chore = ChaosCluster.Chore.allCases[Int(random.next() % 3)]
            let id = 1 + Int(random.next() % UInt64(cluster.layout.addresses.count))
            if await cluster.perform(chore, on: id) { note { $0.chores += 1 } }
        }
    }

    private func perform(_ fault: ChaosFault) async throws {
        try await Task.sleep(for: fault.wait)
        switch fault.kind {
        case .kill, .power:
            try await end(fault)
            try await Task.sleep(for: fault.length)
            if let again = fault.again {
                for id in fault.nodes { try cluster.launch(id) }
                try await Task.sleep(for: again)
                try cluster.check()
                try await end(fault)
            }
            try await withThrowingTaskGroup { group in
                for id in fault.nodes { group.addTask { try await self.cluster.start(id) } }
                try await group.waitForAll()
            }
        case .pause:
            // One that another fault has ended meanwhile cannot stand still.
            var isThere = false
            for id in fault.nodes where await cluster.pause(id) { isThere = true }
            try await Task.sleep(for: fault.length)
            for id in fault.nodes { cluster.resume(id) }
            guard isThere else { return }
        case .partition:
            try await cluster.cut(fault.ways)
            try await Task.sleep(for: fault.length)
            try await cluster.heal(fault.ways)
        }
        note {
            $0.cycles += 1
            $0.faults[fault.kind, default: 0] += 1
        }
    }

    /// Kills the nodes of a fault, and takes from them what they had not synced.
    private func end(_ fault: ChaosFault) async throws {
        await withTaskGroup { group in
            for id in fault.nodes { group.addTask { await self.cluster.kill(id) } }
        }
        guard fault.kind == .power else { return }
        var random = RandomSource(seed: plan.seed &+ UInt64(progress.cycles))
        for id in fault.nodes {
            let loss = try cluster.cutPower(id, keptShare: fault.keptShare, random: &random)
            note {
                $0.loss.writes += loss.writes
                $0.loss.names += loss.names
            }
        }
    }

    /// Until a few more calls are done: no fault is let go by unnoticed because another one follows.
    private func waitForProgress(_ bench: BenchRun) async throws {
        let (begin, before) = (clock.now, bench.progress.done)
        while bench.progress.done < before + 10 {
            try cluster.check()
            guard clock.now - begin < .seconds(60) else {
                throw ChaosFailure("not ten calls were done within 60 s of the end of a fault")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    // MARK: After the faults

    private func settle(_ bench: BenchRun, _ hasEnded: Lock<Bool>) async throws {
        let healed = clock.now
        _ = try await waitForLeader(within: electionTimeout * 20)
        let leaderless = clock.now - healed
        note { $0.leaderless = max($0.leaderless, leaderless) }
        bench.stop()
        let limit = clock.now + plan.timeout + plan.grace + .seconds(5)
        while !hasEnded.withLock({ $0 }) {
            guard clock.now < limit else {
                throw ChaosFailure("a call has had no outcome for 5 s since its deadline")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        if let error = await bench.callEachKey(.get) { throw ChaosFailure("a key is not read after healing: \(error)") }
        let lost = LostWrites.count(in: bench.history)
        note { $0.lostWrites += lost }
        if let error = await bench.callEachKey(.put) { throw ChaosFailure("no key is set after healing: \(error)") }
        if let error = await bench.callEachKey(.get) { throw ChaosFailure("a key is not read after healing: \(error)") }
        try await waitUntilEqual(within: electionTimeout * 100)
    }

    private func waitForLeader(within limit: Duration) async throws -> (leader: UInt64, term: UInt64) {
        let begin = clock.now
        while true {
            try cluster.check()
            if let status = await cluster.status(), let leader = status.leader { return (leader, status.term) }
            guard clock.now - begin < limit else {
                throw ChaosFailure("nobody leads \(limit.formatted) after everything was healed")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Until every node has applied the same entries.
    private func waitUntilEqual(within limit: Duration) async throws {
        let begin = clock.now
        while true {
            try cluster.check()
            let nodes = await cluster.status()?.nodes ?? []
            let applied = nodes.map { $0.status?.applied }
            if let first = applied.first, first != nil, applied.allSatisfy({ $0 == first }) { return }
            guard clock.now - begin < limit else {
                let shown = applied.map { $0.map { "\($0)" } ?? "no answer" }.joined(separator: ", ")
                throw ChaosFailure("the nodes have applied \(shown) \(limit.formatted) after everything was healed")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    private func judge(_ history: [HistoryOperation]) throws(ChaosFailure) {
        let report = progress
        guard report.lostWrites == 0 else {
            throw ChaosFailure("\(report.lostWrites) acknowledged writes are lost")
        }
        switch LinearizabilityChecker().check(history) {
        case .linearizable: break
        case .notLinearizable(let key, let explanation):
            throw ChaosFailure("not linearizable: key \(key)\n\(explanation)")
        case .undecided(let key): throw ChaosFailure("undecided: key \(key) has too many orders to try")
        }
        if let overrun = report.overrun, overrun > plan.grace {
            throw ChaosFailure(
                "a call ended \(overrun.formatted) after its deadline, at most \(plan.grace.formatted) are allowed")
        }
    }
}

/// A run that shows nothing.
struct VoidRun: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
