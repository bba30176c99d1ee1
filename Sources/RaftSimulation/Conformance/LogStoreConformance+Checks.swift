internal import Raft

extension LogStoreConformance {
    func run(_ check: Check) throws {
        let session = try LogStoreSession(makePlace)
        switch check {
        case .emptyAtFirst: try session.reopen()
        case .appends: try appends(session)
        case .hardState: try hardState(session)
        case .termStarts: try termStarts(session)
        case .configurations: try configurations(session)
        case .order: try order(session)
        case .truncations: try truncations(session)
        case .rangeLimits: try rangeLimits(session)
        case .refusals: try refusals(session)
        case .purges: try purges(session)
        case .purgeToTheTip: try purgeToTheTip(session)
        case .resetAhead: try reset(session, to: LogID(term: 7, index: 5000))
        case .resetBehind: try reset(session, to: LogID(term: 7, index: 4))
        case .bigBatches: try bigBatches(session)
        case .readsBesideWrites: try readsBesideWrites(session)
        case .reopens: try reopens(session)
        case .incarnation: try incarnation(session)
        case .survivesCrash: try survivesCrash(session)
        case .keepsWhatFindsNoRoom: try keepsWhatFindsNoRoom(session)
        case .losesNothingWhileFull: try losesNothingWhileFull(session)
        case .anything: try anything(session)
        }
        session.close()
    }

    private func appends(_ session: LogStoreSession) throws {
        for kind in [EntryKind.blank, .command, .configuration, .sessionCommand, .session] {
            // (A session's command has a header, and so can not be empty.)
            try session.write(session.entries(1, 100, 700, kind: kind))
        }
        try session.write(session.entries(1, 0, 10, 0))
        try session.write()
        try session.checkReads()
        try session.checkReads(maximumBytes: 1)
        try session.reopen()
        try session.checkReads()
    }

    private func hardState(_ session: LogStoreSession) throws {
        for state in [
            HardState(currentTerm: 3, votedFor: 2), HardState(currentTerm: 3), HardState(currentTerm: 9, votedFor: 1),
        ] {
            try session.write(.hardState(state))
            try session.reopen()
        }
        try session.write(
            .hardState(HardState(currentTerm: 10, votedFor: 1)), session.entries(10, 5),
            .hardState(HardState(currentTerm: 11, votedFor: 4)))
        try session.reopen()
    }

    private func termStarts(_ session: LogStoreSession) throws {
        for term in [1, 1, 2, 5, 5] as [Term] { try session.write(session.entries(term, 20, 20)) }
        try session.reopen()
        let cut = session.id(7)
        try session.write(.truncate(through: cut), CrashRecording.entries(behind: cut, 6, sizes: [20]))
        try session.reopen()
        try session.write(.truncate(through: session.id(3)))
        try session.reopen()
    }

    private func configurations(_ session: LogStoreSession) throws {
        try session.write(session.entries(1, 30, kind: .configuration))
        try session.write(session.entries(1, 30))
        try session.write(session.entries(2, 40, 50, kind: .configuration))
        try session.reopen()
        for (id, payload) in session.recovered.configurations {
            let entry = try session.read(id.index, id.index, 1)[0]
            guard Array(entry.payload) == payload else {
                throw LogStoreMismatch(
                    "the configuration \(id) has other bytes when the store is opened than when it is read")
            }
        }
        try session.write(.truncate(through: session.id(3)))
        try session.reopen()
    }

    private func order(_ session: LogStoreSession) throws {
        try session.write(session.entries(1, 10, 20, 30))
        let cut = session.id(2)
        try session.write(
            .hardState(HardState(currentTerm: 2, votedFor: 1)), .truncate(through: cut),
            CrashRecording.entries(behind: cut, 2, sizes: [40, 50]), .hardState(HardState(currentTerm: 3, votedFor: 2)))
        try session.checkReads()
        try session.reopen()
        let end = session.expected.last
        guard case .append(let batch) = CrashRecording.entries(behind: end, 3, sizes: [60, 70]) else { return }
        try session.write(.append(batch), .truncate(through: batch.first))
        try session.checkReads()
        try session.reopen()
    }

