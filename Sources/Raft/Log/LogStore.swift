/// A node's term and vote: with the log, all that a node must never forget (Figure 2, "persistent state").
public struct HardState: Hashable, Sendable, CustomStringConvertible {
    public var currentTerm: Term
    public var votedFor: NodeID?
    public init(currentTerm: Term = 0, votedFor: NodeID? = nil) {
        self.currentTerm = currentTerm
        self.votedFor = votedFor
    }
    public var description: String { "term \(currentTerm), vote \(votedFor.map(String.init(describing:)) ?? "none")" }
}

/// One thing that a log store makes durable.
public enum LogOperation: Sendable {
    /// Replaces term and vote.
    case hardState(HardState)
    /// Forgets every entry above `through`.
    case truncate(through: LogID)
    /// Adds entries behind the last one. Its first index is always one above the last index then held.
    case append(EntryBatch)
    /// Need not keep the entries through this one any more, which the log holds: a durable snapshot has their effect.
    /// What is kept all the same begins wherever suits the store, and is never read.
    case purge(through: LogID)
    /// Forgets every entry: the log goes on behind this one, which it need not hold; a durable snapshot ends there.
    case reset(to: LogID)
}

/// What a store holds when it is opened.
public struct RecoveredLog: Sendable {
    public var hardState: HardState
    /// The entry before the first one that is kept (`.zero` as long as nothing was purged).
    public var purged: LogID
    /// Where each new term begins: the first kept entry of each run of equal terms, in order.
    public var termStarts: [LogID]
    /// The last entry, or `purged` when there is none.
    public var last: LogID
    /// Every configuration entry that is kept, in order of index.
    public var configurations: [(id: LogID, payload: [UInt8])]
    /// The data directory's life; the same for as long as the data is.
    public var incarnation: Incarnation

    /// For a store of one's own: each part is described where it is declared.
    public init(
        hardState: HardState, purged: LogID, termStarts: [LogID], last: LogID,
        configurations: [(id: LogID, payload: [UInt8])], incarnation: Incarnation
    ) {
        self.hardState = hardState
        self.purged = purged
        self.termStarts = termStarts
        self.last = last
        self.configurations = configurations
        self.incarnation = incarnation
    }
}

/// Where the log, the term and the vote are kept. ``MemoryLogStore`` keeps them in memory, `SegmentedLog` of
/// RaftStorage on disk; a program may bring its own.
///
/// Calls are synchronous and may block: they are made on the node's disk loop, never on its own loop, and one at a
/// time, except for ``read(from:through:maximumBytes:)``, which another thread may call beside a ``write(_:)``.
public protocol LogStore: AnyObject, Sendable {
    /// Reads what is there. Called once, before anything else.
    ///
    /// - Throws: when what is there cannot be trusted; the node then does not start.
    func open() throws -> RecoveredLog

    /// Performs `operations` in this order and returns once **all of them are durable**.
    ///
    /// The order on disk must be the order given: a crash at any moment leaves the effect of some prefix of all
    /// operations ever passed, except that an entry group may be cut anywhere behind the last one that returned.
    ///
    /// - Throws: `.outOfSpace` when there is no room for all of them. The store then **keeps** the ones that it has not
    ///   performed, and the next call performs them before its own; every call that it gets meanwhile, with operations
    ///   or without, is another attempt. Entries that it keeps are not read. A purge among them may be performed first:
    ///   it may be what makes room. A store that cannot do so throws another code.
    ///
    ///   Anything else is a failure to write or sync. The store is never used again after that: a failed fsync cannot
    ///   be retried, since the kernel may have dropped the pages (Rebello et al., USENIX ATC '20).
    func write(_ operations: [LogOperation]) throws

    /// Why the store could not make room ahead of its need; nil while it could. The next writes may still find room,
    /// later ones will not. Looked at after each ``write(_:)``; as long as there is a shortage, the node's leader takes
    /// no commands, and an empty write is made about once a second, at which the store tries again.
    var shortage: RaftError? { get }

    /// Entries from `first` on, as many as fit in `maximumBytes` (at least one), none above `last`.
    ///
    /// - Throws: when the range is not kept, or cannot be read correctly.
    func read(from first: LogIndex, through last: LogIndex, maximumBytes: Int) throws -> EntryBatch

    /// Releases every resource. Nothing is called afterwards.
    func close()
}
