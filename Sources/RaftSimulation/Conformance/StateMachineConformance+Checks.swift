internal import Raft

extension StateMachineConformance {
    private typealias Session = StateMachineSession<Machine>
    typealias Script = CommandScript<Machine>

    func run(_ check: Check) throws {
        switch check {
        case .emptyAtFirst: try emptyAtFirst()
        case .commands: try commands()
        case .garbage: try garbage()
        case .determinism: try determinism()
        case .runs: try runs()
        case .otherEntries: try otherEntries()
        case .reopens: try restarts { try $0.reopen() }
        case .crashes: try restarts { try $0.crash() }
        case .logCut: try logCut()
        case .snapshots: try snapshots()
        case .appliesAfterRestore: try appliesAfterRestore()
        case .restoreOverState: try restoreOverState()
        case .pointInTime: try pointInTime()
        case .appliesWhileWriting: try appliesWhileWriting()
        case .abandonedSnapshots: try abandonedSnapshots()
        case .damagedSnapshots: try damagedSnapshots()
        case .keptSessions: try keptSessions()
        case .anything: try anything()
        }
    }

    func prepared(_ count: Int = 120, seed: UInt64 = 1) throws -> (Script, Straight<Machine>) {
        let script = Script(self, count: count, seed: seed)
        return (script, try Straight(self, script))
    }

    /// A new machine, and what it stands on, which may live no longer than its place.
    struct Placed {
        let place: Place
        var machine: Machine

        init(_ conformance: StateMachineConformance) throws {
            place = try conformance.makePlace()
            machine = try place.open()
            try machine.open(logEnd: .zero)
        }
    }

    // MARK: Commands

    private func emptyAtFirst() throws {
        let (first, second) = (try Placed(self), try Placed(self))
        for placed in [first, second] {
            if let applied = placed.machine.lastApplied {
                throw StateMachineMismatch("a new machine says it has applied \(applied); it must say nil")
            }
        }
        let (one, other) = (try look(first.machine), try look(second.machine))
        guard one == other else {
            throw StateMachineMismatch("one new machine shows \(one.text), another one \(other.text)")
        }
    }

    private func commands() throws {
        let (script, straight) = try prepared()
        var placed = try Placed(self)
        for (at, entry) in script.entries.enumerated() {
            guard let command = script.commands[at] else { continue }
            var bytes: [UInt8] = [1, 2, 3]
            command.encode(into: &bytes)
            guard bytes == [1, 2, 3] + entry.payload else {
                throw StateMachineMismatch(
                    "a command encoded behind 3 bytes gave \(bytes.prefix(40)), and \(entry.payload.prefix(40)) by itself: it must append, and the same each time"
                )
            }
            let inside = (bytes + [9, 9])[3..<(3 + entry.payload.count)]
            let (alone, within) = (
                try encoded(Machine.Command(decoding: entry.payload[...])),
                try encoded(Machine.Command(decoding: inside))
            )
            guard alone == within else {
                throw StateMachineMismatch(
                    "bytes 3 through \(2 + entry.payload.count) of an array are another command than the same bytes by themselves: the slice does not begin at 0"
                )
            }
            // As it was before it went through its bytes.
            let output = try placed.machine.apply(command, at: entry.id)
            guard let right = straight.outputs[at], isSameOutput(output, right) else {
                throw StateMachineMismatch(
                    "entry \(at + 1) gives \(output) as the command that was drawn, and \(straight.outputs[at].map { "\($0)" } ?? "nothing") after a trip through its bytes"
                )
            }
        }
        let sight = try look(placed.machine)
        guard sight == straight.sights[script.end] else {
            throw StateMachineMismatch(
                "commands lose something in their bytes: the state is \(Session.short(straight.sights[script.end].text)), without the trip \(Session.short(sight.text))"
            )
        }
    }

    private func encoded(_ command: Machine.Command) -> [UInt8] {
        var bytes: [UInt8] = []
        command.encode(into: &bytes)
        return bytes
    }

