internal import Raft

/// Watches what each node makes of the commands of sessions (I18, I20).
final class SessionChecker: @unchecked Sendable {
    // @unchecked: as the scheduler.
    private struct Number: Hashable {
        var session: SessionID
        var sequence: UInt64
    }
    private var first: [Number: (id: LogID, reply: [UInt8]?)] = [:]
    private var outcomes: [LogIndex: SessionEvent.Outcome] = [:]
    private var digests: [LogIndex: UInt64] = [:]
    /// The entries of each session's commands, whatever came of them.
    private var activity: [SessionID: Set<LogIndex>] = [:]
    private let fail: (_ invariant: String, _ text: String) -> Void

    init(_ fail: @escaping (_ invariant: String, _ text: String) -> Void) { self.fail = fail }

    /// I18: one number is applied at one index, on every node the same, and all its replies are equal.
    func applied(_ event: SessionEvent, on node: NodeID) {
        activity[event.request.session, default: []].insert(event.id.index)
        let number = Number(session: event.request.session, sequence: event.request.sequence)
        let name = "command \(number.sequence) of session \(number.session)"
        if let other = outcomes.updateValue(event.outcome, forKey: event.id.index), other != event.outcome {
            fail("I18", "entry \(event.id) with \(name) was \(other), and \(event.outcome) on node \(node)")
        }
        if event.outcome == .refused { return }
        guard let known = first[number] else {
            if event.outcome == .repeated {
                fail("I18", "node \(node) took entry \(event.id) for a retry of \(name), which was never applied")
            }
            first[number] = (event.id, event.reply)
            return
        }
        if event.outcome == .applied, known.id != event.id {
            fail("I18", "\(name) was applied at \(known.id), and again at \(event.id) on node \(node)")
        }
        if let reply = event.reply, reply != known.reply {
            fail("I18", "node \(node) answered \(name) at \(event.id) otherwise than the first time")
        }
    }

    /// I18: whoever was heard between what an order to end its session knew, and that order, keeps its session.
    func expired(_ session: SessionID, unheardSince index: LogIndex, by id: LogID, on node: NodeID) {
        guard let heard = activity[session]?.filter({ $0 > index && $0 < id.index }).min() else { return }
        fail(
            "I18",
            "node \(node) ended session \(session) by entry \(id), as unheard since entry \(index); entry \(heard) was its own"
        )
    }

    /// I20: the sessions are part of the state.
    func compare(_ digest: UInt64, through index: LogIndex, on node: NodeID) {
        if let other = digests.updateValue(digest, forKey: index), other != digest {
            fail("I20", "after entry \(index) node \(node) has other sessions than the others had")
        }
    }
}
