import Raft

// Most tests send one append at a time: its number is 1.

extension AppendRequest {
    init(
        term: Term, leader: NodeID, stream: StreamID, previous: LogID, leaderCommit: LogIndex, entries: [EntryBatch]
    ) {
        self.init(
            term: term, leader: leader, stream: stream, sequence: 1, previous: previous, leaderCommit: leaderCommit,
            entries: entries)
    }
}

extension AppendReply {
    init(term: Term, stream: StreamID, outcome: Outcome) {
        self.init(term: term, stream: stream, sequence: 1, outcome: outcome)
    }
}
