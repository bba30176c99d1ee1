/// Names a client's session for ever: the index of the log entry that registered it (dissertation §6.3). No two
/// sessions of a cluster ever share one.
public struct SessionID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: UInt64
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    public static func < (a: SessionID, b: SessionID) -> Bool { a.rawValue < b.rawValue }
    public var description: String { "\(rawValue)" }
}

/// Which command of a session this is. The cluster applies each at most once, however often it is proposed.
public struct SessionRequest: Hashable, Sendable {
    public var session: SessionID
    /// The command's own number: 1 or more, given once, kept for every retry. Commands may be under way in any number
    /// and arrive in any order.
    public var sequence: UInt64
    /// The client has the reply of every command with a lower number, or does not want it any more: those replies are
    /// dropped, and a command with such a number is refused from then on. At most ``sequence``.
    public var lowestUnanswered: UInt64

    public init(session: SessionID, sequence: UInt64, lowestUnanswered: UInt64) {
        self.session = session
        self.sequence = sequence
        self.lowestUnanswered = lowestUnanswered
    }
}

/// A session as one node has it.
public struct SessionSummary: Hashable, Sendable {
    public var id: SessionID
    /// The last entry that spoke of it.
    public var lastActive: LogIndex
    /// The lowest number whose reply its client may still ask for.
    public var lowestUnanswered: UInt64
    /// How many commands are remembered, and how many bytes their replies have.
    public var replyCount: Int
    public var replyBytes: Int

    public init(id: SessionID, lastActive: LogIndex, lowestUnanswered: UInt64, replyCount: Int, replyBytes: Int) {
        self.id = id
        self.lastActive = lastActive
        self.lowestUnanswered = lowestUnanswered
        self.replyCount = replyCount
        self.replyBytes = replyBytes
    }
}

/// How many sessions a node has, and what became of their commands since it started.
public struct SessionCounts: Hashable, Sendable {
    public var sessions = 0
    public var replies = 0
    public var replyBytes = 0
    /// Retries that were answered with the first reply, and not applied again.
    public var repeated = 0
    /// Commands that were not applied: of no session, acknowledged already, or too many at a time.
    public var refused = 0
    /// Sessions that ended without their client's wish.
    public var expired = 0
    public init() {}
}

/// The numbers of one client's commands: what a client must keep to use a session.
///
/// Give each command ``next()`` once, use the same request for every retry, and call ``answered(_:)`` when its reply
/// is there, or nobody will ever ask for it again.
public struct SessionNumbers: Hashable, Sendable {
    public let session: SessionID
    private var last: UInt64 = 0
    private var open: Set<UInt64> = []
    /// No number below is open.
    private var lowest: UInt64 = 1

    public init(_ session: SessionID) { self.session = session }

    /// How many commands wait for their reply.
    public var openCount: Int { open.count }
    /// The lowest number without a reply.
    public var lowestUnanswered: UInt64 { lowest }

    /// The request of a new command.
    public mutating func next() -> SessionRequest {
        last += 1
        open.insert(last)
        return SessionRequest(session: session, sequence: last, lowestUnanswered: lowest)
    }

    /// The reply of this number is there, or is given up: the cluster may forget it.
    public mutating func answered(_ sequence: UInt64) {
        open.remove(sequence)
        while lowest <= last, !open.contains(lowest) { lowest += 1 }
    }
}
