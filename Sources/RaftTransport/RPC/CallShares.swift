internal import Raft
internal import Synchronization

/// How many calls are at work for each caller, over all of its connections: else whoever opens a hundred connections has
/// a hundred times the calls that one may have.
final class CallShares: Sendable {
    private struct Entry {
        weak var share: CallShare?
    }
    private let maximum: Int
    private let entries = Lock<[Principal: Entry]>([:])

    init(maximum: Int) { self.maximum = maximum }

    /// The caller's share: the same one for all of its connections, kept for as long as any of them is.
    func share(of principal: Principal) -> CallShare {
        entries.withLock { entries in
            if let share = entries[principal]?.share { return share }
            let share = CallShare(principal, maximum: maximum, of: self)
            entries[principal] = Entry(share: share)
            return share
        }
    }

    /// How many callers have connections.
    var count: Int { entries.withLock { $0.count } }

    fileprivate func forget(_ principal: Principal) {
        entries.withLock { entries in
            // A new one may have taken its place.
            if let entry = entries[principal], entry.share == nil { entries[principal] = nil }
        }
    }
}

/// The calls and streams of one caller. From any thread.
final class CallShare: Sendable {
    private let principal: Principal
    let maximum: Int
    private let owner: CallShares
    private let atWork = Atomic<Int>(0)

    fileprivate init(_ principal: Principal, maximum: Int, of owner: CallShares) {
        self.principal = principal
        self.maximum = maximum
        self.owner = owner
    }

    deinit { owner.forget(principal) }

    /// - Returns: a place for one more; nil when it has as many as it may.
    func take() -> CallPlace? {
        guard atWork.add(1, ordering: .relaxed).newValue <= maximum else {
            giveBack()
            return nil
        }
        return CallPlace(self)
    }

    fileprivate func giveBack() { atWork.subtract(1, ordering: .relaxed) }
}

/// One call or stream of a share, until it is answered or nobody works on it any more: also when its caller or its
/// connection is gone.
final class CallPlace: Sendable {
    private let share: CallShare
    private let isFree = Atomic<Bool>(false)
    fileprivate init(_ share: CallShare) { self.share = share }
    deinit { giveBack() }

    /// The call is answered. What worked on it may still be held, by a timer for its deadline, say.
    func giveBack() {
        if !isFree.exchange(true, ordering: .relaxed) { share.giveBack() }
    }
}
