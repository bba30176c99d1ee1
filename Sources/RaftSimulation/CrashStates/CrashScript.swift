internal import Raft

/// What a node does with its data directory while crashes are tried.
package enum CrashScript: String, CaseIterable, Sendable {
    /// Appends of all sizes, through many segments.
    case appends
    /// Truncations, and entries that replace a tail.
    case truncations
    /// Term and vote, alone and between entries; lives of other members.
    case votes
    /// Snapshots of the node's own, and the log purged behind them.
    case snapshots
    /// Snapshots of a leader, ahead of the log and against it, which the log begins anew behind.
    case installs
    /// First starts, each in a directory of its own.
    case foundings
    /// Syncs that fail, and processes that end.
    case restarts

    /// In how many steps it is played unless asked otherwise.
    package var stepCount: Int {
        switch self {
        case .foundings: 40
        case .snapshots, .installs: 200
        default: 300
        }
    }

    static let segmentBytes = 8192

    /// Plays it.
    ///
    /// - Parameter steps: how many things the node does: 1 or more.
    func play(_ run: CrashRecording, steps: Int) throws {
        if self != .foundings {
            try run.found(at: "/data")
            try run.write([.hardState(HardState(currentTerm: 1, votedFor: 1)), run.entries(1, sizes: [60])])
        }
        for step in 0..<steps {
            switch self {
            case .appends: try append(run, step)
            case .truncations: try truncate(run, step)
            case .votes: try vote(run, step)
            case .snapshots: try build(run, step)
            case .installs: try install(run, step)
            case .foundings: try found(run, step)
            case .restarts: try restart(run, step)
            }
        }
    }

    private func append(_ run: CrashRecording, _ step: Int) throws {
        let term = Term(UInt64(1 + step / 50))
        if step % 25 == 24 {
            // Larger than a segment.
            try run.write([run.entries(term, sizes: [10_000])])
        } else {
            let sizes = (0...(step % 3)).map { (step * 137 + $0 * 411) % 1300 }
            try run.write([run.entries(term, sizes: sizes, kind: step % 11 == 10 ? .configuration : .command)])
        }
        if step % 70 == 69 { try run.restart() }
    }

    private func truncate(_ run: CrashRecording, _ step: Int) throws {
        let term = Term(UInt64(1 + step / 2))
        let held = run.expected.entries.count
        let kept = max(1, held - 1 - step % 7)
        let cut = LogOperation.truncate(through: run.expected.entries[kept - 1].id)
        switch step % 4 {
        case 1 where kept < held:
            var after = run.expected
            after.perform(cut)
            try run.write([cut, CrashRecording.entries(behind: after.last, term, sizes: [700, step * 61 % 900])])
        case 3 where kept < held: try run.write([cut])
        default: try run.write([run.entries(term, sizes: [step * 97 % 1500, 40, step * 31 % 800])])
        }
    }

    private func vote(_ run: CrashRecording, _ step: Int) throws {
        let term = Term(UInt64(2 + step))
        let vote = LogOperation.hardState(HardState(currentTerm: term, votedFor: NodeID(UInt64(1 + step % 3))))
        let noVote = LogOperation.hardState(HardState(currentTerm: term))
        switch step % 5 {
        case 0: try run.write([vote])
        case 1: try run.write([vote, run.entries(term, sizes: [step * 53 % 1600])])
        case 2: try run.write([run.entries(run.expected.last.term, sizes: [900]), vote])
        case 3: try run.write([noVote, vote, run.entries(term, sizes: [300, 1200])])
        default:
            let node = CrashRecording.members.lowerBound + UInt64(step / 5) % 3
            try run.meet(NodeID(node), Incarnation(rawValue: UInt64(step + 1)))
            try run.write([noVote])
        }
        if step % 60 == 59 { try run.restart() }
    }

    private func build(_ run: CrashRecording, _ step: Int) throws {
        let term = Term(UInt64(1 + step / 40))
        try run.write([run.entries(term, sizes: [step * 71 % 1100 + 400, 500])])
        guard step % 6 == 5 else { return }
        let last = run.expected.id(LogIndex(run.expected.last.index.rawValue - UInt64(step % 3)))
        try run.snapshot(.own, through: last, byteCount: step % 4 == 1 ? 70_000 : 3000)
        try run.write([.purge(through: last)])
        try run.prune(endingBefore: last.index)
        if step % 60 == 59 { try run.restart() }
    }

    private func install(_ run: CrashRecording, _ step: Int) throws {
        let term = Term(UInt64(1 + step))
        guard step % 5 == 4 else { return try run.write([run.entries(term, sizes: [step * 71 % 1100, 700])]) }
        // Ahead of all that the log has, or against its last entries.
        let end = run.expected.last.index
        let index = step % 2 == 0 ? end.advanced(by: 100) : LogIndex(end.rawValue - 1)
        let last = LogID(term: term, index: index)
        try run.snapshot(.leader, through: last, byteCount: step % 3 == 0 ? 70_000 : 2000)
        try run.write([.reset(to: last)])
        if step % 3 > 0 { try run.write([.purge(through: last)]) }
        try run.prune(endingBefore: last.index)
    }

    private func found(_ run: CrashRecording, _ step: Int) throws {
        // The directory above is there, or is made with it, or several are.
        let path = ["/node\(step)", "/nodes\(step)/data", "/many\(step)/nodes/data"][step % 3]
        try run.found(at: path)
        let term = Term(UInt64(1 + step))
        try run.write([
            .hardState(HardState(currentTerm: term, votedFor: 1)), run.entries(term, sizes: [step * 131 % 3000]),
        ])
        try run.write([run.entries(term, sizes: [2600])])
    }

    private func restart(_ run: CrashRecording, _ step: Int) throws {
        let term = Term(UInt64(1 + step / 3))
        let entries = run.entries(term, sizes: [step * 89 % 1700, step * 13 % 500])
        switch step % 6 {
        case 3: try run.writeFailing([entries])
        case 5:
            try run.write([entries])
            try run.restart()
        default: try run.write([.hardState(HardState(currentTerm: term, votedFor: 2)), entries])
        }
    }
}

extension CrashRecording {
    /// Entries behind the last one.
    func entries(_ term: Term, sizes: [Int], kind: EntryKind = .command) -> LogOperation {
        Self.entries(behind: expected.last, term, sizes: sizes, kind: kind)
    }

    /// None of their bytes is zero: of a payload with a whole sector of zeros one cannot tell whether that is missing.
    static func entries(
        behind last: LogID, _ term: Term, sizes: [Int], kind: EntryKind = .command
    ) -> LogOperation {
        var builder = EntryBatch.Builder(first: last.index.next, term: max(term, last.term))
        for (position, size) in sizes.enumerated() {
            let byte = UInt8(truncatingIfNeeded: last.index.rawValue &* 7 &+ UInt64(position) &* 31) | 1
            builder.append(kind, [UInt8](repeating: byte, count: size))
        }
        guard let batch = builder.finish() else { return .truncate(through: last) }
        return .append(batch)
    }

    /// The store takes one more change of everything, and has it after a restart.
    func goOn() throws {
        let term = Term(max(expected.hardState.currentTerm, expected.last.term).rawValue + 1)
        try write([.hardState(HardState(currentTerm: term, votedFor: 3)), entries(term, sizes: [33])])
        try restart()
    }
}
