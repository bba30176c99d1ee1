import ArgumentParser
import Foundation
import Raft
import RaftSimulation

/// `--mutants`, and what belongs to it.
struct MutantOptions: ParsableArguments {
    enum Output: String, ExpressibleByArgument { case text, json }

    @Flag(help: "Break one rule after the other on purpose, and search for the first seed that notices each.")
    var mutants = false
    @Option(help: "Only this one, by number or name. May be given again.")
    var mutant: [String] = []
    @Option(help: "Search from this many bases, each with --seeds of its own; what counts is the median.")
    var baseSeeds = 5
    @Flag(help: "Only run the seeds kept from an earlier search, and say whether each still notices its mutant.")
    var kept = false
    @Flag(help: "Keep the seeds that were found.")
    var keep = false
    @Option(help: "Where seeds are kept.")
    var keptSeeds = "Tests/RaftSimulationTests/mutants.txt"
    @Option(name: .customShort("o"), help: "text or json.")
    var output = Output.text
    @Option(help: .private)
    var mutantChild: String?

    static let refusal =
        "this build has no mutants: they are compiled in only with RAFT_MUTANTS=1 in the environment, into a folder of their own. Make one with: RAFT_MUTANTS=1 swift build -c release --static-swift-stdlib --scratch-path .build-mutants --product raft-simulate; then run .build-mutants/release/raft-simulate --mutants"

    /// - Throws: for a build without mutants, and for what does not belong together.
    func check(areBuilt: Bool = Mutant.areBuilt) throws {
        guard mutants || mutantChild != nil else {
            guard mutant.isEmpty, !kept, !keep else {
                throw ValidationError("--mutant, --kept and --keep belong to --mutants")
            }
            return
        }
        guard areBuilt else { throw ValidationError(Self.refusal) }
        guard baseSeeds > 0 else { throw ValidationError("--base-seeds \(baseSeeds) is not above zero") }
        guard !(kept && keep) else { throw ValidationError("--kept runs what --keep has written: give one of them") }
        for wanted in mutant where DeclaredMutant.find(wanted) == nil {
            throw ValidationError(
                "--mutant \(wanted) is none of: \(DeclaredMutant.all.map { "\($0.number) \($0.name)" }.joined(separator: ", "))"
            )
        }
    }

    var chosen: [DeclaredMutant] {
        DeclaredMutant.all.filter { mutant.isEmpty || mutant.contains($0.number) || mutant.contains($0.name) }
    }
}

/// How a campaign runs one seed.
struct MutantRun: Sendable {
    var events: Int
    var nodes: Int?
    var profile = SimulationProfile.Name.swarm

    /// - Throws: what the seed found.
    func callAsFunction(_ seed: UInt64) throws {
        _ = try SeedRun(seed, nodes: nodes, events: events, profile: profile).run()
    }

    var arguments: [String] {
        ["--events", "\(events)"] + (nodes.map { ["--nodes", "\($0)"] } ?? []) + ["--profile", profile.rawValue]
    }
}

/// Searches for the seeds that notice mutants. The active mutant belongs to a whole process, so each search is a process
/// of its own; a mutant may crash or hang it.
struct MutantCampaign {
    var options: MutantOptions
    var range: Range<UInt64>
    var run: MutantRun
    var jobs: Int
    var deadline: Date?
    /// How long one seed may take before it counts as hanging.
    var patience: TimeInterval = 60
    var executable = Bundle.main.executablePath ?? CommandLine.arguments[0]

    /// Returns whether every mutant that there is was noticed.
    func start() throws -> Bool { options.kept ? try replay() : try search() }

