public import ArgumentParser
import Foundation
public import RaftSimulation

/// `raft-simulate`: runs seeds of the simulation until they are through or the time is up, or looks at one of them.
@main
struct RaftSimulate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "raft-simulate",
        abstract: "Run a simulated cluster from seeds: the production code on a virtual network, disk and clock.",
        discussion: """
            Each seed draws its own cluster size, timeouts, limits, faults and workload (--profile narrows that down). \
            While it runs every invariant is checked after every event; then everything is healed, and the cluster must \
            come together, serve, stay quiet, and have kept a linearizable history. A run that fails is a failure for \
            ever: its seed repeats it, on any machine, in any build of the same code.

            --seed N runs one seed; with --trace it prints what happens, with --shrink it cuts the run down to the few \
            faults that it takes and prints them as a script, which --save keeps and --scenario runs again. --seed-file FILE runs the seeds of a file, one a line: \
            seed, and optionally nodes=N, events=N, profile=NAME; text behind a # says why.

            With --check, no simulation runs: FILE holds a history of calls, one JSON object a line, such as \
            `raft bench --history` writes (the fields are at HistoryOperation), and is checked for linearizability.

            With --crash-states, no cluster runs: a node's storage does what a script says, and is started on everything \
            that a crash behind any change of the disk may leave there, and again behind crashes in those starts.

            With --bit-flips, one cluster of three runs again and again, and each time one bit of the leader's disk turns \
            over, at another byte: of a node that is about to start, and of one that runs.

            Exit codes: 0 no failure, or linearizable; 1 at least one failing seed (written to --failures), a mark that \
            too few seeds reached with --require-marks, a start after a crash or a flipped bit that went wrong, or not linearizable; 2 usage, or a file that cannot be read; 3 \
            too many orders to decide.
            """)

    @Option(help: "The seeds to run, as A..<B.")
    var seeds = "0..<1000"
    @Option(help: "Run this one seed, and print what it is made of.")
    var seed: UInt64?
    @Option(help: "How many simulated events one seed lasts before everything is healed.")
    var events = 10_000
    @Option(help: "How many nodes; drawn from the seed unless given (1 to 7).")
    var nodes: Int?
    @Option(help: "Which faults there are: \(SimulationProfile.Name.allCases.map(\.rawValue).joined(separator: ", ")).")
    var profile = SimulationProfile.Name.swarm
    @Option(help: "How many seeds run at the same time.")
    var jobs = ProcessInfo.processInfo.activeProcessorCount
    @Option(help: "Begin no further seed after this many minutes.")
    var minutes: Double?
    @Option(help: "Where failing seeds are written, in the form that --seed-file reads.")
    var failures = "simulation-failures.txt"
    @Option(help: "Run the seeds of this file instead.")
    var seedFile: String?
    @Option(help: "Write each seed's trace hash to this file, to be compared with another run's.")
    var hashes: String?
    @Option(help: "Append a line about this campaign (date, commit, seeds, failures) to this file.")
    var ledger: String?
    @Option(help: "What that line names as the code that was run.")
    var commit = "unknown"
    @Flag(help: "With --seed: print every line of what happens.")
    var trace = false
    @Flag(help: "With --seed: cut a failing run down to what it takes to fail, and print that as a script.")
    var shrink = false
    @Option(help: ArgumentHelp("With --shrink: keep that script here, for --scenario.", valueName: "file"))
    var save: String?
    @Flag(help: "Print how many seeds reached each \"sometimes\" mark.")
    var marks = false
    @Flag(help: "Fail if a mark was reached by less than one seed in a thousand, or by none.")
    var requireMarks = false
    @Option(help: ArgumentHelp("Check this history and leave; - for standard input.", valueName: "file"))
    var check: String?
    @Option(
        name: .customLong("scenario"), parsing: .upToNextOption,
        help:
            "Run these scenarios, text files, instead of seeds; with --seed, other chances; with one --mutant, with that rule broken."
    )
    var scenarios: [String] = []
    @OptionGroup(title: "Rules broken on purpose") var mutants: MutantOptions
    @OptionGroup(title: "Crashes of one node's storage") var crashStates: CrashStateOptions
    @OptionGroup(title: "Damage of one node's disk") var bitFlips: BitFlipOptions

    func validate() throws {
        _ = try range()
        try crashStates.check()
        try bitFlips.check()
        let isForOne = !scenarios.isEmpty || seed != nil || crashStates.crashStates || bitFlips.bitFlips
        if isForOne { try mutants.checkForOne() } else { try mutants.check() }
        guard events > 0, jobs > 0 else { throw ValidationError("--events and --jobs must be above zero") }
        if let nodes, !(1...7).contains(nodes) { throw ValidationError("--nodes \(nodes) is not within 1 to 7") }
        if seed == nil, trace || shrink { throw ValidationError("--trace and --shrink need --seed N") }
        if save != nil, !shrink { throw ValidationError("--save keeps what --shrink finds: give both") }
        if let minutes, minutes <= 0 { throw ValidationError("--minutes \(minutes) is not above zero") }
    }

    /// A mistake in the arguments leaves with 2, not with 64 as sysexits has it.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if let simulate = command as? RaftSimulate { try await simulate.run() } else { try command.run() }
        } catch {
            guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
            FileHandle.standardError.write(Data("\(fullMessage(for: error))\n".utf8))
            exit(withError: ExitCode(2))
        }
    }

    private func range() throws -> Range<UInt64> {
        let parts = seeds.components(separatedBy: "..<")
        guard parts.count == 2, let first = UInt64(parts[0]), let end = UInt64(parts[1]), first < end else {
            throw ValidationError("--seeds \(seeds) is not a range such as 0..<1000")
        }
        return first..<end
    }

    func run() async throws {
        if crashStates.crashStates {
            mutants.activate()
            guard await CrashStateCampaign(options: crashStates, jobs: jobs).run() else { throw ExitCode(1) }
            return
        }
        if bitFlips.bitFlips {
            mutants.activate()
            guard try await BitFlipCampaign(options: bitFlips, jobs: jobs).run() else { throw ExitCode(1) }
            return
        }
        if !scenarios.isEmpty {
            mutants.activate()
            guard try ScenarioFiles.run(scenarios, seed: seed) else { throw ExitCode(1) }
            return
        }
        if let check { return try CheckHistory.run(check) }
        if let seed {
            mutants.activate()
            let run = SeedRun(seed, nodes: nodes, events: events, profile: profile)
            return try OneRun(run: run).print(trace: trace, shrink: shrink, saving: save)
        }
        let mutantRun = MutantRun(events: events, nodes: nodes, profile: profile)
        if let mutant = mutants.mutantChild {
            return await MutantCampaign.runAsChild(mutant, try range(), mutantRun, jobs: jobs)
        }
        if mutants.mutants {
            let deadline = minutes.map { Date().addingTimeInterval($0 * 60) }
            let campaign = MutantCampaign(
                options: mutants, range: try range(), run: mutantRun, jobs: jobs, deadline: deadline)
            if try !campaign.start() { throw ExitCode(1) }
            return
        }
        let runs: any Collection<SeedRun>
        if let seedFile {
            runs = try SeedRun.list(in: seedFile)
        } else {
            runs = try range().lazy.map { SeedRun($0, nodes: nodes, events: events, profile: profile) }
        }
        let outcome = await Campaign(runs: runs, jobs: jobs, minutes: minutes).run()
        print(outcome.summary)
        if marks || requireMarks { print(outcome.markTable) }
        if let hashes { try outcome.hashLines.write(toFile: hashes, atomically: true, encoding: .utf8) }
        if let ledger {
            try outcome.append(to: ledger, commit: commit, label: seedFile ?? "\(profile.rawValue) \(seeds)")
        }
        var hasFailed = false
        if !outcome.failed.isEmpty {
            try outcome.failureLines.write(toFile: failures, atomically: true, encoding: .utf8)
            print(
                "failing seeds are in \(failures); look at one with: raft-simulate \(outcome.failed[0].run.options) --trace"
            )
            hasFailed = true
        }
        if requireMarks, !outcome.missingMarks.isEmpty {
            print("marks that too few seeds reached: \(outcome.missingMarks.joined(separator: ", "))")
            hasFailed = true
        }
        if hasFailed { throw ExitCode(1) }
    }
}

extension SimulationProfile.Name: ExpressibleByArgument {}
