/// A command of a state machine, as bytes in the log.
///
/// Encoding must not depend on the process (no hash order, no addresses), and whatever was ever encoded must stay
/// decodable: it is in somebody's log.
public protocol ReplicatedCommand: Sendable {
    /// Writes the command behind what `bytes` holds.
    func encode(into bytes: inout [UInt8])
    /// - Throws: when the bytes are not a command. On a committed entry that stops the node.
    init(decoding bytes: ArraySlice<UInt8>) throws
}

/// What is replicated: a deterministic machine that is given the same commands in the same order on every node.
///
/// `apply` may use nothing but the command and the state: no clock, no randomness, no hash order, no I/O whose result
/// goes into the state. The node calls it from one place at a time, so it needs no lock.
public protocol StateMachine: SendableMetatype {
    associatedtype Command: ReplicatedCommand
    /// What the proposer gets back.
    associatedtype Output: Sendable

    /// Where `apply` runs.
    static var execution: StateMachineExecution { get }

    /// Gets ready. Called once, before anything else, where `apply` will run.
    ///
    /// - Parameter logEnd: the last entry of the node's log. A machine with files of its own that holds more than that
    ///   must throw its state away and begin anew: the log was cut, or is another one.
    /// - Throws: when the machine cannot be used; the node then does not start.
    mutating func open(logEnd: LogID) throws

    /// The last entry whose effect the machine holds once it is open, or nil when it is new. A machine with files of
    /// its own reads it from them; the node applies from the next entry on. Nil is also what a machine in memory says
    /// over a log that is on disk: it has forgotten everything, and is given every committed command again from entry 1.
    var lastApplied: LogID? { get }

    /// Applies one committed command.
    ///
    /// - Throws: only when the machine cannot go on (its disk failed). The node then stops, with this as the reason.
    ///   What a command may not do is an `Output`, not an error: it must be the same on every node.
    mutating func apply(_ command: Command, at id: LogID) throws -> Output

    /// Applies a run of committed entries and appends one output for each command, in order. The default calls
    /// ``apply(_:at:)`` for each; a machine with transactions makes one of the whole run.
    mutating func apply(_ batch: CommandBatch<Command>, into outputs: inout [Output]) throws

    // MARK: Sessions

    /// What it does about the sessions of clients. A machine in memory need not do anything: they are built again from
    /// the snapshot and the log, as it is.
    static var sessions: SessionSupport { get }

    /// With ``SessionSupport/kept``: every row that it keeps, in the order of their keys.
    mutating func keptSessions() throws -> [SessionRecord]

    /// As ``apply(_:into:)``, when commands of sessions are in the run. With ``SessionSupport/kept`` the rows that
    /// `changes` returns, given all outputs, must become durable together with the state: neither without the other.
    /// `changes` may be called again, and then returns the same.
    mutating func apply(
        _ batch: CommandBatch<Command>, into outputs: inout [Output], keeping changes: ([Output]) -> [SessionRecord]
    ) throws

    /// As ``restore(_:through:)``; with ``SessionSupport/kept`` these rows take the place of all that it keeps.
    mutating func restore(
        _ contents: inout SnapshotContents, through last: LogID, sessions: [SessionRecord]
    ) throws

    // MARK: Snapshots

    /// Whether ``snapshot()`` and ``restore(_:through:)`` are there. Without them the log is never purged, and a node
    /// that lacks what another one has purged cannot catch up: all members must answer the same.
    static var makesSnapshots: Bool { get }

    /// A view of the state as it is now, which is written out while more commands are applied. Quick: a machine in
    /// memory copies its value, which costs nothing before it changes; one with files of its own begins to read them.
    ///
    /// - Throws: when there can be no view now; the node goes on without a snapshot, and tries again later.
    mutating func snapshot() throws -> StateSnapshot

    /// Throws the state away and takes over that of a snapshot; ``lastApplied`` is `last` from then on. A crash in the
    /// middle must leave a machine that says nil, or `last`, as its ``lastApplied``.
    ///
    /// - Throws: when it cannot; the node then stops, with this as the reason.
    mutating func restore(_ contents: inout SnapshotContents, through last: LogID) throws

