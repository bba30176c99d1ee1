/// What the cluster knows of its clients' sessions: replicated state beside the state machine (dissertation §6.3).
///
/// Every node decides on the same entries in the same order, so every node has the same table. A run of entries goes
/// through in two steps: `decide` for each, in order; then, once the machine has applied the run, `record` for each
/// reply, in the same order. How the log is cut into runs makes no difference: a decision never looks at a reply's
/// bytes, and what a reply displaces (the lowest numbers of its own session) is what an acknowledgement in between
/// would have taken first.
///
/// Invariant: a number is applied at most once. It is remembered until the client says that it has the reply, and
/// refused after that.
struct SessionTable: Sendable, Equatable {
    enum Reply: Sendable, Equatable {
        /// The machine has not answered yet. Never between two runs.
        case pending
        case kept([UInt8])
        /// It was applied, and its reply did not fit.
        case dropped
    }

    struct Record: Sendable, Equatable {
        var sequence: UInt64
        /// The entry that was applied for it.
        var id: LogID
        var reply: Reply
    }

    struct Session: Sendable, Equatable {
        var lastActive: LogIndex
        /// Everything below is acknowledged.
        var lowest: UInt64 = 1
        var maximumReplies: Int
        var maximumReplyBytes: Int
        /// In order of their numbers.
        var records: [Record] = []
        var replyBytes = 0

        /// Where this number is, or would be.
        func position(of sequence: UInt64) -> Int {
            var (low, high) = (0, records.count)
            while low < high {
                let middle = (low + high) / 2
                if records[middle].sequence < sequence { low = middle + 1 } else { high = middle }
            }
            return low
        }
    }

    /// What becomes of one command.
    enum Decision: Sendable, Equatable {
        case apply
        /// It was applied before, by this entry.
        case repeated(LogID, Reply)
        case refuse(SessionRefusal)
    }

    /// Never iterated where order matters.
    private(set) var sessions: [SessionID: Session] = [:]
    private(set) var replyCount = 0
    private(set) var replyBytes = 0
    /// Whether it keeps in mind what has changed, for a machine with files of its own.
    var keepsChanges = false
    private var changed: [SessionRecord.Key] = []

    init() {}

    static func == (a: SessionTable, b: SessionTable) -> Bool { a.sessions == b.sessions }

    var count: Int { sessions.count }
    var isEmpty: Bool { sessions.isEmpty }
    /// In order of their ids.
    var summaries: [SessionSummary] {
        sessions.sorted { $0.key < $1.key }.map { id, session in
            SessionSummary(
                id: id, lastActive: session.lastActive, lowestUnanswered: session.lowest,
                replyCount: session.records.count, replyBytes: session.replyBytes)
        }
    }

    private mutating func note(_ id: SessionID, _ sequence: UInt64? = nil) {
        if keepsChanges { changed.append(.init(session: id, sequence: sequence)) }
    }

    // MARK: Sessions

    /// Begins a session. Returns those that had to make room for it.
    mutating func register(_ limits: SessionLimits, at index: LogIndex) -> [SessionID] {
        var ended: [SessionID] = []
        while sessions.count >= max(1, Int(limits.sessions)),
            let oldest = sessions.min(by: { $0.value.lastActive < $1.value.lastActive })?.key
        {
            remove(oldest)
            ended.append(oldest)
        }
        let id = SessionID(index.rawValue)
        insert(
            Session(
                lastActive: index, maximumReplies: max(1, Int(limits.replies)),
                maximumReplyBytes: Int(limits.replyBytes)), id)
        note(id)
        return ended
    }

    mutating func insert(_ session: Session, _ id: SessionID) {
        sessions[id] = session
        replyCount += session.records.count
        replyBytes += session.replyBytes
    }

    /// Returns false when there is no such session.
    mutating func keepAlive(_ id: SessionID, lowestUnanswered: UInt64, at index: LogIndex) -> Bool {
        guard sessions[id] != nil else { return false }
        touch(id, lowestUnanswered, at: index)
        return true
    }

    /// Ends a session unless it was spoken of behind `index`. Returns whether it ended.
    mutating func expire(_ id: SessionID, unheardSince index: LogIndex) -> Bool {
        guard let session = sessions[id] else { return false }
        guard session.lastActive <= index || Mutant.isOn("expire-ends-active") else { return false }
        remove(id)
        return true
    }

    mutating func remove(_ id: SessionID) {
        guard let session = sessions.removeValue(forKey: id) else { return }
        replyCount -= session.records.count
        replyBytes -= session.replyBytes
        note(id)
        for record in session.records { note(id, record.sequence) }
    }

