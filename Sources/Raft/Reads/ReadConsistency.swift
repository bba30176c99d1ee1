/// What a read promises. <doc:Consistency> compares them.
///
/// None of them writes to the log. A read that is refused had no effect and may be repeated.
public enum ReadConsistency: Sendable, Hashable {
    /// Sees every write that was acknowledged before the read began, anywhere (ReadIndex, dissertation §6.4).
    ///
    /// Costs one round of heartbeats, which all reads that wait share; at a follower or a learner also one question to
    /// the leader, and the wait until this node has applied what the leader names. Relies on no clock.
    ///
    /// Refused with ``RaftError/Code/notLeader`` when no leader is known, or when the leader changes or does not answer
    /// while the read waits.
    case linearizable
    /// As ``linearizable``, as long as no clock runs faster or slower than ``Configuration/maximumClockDrift`` allows
    /// (dissertation §6.4.1). A clock that is worse can let it miss writes.
    ///
    /// Costs no round while the leader holds a lease: for a while after a quorum has answered it, the voters elect
    /// nobody else. Without a lease it costs what ``linearizable`` costs: when the members' configuration allows none
    /// (``ClusterConfiguration/leaseWindow``), after a pause of the leader, while leadership is passed on, and when no
    /// quorum answers. Refused as ``linearizable``.
    case lease
    /// Sees every write that was acknowledged this long before the read began. Zero, or less, is ``linearizable``.
    ///
    /// Costs nothing while the leader's heartbeats have shown that this node is recent enough, and is served then even
    /// by a node that has lost its leader; else it costs what ``linearizable`` costs. Time is measured on this node's own
    /// clock, which may drift by ``Configuration/maximumClockDrift``.
    ///
    /// Refused with ``RaftError/Code/tooStale`` when it cannot be shown.
    case noOlderThan(Duration)
    /// Sees at least the effect of this entry and of all before it: with the index of an earlier write, one's own
    /// writes, at any node. Waits until the entry is applied here, or the timeout is over
    /// (``RaftError/Code/deadlineExceeded``).
    case atLeast(LogIndex)
    /// This replica's state, which may lag behind by any time. Served by every node, in every situation.
    case local
}