    /// Writes down what must be on disk before a clean end. Called once, after the last `apply`.
    mutating func close() throws
}

/// What a state machine does about the sessions of clients, by which each of their commands is applied once.
///
/// They also need outputs that are ``ReplicatedOutput``. All members must answer the same.
public enum SessionSupport: Sendable {
    /// Nothing: it is in memory, and given everything again after a start.
    case rebuilt
    /// It has files of its own, and keeps the sessions in them.
    case kept
    /// There are none. What a machine with files of its own says that does not keep them.
    case none
}

/// Where a state machine's commands are applied.
public enum StateMachineExecution: Sendable {
    /// On the node's own loop: for machines that are in memory, and whose `apply` takes microseconds.
    case inline
    /// On a loop of its own, beside the node's: for everything that may block.
    case worker
}

extension StateMachine {
    public static var execution: StateMachineExecution { .worker }
    public mutating func open(logEnd: LogID) throws {}
    public var lastApplied: LogID? { nil }
    public mutating func close() throws {}
    public static var makesSnapshots: Bool { false }
    public mutating func snapshot() throws -> StateSnapshot {
        throw RaftError(.snapshotFailed, "\(Self.self) makes no snapshots")
    }
    public mutating func restore(_ contents: inout SnapshotContents, through last: LogID) throws {
        throw RaftError(.snapshotFailed, "\(Self.self) takes no snapshots")
    }

    public static var sessions: SessionSupport { .rebuilt }
    public mutating func keptSessions() throws -> [SessionRecord] { [] }
    public mutating func apply(
        _ batch: CommandBatch<Command>, into outputs: inout [Output], keeping changes: ([Output]) -> [SessionRecord]
    ) throws {
        try apply(batch, into: &outputs)
    }
    public mutating func restore(
        _ contents: inout SnapshotContents, through last: LogID, sessions: [SessionRecord]
    ) throws {
        try restore(&contents, through: last)
    }

    /// Compiled where the machine is, which knows its types: each output would look up the type of their array here.
    @inlinable
    public mutating func apply(_ batch: CommandBatch<Command>, into outputs: inout [Output]) throws {
        try batch.forEachCommand { command, id in outputs.append(try apply(command, at: id)) }
    }
}

/// A run of committed entries, as a state machine sees it: its commands, and how far it goes.
public struct CommandBatch<Command: ReplicatedCommand>: Sendable {
    private let entries: [EntryBatch]
    /// The last entry of the run, a command or not. A machine with files of its own keeps it with the state.
    public let through: LogID
    /// The commands of sessions among them that are to be applied, in order; the others were applied before.
    private let applying: [LogIndex]

    /// Without commands of sessions: these are applied by a node only, which knows whether they were before.
    ///
    /// - Parameter entries: not empty, in order and without a gap.
    public init(_ entries: [EntryBatch]) { self.init(entries, applying: []) }

    init(_ entries: [EntryBatch], applying: [LogIndex]) {
        precondition(!entries.isEmpty, "a run of committed entries has at least one")
        self.entries = entries
        self.applying = applying
        through = entries[entries.count - 1].last
    }

    /// How many commands there are at most (some entries are none).
    public var maximumCount: Int { entries.reduce(0) { $0 + $1.count } }

    /// - Throws: what `body` throws, or what ``ReplicatedCommand/init(decoding:)`` throws.
    public func forEachCommand(_ body: (Command, LogID) throws -> Void) throws {
        var next = 0
        for batch in entries {
            for position in 0..<batch.count {
                let entry = batch[position]
                if entry.kind == .command {
                    try body(try Command(decoding: entry.payload), entry.id)
                } else if next < applying.count, applying[next] == entry.id.index {
                    next += 1
                    try body(
                        try Command(decoding: entry.payload.dropFirst(SessionRequest.headerSize)), entry.id)
                }
            }
        }
    }
}
