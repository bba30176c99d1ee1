internal import ArgumentParser
internal import Foundation
internal import Raft

struct Chaos: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Hurt a cluster of its own on this machine under load, and check what its clients saw.",
        discussion: """
            Each run makes a new cluster of `raft serve` processes over mutual TLS in a directory of its own, and lets \
            clients put, get and compare-and-swap a few keys while faults come and go:

            kill       kill -9 of one node, two or all, the leader more often than others, and a new start; sometimes
                       once more in the midst of that
            power      the same, and what was not synced is gone, whole or in part; with kills between
            pause      SIGSTOP for half an election timeout to twenty, then SIGCONT
            partition  packets from some nodes to others are lost: both ways or one way (root, Linux namespaces)
            mixed      all of them beside each other

            Meanwhile snapshots are built and sent, and leadership is passed on. Clients write in sessions, or read by \
            leases, in a third of the rounds each.

            After every \(ChaosRun.Plan.cyclesPerRound) cycles, and at the end, everything is healed: somebody must lead within ten \
            of the longest election timeouts, every key be read and set, every node apply the same entries, the history \
            be linearizable, and no call have ended later than its deadline allows.

            A run in which the clients did not come to --least-rate before the first fault, or a kind of fault did not \
            come to pass, is void: it shows nothing. What a run that did not hold leaves behind is kept, and named; \
            `raft-simulate --check FILE` looks at its histories again. A seed repeats the order of the faults, not the \
            run.

            Leaves with 0 when every run held, 1 when one failed, 2 on wrong usage, 3 when one is void and none failed.
            """)

    @Argument(help: "Which faults: \(ChaosMode.allCases.map(\.rawValue).joined(separator: ", ")).")
    var mode: ChaosMode
    @Option(help: "How many faults a run has. Default: 50, unless --seconds is given.") var cycles: Int?
    @Option(help: "Begin no further fault after this many seconds of a run.") var seconds: Double?
    @Option(help: "How many runs, each with a new cluster.") var runs = 1
    @Option(help: "Of the first run's faults; the others follow. Default: by chance.") var seed: UInt64?
    @Option(help: "How many nodes, 1 to 9.") var nodes = 3
    @Option(help: "How many clients call at the same time.") var clients = 8
    @Option(help: "How many keys.") var keys = 10
    @Option(help: ArgumentHelp("Make this many calls a second, in all. Default: no limit.", valueName: "calls"))
    var rate: Double?
    @Option(help: "Calls a second before the first fault, below which a run is void.") var leastRate = 100.0
    @Option(
        help: ArgumentHelp(
            "The nodes' least election timeout; the longest is twice that, a heartbeat an eighth.", valueName: "time"),
        transform: { try TimeArgument(parsing: $0) })
    var electionTimeout = TimeArgument(.milliseconds(200))
    @Option(
        help: ArgumentHelp("How long a call may take.", valueName: "time"),
        transform: { try TimeArgument(parsing: $0) })
    var timeout = TimeArgument(.seconds(3))
    @Option(
        help: ArgumentHelp("How much later than that it may end.", valueName: "time"),
        transform: { try TimeArgument(parsing: $0) })
    var grace = TimeArgument(.milliseconds(100))
    @Option(
        help: ArgumentHelp(
            "Make the runs' directories in this one. Default: the temporary directory.", valueName: "dir"))
    var data: String?
    @Option(
        help: ArgumentHelp(
            "The library that notes what was not synced, for power and mixed. Default: libdrop-unsynced.so beside this program.",
            valueName: "file"))
    var shim: String?
    @Flag(help: "Keep the directories of runs that held, too.") var keep = false

    func validate() throws {
        for (name, count, range) in [
            ("--nodes", nodes, 1...9), ("--clients", clients, 1...64), ("--keys", keys, 1...1000),
            ("--runs", runs, 1...10_000), ("--cycles", cycles ?? 1, 1...1_000_000),
        ] where !range.contains(count) {
            throw ValidationError("\(name) \(count): \(range.lowerBound) to \(range.upperBound)")
        }
        if let seconds, !(seconds > 0 && seconds <= 86_400) {
            throw ValidationError("--seconds \(seconds): above 0, to 86400")
        }
        if nodes == 1, mode.kinds.contains(.partition) {
            throw ValidationError("--nodes 1: one node cannot be parted from others")
        }
        guard electionTimeout.duration >= .milliseconds(50) else {
            throw ValidationError("--election-timeout \(electionTimeout.duration.formatted): at least 50 ms")
        }
        if let rate, !(rate >= 1 && rate <= 1_000_000) { throw ValidationError("--rate \(rate): 1 to 1000000") }
        if let rate, rate < leastRate {
            throw ValidationError("--rate \(rate) is below --least-rate \(leastRate): every run would be void")
        }
    }

    func run() async throws {
        guard let executable = Bundle.main.executablePath else {
            throw Failure(.refused, "cannot find the file of this program; is /proc mounted?")
        }
        var settings = ChaosCluster.Settings(executable: executable)
        settings.nodeCount = nodes
        settings.electionTimeout = electionTimeout.duration
        settings.usesNamespaces = mode.kinds.contains(.partition)
        if mode.kinds.contains(.power) { settings.shim = try library(beside: executable) }
        let parent = URL(fileURLWithPath: data ?? FileManager.default.temporaryDirectory.path).standardizedFileURL.path
        let folder = "\(parent)/raft-chaos-\(ProcessInfo.processInfo.processIdentifier)"
        let firstSeed = seed ?? UInt64.random(in: 1...999_999)
        Console.error(
            "\(mode.rawValue), seed \(firstSeed), \(nodes) nodes in \(folder)", prefix: "")

        var reports: [ChaosReport] = []
        var problem: (any Error)?
        do { try await runAll(firstSeed, folder, settings, &reports) } catch { problem = error }
        if (try? FileManager.default.contentsOfDirectory(atPath: folder))?.isEmpty == true {
            try? FileManager.default.removeItem(atPath: folder)
        } else {
            Console.error("kept: \(folder)", prefix: "")
        }
        try Console.out(ChaosReport.text(reports, color: Console.usesColor), orLeaveWith: .unwritten)
        if let problem { throw problem }
        if reports.contains(where: { if case .failed = $0.verdict { true } else { false } }) { throw ExitCode(1) }
        if reports.contains(where: { $0.verdict != .held }) { throw ExitCode(3) }
    }

    private func library(beside executable: String) throws(Failure) -> String {
        let beside = URL(fileURLWithPath: executable).deletingLastPathComponent().path + "/libdrop-unsynced.so"
        let path = URL(fileURLWithPath: shim ?? beside).standardizedFileURL.path
        guard FileManager.default.fileExists(atPath: path) else {
            throw Failure(
                .usage,
                "no library at \(path); build it with `swift build --product drop-unsynced`, or name it with --shim"
            )
        }
        return path
    }

    /// - Parameter reports: those that were done, also when one could not be.
    private func runAll(
        _ firstSeed: UInt64, _ folder: String, _ settings: ChaosCluster.Settings, _ reports: inout [ChaosReport]
    ) async throws {
        let signals = Signals([.interrupt, .terminate])
        let current = Lock<ChaosRun?>(nil)
        let isStopped = Lock(false)
        let watch = Task {
            for await _ in signals.events {
                if signals.isRepeated { Signals.leave() }
                isStopped.withLock { $0 = true }
                current.withLock { $0 }?.stop()
            }
        }
        defer { watch.cancel() }
        for number in 1...runs where !isStopped.withLock({ $0 }) {
            var plan = ChaosRun.Plan()
            plan.mode = mode
            plan.cycles = cycles ?? (seconds == nil ? 50 : nil)
            plan.time = seconds.map { .seconds(1) * $0 }
            plan.seed = firstSeed &+ UInt64(number - 1)
            plan.clientCount = clients
            plan.keyCount = keys
            plan.rate = rate
            plan.timeout = timeout.duration
            plan.grace = grace.duration
            plan.leastRate = leastRate
            let directory = "\(folder)/run-\(number)"
            let run = try await ChaosRun(plan, number: number, directory: directory, settings)
            current.withLock { $0 = run }
            let progress = Task { try await say(run) }
            defer { progress.cancel() }
            let report = try await run.run()
            reports.append(report)
            if runs > 1 { Console.error("run \(number) of \(runs): \(report.summary)", prefix: "") }
            if report.verdict == .held, !keep { try? FileManager.default.removeItem(atPath: directory) }
        }
    }

    /// How far it is, every five seconds.
    private func say(_ run: ChaosRun) async throws {
        let begin = ContinuousClock.now
        while true {
            try await Task.sleep(for: .seconds(5))
            let report = run.progress
            let seconds = (ContinuousClock.now - begin).components.seconds
            let of = cycles.map { " of \($0)" } ?? ""
            Console.error(
                "run \(report.number) of \(runs): \(report.cycles)\(of) cycles in \(seconds) s, \(report.done) calls checked",
                prefix: "")
        }
    }
}