    private func truncations(_ session: LogStoreSession) throws {
        try session.write(session.entries(1, 10, 20, 30, 900, 900, 40))
        try session.write(.truncate(through: session.expected.last))
        try session.checkReads()
        for (index, term) in [(4, 2), (2, 3)] as [(LogIndex, Term)] {
            let end = session.expected.last.index
            try session.write(.truncate(through: session.id(index)))
            try session.checkReads()
            try session.expectRefusal(of: index.next, end, "it was cut")
            try session.reopen()
            try session.write(session.entries(term, 11, 12))
            try session.checkReads()
            try session.reopen()
        }
        try session.write(.truncate(through: .zero))
        try session.reopen()
        try session.write(session.entries(4, 5))
        try session.reopen()
        try session.checkReads()
    }

    private func rangeLimits(_ session: LogStoreSession) throws {
        for term in 1...4 as ClosedRange<UInt64> { try session.write(session.entries(Term(term), 100, 3000, 1, 500)) }
        for first in 1...16 as ClosedRange<UInt64> {
            for last in first...16 {
                for limit in [0, 1, 200, 1000, 5000, 1 << 20] {
                    _ = try session.read(LogIndex(first), LogIndex(last), limit)
                }
            }
        }
        // A large limit gives all that is asked for, sooner or later: pieces go on where the last one ended.
        try session.checkReads(maximumBytes: 1 << 20)
    }

    private func refusals(_ session: LogStoreSession) throws {
        try session.expectRefusal(of: 1, 1, "the store is empty")
        try session.write(session.entries(1, 10, 10, 10))
        try session.expectRefusal(of: 4, 5, "the log ends with entry 3")
        try session.write(.reset(to: LogID(term: 1, index: 9)))
        try session.expectRefusal(of: 2, 3, "the log begins behind entry 9")
        try session.expectRefusal(of: 9, 9, "the log begins behind entry 9")
    }

    private func purges(_ session: LogStoreSession) throws {
        for term in 1...40 as ClosedRange<UInt64> { try session.write(session.entries(Term(term / 10 + 1), 900, 50)) }
        for index in [10, 11, 40, 63] as [LogIndex] {
            try session.write(.purge(through: session.id(index)))
            try session.checkReads()
            try session.reopen()
            try session.write(session.entries(9, 30))
            try session.checkReads()
        }
        try session.reopen()
    }

    private func purgeToTheTip(_ session: LogStoreSession) throws {
        try session.write(session.entries(2, 900, 900, 900, 900, 900, 900, 900, 900))
        try session.write(.purge(through: session.expected.last))
        try session.reopen()
        try session.reopen()
        try session.write(session.entries(3, 20))
        try session.checkReads()
        try session.reopen()
    }

    private func reset(_ session: LogStoreSession, to last: LogID) throws {
        try session.write(.hardState(HardState(currentTerm: 7, votedFor: 3)))
        try session.write(session.entries(1, 10, kind: .configuration))
        try session.write(session.entries(2, 900, 20, 900, 30, 900))
        try session.write(.reset(to: last))
        try session.expectRefusal(
            of: last.index.next, last.index.next, "the log begins anew behind entry \(last.index)")
        try session.reopen()
        try session.write(session.entries(8, 20, 30))
        try session.checkReads()
        try session.reopen()
        try session.write(
            .reset(to: LogID(term: 9, index: last.index.advanced(by: 50))), .hardState(HardState(currentTerm: 9)))
        try session.reopen()
    }

    private func bigBatches(_ session: LogStoreSession) throws {
        try session.write(
            CrashRecording.entries(behind: .zero, 1, sizes: (0..<5000).map { $0 % 70 }),
            .hardState(HardState(currentTerm: 2)))
        try session.write(session.entries(2, 10, 4 << 20, 10))
        try session.checkReads(maximumBytes: 100_000)
        try session.reopen()
    }

    private func reopens(_ session: LogStoreSession) throws {
        try session.write(session.entries(1, 10, 10), .hardState(HardState(currentTerm: 4, votedFor: 2)))
        for _ in 0..<4 { try session.reopen() }
        try session.write(session.entries(4, 10))
        for _ in 0..<4 { try session.reopen() }
    }

    private func incarnation(_ session: LogStoreSession) throws {
        // (That it stays the same is seen whenever a store is opened again.)
        for _ in 0..<3 {
            try session.reopen()
            try session.write(session.entries(1, 10))
        }
        let other = try LogStoreSession(makePlace)
        defer { other.close() }
        guard other.recovered.incarnation != session.recovered.incarnation else {
            throw LogStoreMismatch(
                "two stores have incarnation \(other.recovered.incarnation); each new one must draw its own, or a member that lost its data is not told apart"
            )
        }
    }

