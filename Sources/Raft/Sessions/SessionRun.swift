/// What becomes of the entries of sessions in one run of committed entries: decided before the machine applies it.
struct SessionRun: Sendable {
    enum Outcome: Sendable, Equatable {
        /// The machine applies it; its output is the one at this place.
        case applied(output: Int)
        /// An earlier entry was applied for it, in this run if there is a place.
        case repeated(LogID, SessionTable.Reply, output: Int?)
        case refused(SessionRefusal)
        /// An entry about a session did what it is for.
        case done(SessionID)
    }

    struct Step: Sendable, Equatable {
        var id: LogID
        /// Nil for an entry about a session.
        var request: SessionRequest?
        var outcome: Outcome
    }

    /// In order, one for each entry of a session.
    private(set) var steps: [Step] = []
    /// The sessions that ended because they were silent, and how many to make room.
    private(set) var expired: [(session: SessionID, unheardSince: LogIndex, by: LogID)] = []
    private(set) var displacedCount = 0
    private var outputCount = 0

    /// The entries that the machine applies.
    var applying: [LogIndex] {
        steps.compactMap { step in
            if case .applied = step.outcome { step.id.index } else { nil }
        }
    }

    /// - Parameter isSupported: whether the machine has sessions; without, everything is refused.
    /// - Throws: ``RaftError/Code/corrupt`` for an entry that this version does not know.
    init(_ entries: [EntryBatch], _ table: inout SessionTable, isSupported: Bool) throws(RaftError) {
        for batch in entries {
            for position in 0..<batch.count {
                switch batch.kind(at: position) {
                case .blank, .configuration: continue
                case .command: outputCount += 1
                case .sessionCommand:
                    let entry = batch[position]
                    let request = try SessionRequest(decoding: entry.payload)
                    let outcome = isSupported ? decide(request, entry.id, &table) : .refused(.unsupported)
                    steps.append(Step(id: entry.id, request: request, outcome: outcome))
                case .session:
                    let entry = batch[position]
                    let order = try SessionOrder(decoding: entry.payload)
                    let outcome = isSupported ? obey(order, entry.id, &table) : .refused(.unsupported)
                    steps.append(Step(id: entry.id, request: nil, outcome: outcome))
                }
            }
        }
    }

    private mutating func decide(_ request: SessionRequest, _ id: LogID, _ table: inout SessionTable) -> Outcome {
        switch table.decide(request, at: id) {
        case .apply:
            outputCount += 1
            return .applied(output: outputCount - 1)
        case .repeated(let first, .pending):
            let place = steps.last { $0.id == first }.flatMap { step in
                if case .applied(let output) = step.outcome { output } else { nil }
            }
            return .repeated(first, .pending, output: place)
        case .repeated(let first, let reply): return .repeated(first, reply, output: nil)
        case .refuse(let refusal): return .refused(refusal)
        }
    }

    private mutating func obey(_ order: SessionOrder, _ id: LogID, _ table: inout SessionTable) -> Outcome {
        switch order {
        case .register(let limits):
            displacedCount += table.register(limits, at: id.index).count
            return .done(SessionID(id.index.rawValue))
        case .keepAlive(let session, let lowest):
            let isThere = table.keepAlive(session, lowestUnanswered: lowest, at: id.index)
            return isThere ? .done(session) : .refused(.expired)
        case .close(let session):
            table.remove(session)
            return .done(session)
        case .expire(let session, let index):
            if table.expire(session, unheardSince: index) { expired.append((session, index, id)) }
            return .done(session)
        }
    }
}
