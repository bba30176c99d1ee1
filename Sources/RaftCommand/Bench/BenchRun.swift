internal import Raft
internal import RaftClient
internal import RaftSimulation

/// Runs a benchmark: fills the keys that are read, then lets every client call until the end.
final class BenchRun: Sendable {
    /// What the clients share.
    private struct Shared {
        var nextCall = 0
        var nextSerial: UInt64 = 1
        /// By key: the serial number last seen in it; 0 for none. What a compare-and-swap expects.
        var lastSeen: [UInt64]
        var isStopped = false
        /// Why everything was given up.
        var fatal: Failure?
        var tally = BenchTally()
        var history: [HistoryOperation] = []
        /// Since when, and what; nil when nobody wants to see it, or the run proper has not begun.
        var timeline: (start: ContinuousClock.Instant, spans: BenchTimeline)?
    }

    /// Whom clients call, and on which thread: nil for the default pool.
    struct Way: Sendable {
        var client: KeyValueClient
        var executor: LoopExecutor?
    }

    private let plan: BenchPlan
    private let ways: [Way]
    private let keepsHistory: Bool
    private let keepsTimeline: Bool
    private let shared: Lock<Shared>
    /// The one clock of latencies and history: both count from here.
    private let clock = ContinuousClock()
    private let origin: ContinuousClock.Instant

    /// - Parameter ways: at least one; clients take them in turn.
    init(_ plan: BenchPlan, _ ways: [Way], keepsHistory: Bool, keepsTimeline: Bool = false) {
        precondition(!ways.isEmpty)
        self.ways = ways
        self.plan = plan
        self.keepsHistory = keepsHistory
        self.keepsTimeline = keepsTimeline
        shared = Lock(Shared(lastSeen: Array(repeating: 0, count: plan.keyCount)))
        origin = clock.now
    }

    /// No further call begins; those under way are waited for.
    func stop() { shared.withLock { $0.isStopped = true } }

    /// In the order of their answers; a call that certainly did nothing is not among them.
    var history: [HistoryOperation] { shared.withLock { $0.history } }

    /// What was done when in ``run()``; nil unless it is kept.
    var timeline: BenchTimeline? { shared.withLock { $0.timeline?.spans } }

    /// So far: calls done, calls that failed, and the 99th percentile of all.
    var progress: (done: Int, failed: Int, p99: UInt64?) {
        shared.withLock { shared in
            let all = shared.tally.all
            return (all.count, shared.tally.unknownCount + shared.tally.nothingHappenedCount, all.percentile(0.99))
        }
    }

    // MARK: The run

    /// Gives every key a value. Not part of the figures, but of the history.
    func fill() async throws(Failure) {
        await withTaskGroup { group in
            let next = Lock(0)
            for number in 0..<plan.clientCount {
                group.addTask {
                    while let key = next.withLock({ next -> Int? in
                        defer { next += 1 }
                        return next < self.plan.keyCount && !self.isStopped ? next : nil
                    }) { await self.make(.put, key: key, by: number) }
                }
            }
        }
        try shared.withLock { shared throws(Failure) in
            if let fatal = shared.fatal { throw fatal }
            let errors = shared.tally.messages.sorted { "\($0.key)" < "\($1.key)" }
            // An unknown put may do: then the key is read as absent.
            if let (code, message) = errors.first(where: { $0.key != .outcomeUnknown }) {
                throw Failure(RaftClientError(code, "cannot give every key its first value: \(message)"))
            }
            shared.tally = BenchTally()
        }
    }

    /// Runs to the end of the plan, or until ``stop()``.
    func run() async throws(Failure) -> BenchReport {
        let start = clock.now
        if keepsTimeline { shared.withLock { $0.timeline = (start, BenchTimeline()) } }
        await withTaskGroup { group in
            for number in 0..<plan.clientCount {
                group.addTask(executorPreference: way(of: number).executor) {
                    await self.callUntilEnd(number, from: start)
                }
            }
        }
        let elapsed = clock.now - start
        return try shared.withLock { shared throws(Failure) in
            if let fatal = shared.fatal { throw fatal }
            return BenchReport(
                plan: plan, tally: shared.tally, elapsed: elapsed,
                overdueCount: overdueCount(made: shared.nextCall, elapsed: elapsed, isStopped: shared.isStopped))
        }
    }

    /// Makes this call once for every key, one after another, whether or not the run was stopped. Part of the history.
    ///
    /// - Returns: why the first one that was not answered was not; nil when all were.
    func callEachKey(_ call: BenchCall) async -> RaftClientError? {
        for key in 0..<plan.keyCount {
            if let error = await make(call, key: key, by: plan.clientCount) { return error }
        }
        return nil
    }

    /// What came of the calls until now.
    var tally: BenchTally { shared.withLock { $0.tally } }

    private func way(of client: Int) -> Way { ways[client % ways.count] }

    private var isStopped: Bool { shared.withLock { $0.isStopped } }

    private func overdueCount(made: Int, elapsed: Duration, isStopped: Bool) -> Int {
        guard let rate = plan.rate, !isStopped, case .time(let time) = plan.limit else { return 0 }
        let due = Int((Double(min(time, elapsed).nanoseconds) / 1e9 * rate).rounded(.down))
        return max(0, due - made)
    }

