internal import Raft

/// Messages between members as in a cluster that has run for a while: with numbers of several bytes.
struct SampleMessages {
    let term: UInt64 = 7
    let index: UInt64 = 5_000_000
    let stream: UInt64 = 0x5EED_5EED_5EED_5EED

    /// So many entries, each with a command of `valueSize` bytes; and how many bytes the entries have.
    func append(_ count: Int, of valueSize: Int) -> (request: PeerRequest, bodyBytes: Int) {
        var builder = EntryBatch.Builder(first: LogIndex(index + 1), term: Term(term))
        let payload = [UInt8](repeating: 7, count: valueSize)
        for _ in 0..<count { builder.append(.command, payload) }
        let batch = builder.finish()!
        let request = AppendRequest(
            term: Term(term), leader: 1, stream: StreamID(rawValue: stream), sequence: index,
            previous: LogID(term: Term(term), index: LogIndex(index)), leaderCommit: LogIndex(index), entries: [batch])
        return (.append(request), batch.byteCount)
    }

    var heartbeat: PeerRequest {
        .heartbeat(
            HeartbeatRequest(
                term: Term(term), leader: 1, stream: StreamID(rawValue: stream), round: index,
                commit: LogIndex(index), leaderCommit: LogIndex(index), freshMark: stream,
                freshIndex: LogIndex(index)))
    }

    var vote: PeerRequest {
        .vote(
            VoteRequest(
                phase: .vote, term: Term(term), candidate: 1,
                lastLog: LogID(term: Term(term), index: LogIndex(index)), round: 3))
    }
}