    private func garbage() throws {
        var random = RandomSource(seed: 7)
        func below(_ end: Int) -> Int { Int(random.next() % UInt64(max(end, 1))) }
        var twins = (try Placed(self), try Placed(self))
        var index: LogIndex = 0
        for round in 0..<400 {
            var bytes = encoded(makeCommand(&random))
            switch round % 4 {
            case 0: bytes = (0..<below(64)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            case 1: bytes.removeLast(min(bytes.count, 1 + below(bytes.count)))
            case 2: bytes += (0..<(1 + below(9))).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            default: if !bytes.isEmpty { bytes[below(bytes.count)] ^= 1 << UInt8(below(8)) }
            }
            let (first, second) = (
                try? encoded(Machine.Command(decoding: bytes[...])), try? encoded(Machine.Command(decoding: bytes[...]))
            )
            guard first == second else {
                throw StateMachineMismatch("the bytes \(bytes.prefix(40)) are one command, and then another one")
            }
            guard first != nil else { continue }
            index = index.next
            let script = Script(bytes, at: LogID(term: 1, index: index))
            let run = script.run(after: 0, through: 1)
            var outputs: ([Machine.Output], [Machine.Output]) = ([], [])
            let hasWorked = (
                (try? twins.0.machine.apply(run, into: &outputs.0)) != nil,
                (try? twins.1.machine.apply(run, into: &outputs.1)) != nil
            )
            let what = "two machines are given the bytes \(bytes.prefix(40))"
            guard hasWorked.0 == hasWorked.1 else {
                throw StateMachineMismatch("\(what): one throws, and the other one does not")
            }
            guard hasWorked.0 else {
                twins = (try Placed(self), try Placed(self))
                index = 0
                continue
            }
            guard outputs.0.count == 1, outputs.1.count == 1, isSameOutput(outputs.0[0], outputs.1[0]),
                try look(twins.0.machine) == look(twins.1.machine)
            else { throw StateMachineMismatch("\(what), and part") }
        }
        guard Machine.makesSnapshots else { return }
        for _ in 0..<20 {
            let bytes = (0..<below(300)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            let last = LogID(term: 1, index: 5)
            var contents = SnapshotContents(try Session.Stored(bytes, through: 5).reader(last))
            var placed = try Placed(self)
            // Refused or not: members only ever send what one of them made. But it must not trap.
            try? placed.machine.restore(&contents, through: last)
        }
    }

    // MARK: Applying

    private func determinism() throws {
        let (script, straight) = try prepared()
        let second = try Straight(self, script)
        for at in 0..<script.end {
            let what = "entry \(at + 1)"
            if let one = straight.outputs[at], let other = second.outputs[at], !isSameOutput(one, other) {
                throw StateMachineMismatch("\(what) gives \(one) on one machine, and \(other) on another one")
            }
            let (one, other) = (straight.sights[at + 1], second.sights[at + 1])
            guard one == other else {
                throw StateMachineMismatch(
                    "after \(what) one machine shows \(Session.short(one.text)), and another one \(Session.short(other.text))"
                )
            }
        }
    }

    private func runs() throws {
        let (script, straight) = try prepared()
        for count in [2, 3, 7, 50, script.end] {
            let session = try Session(self, script, straight)
            try session.apply(inRunsOf: count, through: script.end)
            try session.close()
        }
        // Behind what is there.
        var placed = try Placed(self)
        var outputs: [Machine.Output] = []
        for first in stride(from: 0, to: script.end, by: 10) {
            try placed.machine.apply(script.run(after: first, through: first + 10), into: &outputs)
        }
        let expected = straight.outputs.compactMap { $0 }
        guard outputs.count == expected.count, zip(outputs, expected).allSatisfy(isSameOutput) else {
            throw StateMachineMismatch(
                "outputs must be appended to those that are there: \(outputs.count) came of \(expected.count)")
        }
        try placed.machine.close()
    }

    private func otherEntries() throws {
        let script = Script(self, count: 60, seed: 3, othersPerHundred: 70)
        let straight = try Straight(self, script)
        for (at, entry) in script.entries.enumerated() where !entry.isCommand {
            guard straight.sights[at] == straight.sights[at + 1] else {
                throw StateMachineMismatch("entry \(at + 1) is no command, and changes the state")
            }
        }
        let session = try Session(self, script, straight)
        try session.apply(inRunsOf: 8, through: script.end)
        try session.reopen()
        try session.close()
    }

    // MARK: Restarts

    private func restarts(_ restart: (Session) throws -> Void) throws {
        let (script, straight) = try prepared()
        let session = try Session(self, script, straight)
        try restart(session)
        for last in [1, 2, 30, 31, 90, script.end] {
            try session.apply(inRunsOf: 6, through: last)
            try restart(session)
            try restart(session)
        }
        try session.apply(inRunsOf: 20, through: script.end)
        try session.close()
    }

    private func logCut() throws {
        let (script, straight) = try prepared()
        for cut in [0, 1, 40, 89] {
            let session = try Session(self, script, straight)
            try session.apply(inRunsOf: 11, through: 90)
            try session.reopen(logEnd: script.id(cut))
            try session.apply(inRunsOf: 11, through: script.end)
            try session.close()
        }
    }

    // MARK: Sessions

    private func keptSessions() throws {
        let (script, straight) = try prepared()
        let session = try Session(self, script, straight)
        var random = RandomSource(seed: 11)
        /// What is kept after so many entries.
        var expected: [Int: [[UInt8]: [UInt8]]] = [0: [:]]
        func expectRows(_ session: Session, _ what: String) throws {
            let found = try session.with { try $0.keptSessions() }
            let right = (expected[session.applied] ?? [:]).sorted { $0.key.lexicographicallyPrecedes($1.key) }
            guard found == right.map({ SessionRecord(key: $0.key, value: $0.value) }) else {
                throw StateMachineMismatch(
                    "\(what), after entry \(session.applied), it has the rows of sessions \(Session.short("\(found.map(\.key))")) instead of \(Session.short("\(right.map(\.key))")), or other values, or another order"
                )
            }
        }
        try expectRows(session, "new")
        while session.applied < script.end {
            var rows = expected[session.applied] ?? [:]
            var changes: [SessionRecord] = []
            for _ in 0..<(random.next() % 4) {
                // A session, or a command of it.
                let key = [0, 0, 0, 0, 0, 0, 0, UInt8(random.next() % 6)]
                let full = random.next() % 2 == 0 ? key : key + [0, 0, 0, 0, 0, 0, 0, UInt8(random.next() % 4)]
                guard !changes.contains(where: { $0.key == full }) else { continue }
                let value = random.next() % 3 == 0 ? nil : (0..<(random.next() % 30)).map { UInt8($0) }
                changes.append(SessionRecord(key: full, value: value))
                rows[full] = value
            }
            let last = min(session.applied + 1 + Int(random.next() % 9), script.end)
            try session.apply(through: last, keeping: changes)
            expected[last] = rows
            try expectRows(session, "given changes")
            switch random.next() % 6 {
            case 0:
                try session.reopen()
                try expectRows(session, "opened again")
            case 1:
                try session.crash()
                try expectRows(session, "opened after a crash")
            default: break
            }
        }
        guard Machine.makesSnapshots else { return try session.close() }
        let kept = [
            SessionRecord(key: [0, 0, 0, 0, 0, 0, 0, 9], value: [1]),
            SessionRecord(key: [0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1], value: []),
        ]
        try session.restore(try session.snapshot(), sessions: kept)
        expected = [script.end: Dictionary(uniqueKeysWithValues: kept.map { ($0.key, $0.value ?? []) }), 0: [:]]
        try expectRows(session, "given a snapshot with two rows")
        try session.reopen()
        try expectRows(session, "opened after a snapshot")
        try session.close()
    }

    // MARK: All of it

    private func anything() throws {
        let (script, straight) = try prepared(400, seed: 5)
        var random = RandomSource(seed: 6)
        func below(_ end: Int) -> Int { Int(random.next() % UInt64(max(end, 1))) }
        var session = try Session(self, script, straight)
        var stored: Session.Stored?
        for _ in 0..<300 {
            switch below(10) {
            case 0: try session.reopen()
            case 1: try session.crash()
            case 2 where Machine.makesSnapshots && session.applied > 0: stored = try session.snapshot()
            case 3 where Machine.makesSnapshots:
                guard let stored else { continue }
                if below(2) == 0 {
                    try session.close()
                    session = try Session(self, script, straight)
                }
                try session.restore(stored)
            default:
                try session.apply(
                    through: min(session.applied + 1 + below(15), script.end), maximumBatch: 1 + below(9))
                // Around again, from nothing.
                if session.applied == script.end {
                    try session.close()
                    session = try Session(self, script, straight)
                    stored = nil
                }
            }
        }
        try session.close()
    }
}
