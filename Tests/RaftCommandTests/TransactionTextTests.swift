import RaftKeyValueModel
import Testing

@testable import RaftCommand

@Suite("Transactions as people write them")
struct TransactionTextTests {
    private func parse(_ clauses: String...) throws -> KeyValueTransaction {
        try TransactionText.parse(clauses.map { Array($0.utf8) })
    }
    private let a: [UInt8] = [97]

    @Test("Each clause means what it says")
    func clauses() throws {
        #expect(
            try parse(
                "if absent a", "if present a", "if value a = \"x y\"", "if value a != \"\"", "if revision a > 7",
                "if created a < 7", "if version a = 1", "then put a 1", "then put \"a\" \"\" --previous",
                "then put a 1 --lease 7",
                "then delete a",
                "then delete a --prefix --previous", "else get a", "else get a --limit 3 --to b",
                "else get \"\" --onward", "else delete \"--prefix\"")
                == KeyValueTransaction(
                    if: [
                        .absent(a), .present(a), .init(key: a, property: .value(Array("x y".utf8))),
                        .init(key: a, property: .value([]), relation: .notEqual),
                        .init(key: a, property: .revision(7), relation: .greater),
                        .init(key: a, property: .created(7), relation: .less), .init(key: a, property: .version(1)),
                    ],
                    then: [
                        .put(key: a, value: [49]), .put(key: a, value: [], returnsPrevious: true),
                        .put(key: a, value: [49], lease: 7), .delete(a),
                        .delete(KeyRange(prefix: a), returnsPrevious: true),
                    ],
                    else: [
                        .get(a), .range(KeyRange(from: a, upTo: [98]), limit: 3), .range(KeyRange()),
                        .delete(Array("--prefix".utf8)),
                    ]))
    }

    @Test("Escapes stand for bytes, in quotes and outside")
    func escapes() throws {
        #expect(
            try TransactionText.words(of: Array(#"a\x00\xFFb "q\"\\\n\t" \\"#.utf8)) == [
                .init(bytes: [97, 0, 255, 98]), .init(bytes: [113, 34, 92, 10, 9], isQuoted: true), .init(bytes: [92]),
            ])
    }

    @Test(
        "A clause that cannot be read is refused with what is wrong",
        arguments: [
            ("", "begins with"), ("when a", "begins with \"when\""), ("if", "ends where"), ("if exists a", "exists"),
            ("if value a", "ends where"), ("if value a >= 1", ">="), ("if version a = one", "no number"),
            ("then", "ends where"), ("then swap a b", "swap"), ("then put a", "ends where a value"),
            ("then put a b c", "too much"), ("then get a --limit", "no value"), ("then get a --limit 0", "from 1 on"),
            ("then get \"a", "not closed"), (#"then get \q"#, "backslash"), (#"then get \xZ1"#, "hexadecimal"),
            ("if absent a b", "too much"), ("then put a 1 --lease x", "no lease"),
            ("then get a --previous", "too much"),
        ])
    func refused(clause: String, reason: String) {
        let failure = #expect(throws: Failure.self) { try parse(clause) }
        #expect(failure?.code == .usage)
        #expect(failure?.message.contains(reason) == true, "\(failure?.message ?? "")")
    }

    @Test("What is shown of a transaction can be written again, whatever bytes it has")
    func shown() throws {
        let odd: [[UInt8]] = [
            [], [32], [34], [92, 34, 32], [0, 255], Array("--to".utf8), Array("ü".utf8), [9, 10, 13],
        ]
        for key in odd {
            let transaction = KeyValueTransaction(
                if: [.absent(key), .present(key), .init(key: key, property: .value(key), relation: .less)],
                then: [
                    .put(key: key, value: key, returnsPrevious: true), .put(key: key, value: key, lease: 9),
                    .delete(key), .delete(KeyRange(prefix: key)),
                    .range(KeyRange(from: key), limit: 4),
                ],
                else: [.range(KeyRange(from: key, upTo: key + [1, 1])), .get(key)])
            let shown = TransactionText.shown(transaction)
            #expect(try TransactionText.parse(shown.map { Array($0.utf8) }) == transaction, "\(shown)")
        }
    }

    @Test("Lines of a text are clauses; empty ones and comments are not")
    func lines() {
        #expect(
            TransactionText.lines(Array("# take it\n\n  if absent a\r\n\r\nthen put a 1".utf8)).map {
                String(decoding: $0, as: UTF8.self)
            } == ["if absent a\r", "then put a 1"])
    }

    @Test("A result is told line by line, and as JSON with every field")
    func results() {
        let entry = KeyValue(key: a, value: [49], revision: 4, created: 3, version: 2)
        let result = TransactionResult(
            succeeded: true, revision: 9,
            results: [
                .put(previous: entry), .put(previous: nil), .deleted(count: 1, previous: [entry]),
                .range(KeyValuePage(entries: [entry], hasMore: true)),
            ])
        #expect(
            Transaction.text(result)
                == "then, revision 9\nput, was 1\nput\ndeleted 1\n  a  4  1\ngot 1, there are more\n  a  4  1\n")
        let json = #"{"key":"a","value":"1","revision":4,"created":3,"version":2,"lease":null}"#
        #expect(
            Transaction.json(result).text
                == #"{"succeeded":true,"revision":9,"results":[{"operation":"put","previous":\#(json)},{"operation":"put","previous":null},{"operation":"delete","deleted":1,"previous":[\#(json)]},{"operation":"get","entries":[\#(json)],"more":true}]}"#
        )
        let nothing = TransactionResult(succeeded: false, revision: nil, results: [])
        #expect(Transaction.text(nothing) == "else, nothing changed\n")
    }
}
