import Raft
import RaftKeyValue
import Testing

@testable import RaftCommand

@Suite("The entries of a log, printed")
struct EntryViewTests {
    private static func views(_ add: (inout EntryBatch.Builder) -> Void) -> [EntryView] {
        var builder = EntryBatch.Builder(first: 99, term: 7)
        add(&builder)
        guard let batch = builder.finish() else { return [] }
        return (0..<batch.count).map { EntryView(batch[$0]) }
    }

    private static func encoded(_ command: KeyValueCommand) -> [UInt8] {
        var bytes: [UInt8] = []
        command.encode(into: &bytes)
        return bytes
    }

    @Test("Each kind of entry says what it does, for people and for programs")
    func kinds() throws {
        let members = try ClusterConfiguration(voters: [.init(id: 1, address: "a:1")])
        let views = Self.views { builder in
            builder.append(.blank, [])
            builder.append(.command, Self.encoded(.put(key: Array("k".utf8), value: [255])))
            builder.append(.command, Self.encoded(.delete(key: Array("k".utf8))))
            builder.append(
                .command,
                Self.encoded(.compareAndSwap(key: Array("k".utf8), expectation: .revision(4), value: [49])))
            builder.append(.configuration, members.encoded)
            builder.append(
                .sessionCommand,
                [12, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
                    + Self.encoded(.put(key: [97], value: [49])))
            builder.append(.session, [3, 12, 0, 0, 0, 0, 0, 0, 0])
            builder.append(.command, [1, 2])
            builder.append(.session, [99])
        }
        #expect(
            views.map(\.text).dropLast() == [
                "a term begins", #"put k \xff"#, "delete k", "put k 1 if it is of revision 4", "\(members)",
                "session 12, command 3: put a 1", "session 12 ends", #"\x01\x02"#,
            ])
        #expect(views.last?.text.hasPrefix("unreadable: ") == true)
        #expect(
            views[1].json.text
                == #"{"index":100,"term":7,"kind":"command","bytes":\#(views[1].entry.payload.count),"operation":"put","key":"k","valueBase64":"/w=="}"#
        )
        #expect(views[5].json.text.contains(#""session":12,"sequence":3,"operation":"put""#))
        #expect(views[7].json.text.contains(#""bytes":2,"payload":"#))
    }

    @Test("Rows of different entries stand in the same columns")
    func rows() throws {
        let table = EntryTable(last: LogID(term: 7, index: 1_234_567))
        let view = try #require(Self.views { $0.append(.blank, []) }.first)
        let header = Array(table.header)
        let row = Array(table.row(view))
        let column = try #require(header.indices.first { header[$0...].starts(with: "WHAT") })
        #expect(row[column...].starts(with: "a term begins"))
    }
}
