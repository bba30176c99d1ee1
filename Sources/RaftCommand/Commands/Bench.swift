internal import ArgumentParser
internal import Foundation
internal import NIOPosix
internal import Raft
internal import RaftClient
internal import RaftSimulation
internal import RaftTransport

#if canImport(Glibc)
    internal import Glibc
#endif

struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure a cluster, and write down what its clients saw.",
        discussion: """
            Calls the cluster from many clients for a time, or for a number of calls, and prints how many were done a \
            second and how long they took. Each client calls again when it has its answer; with --rate, calls are due \
            at fixed moments whether or not the ones before have been answered, and a latency counts from the moment \
            the call was due: a cluster that stands still for a second makes every call of that second late.

            Reads are linearizable and asked of the leader, unless --spread-reads, --lease, --no-older-than, --at-least \
            or --local say otherwise. To ask one node only, name it alone in a context file's "endpoints".

            Clients share one connection to each node that they ask, and one thread with it, for the least work a \
            call. Where that thread is busy all the time it is what is measured: with --connections, clients share so \
            many, on as many threads as there are processors.

            get and mixed give every key a value first; that is not in the figures. The keys stay; later runs use \
            them again. With --history they are this run's own, so that each begins absent.

            --history writes every call that was answered and every write whose outcome is unknown, one JSON object a \
            line, values as the numbers that they begin with. What certainly had no effect is left out. \
            `raft-simulate --check FILE` says whether it is linearizable.

            --plot draws the run: calls a second, failures and latencies over time, as SVG.

            Ctrl-C ends the run with its figures and its history; once more, at once without.

            Leaves with 0 when at least one call was done, whatever the others came to, and with 7 when the figures, \
            the history or the plot could not be written.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "What to call: put, get or mixed.") var workload: BenchWorkload
    @Option(help: "How many clients call at the same time.") var clients = 16
    @Option(help: "How many connections to each node the clients share; at most one each.") var connections = 1
    @Option(help: "End after this many calls.") var total: Int?
    @Option(help: "End after this many seconds. Default: 10, unless --total is given.") var seconds: Double?
    @Option(help: "How many keys; each call takes one of them by chance.") var keys = 1000
    @Option(help: ArgumentHelp("How long each key is.", valueName: "bytes")) var keySize = 16
    @Option(help: ArgumentHelp("How long each value is.", valueName: "bytes")) var valueSize = 128
    @Option(help: ArgumentHelp("Of mixed: the share of gets. Default: 0.5.", valueName: "0…1")) var readRatio: Double?
    @Option(
        help: ArgumentHelp(
            "Of mixed: the share of compare-and-swaps among the writes. Default: 0.", valueName: "0…1"))
    var casRatio: Double?
    @Option(help: ArgumentHelp("Make this many calls a second, in all.", valueName: "calls")) var rate: Double?
    @Option(help: ArgumentHelp("Write what the clients saw to this file.", valueName: "file")) var history: String?
    @Option(help: ArgumentHelp("Draw the run in this file, as SVG.", valueName: "file")) var plot: String?
    @Flag(help: "Make writes in sessions: again when a result is lost, and applied once.") var sessions = false
    @Flag(help: "Ask the nodes in turn for reads, instead of whoever leads.") var spreadReads = false
    @OptionGroup var reads: ReadOptions
    @OptionGroup var options: ClientOptions

    func validate() throws {
        if total != nil, seconds != nil { throw ValidationError("--total and --seconds exclude each other; give one") }
        if let seconds, !(seconds > 0 && seconds <= 86_400) {
            throw ValidationError("--seconds \(seconds): above 0, to 86400")
        }
        if workload != .mixed, readRatio != nil || casRatio != nil {
            throw ValidationError("--read-ratio and --cas-ratio are for mixed only, not for \(workload.rawValue)")
        }
        if workload == .put, spreadReads || reads.consistency != .linearizable {
            throw ValidationError("put reads nothing; leave out what reads are to show and whom they ask")
        }
        if history != nil, reads.consistency != .linearizable, reads.consistency != .lease {
            throw ValidationError("with --history every read must be linearizable, or by --lease")
        }
        guard (1...min(1000, max(clients, 1))).contains(connections) else {
            throw ValidationError("--connections \(connections): 1 to 1000, and no more than --clients, \(clients)")
        }
        do throws(ArgumentProblem) { try plan(tag: tag).check() } catch {
            throw ValidationError(error.description)
        }
    }

    /// Marks this run's keys when there is a history: in it, every key begins absent.
    private var tag: String {
        guard history != nil else { return "" }
        let digits = String(UInt32.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits + "-"
    }

    func plan(tag: String) -> BenchPlan {
        var plan = BenchPlan()
        plan.workload = workload
        plan.clientCount = clients
        plan.limit = total.map { .total($0) } ?? .time(.seconds(1) * (seconds ?? 10))
        plan.keyCount = keys
        plan.keySize = keySize
        plan.valueSize = valueSize
        plan.readRatio = readRatio ?? plan.readRatio
        plan.casRatio = casRatio ?? plan.casRatio
        plan.rate = rate
        plan.reads = reads.consistency
        plan.tag = tag
        return plan
    }

    func run() async throws {
        let plan = plan(tag: tag)
        let context = try options.loadContext()
        let ways = try (0..<connections).map { _ throws(Failure) in
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            let client = try ClientOptions.client(
                context, .client, timeout: options.timeout.duration, usesSessions: sessions, spreadsReads: spreadReads,
                on: loop)
            return BenchRun.Way(client: client, executor: LoopExecutor(loop))
        }
        // Before the run, and not after an hour of it.
        let file = try history.map { path throws(Failure) in try OutputFile(path) }
        let picture = try plot.map { path throws(Failure) in try OutputFile(path) }
        let run = BenchRun(plan, ways, keepsHistory: file != nil, keepsTimeline: picture != nil)
        let report = try await Self.watched(run) {
            if plan.workload != .put { try await run.fill() }
            return try await run.run()
        }
        for way in ways { await way.client.close() }
        try file?.write(run.history)
        if let timeline = run.timeline {
            try picture?.write(BenchPlot(title: report.title, timeline: timeline, elapsed: report.elapsed).svg)
        }
        switch options.output {
        case .table: try Console.out(report.text(color: Console.usesColor), orLeaveWith: .unwritten)
        case .json: try Console.out(report.json.text + "\n", orLeaveWith: .unwritten)
        }
        guard report.tally.doneCount == 0, let code = report.tally.errorCounts.keys.min(by: { "\($0)" < "\($1)" })
        else {
            return
        }
        throw Failure(RaftClientError(code, "not one call was done: \(report.tally.messages[code] ?? "")"))
    }

    /// Runs `body` while Ctrl-C stops the run, and a terminal sees how far it is.
    private static func watched(
        _ run: BenchRun, _ body: @Sendable @escaping () async throws -> BenchReport
    ) async throws -> BenchReport {
        let signals = Signals([.interrupt, .terminate])
        let isTerminal = isatty(2) != 0
        defer { if isTerminal { Console.error("\r\u{1B}[K", prefix: "", ending: "") } }
        return try await withThrowingTaskGroup(of: BenchReport?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                for await _ in signals.events {
                    if signals.isRepeated { Signals.leave() }
                    run.stop()
                }
                return nil
            }
            if isTerminal {
                group.addTask {
                    let start = ContinuousClock.now
                    while (try? await Task.sleep(for: .milliseconds(500))) != nil {
                        let (done, failed, p99) = run.progress
                        let seconds = (ContinuousClock.now - start).components.seconds
                        Console.error(
                            "\r\u{1B}[K\(seconds) s: \(done) done, p99 \(BenchReport.shown(p99)), \(failed) failed",
                            prefix: "", ending: "")
                    }
                    return nil
                }
            }
            while let finished = try await group.next() {
                guard let report = finished else { continue }
                group.cancelAll()
                return report
            }
            throw Failure(.refused, "the run ended without a report")
        }
    }
}

/// Where a history or a plot goes: opened before the run, written after it.
private struct OutputFile {
    private let path: String
    private let handle: FileHandle

    init(_ path: String) throws(Failure) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system("write", path) }
        self.path = path
        handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    /// In pieces: a long run's text need not be in memory as a whole.
    func write(_ operations: [HistoryOperation]) throws(Failure) {
        try write(
            stride(from: 0, to: operations.count, by: 10_000).lazy.map { start in
                HistoryFormat.text(operations[start..<min(start + 10_000, operations.count)])
            })
    }

    func write(_ text: String) throws(Failure) { try write(CollectionOfOne(text)) }

    private func write(_ pieces: some Sequence<String>) throws(Failure) {
        do {
            for piece in pieces { try handle.write(contentsOf: Data(piece.utf8)) }
            try handle.close()
        } catch {
            throw Failure(.unwritten, "cannot write \(path): \(error.localizedDescription)")
        }
    }
}
