internal import Raft
public import RaftKeyValueModel
internal import RaftTransport

extension KeyValueClient {
    /// Makes a lease: keys that are put with it are removed, all at once, when it is not kept alive for so long.
    ///
    /// - Parameter time: a second to a year, to the millisecond.
    /// - Returns: its id, a revision like any other.
    public func grantLease(for time: Duration, timeout: Duration? = nil) async throws(RaftClientError) -> UInt64 {
        let milliseconds = UInt64(min(max(0, time / .milliseconds(1)), 1e15))
        return try await write(ClientMethods.grantLease, timeout) {
            GrantLeaseRequest(milliseconds: milliseconds, session: $0, forwards: options.forwardsWrites)
                .encoded()
        } decode: { bytes throws(RPCStatus) in
            guard let lease = try LeaseResponse(decoding: bytes).lease else {
                throw RPCStatus(.internal, "the node granted no lease")
            }
            return lease
        }
    }

    /// Keeps a lease alive: from the moment of this call on it lives for its whole time again. Call it about three times
    /// in that time; count the time from before the call, since it is the leader that decides when it is over.
    ///
    /// - Returns: how long that is; nil when there is no such lease any more, nor its keys, or soon will not be.
    public func keepLeaseAlive(
        _ lease: UInt64, timeout: Duration? = nil
    ) async throws(RaftClientError) -> Duration? {
        try await call(ClientMethods.keepLease, LeaseRequest(lease: lease).encoded(), isRead: true, timeout) {
            bytes throws(RPCStatus) in
            let response = try LeaseResponse(decoding: bytes)
            return response.lease.map { _ in .milliseconds(Int64(clamping: response.milliseconds)) }
        }
    }

    /// Ends a lease now, and removes its keys with it.
    ///
    /// - Returns: how many keys were removed; nil when there was no such lease.
    public func revokeLease(_ lease: UInt64, timeout: Duration? = nil) async throws(RaftClientError) -> UInt64? {
        try await write(ClientMethods.revokeLease, timeout) {
            LeaseRequest(lease: lease, session: $0, forwards: options.forwardsWrites).encoded()
        } decode: { bytes throws(RPCStatus) in
            let response = try LeaseResponse(decoding: bytes)
            return response.lease.map { _ in response.keyCount }
        }
    }

    /// Every lease, by a linearizable read.
    public func leases(timeout: Duration? = nil) async throws(RaftClientError) -> [LeaseSummary] {
        try await call(ClientMethods.listLeases, [], isRead: true, first: spreadFirst, timeout) {
            bytes throws(RPCStatus) in try ListLeasesResponse(decoding: bytes).leases
        }
    }

    /// Sets a key that goes with a lease.
    ///
    /// - Throws: ``RaftClientError/Code/refused`` when there is no such lease; else as every write.
    public func put(
        _ key: [UInt8], _ value: [UInt8], lease: UInt64, timeout: Duration? = nil
    ) async throws(RaftClientError) -> UInt64 {
        let result = try await txn(
            KeyValueTransaction(then: [.put(key: key, value: value, lease: lease)]), timeout: timeout)
        guard let revision = result.revision else {
            throw RaftClientError(.outcomeUnknown, "the answer to a put is \(result); look whether it was done")
        }
        return revision
    }
}
