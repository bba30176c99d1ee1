internal import Raft

/// What a store does on a full disk.
extension LogStoreConformance {
    /// More than any store makes ahead of its need.
    private static let limit = 512 << 20

    /// Writes until nothing more finds room.
    ///
    /// - Returns: what was passed and not performed.
    private func writeUntilFull(_ session: LogStoreSession, _ term: Term) throws -> [LogOperation] {
        var written = 0
        while written < Self.limit {
            let operation = session.entries(term, 9000, 20, 9000)
            if try session.writeWithoutRoom([operation]) { return [operation] }
            written += 18_020
        }
        throw LogStoreMismatch(
            "\(Self.limit >> 20) MiB were written to a disk that has no room; does `fill` take it away?")
    }

    func keepsWhatFindsNoRoom(_ session: LogStoreSession) throws {
        guard session.canFill else { return }
        for round in 1...4 as ClosedRange<UInt64> {
            let term = Term(2 * round)
            try session.write(session.entries(term, 100), .hardState(HardState(currentTerm: term, votedFor: 1)))
            try session.fill(true)
            var kept = try writeUntilFull(session, term)
            try session.checkReads()
            // Each is another attempt, and goes behind what waits.
            var end = session.expected
            func pass(_ operations: [LogOperation]) throws {
                guard try session.writeWithoutRoom(operations) else {
                    throw LogStoreMismatch(
                        "a write behind one that found no room returned, though the disk is as full as before")
                }
                kept += operations
            }
            try pass([])
            for operation in kept { end.perform(operation) }
            switch round {
            case 1: break
            case 2: try pass([.hardState(HardState(currentTerm: term.next, votedFor: 3))])
            case 3:
                let cut = end.id(end.last.index.previous)
                try pass([
                    .truncate(through: cut), CrashRecording.entries(behind: cut, term, sizes: [30]),
                    .hardState(HardState(currentTerm: term, votedFor: 2)),
                ])
            default: try pass([CrashRecording.entries(behind: end.last, term, sizes: [40])])
            }
            try session.checkReads()
            try session.fill(false)
            if round < 4 {
                try session.write([], behind: kept)
            } else {
                try session.write([.hardState(HardState(currentTerm: term, votedFor: 4))], behind: kept)
            }
            try session.checkReads()
            try session.write()
            guard session.store.shortage == nil else {
                throw LogStoreMismatch(
                    "there is room again, and was at two writes, but the store speaks of a shortage: \(session.store.shortage!)"
                )
            }
            try session.reopen()
            try session.checkReads()
        }
    }

    func losesNothingWhileFull(_ session: LogStoreSession) throws {
        guard session.canFill else { return }
        for round in 1...4 as ClosedRange<UInt64> {
            let term = Term(round)
            try session.write(session.entries(term, 100), .hardState(HardState(currentTerm: term, votedFor: 1)))
            try session.fill(true)
            var kept = try writeUntilFull(session, term)
            if round == 2 {
                kept.append(.hardState(HardState(currentTerm: term.next)))
                _ = try session.writeWithoutRoom([kept[1]])
            }
            // One that stops before there is room, and one that stops after. A start may need some.
            if round.isMultiple(of: 2) { try session.fill(false) }
            try session.crash(during: kept)
            try session.write(session.entries(term.next, 50))
            try session.checkReads()
            try session.reopen()
        }
    }
}
