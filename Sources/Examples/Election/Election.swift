import RaftClient

/// An election for any program: of all who campaign for a key, one has it at a time.
///
/// The key is put with a lease, if it is absent, so it goes when its holder is silent for too long. What an election
/// cannot do: keep a holder that was held up, and does not know it, from going on. So it gives each one a *fencing token*
/// that only grows, the revision of its put; whatever the holder writes to takes it along, and refuses those that are
/// lower than one it has seen.
struct Election: Sendable {
    let client: KeyValueClient
    let key: [UInt8]
    /// For how long a holder may be silent: a second at least. The next one begins so late after a death.
    let patience: Duration

    init(_ name: String, at client: KeyValueClient, patience: Duration) {
        self.client = client
        key = Array("elections/\(name)".utf8)
        self.patience = patience
    }

    /// Waits until this candidate leads.
    ///
    /// - Parameter candidate: its name, for others to see.
    /// - Throws: a `RaftClientError`. Whatever it has put goes with its lease.
    func campaign(_ candidate: String) async throws -> Leadership {
        while true {
            // Before the grant, not behind it: one whose answer got lost, and that was made again, began earlier.
            let since = ContinuousClock.now
            let lease = try await client.grantLease(for: patience)
            let result: TransactionResult
            do throws(RaftClientError) {
                result = try await client.txn(
                    KeyValueTransaction(
                        if: [.absent(key)], then: [.put(key: key, value: Array(candidate.utf8), lease: lease)],
                        else: [.get(key)]))
            } catch {
                // The lease may be over before its key is put: another one. (Half of it, since clocks differ.) Refused
                // earlier than that it is about the key.
                guard error.code == .refused, ContinuousClock.now - since > patience / 2 else { throw error }
                continue
            }
            // What took too long may be over already, and another one lead: that is no leadership to begin with.
            if result.succeeded, let revision = result.revision, ContinuousClock.now < since + patience {
                return Leadership(election: self, token: revision, lease: lease, since: since)
            }
            _ = try? await client.revokeLease(lease)  // not to be kept while we wait; else it ends by itself
            if case .range(let page)? = result.results.first, let holder = page.entries.first {
                try await untilGone(after: holder.revision)
            }
        }
    }

    /// Returns when the key was removed after a revision. Others may be faster then.
    private func untilGone(after revision: UInt64) async throws {
        do throws(RaftClientError) {
            for try await case .change(let change) in client.watch(KeyRange(key: key), from: revision + 1)
            where change.entry == nil { return }
        } catch {
            guard error.code == .compacted else { throw error }  // so long ago: look again
        }
    }

    /// Who leads, and its token; nil when nobody does.
    func leader() async throws -> (name: String, token: UInt64)? {
        guard let entry = try await client.get(key) else { return nil }
        return (String(decoding: entry.value, as: UTF8.self), entry.created)
    }
}

/// The time in which a candidate leads.
struct Leadership: Sendable {
    let election: Election
    /// Higher than that of every leader before.
    let token: UInt64
    let lease: UInt64
    /// No later than when the lease began; less than the patience ago when the campaign ended.
    let since: ContinuousClock.Instant
    struct Lost: Error {}

    /// Runs `body` for as long as this leadership is kept alive, and resigns when it ends.
    ///
    /// - Throws: ``Lost`` when it is over, or may be since the cluster cannot be reached; `body` is cancelled then.
    func hold(while body: @escaping @Sendable (Leadership) async throws -> Void) async throws {
        let result: Result<Void, any Error>
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await keep() }
                group.addTask { try await body(self) }
                defer { group.cancelAll() }
                try await group.next()
            }
            result = .success(())
        } catch {
            result = .failure(error)
        }
        if !Task.isCancelled { await resign() }
        try result.get()
    }

    /// Lets the next one lead at once. If it comes to nothing the lease ends by itself.
    func resign() async { _ = try? await election.client.revokeLease(lease, timeout: election.patience) }

    /// Goes on until the task is cancelled, or the leadership is lost.
    private func keep() async throws {
        var end = since + election.patience
        while true {
            try await Task.sleep(until: min(ContinuousClock.now + election.patience / 3, end), clock: .continuous)
            let begun = ContinuousClock.now
            guard begun < end else { throw Lost() }
            do throws(RaftClientError) {
                guard try await election.client.keepLeaseAlive(lease, timeout: end - begun) != nil else {
                    throw RaftClientError(.refused, "the lease is over")
                }
                end = begun + election.patience
            } catch {
                // By our own clock, counted from before the call, the lease lives until `end` at least.
                guard error.code == .unavailable, ContinuousClock.now < end else { throw Lost() }
            }
        }
    }

    /// For what is kept in the cluster itself: with this among the comparisons of a transaction, nothing is done that a
    /// leader does after another one has come.
    var isHeld: KeyValueTransaction.Comparison {
        KeyValueTransaction.Comparison(key: election.key, property: .created(token))
    }
}
