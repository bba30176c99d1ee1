internal import Raft
internal import RaftKeyValue

/// When leases end, by the clock of the leader. Pure: a value that is told what time it is.
///
/// A lease ends no earlier than its time after it was granted or last kept alive, on a clock that runs too fast by no
/// more than the configured drift. Who begins to lead knows nothing of what others were told: for it each lease begins
/// anew. So does each that it sees for the first time, later than it was granted: never too early.
struct LeaseRules {
    private struct Course {
        var deadline: Duration
        /// Its end was proposed, and nobody can keep it alive any more, unless that comes to nothing.
        var endsSince: Duration?
    }
    /// In millionths.
    let maximumClockDrift: Int
    private var term: UInt64?
    private var courses: [UInt64: Course] = [:]
    /// After so long without an effect the end of a lease is proposed again.
    static let retryInterval = Duration.seconds(5)

    /// Wrong, and there to be noticed: see ``ClientFront/Limits/remembersLeases``.
    private let remembers: Bool

    init(maximumClockDrift: Int, remembers: Bool = false) {
        self.maximumClockDrift = maximumClockDrift
        self.remembers = remembers
    }

    private func stretched(_ milliseconds: UInt64) -> Duration {
        let bounded = Int64(clamping: min(milliseconds, UInt64(KeyValueLimits.leaseMilliseconds.upperBound)))
        return .microseconds(bounded * 1000 + bounded * Int64(maximumClockDrift) / 1000)
    }

    /// Forgets everything when the node does not lead, or not in the same term as before.
    mutating func lead(_ term: UInt64?) {
        guard term != self.term else { return }
        self.term = term
        if !remembers { courses = [:] }
    }

    /// - Parameter leases: all that there are.
    /// - Returns: those whose end is to be proposed, in order.
    mutating func ending(_ leases: [(id: UInt64, milliseconds: UInt64)], now: Duration) -> [UInt64] {
        guard term != nil else { return [] }
        var ending: [UInt64] = []
        var seen: [UInt64: Course] = [:]
        for (id, milliseconds) in leases {
            var course = courses[id] ?? Course(deadline: now + stretched(milliseconds))
            if course.deadline <= now, course.endsSince.map({ now - $0 >= Self.retryInterval }) ?? true {
                course.endsSince = now
                ending.append(id)
            }
            seen[id] = course
        }
        courses = seen
        return ending
    }

    /// - Parameters:
    ///   - term: in which the node led before and after it was found that the lease is there.
    ///   - now: no later than when that was found.
    /// - Returns: false when the node does not lead in that term any more, or the lease is about to end.
    mutating func keepAlive(_ id: UInt64, milliseconds: UInt64, in term: UInt64, now: Duration) -> KeepAlive {
        guard term == self.term else { return .notLeading }
        guard courses[id]?.endsSince == nil else { return .ending }
        courses[id] = Course(deadline: now + stretched(milliseconds))
        return .kept
    }

    enum KeepAlive: Hashable {
        case kept
        case ending
        case notLeading
    }
}

/// Ends leases whose time is over, while this node leads.
final class LeaseKeeper: Sendable {
    static let tick = Duration.milliseconds(500)

    private let node: RaftNode<KeyValueMachine>
    private let rules: Lock<LeaseRules>
    private let now: @Sendable () -> Duration

    /// - Parameter now: since some fixed point.
    init(node: RaftNode<KeyValueMachine>, _ rules: LeaseRules, now: @escaping @Sendable () -> Duration) {
        self.node = node
        self.now = now
        self.rules = Lock(rules)
    }

    /// The term in which this node leads.
    private var term: Term? {
        let status = node.status
        return status.role == .leader ? status.currentTerm : nil
    }

    /// Every ``tick``.
    func look() {
        let term = term
        rules.withLock { $0.lead(term?.rawValue) }
        guard let term else { return }
        node.read(.local) { machine in
            try machine.leaseTimes()
        } completion: { [self] result in
            guard case .success(.success(let leases)) = result, self.term == term else { return }
            let ending = rules.withLock { $0.ending(leases, now: now()) }
            // Only by this leader: for the next one they have begun anew.
            for id in ending {
                node.propose(.revoke(lease: id), onlyInTerm: term, within: nil) { _ in }
            }
        }
    }

    /// Keeps a lease alive from now on.
    ///
    /// That nobody else leads is asked of a quorum: a leader that was replaced must not promise what its successor does
    /// not know of.
    func keepAlive(
        _ id: UInt64, within timeout: Duration? = nil,
        _ completion: @escaping @Sendable (Result<UInt64?, RaftError>) -> Void
    ) {
        let begun = now()
        guard let term else {
            return completion(
                .failure(RaftError(.notLeader, "only the leader keeps leases alive", leader: node.status.leader)))
        }
        node.read(.linearizable, timeout: timeout ?? .seconds(5)) { machine in
            try machine.leaseMilliseconds(id)
        } completion: { [self] result in
            switch result {
            case .failure(let error): completion(.failure(error))
            case .success(.failure(let error)):
                completion(.failure(RaftError(error, or: .stateMachine)))
            case .success(.success(nil)): completion(.success(nil))
            case .success(.success(let milliseconds?)):
                guard self.term == term else {
                    return completion(
                        .failure(
                            RaftError(
                                .notLeader, "this node stopped leading in term \(term)", leader: node.status.leader)))
                }
                let kept = rules.withLock { rules in
                    rules.lead(term.rawValue)
                    return rules.keepAlive(id, milliseconds: milliseconds, in: term.rawValue, now: begun)
                }
                if kept == .notLeading {
                    return completion(.failure(RaftError(.notLeader, "this node stopped leading in term \(term)")))
                }
                completion(.success(kept == .kept ? milliseconds : nil))
            }
        }
    }
}