    private func search() throws -> Bool {
        var summary = MutantSummary(verdicts: [])
        for mutant in options.chosen {
            let trials = mutant.isSearched ? try (0..<options.baseSeeds).map { try search(mutant, base: $0) } : []
            let verdict = MutantVerdict(mutant, trials: trials)
            summary.verdicts.append(verdict)
            if options.output == .text { say(verdict.line) }
        }
        if options.output == .json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            say(String(decoding: try encoder.encode(summary), as: UTF8.self))
        } else {
            say(summary.line)
        }
        if options.keep { try keep(summary) }
        return summary.survivors.isEmpty
    }

    /// The first seed from this base on that notices the mutant, and does not fail without it.
    private func search(_ mutant: DeclaredMutant, base: Int) throws -> MutantTrial {
        let first = range.lowerBound + UInt64(base) * max(1_000_000, UInt64(range.count))
        let end = first + UInt64(range.count)
        var next = first
        while next < end {
            let ending = try trial(of: mutant, isControl: false, next..<end).finish()
            switch ending {
            case .timeUp(let count):
                return MutantTrial(base: first, seedCount: Int(next - first) + count, outcome: .unfinished)
            case .clean:
                return MutantTrial(base: first, seedCount: range.count, outcome: .survived)
            case .killed(let seed, let invariant, let text):
                let control = try trial(of: mutant, isControl: true, seed..<(seed + 1)).finish()
                if control == .clean {
                    return MutantTrial(
                        base: first, seedCount: Int(seed - first) + 1,
                        outcome: .killed(seed: seed, invariant: invariant, text: text))
                }
                warn("seed \(seed) does not pass without a mutant either: \(control)")
                next = seed + 1
            }
        }
        return MutantTrial(base: first, seedCount: range.count, outcome: .survived)
    }

    /// Runs what can notice this mutant, with it or without any.
    private func trial(of mutant: DeclaredMutant, isControl: Bool, _ seeds: Range<UInt64>) -> TrialProcess {
        var campaign = self
        campaign.run.profile = mutant.profile
        return TrialProcess(campaign: campaign, mutant: isControl ? "" : mutant.name, seeds: seeds)
    }

    // MARK: Kept seeds

    private func keep(_ summary: MutantSummary) throws {
        var kept = (try? readKept()) ?? []
        for verdict in summary.tried {
            guard let kill = verdict.firstKill else { continue }
            kept.removeAll { $0.name == verdict.name }
            kept.append(KeptSeed(number: verdict.number, name: verdict.name, seed: kill.seed))
        }
        let order = DeclaredMutant.all.map(\.name)
        let lines = order.compactMap { name in kept.first { $0.name == name }?.line }
        try lines.map { $0 + "\n" }.joined().write(toFile: options.keptSeeds, atomically: true, encoding: .utf8)
        warn("\(lines.count) seeds are in \(options.keptSeeds)")
    }

    private func readKept() throws -> [KeptSeed] {
        try String(contentsOfFile: options.keptSeeds, encoding: .utf8).split(separator: "\n").map { line in
            guard let kept = KeptSeed(line) else {
                throw ValidationError("\(options.keptSeeds): \"\(line)\" is not a number, a name and a seed")
            }
            return kept
        }
    }

    private func replay() throws -> Bool {
        let kept = try readKept()
        var isGood = true
        for mutant in options.chosen where mutant.isSearched {
            guard let seed = kept.first(where: { $0.name == mutant.name })?.seed else {
                say("\(mutant.number) \(mutant.name): no seed is kept; search for one with --keep")
                isGood = false
                continue
            }
            switch try trial(of: mutant, isControl: false, seed..<(seed + 1)).finish() {
            case .killed(_, let invariant, let text):
                say("\(mutant.number) \(mutant.name): seed \(seed): \(invariant): \(text)")
                let control = try trial(of: mutant, isControl: true, seed..<(seed + 1)).finish()
                if control != .clean {
                    warn("seed \(seed) does not pass without a mutant either: \(control)")
                    isGood = false
                }
            case .clean:
                say(
                    "\(mutant.number) \(mutant.name): seed \(seed) DOES NOT NOTICE IT any more; search again with --keep"
                )
                isGood = false
            case .timeUp:
                say("\(mutant.number) \(mutant.name): the time was up")
                isGood = false
            }
        }
        return isGood
    }

    private func say(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }
    private func warn(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

    // MARK: The process that runs the seeds

    /// Runs seeds in order until one notices the mutant, and says which. The lowest seed that does so is among what is
    /// said, however many run at the same time.
    static func runAsChild(_ mutant: String, _ seeds: Range<UInt64>, _ run: MutantRun, jobs: Int) async {
        #if MUTANTS
            Mutant.activate(mutant)
        #endif
        func say(_ line: TrialLine) { FileHandle.standardOutput.write(Data((line.text + "\n").utf8)) }
        var next = seeds.lowerBound
        var limit = seeds.upperBound
        await concurrently(jobs) { () -> UInt64? in
            guard next < limit else { return nil }
            defer { next += 1 }
            say(.began(next))
            return next
        } _: { seed -> (UInt64, (any Error)?) in
            do { try run(seed) } catch { return (seed, error) }
            return (seed, nil)
        } done: { seed, error in
            switch error {
            case nil: say(.ended(seed))
            case let violation as Violation:
                say(.killed(seed, invariant: violation.invariant, text: violation.text))
                limit = min(limit, seed)
            case let error?:
                say(.killed(seed, invariant: "error", text: "\(error)"))
                limit = min(limit, seed)
            }
        }
    }
}

