internal import Raft

/// Entries for a machine under check, from index 1 on, in rising terms.
struct CommandScript<Machine: StateMachine> {
    struct Scripted {
        let kind: EntryKind
        let payload: [UInt8]
        let id: LogID
        var isCommand: Bool { kind == .command }
    }
    let commands: [Machine.Command?]
    let entries: [Scripted]

    /// - Parameter othersPerHundred: how many of a hundred entries are no commands.
    init(_ conformance: StateMachineConformance<Machine>, count: Int, seed: UInt64, othersPerHundred: UInt64 = 12) {
        var random = RandomSource(seed: seed)
        var commands: [Machine.Command?] = []
        var entries: [Scripted] = []
        var term: Term = 1
        for index in 1...UInt64(count) {
            if random.next() % 20 == 0 { term = Term(term.rawValue + 1 + random.next() % 3) }
            let id = LogID(term: term, index: LogIndex(index))
            if random.next() % 100 < othersPerHundred {
                commands.append(nil)
                entries.append(
                    random.next() % 2 == 0
                        ? Scripted(kind: .blank, payload: [], id: id)
                        : Scripted(kind: .configuration, payload: Self.configuration, id: id))
            } else {
                let command = conformance.makeCommand(&random)
                var payload: [UInt8] = []
                command.encode(into: &payload)
                commands.append(command)
                entries.append(Scripted(kind: .command, payload: payload, id: id))
            }
        }
        self.commands = commands
        self.entries = entries
    }

    /// As one command.
    init(_ payload: [UInt8], at id: LogID) {
        commands = [nil]
        entries = [Scripted(kind: .command, payload: payload, id: id)]
    }

    private static var configuration: [UInt8] {
        (try? ClusterConfiguration(voters: [.init(id: 1, address: "a:1"), .init(id: 2, address: "b:1")]))?.encoded ?? []
    }

    var end: Int { entries.count }

    /// The id of an entry; zero is before the first.
    func id(_ index: Int) -> LogID { index == 0 ? .zero : entries[index - 1].id }

    func commandCount(after first: Int, through last: Int) -> Int { entries[first..<last].count(where: \.isCommand) }

    /// A run of the entries behind `first`. A batch holds one term, and here no more than `maximumBatch` entries.
    func run(after first: Int, through last: Int, maximumBatch: Int = 9) -> CommandBatch<Machine.Command> {
        var batches: [EntryBatch] = []
        var next = first
        while next < last {
            let start = entries[next].id
            var builder = EntryBatch.Builder(first: start.index, term: start.term)
            while next < last, entries[next].id.term == start.term, builder.count < maximumBatch {
                builder.append(entries[next].kind, entries[next].payload)
                next += 1
            }
            if let batch = builder.finish() { batches.append(batch) }
        }
        return CommandBatch(batches)
    }
}

/// What one machine gave and showed that was given a script entry by entry.
struct Straight<Machine: StateMachine> {
    /// One for each entry; nil for those that are no commands.
    private(set) var outputs: [Machine.Output?] = []
    /// The first is what a new machine shows.
    private(set) var sights: [Sight] = []

    init(_ conformance: StateMachineConformance<Machine>, _ script: CommandScript<Machine>) throws {
        let place = try conformance.makePlace()
        // What it stands on may live no longer than the place.
        defer { withExtendedLifetime(place) {} }
        var machine = try place.open()
        try machine.open(logEnd: .zero)
        sights.append(try conformance.look(machine))
        for at in 0..<script.end {
            var given: [Machine.Output] = []
            try machine.apply(script.run(after: at, through: at + 1), into: &given)
            guard given.count == (script.entries[at].isCommand ? 1 : 0) else {
                throw StateMachineMismatch(
                    "a run with nothing but entry \(at + 1), \(script.entries[at].isCommand ? "a command" : "none"), gave \(given.count) outputs"
                )
            }
            outputs.append(given.first)
            sights.append(try conformance.look(machine))
        }
        try machine.close()
    }
}
