import Testing

@testable import Raft

@Suite("Log Matching")
struct LogMatchingTests {
    /// A log in memory whose entries have these terms.
    func log(_ terms: [Term]) -> LogTail {
        var log = LogTail(terms: TermRuns())
        if !terms.isEmpty { log.append(batch(from: 1, terms)) }
        return log
    }

    func match(
        _ log: [Term], after previous: LogID, _ entries: [EntryBatch], term: Term = 9, commit: LogIndex = 0
    ) -> LogMatching {
        LogMatching.match(
            AppendRequest(
                term: term, leader: 2, stream: StreamID(1), previous: previous, leaderCommit: 0, entries: entries),
            against: self.log(log), commitIndex: commit)
    }

    @Test("Every pair of a leader's and a follower's log, at every position: the outcome is what Figure 2 says")
    func exhaustive() {
        // All logs of up to four entries whose terms rise from 1 to 3, as pairs that can exist: sharing a prefix.
        var logs: [[Term]] = [[]]
        for _ in 0..<4 {
            logs += logs.filter { $0.count == logs.map(\.count).max() }.flatMap { log in
                ([1, 2, 3] as [Term]).filter { $0 >= log.last ?? 1 }.map { log + [$0] }
            }
        }
        var count = 0
        for leader in logs {
            for follower in logs {
                let common = zip(leader, follower).prefix { $0 == $1 }.count
                // By Log Matching two logs that part do not meet again at an equal (index, term).
                guard !zip(leader, follower).dropFirst(common).contains(where: { $0 == $1 }) else { continue }
                for previous in 0...leader.count {
                    for end in previous...leader.count {
                        for split in previous...end {
                            count += 1
                            check(leader, follower, common, previous, split, end)
                        }
                    }
                }
            }
        }
        #expect(count > 10_000)
    }

    private func check(
        _ leader: [Term], _ follower: [Term], _ common: Int, _ previous: Int, _ split: Int, _ end: Int
    ) {
        var entries: [EntryBatch] = []
        if split > previous {
            entries.append(batch(from: LogIndex(UInt64(previous + 1)), Array(leader[previous..<split])))
        }
        if end > split { entries.append(batch(from: LogIndex(UInt64(split + 1)), Array(leader[split..<end]))) }
        let id = previous == 0 ? LogID.zero : LogID(LogIndex(UInt64(previous)), leader[previous - 1])
        for commit in 0...common {
            let outcome = match(follower, after: id, entries, commit: LogIndex(UInt64(commit)))
            switch outcome {
            case .conflict(let hint):
                if previous <= common { Issue.record("\(leader) \(follower) at \(previous): \(outcome)") }
                // What can still agree is never below what does agree, and never above what was asked.
                if hint.index < LogIndex(UInt64(min(common, previous))) || hint.index > id.index || hint.term > id.term
                {
                    Issue.record("\(leader) \(follower) at \(previous): hint \(hint)")
                }
            case .nothingNew:
                if end > common { Issue.record("\(leader) \(follower) \(previous)...\(end): \(outcome)") }
            case .extend(let keep, let new):
                var result = Array(follower[..<Int(keep.index.rawValue)])
                for batch in new { for at in 0..<batch.count { result.append(batch[at].id.term) } }
                if result != Array(leader[..<end]) || keep.index < LogIndex(UInt64(common)) || end <= common {
                    Issue.record("\(leader) \(follower) \(previous)...\(end): keep \(keep), gives \(result)")
                }
            case .malformed(let reason): Issue.record("\(reason)")
            }
        }
    }

    @Test("What is committed is neither compared nor cut, whatever a request says (R06, R08)")
    func committed() {
        #expect(match([1, 1, 2], after: LogID(2, 9), [], commit: 2) == .nothingNew)
        #expect(match([1, 1, 2], after: .zero, [batch(from: 1, [9, 9])], commit: 2) == .nothingNew)
        let new = batch(from: 1, [1, 1, 3])
        #expect(
            match([1, 1, 2], after: .zero, [new], commit: 2)
                == .extend(keeping: LogID(2, 1), with: [batch(from: 3, [3])]))
    }

    @Test("A request that no correct leader sends is malformed")
    func malformed() {
        func isMalformed(_ outcome: LogMatching) -> Bool { if case .malformed = outcome { true } else { false } }
        #expect(isMalformed(match([1], after: LogID(1, 10), [])), "previous entry of a later term")
        #expect(isMalformed(match([1], after: LogID(1, 1), [batch(from: 3, [2])])), "a gap")
        #expect(isMalformed(match([1], after: LogID(1, 1), [batch(from: 1, [2])])), "an overlap")
        #expect(isMalformed(match([1], after: LogID(1, 5), [batch(from: 2, [2])])), "a term that falls")
        #expect(isMalformed(match([1], after: LogID(1, 1), [batch(from: 2, [12])])), "an entry of a later term")
        #expect(
            isMalformed(match([1], after: LogID(1, 1), [batch(from: 2, [2]), batch(from: 4, [2])])),
            "a gap between batches")
        let end = LogIndex(UInt64.max - 2)
        #expect(
            isMalformed(match([1], after: LogID(end, 1), [batch(from: end.next, [1])], commit: .init(.max))),
            "the last index")
    }
}
