internal import Raft
internal import RaftClient
internal import RaftKeyValueModel

/// A client that watches one range after another, and compares all that it is told with what is so (I26).
final class WatchingClient: @unchecked Sendable {
    // @unchecked: as the scheduler of the simulation.
    let number: Int
    private let client: KeyValueClient
    private let truth: Truth
    private let profile: KeyValueProfile
    private let crew: Crew
    private var random: RandomSource

    private var range = KeyRange()
    /// Everything in the range up to here has been told; nil before the first event of a watch that begins with what is
    /// new.
    private(set) var position: ChangePosition?
    /// What was acknowledged when it began.
    private var floor: UInt64 = 0

    init(
        _ number: Int, client: KeyValueClient, truth: Truth, profile: KeyValueProfile, crew: Crew, seed: UInt64
    ) {
        self.number = number
        self.client = client
        self.truth = truth
        self.profile = profile
        self.crew = crew
        random = RandomSource(seed: seed)
    }

    func run() async {
        while true {
            var events = begin().makeAsyncIterator()
            var isOver = false
            // At the end the last one stays.
            var left = crew.isResting ? UInt64.max : 1 + random.next() % 60
            while !isOver, left > 0 {
                left -= 1
                do throws(RaftClientError) {
                    crew.watching[number]?.waitsSince = truth.now
                    defer { crew.watching[number]?.waitsSince = nil }
                    guard let event = try await events.next() else { break }
                    take(event)
                } catch {
                    guard error.code == .compacted else {
                        if error.code == .cancelled { return }
                        truth.fail("I26", "watch \(number) ended: \(error)")
                        return
                    }
                    compacted(error)
                    isOver = true
                }
                if crew.isResting {
                    left = .max
                } else if random.next() % 20 == 0 {
                    // As somebody who takes long for what he was told.
                    let pause = random.next() % 4 == 0 ? random.next() % profile.longPause : random.next() % 1000
                    do { try await client.clock.pause(.milliseconds(Int64(pause))) } catch { return }
                }
            }
        }
    }

    private func begin() -> KeyWatch {
        truth.tally.met(.watchBegan)
        range = profile.range(random.next())
        floor = truth.acknowledged
        crew.watching[number] = Crew.Watching()
        switch random.next() % 4 {
        case 0:
            truth.tally.met(.watchFromPast)
            let revision = floor == 0 ? 0 : random.next() % (floor + 1)
            position = ChangePosition(before: revision)
            return client.watch(range, from: revision)
        case 1:
            truth.tally.met(.watchFromPast)
            let some = truth.store.changes
            // As somebody who goes on behind the last change that he knows.
            guard !some.isEmpty else { fallthrough }
            let change = some[Int(random.next() % UInt64(some.count))]
            position = change.position
            return client.watch(range, after: change.position)
        default:
            position = nil
            return client.watch(range)
        }
    }

    private func take(_ event: WatchEvent) {
        truth.advance()
        guard let here = position else { return takeFirst(event) }
        let next = truth.store.nextChange(after: here, in: range)
        switch event {
        case .change(let change):
            truth.tally.met(.change)
            crew.watching[number]?.hasTold = true
            guard change == next else {
                return fail("was told \(Truth.text(change))", next)
            }
            position = change.position
        case .progress(let revision):
            let end = ChangePosition(revision: revision)
            if let next, next.position <= end { return fail("was told all through \(revision)", next) }
            if revision > truth.store.last {
                truth.fail(
                    "I26", "watch \(number) was told all through \(revision), and \(truth.store.last) is committed")
            }
            if end < here { fail("went back to \(revision)", next) }
            position = end
        }
    }

    /// Of a watch that begins with what is new.
    private func takeFirst(_ event: WatchEvent) {
        switch event {
        case .progress(let revision):
            // Nothing that was acknowledged before lies behind it.
            guard revision >= floor, revision <= truth.store.last else {
                return truth.fail(
                    "I26",
                    "watch \(number) for what is new begins at \(revision); \(floor) was acknowledged before, \(truth.store.last) is committed"
                )
            }
            position = ChangePosition(revision: revision)
        case .change(let change):
            truth.fail("I26", "watch \(number) begins with \(Truth.text(change)), and was not told where")
        }
    }

    private func fail(_ what: String, _ next: KeyChange?) {
        truth.fail(
            "I26",
            "watch \(number) of \(Truth.text(range)), behind \(position.map { "\($0)" } ?? "nothing"), \(what); the next change is \(next.map { Truth.text($0) } ?? "not made yet")"
        )
    }

    /// I30: told that what it needs is not kept any more.
    private func compacted(_ error: RaftClientError) {
        truth.tally.met(.watchCompacted)
        truth.advance()
        let gone = truth.store.compacted(at: truth.store.last)
        guard let position, position < ChangePosition(revision: gone) else {
            return truth.fail(
                "I30",
                "watch \(number), behind \(position.map { "\($0)" } ?? "nothing"), was told \"\(error)\"; the history is kept behind \(gone)"
            )
        }
    }

    /// What it has not been told yet; nil when it has been told all, and that this is all.
    ///
    /// - Parameter last: the last command when the clients came to rest; a node's own go on.
    func missing(through last: UInt64) -> String? {
        guard let position else { return "where it begins" }
        if let next = truth.store.nextChange(after: position, in: range) { return Truth.text(next) }
        // Also where nothing changes: who keeps the last mark must be able to go on from there.
        return position < ChangePosition(revision: last) ? "that nothing more changed through \(last)" : nil
    }
    var line: String { "watch \(number) of \(Truth.text(range)) is behind \(position.map { "\($0)" } ?? "nothing")" }
}
