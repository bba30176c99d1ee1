public import RaftKeyValueModel
internal import RaftTransport

extension KeyValueClient {
    /// Does a transaction: one list of operations or another, by what the keys are, all of them together. One that only
    /// reads is a linearizable read, and is made again like one.
    ///
    /// ```swift
    /// // Take two keys, if nobody has either.
    /// let result = try await client.txn(
    ///     KeyValueTransaction(
    ///         if: [.absent(left), .absent(right)], then: [.put(key: left, value: me), .put(key: right, value: me)],
    ///         else: [.get(left), .get(right)]))
    /// ```
    ///
    /// - Parameter timeout: of the whole call; nil for ``Options/timeout``.
    /// - Throws: ``RaftClientError/Code/refused`` when it is larger than the cluster takes, one key is changed twice, or
    ///   its result would be too large: nothing happened. Else as every write.
    public func txn(
        _ transaction: KeyValueTransaction, timeout: Duration? = nil
    ) async throws(RaftClientError) -> TransactionResult {
        guard !transaction.isReadOnly else {
            return try await call(
                ClientMethods.txn, TxnRequest(transaction).encoded(), isRead: true, first: spreadFirst, timeout
            ) { bytes throws(RPCStatus) in try TransactionResult(decoding: bytes) }
        }
        return try await write(ClientMethods.txn, timeout) {
            TxnRequest(transaction, session: $0, forwards: options.forwardsWrites).encoded()
        } decode: {
            bytes throws(RPCStatus) in
            try TransactionResult(decoding: bytes)
        }
    }

    /// Sets a key, and says what it was before.
    ///
    /// - Parameter lease: the key goes with it; nil for none.
    /// - Returns: what the put did, and the key as it was; nil when it was absent.
    public func exchange(
        _ key: [UInt8], _ value: [UInt8], lease: UInt64? = nil, timeout: Duration? = nil
    ) async throws(RaftClientError) -> (result: PutResult, previous: KeyValue?) {
        let put = KeyValueTransaction(then: [.put(key: key, value: value, returnsPrevious: true, lease: lease)])
        let result = try await txn(put, timeout: timeout)
        guard case .put(let previous)? = result.results.first, let revision = result.revision else {
            throw RaftClientError(.outcomeUnknown, "the answer to a put is \(result); look whether it was done")
        }
        return (PutResult(revision: revision, previousRevision: previous?.revision), previous)
    }

    /// Removes every key of a range, in one step.
    ///
    /// - Parameter returningPrevious: whether the result has the keys as they were. They must fit into one message.
    public func delete(
        _ range: KeyRange, returningPrevious: Bool = false, timeout: Duration? = nil
    ) async throws(RaftClientError) -> RangeDeletion {
        let delete = KeyValueTransaction(then: [.delete(range, returnsPrevious: returningPrevious)])
        let result = try await txn(delete, timeout: timeout)
        guard case .deleted(let count, let previous)? = result.results.first else {
            throw RaftClientError(.outcomeUnknown, "the answer to a delete is \(result); look whether it was done")
        }
        return RangeDeletion(revision: result.revision, count: count, previous: previous)
    }
}