    private func callUntilEnd(_ number: Int, from start: ContinuousClock.Instant) async {
        var random = RandomSource(seed: UInt64.random(in: .min ... .max))
        while let call = takeCall(from: start) {
            var due: ContinuousClock.Instant?
            if let time = plan.dueTime(call) {
                due = start + time
                guard await waitUntil(start + time) else { return }
            }
            let key = Int(random.next() % UInt64(plan.keyCount))
            await make(plan.nextCall(&random), key: key, by: number, due: due)
        }
    }

    /// The number of the next call to make; nil when there is none.
    private func takeCall(from start: ContinuousClock.Instant) -> Int? {
        let elapsed = clock.now - start
        return shared.withLock { shared in
            guard !shared.isStopped else { return nil }
            switch plan.limit {
            case .total(let count): guard shared.nextCall < count else { return nil }
            case .time(let time):
                guard elapsed < time, plan.dueTime(shared.nextCall).map({ $0 < time }) ?? true else { return nil }
            }
            defer { shared.nextCall += 1 }
            return shared.nextCall
        }
    }

    /// - Returns: false if the run was stopped meanwhile.
    private func waitUntil(_ moment: ContinuousClock.Instant) async -> Bool {
        while clock.now < moment {
            // In pieces, so that Ctrl-C need not wait for the next call of a slow rate.
            do { try await clock.sleep(until: min(moment, clock.now + .milliseconds(100))) } catch { return false }
            if isStopped { return false }
        }
        return true
    }

    // MARK: One call

    /// - Returns: why it was not answered; nil when it was.
    @discardableResult
    private func make(
        _ call: BenchCall, key number: Int, by clientNumber: Int, due: ContinuousClock.Instant? = nil
    ) async -> RaftClientError? {
        let (serial, last) = shared.withLock { shared in
            if call != .get { shared.nextSerial += 1 }
            return (shared.nextSerial, plan.hasSwaps ? shared.lastSeen[number] : 0)
        }
        let begin = clock.now
        let outcome: Result<Answer, RaftClientError>
        do throws(RaftClientError) {
            outcome = .success(
                try await ask(way(of: clientNumber).client, call, plan.keyBytes(number), serial, expecting: last))
        } catch {
            outcome = .failure(error)
        }
        let end = clock.now
        // Only what a history or a later compare-and-swap wants to know is looked for in a value.
        var known: (result: HistoryOperation.Result, seen: UInt64?)?
        if keepsHistory || plan.hasSwaps, case .success(let answer) = outcome { known = judge(answer, serial) }
        var operation: HistoryOperation?
        if keepsHistory {
            operation = HistoryOperation(
                client: UInt64(clientNumber), key: plan.key(number), kind: Self.kind(call, serial, expecting: last),
                callNanoseconds: (begin - origin).nanoseconds)
        }
        return shared.withLock { shared in
            shared.tally.longestCall = max(shared.tally.longestCall, end - begin)
            switch outcome {
            case .success(let answer):
                let latency = end - (due ?? begin)
                shared.tally.done(call, latency)
                if let start = shared.timeline?.start {
                    shared.timeline?.spans.done(at: (end - start).nanoseconds, latency: latency)
                }
                if case .swapped(false) = answer { shared.tally.failedSwapCount += 1 }
                if let known {
                    if let seen = known.seen { shared.lastSeen[number] = seen }
                    operation?.finish(known.result, at: (end - origin).nanoseconds)
                }
            case .failure(let error):
                shared.tally.failed(error)
                if let start = shared.timeline?.start {
                    shared.timeline?.spans.failed(at: (end - start).nanoseconds)
                }
                if error.code == .notAuthorized, shared.fatal == nil {
                    shared.fatal = Failure(error)
                    shared.isStopped = true
                }
                // Nothing happened, or nothing was read: a history says nothing of it.
                guard error.outcome == .unknown else { return error }
            }
            if let operation { shared.history.append(operation) }
            if case .failure(let error) = outcome { return error }
            return nil
        }
    }

    private static func kind(_ call: BenchCall, _ serial: UInt64, expecting last: UInt64) -> HistoryOperation.Kind {
        switch call {
        case .get: .get
        case .put: .put(BenchPlan.shown(serial))
        case .cas:
            .compareAndSwap(expected: last == 0 ? nil : BenchPlan.shown(last), new: BenchPlan.shown(serial))
        }
    }

    private enum Answer {
        case done
        case swapped(Bool)
        case found([UInt8]?)
    }

    /// - Returns: what a history says of an answer, and which serial number is in the key now, as far as it tells.
    private func judge(_ answer: Answer, _ serial: UInt64) -> (HistoryOperation.Result, seen: UInt64?) {
        switch answer {
        case .done: return (.done, serial)
        case .swapped(let isSwapped): return (.swapped(isSwapped), isSwapped ? serial : nil)
        case .found(nil): return (.value(nil), 0)
        case .found(let value?):
            // Not ours, or not whole: as it is, so that a checker sees that nobody wrote it.
            guard let seen = plan.serial(of: value) else { return (.value(ByteText.shown(value)), nil) }
            return (.value(BenchPlan.shown(seen)), seen)
        }
    }

    private func ask(
        _ client: KeyValueClient, _ call: BenchCall, _ key: [UInt8], _ serial: UInt64, expecting last: UInt64
    ) async throws(RaftClientError) -> Answer {
        switch call {
        case .put:
            _ = try await client.put(key, plan.value(serial))
            return .done
        case .get: return .found(try await client.get(key, plan.reads)?.value)
        case .cas:
            let expectation = last == 0 ? KeyExpectation.absent : .value(plan.value(last))
            return .swapped(try await client.compareAndSwap(key, expecting: expectation, plan.value(serial)).isSwapped)
        }
    }
}
