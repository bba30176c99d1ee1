import Testing

@testable import Raft

@Suite("The table of sessions, as bytes")
struct SessionTableRecordsTests {
    static func table() -> SessionTable {
        var table = SessionTable()
        for index: LogIndex in [1, 300] { _ = table.register(sessionLimits(bytes: 5), at: index) }
        for (sequence, reply) in [(2, [1, 2, 3]), (1, []), (700, [4, 4, 4])] as [(UInt64, [UInt8])] {
            _ = table.decide(sessionRequest(300, sequence), at: LogID(LogIndex(400 + sequence), 2))
            _ = table.record(reply, of: sequence, in: SessionID(300))
        }
        return table
    }

    @Test("It is read as it was written, with dropped replies, and nothing shorter or longer is")
    func encoded() throws {
        let table = Self.table()
        #expect(table.sessions[SessionID(300)]?.records.map(\.reply) == [.kept([]), .dropped, .kept([4, 4, 4])])
        let bytes = table.encoded
        let read = try SessionTable(decoding: bytes)
        #expect(read == table && read.encoded == bytes && read.digest == table.digest)
        #expect(read.replyCount == 3 && read.replyBytes == 3)
        for count in 1..<bytes.count {
            #expect(throws: RaftError.self, "\(count) bytes") { try SessionTable(decoding: Array(bytes[..<count])) }
        }
        #expect(throws: RaftError.self) { try SessionTable(decoding: bytes + [0]) }
        #expect(throws: RaftError.self) { try SessionTable(decoding: [2] + bytes.dropFirst()) }
    }

    @Test("An empty one has no bytes, so a snapshot without sessions is what it was before there were any")
    func empty() throws {
        #expect(SessionTable().encoded.isEmpty)
        #expect(try SessionTable(decoding: []) == SessionTable())
    }

    @Test("A machine that keeps the changes has the table, whatever happened")
    func changes() throws {
        var table = SessionTable()
        table.keepsChanges = true
        var kept: [[UInt8]: [UInt8]] = [:]
        func keep() { for row in table.takeChanges() { kept[row.key] = row.value } }
        func read() throws -> SessionTable {
            let rows = kept.sorted { $0.key.lexicographicallyPrecedes($1.key) }
            return try SessionTable(rows.map { SessionRecord(key: $0.key, value: $0.value) })
        }
        var random = RandomSource(seed: 4)
        var live: [UInt64] = []
        for index in 1...2000 as ClosedRange<UInt64> {
            let session = live.isEmpty ? 0 : live[Int(random.next() % UInt64(live.count))]
            switch random.next() % 12 {
            case 0:
                live.append(index)
                _ = table.register(sessionLimits(3, replies: 5, bytes: 9), at: LogIndex(index))
            case 1: _ = table.expire(SessionID(session), unheardSince: LogIndex(index - random.next() % 8))
            case 2: table.remove(SessionID(session))
            default:
                let next = random.next() % 20 + index / 100
                let lowest = next > 3 ? next - random.next() % 4 : 1
                let request = sessionRequest(session, next, lowest: lowest)
                if table.decide(request, at: LogID(LogIndex(index), 1)) == .apply {
                    let reply = [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: Int(random.next() % 6))
                    _ = table.record(reply, of: next, in: SessionID(session))
                }
            }
            if random.next() % 3 == 0 {
                keep()
                #expect(try read() == table)
            }
        }
        #expect(!table.isEmpty)
    }

    @Test("Rows that are not those of one table are refused")
    func bad() {
        let rows = Self.table().records
        #expect(throws: RaftError.self) { try SessionTable(Array(rows.reversed())) }
        #expect(throws: RaftError.self) { try SessionTable(Array(rows.dropFirst(2))) }
        #expect(throws: RaftError.self) { try SessionTable([rows[0], rows[0]]) }
        #expect(throws: RaftError.self) { try SessionTable([SessionRecord(key: rows[0].key, value: nil)]) }
        #expect(throws: RaftError.self) { try SessionTable([SessionRecord(key: [1, 2, 3], value: rows[0].value)]) }
        #expect(throws: RaftError.self) { try SessionTable([SessionRecord(key: rows[0].key, value: [1])]) }
    }
}
