internal import Synchronization

/// A caller who waits. Settled exactly once: whoever comes first, success, failure, deadline or cancellation, wins.
///
/// Not generic, so that the core need not be; what a caller gets is known to its subclasses, which the rim makes and
/// the Applier settles.
class Ticket: @unchecked Sendable {
    // @unchecked: `settled` is atomic, and subclasses hold only what the winner of it may touch.
    private let settled = Atomic<Bool>(false)
    init() {}

    /// Whether the caller is the one who settles this ticket.
    final func claim() -> Bool { !settled.exchange(true, ordering: .acquiringAndReleasing) }
    final var isSettled: Bool { settled.load(ordering: .acquiring) }

    /// Settles it with an error, unless it is settled already.
    final func fail(_ error: RaftError) {
        if claim() { failed(error) }
    }

    /// To be overridden: tells the caller. Called at most once.
    func failed(_ error: RaftError) {}
}

/// A caller who waits for one value. Once it is settled nothing of the caller's is kept, whoever still holds the ticket.
class ValueTicket<Value: Sendable>: Ticket, @unchecked Sendable {
    // @unchecked: as its superclass; only who has claimed the ticket touches `completion`.
    private var completion: (@Sendable (Result<Value, RaftError>) -> Void)?

    required init(_ completion: @escaping @Sendable (Result<Value, RaftError>) -> Void) {
        self.completion = completion
    }
    final override func failed(_ error: RaftError) { settle(.failure(error)) }
    final func succeed(_ value: Value) {
        if claim() { settle(.success(value)) }
    }

    /// Without Optional.take(), which looks up the type of a closure over a generic one each time.
    private func settle(_ result: Result<Value, RaftError>) {
        let told = completion
        completion = nil
        told?(result)
    }
}

/// A caller who waits for nothing but that something is done.
final class CompletionTicket: ValueTicket<Void>, @unchecked Sendable {
    // @unchecked: as its superclass.
    func succeed() { succeed(()) }
}

/// A command on its way into the log, with its caller.
struct Proposal: Sendable {
    var kind = EntryKind.command
    var payload: [UInt8]
    /// The only term in which it is to be taken; nil for any.
    var term: Term?
    /// As the kind of its entry wants it: an `OutputTicket`, a `SessionTicket` with `.session`, a `BarrierTicket` with
    /// `.blank`.
    var ticket: Ticket
    /// How a node that does not lead passes it on; nil where it must not, as when another member has done so.
    var forward: ForwardCall?
}
