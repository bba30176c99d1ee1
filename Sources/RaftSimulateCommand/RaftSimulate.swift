import ArgumentParser
import Foundation
import RaftSimulation

/// `raft-simulate`: runs seeds of the simulation until they are through, the time is up, or for ever the same one.
@main
struct RaftSimulate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "raft-simulate",
        abstract: "Run a simulated cluster from seeds: the production code on a virtual network, disk and clock.",
        discussion: """
            Each seed draws its own cluster size, timeouts, faults and workload. A run that breaks an invariant, or does \
            not come together after everything was healed, is a failure; its seed repeats it, on any machine.

            With --check, no simulation runs: FILE holds a history of calls, one JSON object a line, such as \
            `raft bench --history` writes (the fields are at HistoryOperation), and is checked for linearizability.

            Exit codes: 0 no failure, or linearizable; 1 at least one failing seed (written to --failures), or not \
            linearizable; 2 usage, or a history that cannot be read; 3 too many orders to decide.
            """)

    @Option(help: "The seeds to run, as A..<B.")
    var seeds = "0..<1000"
    @Option(help: "Run this one seed, and print what it is made of.")
    var seed: UInt64?
    @Option(help: "How many simulated events one seed lasts before everything is healed.")
    var events = 10_000
    @Option(help: "How many nodes; drawn from the seed unless given (1 to 7).")
    var nodes: Int?
    @Option(help: "How many seeds run at the same time.")
    var jobs = ProcessInfo.processInfo.activeProcessorCount
    @Option(help: "Begin no further seed after this many minutes.")
    var minutes: Double?
    @Option(help: "Where failing seeds are written, one a line.")
    var failures = "simulation-failures.txt"
    @Option(help: ArgumentHelp("Check this history and leave; - for standard input.", valueName: "file"))
    var check: String?
    @OptionGroup(title: "Rules broken on purpose") var mutants: MutantOptions

    @Option(
        name: .customLong("scenario"), parsing: .upToNextOption,
        help:
            "Run these scenarios, text files, instead of seeds; with --seed, other chances; with one --mutant, with that rule broken."
    )
    var scenarios: [String] = []

    func validate() throws {
        _ = try range()
        if scenarios.isEmpty { try mutants.check() } else { try mutants.checkForScenarios() }
        guard events > 0, jobs > 0 else { throw ValidationError("--events and --jobs must be above zero") }
        if let nodes, !(1...7).contains(nodes) { throw ValidationError("--nodes \(nodes) is not within 1 to 7") }
    }

    private func range() throws -> Range<UInt64> {
        let parts = seeds.components(separatedBy: "..<")
        guard parts.count == 2, let first = UInt64(parts[0]), let end = UInt64(parts[1]), first < end else {
            throw ValidationError("--seeds \(seeds) is not a range such as 0..<1000")
        }
        return first..<end
    }

    func run() async throws {
        if !scenarios.isEmpty {
            guard try ScenarioFiles.run(scenarios, seed: seed, with: mutants.mutant.first) else { throw ExitCode(1) }
            return
        }
        if let check { return try CheckHistory.run(check) }
        if let seed { return try runOne(seed) }
        let range = try range()
        let begin = Date()
        let deadline = minutes.map { begin.addingTimeInterval($0 * 60) }
        let seedRun = SeedRun(events: events, nodes: nodes)
        if let mutant = mutants.mutantChild {
            return await MutantCampaign.runAsChild(mutant, range, seedRun, jobs: jobs)
        }
        if mutants.mutants {
            let campaign = MutantCampaign(options: mutants, range: range, run: seedRun, jobs: jobs, deadline: deadline)
            if try !campaign.start() { throw ExitCode(1) }
            return
        }
        let (events, nodes) = (events, nodes)
        var next = range.lowerBound
        var done = 0
        var eventCount = 0
        var failed: [(seed: UInt64, text: String)] = []
        await withTaskGroup(of: (UInt64, Result<SimulationReport, any Error>).self) { group in
            func startNext() {
                guard next < range.upperBound, deadline.map({ Date() < $0 }) ?? true else { return }
                let seed = next
                next += 1
                group.addTask {
                    (seed, Result { try Simulation(seed: seed, nodeCount: nodes).run(events: events) })
                }
            }
            for _ in 0..<jobs { startNext() }
            for await (seed, result) in group {
                done += 1
                switch result {
                case .success(let report): eventCount += report.events
                case .failure(let error):
                    failed.append((seed, "\(error)"))
                    print("seed \(seed): \(error)")
                }
                if done % 100 == 0 { progress(done, of: range.count, since: begin) }
                startNext()
            }
        }
        let seconds = Date().timeIntervalSince(begin)
        print(
            "\(done) seeds, \(eventCount) events in \(Int(seconds)) s (\(Int(Double(eventCount) / max(seconds, 0.001))) a second), \(failed.count) failed"
        )
        guard !failed.isEmpty else { return }
        let lines = failed.sorted { $0.seed < $1.seed }.map { "\($0.seed)\t\($0.text)\n" }.joined()
        try lines.write(toFile: failures, atomically: true, encoding: .utf8)
        print("failing seeds are in \(failures); repeat one with: raft-simulate --seed \(failed[0].seed)\(options)")
        throw ExitCode(1)
    }

    private var options: String { " --events \(events)" + (nodes.map { " --nodes \($0)" } ?? "") }

    private func progress(_ done: Int, of count: Int, since begin: Date) {
        let rate = Double(done) / max(Date().timeIntervalSince(begin), 0.001)
        let left = Int(Double(count - done) / max(rate, 0.001))
        FileHandle.standardError.write(
            Data("\(done) of \(count) seeds, \(Int(rate)) a second, \(left) s left\n".utf8))
    }

    private func runOne(_ seed: UInt64) throws {
        let simulation = try Simulation(seed: seed, nodeCount: nodes)
        print(simulation.profile)
        do {
            print(try simulation.run(events: events))
        } catch {
            print("seed \(seed): \(error)")
            throw ExitCode(1)
        }
    }
}