    private mutating func touch(_ id: SessionID, _ lowest: UInt64, at index: LogIndex) {
        sessions[id]!.lastActive = index
        note(id)
        guard lowest > sessions[id]!.lowest else { return }
        sessions[id]!.lowest = lowest
        let count = sessions[id]!.position(of: lowest)
        guard count > 0 else { return }
        for record in sessions[id]!.records[..<count] {
            note(id, record.sequence)
            if case .kept(let bytes) = record.reply {
                sessions[id]!.replyBytes -= bytes.count
                replyBytes -= bytes.count
            }
        }
        sessions[id]!.records.removeFirst(count)
        replyCount -= count
    }

    // MARK: Commands

    mutating func decide(_ request: SessionRequest, at id: LogID) -> Decision {
        guard sessions[request.session] != nil else { return .refuse(.expired) }
        touch(request.session, request.lowestUnanswered, at: id.index)
        let session = sessions[request.session]!
        guard request.sequence >= session.lowest else { return .refuse(.acknowledged(below: session.lowest)) }
        let position = session.position(of: request.sequence)
        if position < session.records.count, session.records[position].sequence == request.sequence {
            let record = session.records[position]
            if Mutant.isOn("retry-applied-twice") { return .apply }
            if !(Mutant.isOn("retry-after-new-leader") && record.id.term != id.term) {
                return .repeated(record.id, record.reply)
            }
            return .apply
        }
        guard session.records.count < session.maximumReplies else {
            return .refuse(.full(session.maximumReplies))
        }
        sessions[request.session]!.records.insert(
            Record(sequence: request.sequence, id: id, reply: .pending), at: position)
        replyCount += 1
        note(request.session, request.sequence)
        return .apply
    }

    /// The machine's reply to a command that it was told to apply. Returns how many replies had to go for it.
    mutating func record(_ reply: [UInt8], of sequence: UInt64, in id: SessionID) -> Int {
        // Acknowledged or ended behind it, in the same run.
        guard let session = sessions[id] else { return 0 }
        let position = session.position(of: sequence)
        guard position < session.records.count, session.records[position].sequence == sequence,
            session.records[position].reply == .pending
        else { return 0 }
        sessions[id]!.records[position].reply = Mutant.isOn("reply-not-stored") ? .kept([]) : .kept(reply)
        note(id, sequence)
        sessions[id]!.replyBytes += reply.count
        replyBytes += reply.count
        var dropped = 0
        var at = 0
        while sessions[id]!.replyBytes > session.maximumReplyBytes, at < sessions[id]!.records.count {
            if case .kept(let bytes) = sessions[id]!.records[at].reply, !bytes.isEmpty {
                sessions[id]!.records[at].reply = .dropped
                sessions[id]!.replyBytes -= bytes.count
                replyBytes -= bytes.count
                note(id, sessions[id]!.records[at].sequence)
                dropped += 1
            }
            at += 1
        }
        return dropped
    }

    // MARK: Changes

    /// What has changed since the last time, for a machine that keeps the table with its own state.
    mutating func takeChanges() -> [SessionRecord] {
        let keys = Set(changed).sorted()
        changed.removeAll(keepingCapacity: true)
        return keys.map { key in SessionRecord(key: key, value: value(of: key)) }
    }
}

/// Why a command of a session was not applied.
enum SessionRefusal: Sendable, Equatable {
    case expired
    case acknowledged(below: UInt64)
    case full(Int)
    /// This state machine has no sessions.
    case unsupported
    /// It was applied, and its reply is not there any more.
    case dropped(LogID)

    func error(_ request: SessionRequest) -> RaftError {
        let name = "session \(request.session)"
        switch self {
        case .expired:
            return RaftError(
                .sessionExpired,
                "\(name) has expired, was closed, or never was; command \(request.sequence) was not applied now, but if it was sent before, it may have been. Register another session",
                outcome: .unknown)
        case .acknowledged(let lowest):
            return RaftError(
                .replyDropped,
                "command \(request.sequence) of \(name) is below \(lowest), through which its client has said to have every reply; it is not applied again",
                outcome: .unknown)
        case .full(let count):
            return RaftError(
                .overloaded,
                "\(name) has \(count) commands whose replies are not acknowledged, the most that it may have (maximumSessionReplies); command \(request.sequence) was not applied"
            )
        case .unsupported:
            return RaftError(
                .invalidConfiguration,
                "this state machine has no sessions: let its Output be ReplicatedOutput and its sessions not be none")
        case .dropped(let id):
            return RaftError(
                .replyDropped,
                "command \(request.sequence) of \(name) was applied by entry \(id); its reply did not fit (maximumSessionReplyBytes), and it is not applied again",
                outcome: .unknown)
        }
    }
}