    private func survivesCrash(_ session: LogStoreSession) throws {
        for round in 1...12 as ClosedRange<UInt64> {
            let term = Term(round)
            try session.write(.hardState(HardState(currentTerm: term, votedFor: 1)), session.entries(term, 10, 2000))
            try session.crash()
            try session.write(session.entries(term, 300))
            try session.crash()
            if round % 3 == 0 {
                try session.write(.truncate(through: session.id(LogIndex(session.expected.last.index.rawValue - 1))))
                try session.crash()
            }
            if round == 6 { try session.write(.purge(through: session.id(4))) }
            if round == 9 { try session.write(.reset(to: LogID(term: term, index: 100))) }
            try session.crash()
            try session.checkReads()
        }
    }

    private func anything(_ session: LogStoreSession) throws {
        var random = RandomSource(seed: 1)
        func below(_ end: Int) -> Int { Int(random.next() % UInt64(end)) }
        for step in 0..<400 {
            let held = session.expected
            let from = max(held.purged.index, held.base.index)
            let count = held.last.index.distance(above: from)
            let term = Term(max(held.last.term, held.hardState.currentTerm).rawValue + UInt64(below(2)))
            switch below(12) {
            case 0: try session.write(.hardState(HardState(currentTerm: term, votedFor: below(2) == 0 ? nil : 2)))
            case 1:
                try session.write(.truncate(through: session.id(from.advanced(by: count - below(min(count, 9) + 1)))))
            case 2 where count > 20: try session.write(.purge(through: session.id(from.advanced(by: below(count + 1)))))
            case 3 where below(8) == 0:
                try session.write(.reset(to: LogID(term: term, index: held.last.index.advanced(by: 1 + below(30)))))
            case 4: try session.reopen()
            case 5:
                let cut = session.id(from.advanced(by: count - below(min(count, 5) + 1)))
                try session.write(
                    .truncate(through: cut), CrashRecording.entries(behind: cut, term, sizes: [below(900)]))
            default:
                let kind = below(9) == 0 ? EntryKind.configuration : .command
                try session.write(session.entries(term, below(60), below(step % 40 == 0 ? 20_000 : 900), kind: kind))
            }
            if below(4) == 0 { try session.checkReads(maximumBytes: below(6000)) }
        }
        try session.reopen()
        try session.checkReads()
    }

    private func readsBesideWrites(_ session: LogStoreSession) throws {
        try session.write(session.entries(1, 100))
        let writer = BesideWriter(session.store, behind: session.expected.last, count: 150)
        let loop = ThreadLoop(name: "log-store-conformance")
        loop.post(writer)
        defer { loop.stop() }
        var first = session.expected.last.index
        while true {
            // Asked before it is read: a write that ends in between may not be missed.
            let (durable, isOver, failure) = writer.progress.withLock { $0 }
            if let failure { throw LogStoreMismatch("a write failed beside reads: \(failure)") }
            let end = LogIndex(UInt64(durable.count) + 1)
            if first > end { first = 1 }
            let batch = try session.read(first, end, 4000)
            for entry in batch.entries where entry.id.index > 1 {
                guard entry == durable[entry.id.index.distance(above: 2)] else {
                    throw LogStoreMismatch("entry \(entry.id.index), read beside a write, is not what was written")
                }
            }
            first = batch.lastIndex.next
            if isOver, first > end { return }
        }
    }
}

/// Writes entries, on a thread of its own.
private final class BesideWriter: Activated {
    /// The entries whose write has returned; whether that was all; what went wrong.
    let progress = Lock<(durable: [HeldEntry], isOver: Bool, failure: String?)>(([], false, nil))
    private let store: any LogStore
    private let last: LogID
    private let count: Int

    init(_ store: any LogStore, behind last: LogID, count: Int) {
        self.store = store
        self.last = last
        self.count = count
    }

    func activate() {
        var last = last
        for step in 0..<count {
            guard
                case .append(let batch) = CrashRecording.entries(behind: last, 1, sizes: [step * 37 % 900, step % 7])
            else { continue }
            do { try store.write([.append(batch)]) } catch {
                progress.withLock { $0.failure = "\(error)" }
                return
            }
            last = batch.last
            progress.withLock { $0.durable += batch.entries }
        }
        progress.withLock { $0.isOver = true }
    }
}
