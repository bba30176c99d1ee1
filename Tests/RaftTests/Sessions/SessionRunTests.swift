import Testing

@testable import Raft

@Suite("A run with entries of sessions")
struct SessionRunTests {
    static func command(_ session: UInt64, _ sequence: UInt64, lowest: UInt64 = 1, _ text: String = "") -> [UInt8] {
        var bytes: [UInt8] = []
        sessionRequest(session, sequence, lowest: lowest).encode(into: &bytes)
        return bytes + Array(text.utf8)
    }

    static func batch(_ entries: [(EntryKind, [UInt8])], from first: LogIndex, term: Term = 1) -> EntryBatch {
        var builder = EntryBatch.Builder(first: first, term: term)
        for (kind, payload) in entries { builder.append(kind, payload) }
        return builder.finish()!
    }

    @Test("A retry in the same run as its command gets that command's output; plain commands count as before")
    func sameRun() throws {
        var table = SessionTable()
        let entries = Self.batch(
            [
                (.session, SessionOrder.register(sessionLimits()).encoded), (.command, [1]),
                (.sessionCommand, Self.command(1, 1)), (.blank, []), (.sessionCommand, Self.command(1, 1)),
                (.sessionCommand, Self.command(2, 1)),
            ], from: 1)
        let run = try SessionRun([entries], &table, isSupported: true)
        #expect(
            run.steps.map(\.outcome) == [
                .done(SessionID(1)), .applied(output: 1), .repeated(LogID(3, 1), .pending, output: 1),
                .refused(.expired),
            ])
        #expect(run.applying == [3])
    }

    @Test("A machine without sessions refuses them all, and has none")
    func unsupported() throws {
        var table = SessionTable()
        let entries = Self.batch(
            [
                (.session, SessionOrder.register(sessionLimits()).encoded), (.sessionCommand, Self.command(1, 1)),
            ], from: 1)
        let run = try SessionRun([entries], &table, isSupported: false)
        #expect(run.steps.allSatisfy { $0.outcome == .refused(.unsupported) } && table.isEmpty)
    }

    @Test("An entry that this version does not know stops the node, before it could part ways with the others")
    func unknown() {
        var table = SessionTable()
        let entries = Self.batch([(.session, [77])], from: 1)
        #expect(throws: RaftError.self) { try SessionRun([entries], &table, isSupported: true) }
    }

    /// Applies everything, cut into runs at random, and returns the table and what was applied.
    static func apply(_ all: [(EntryKind, [UInt8])], cutBy seed: UInt64) throws -> (SessionTable, [LogIndex]) {
        var random = RandomSource(seed: seed)
        var table = SessionTable()
        var applied: [LogIndex] = []
        var first = 0
        while first < all.count {
            let count = seed == 0 ? 1 : min(all.count - first, Int(random.next() % 9) + 1)
            let batch = Self.batch(Array(all[first..<(first + count)]), from: LogIndex(UInt64(first + 1)))
            let run = try SessionRun([batch], &table, isSupported: true)
            for step in run.steps {
                guard let request = step.request, case .applied = step.outcome else { continue }
                applied.append(step.id.index)
                let reply = [UInt8](repeating: 1, count: Int(step.id.index.rawValue * 7 % 6))
                _ = table.record(reply, of: request.sequence, in: request.session)
            }
            first += count
        }
        return (table, applied)
    }

    @Test("However the log is cut into runs, the table and what is applied are the same", arguments: 1...60)
    func cuts(_ seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        var all: [(EntryKind, [UInt8])] = []
        var live: [UInt64] = []
        for index in 1...200 as ClosedRange<UInt64> {
            let session = live.isEmpty ? 0 : live[Int(random.next() % UInt64(live.count))]
            switch random.next() % 20 {
            case 0, 1:
                live.append(index)
                let limits = sessionLimits(
                    UInt32(2 + random.next() % 3), replies: UInt32(2 + random.next() % 5),
                    bytes: UInt32(random.next() % 20))
                all.append((.session, SessionOrder.register(limits).encoded))
            case 2:
                let since = LogIndex(index > 5 ? index - random.next() % 5 : 0)
                all.append((.session, SessionOrder.expire(SessionID(session), unheardSince: since).encoded))
            case 3: all.append((.session, SessionOrder.close(SessionID(session)).encoded))
            case 4:
                let lowest = random.next() % (index / 8 + 2)
                all.append((.session, SessionOrder.keepAlive(SessionID(session), lowestUnanswered: lowest).encoded))
            case 5: all.append((.command, [1]))
            default:
                let sequence = index / 10 + random.next() % 6
                let lowest = sequence > 3 ? sequence - random.next() % 5 + random.next() % 2 : 1
                all.append((.sessionCommand, command(session, sequence, lowest: lowest)))
            }
        }
        let one = try Self.apply(all, cutBy: 0)
        for cut in 1...5 as ClosedRange<UInt64> {
            let other = try Self.apply(all, cutBy: cut)
            #expect(other.0 == one.0 && other.1 == one.1 && other.0.digest == one.0.digest)
        }
    }

    private func command(_ session: UInt64, _ sequence: UInt64, lowest: UInt64) -> [UInt8] {
        Self.command(session, sequence, lowest: lowest)
    }
}