/// A process of this program that runs seeds with one mutant.
private struct TrialProcess {
    enum Ending: Hashable {
        case clean
        case killed(seed: UInt64, invariant: String, text: String)
        case timeUp(seedCount: Int)
    }

    var campaign: MutantCampaign
    /// Empty for none.
    var mutant: String
    var seeds: Range<UInt64>
    var jobs: Int?

    func finish() throws -> Ending {
        let process = Process()
        process.executableURL = URL(filePath: campaign.executable)
        process.arguments =
            ["--mutant-child", mutant, "--seeds", "\(seeds.lowerBound)..<\(seeds.upperBound)"]
            + ["--jobs", "\(jobs ?? campaign.jobs)"] + campaign.run.arguments
        process.environment = ProcessInfo.processInfo.environment.merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }
        let pipe = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        try? pipe.fileHandleForWriting.close()
        var watch = Watch()
        let end = read(pipe.fileHandleForReading.fileDescriptor, into: &watch)
        if end != .ended { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
        if let kill = watch.progress.kill, end != .hung || watch.progress.open.allSatisfy({ $0 > kill.seed }) {
            return .killed(seed: kill.seed, invariant: kill.invariant, text: kill.text)
        }
        switch end {
        case .timeUp: return .timeUp(seedCount: watch.progress.endedCount)
        case .hung:
            let seed = watch.hanging(campaign.patience) ?? seeds.lowerBound
            return .killed(
                seed: seed, invariant: "hang", text: "the seed was not through after \(Int(campaign.patience)) s")
        case .ended:
            if process.terminationReason == .exit, process.terminationStatus == 0 { return .clean }
            return try crashed(watch, status: process.terminationStatus)
        }
    }

    /// The process died: which seed did it?
    private func crashed(_ watch: Watch, status: Int32) throws -> Ending {
        if watch.progress.open.count > 1 {
            for seed in watch.progress.open {
                let alone = try TrialProcess(campaign: campaign, mutant: mutant, seeds: seed..<(seed + 1), jobs: 1)
                    .finish()
                if alone != .clean { return alone }
            }
        }
        let text = watch.noise.last { $0.contains("rror") } ?? watch.noise.last ?? "status \(status)"
        return .killed(seed: watch.progress.open.first ?? seeds.lowerBound, invariant: "crash", text: text)
    }

    private enum End { case ended, hung, timeUp }

    private struct Watch {
        var progress = TrialProgress()
        var noise: [String] = []
        var began: [UInt64: Date] = [:]
        private var rest: [UInt8] = []

        mutating func take(_ bytes: some Sequence<UInt8>) {
            rest += bytes
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                let text = String(decoding: rest[..<end], as: UTF8.self)
                rest.removeSubrange(...end)
                guard let line = TrialLine(text) else {
                    noise.append(text)
                    continue
                }
                if case .began(let seed) = line { began[seed] = Date() }
                progress.take(line)
            }
        }

        /// The lowest seed that has been running for longer than this.
        func hanging(_ patience: TimeInterval) -> UInt64? {
            progress.open.first { began[$0].map { Date().timeIntervalSince($0) >= patience } ?? false }
        }
    }

    private func read(_ descriptor: Int32, into watch: inout Watch) -> End {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            if poll(&request, 1, 500) > 0 {
                let count = Foundation.read(descriptor, &buffer, buffer.count)
                if count <= 0 { return .ended }
                watch.take(buffer[..<count])
            }
            if watch.hanging(campaign.patience) != nil { return .hung }
            if let deadline = campaign.deadline, Date() > deadline { return .timeUp }
        }
    }
}
