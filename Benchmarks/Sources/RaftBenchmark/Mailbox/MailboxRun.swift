internal import Benchmarking
internal import Foundation
internal import Raft

/// Mailboxes, loops and their floors in turns.
struct MailboxRun {
    let messages: Int
    let passes: Int

    func handOvers(producers: Int) throws -> MailboxReport.HandOvers {
        var (rates, bursts, posts): ([Double], [Double], [Double]) = ([], [], [])
        var (bare, bareBursts): ([Double], [Double]) = ([], [])
        // The first pass warms up.
        for pass in 0...passes {
            let mailbox = throughMailbox(producers)
            let posted = throughLoop(producers)
            let floor = try BareHandOver.rate(producers: producers, count: messages)
            guard pass > 0 else { continue }
            rates.append(mailbox.perSecond)
            bursts.append(mailbox.perWake)
            posts.append(posted)
            bare.append(floor.perSecond)
            bareBursts.append(floor.perWake)
        }
        return MailboxReport.HandOvers(
            producers: producers, messagesPerSecond: median(rates), messagesPerWake: median(bursts),
            wakesPerSecond: median(posts), barePerSecond: median(bare), barePerWake: median(bareBursts))
    }

    private func throughMailbox(_ producers: Int) -> (perSecond: Double, perWake: Double) {
        let loop = ThreadLoop(name: "consumer")
        defer { loop.stop() }
        let share = messages / producers
        let consumer = Consumer(on: loop, expected: share * producers)
        let time = time(producers, until: consumer.done) { for number in 0..<share { consumer.mailbox.post(number) } }
        let wakes = consumer.close()
        let count = Double(share * producers)
        return (count / time.inSeconds, count / Double(wakes))
    }

    private func throughLoop(_ producers: Int) -> Double {
        let loop = ThreadLoop(name: "counter")
        defer { loop.stop() }
        let share = messages / producers
        let counter = WakeCounter(expected: share * producers)
        let time = time(producers, until: counter.done) { for _ in 0..<share { loop.post(counter) } }
        return Double(share * producers) / time.inSeconds
    }

    /// How long it takes from when all threads may begin until `done`.
    private func time(
        _ threads: Int, until done: DispatchSemaphore, _ body: @escaping @Sendable () -> Void
    ) -> Duration {
        let gate = DispatchSemaphore(value: 0)
        let ready = DispatchSemaphore(value: 0)
        for _ in 0..<threads {
            Thread {
                ready.signal()
                gate.wait()
                body()
            }.start()
        }
        for _ in 0..<threads { ready.wait() }
        let start = ContinuousClock.now
        for _ in 0..<threads { gate.signal() }
        done.wait()
        return .now - start
    }

    func roundTrip(count: Int) throws -> MailboxReport.RoundTrip {
        var (times, bare): ([Int64], [Int64]) = ([], [])
        for pass in 0...passes {
            let caller = Caller(count: count)
            caller.run()
            let floor = try BareHandOver.roundTrips(count)
            guard pass > 0 else { continue }
            times.append(Times(caller.times).percentile(0.5) ?? 0)
            bare.append(floor.percentile(0.5) ?? 0)
        }
        return MailboxReport.RoundTrip(
            count: count, microseconds: median(times.map { Double($0) / 1e3 }),
            bareMicroseconds: median(bare.map { Double($0) / 1e3 }))
    }
}

/// Takes numbers out of its mailbox until it has them all.
private final class Consumer: Activated, @unchecked Sendable {
    // @unchecked: what changes belongs to the loop, and is read after `done`.
    let mailbox: Mailbox<Int>
    let done = DispatchSemaphore(value: 0)
    private let expected: Int
    private var taken: [Int] = []
    private var count = 0
    private var sum = 0
    private var wakes = 0

    init(on loop: ThreadLoop, expected: Int) {
        mailbox = Mailbox(loop: loop)
        self.expected = expected
        mailbox.setOwner(self)
    }

    func activate() {
        mailbox.takeAll(into: &taken)
        for number in taken { sum &+= number }
        count += taken.count
        wakes += 1
        taken.removeAll(keepingCapacity: true)
        if count == expected { done.signal() }
    }

    /// - Returns: how often it was woken.
    func close() -> Int {
        _ = mailbox.close()
        return wakes
    }
}

/// Counts how often it is woken.
private final class WakeCounter: Activated, @unchecked Sendable {
    // @unchecked: the count belongs to the loop.
    let done = DispatchSemaphore(value: 0)
    private let expected: Int
    private var count = 0

    init(expected: Int) { self.expected = expected }

    func activate() {
        count += 1
        if count == expected { done.signal() }
    }
}

/// Asks another loop, again and again.
private final class Caller: Activated, @unchecked Sendable {
    // @unchecked: what changes belongs to the loop, and is read after `run()`.
    private(set) var times: [Int64] = []
    private let count: Int
    private let loop = ThreadLoop(name: "caller")
    private let mailbox: Mailbox<Int>
    private let answerer: Answerer
    private let done = DispatchSemaphore(value: 0)
    private var start = ContinuousClock.now
    private var taken: [Int] = []

    init(count: Int) {
        self.count = count
        mailbox = Mailbox(loop: loop)
        answerer = Answerer(to: mailbox)
        times.reserveCapacity(count)
        mailbox.setOwner(self)
    }

    func run() {
        mailbox.post(0)
        done.wait()
        _ = mailbox.close()
        answerer.stop()
        loop.stop()
    }

    func activate() {
        mailbox.takeAll(into: &taken)
        // The first message is the order to begin.
        if taken.first != 0 { times.append((ContinuousClock.now - start).nanoseconds) }
        taken.removeAll(keepingCapacity: true)
        guard times.count < count else {
            done.signal()
            return
        }
        start = .now
        answerer.mailbox.post(times.count + 1)
    }
}

private final class Answerer: Activated, @unchecked Sendable {
    // @unchecked: what changes belongs to the loop.
    let mailbox: Mailbox<Int>
    private let caller: Mailbox<Int>
    private let loop = ThreadLoop(name: "answerer")
    private var taken: [Int] = []

    init(to caller: Mailbox<Int>) {
        self.caller = caller
        mailbox = Mailbox(loop: loop)
        mailbox.setOwner(self)
    }

    func activate() {
        mailbox.takeAll(into: &taken)
        for number in taken { caller.post(number) }
        taken.removeAll(keepingCapacity: true)
    }

    func stop() {
        _ = mailbox.close()
        loop.stop()
    }
}
