import Foundation
import Raft
import RaftSimulation
import Testing

@testable import SQLiteExample

@Suite("The replicated SQLite database")
struct SQLiteTests {
    /// A database's files, gone with it.
    final class Place: Sendable {
        let path = FileManager.default.temporaryDirectory.path + "/raft-sqlite-\(UUID().uuidString)"
        init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(atPath: path) }
        func open() throws -> Database { try Database(path: path + "/a.db") }
    }

    static let conformance = StateMachineConformance<Database>(
        command: { random -> Database.Command in
            let (name, number) = (Value.text("\(random.next() % 5)"), Value.integer(Int64(random.next() % 10)))
            switch random.next() % 8 {
            case 0: return .init("CREATE TABLE IF NOT EXISTS a (name TEXT PRIMARY KEY, number INT CHECK (number < 8))")
            case 1: return .init("DELETE FROM a WHERE name = ?1 RETURNING number", name)
            case 2: return .init("INSERT OR ROLLBACK INTO a VALUES (?1, ?2); SELECT count(*) FROM a", name, number)
            case 3: return .init("INSERT INTO a VALUES ('x', 0); INSERT INTO a VALUES (?1, random())", name)
            case 4: return .init("DROP TABLE a")
            case 5: return .init("UPDATE a SET number = number + ?1", number)
            default: return .init("INSERT INTO a VALUES (?1, ?2) ON CONFLICT DO UPDATE SET number = ?2", name, number)
            }
        },
        state: { machine -> [[Value]] in
            guard try machine.query("SELECT 1 FROM sqlite_schema WHERE name = 'a'") != [] else { return [] }
            return try machine.query("SELECT name, number FROM a ORDER BY name")
        },
        place: {
            let place = try Place()
            return .init(open: { try place.open() })
        })

    @Test("Keeps what a node relies on", arguments: StateMachineConformance<Database>.checks)
    func keeps(check: StateMachineCheck) { #expect(Self.conformance.violation(of: check) == nil) }

    private func outputs(_ commands: [Database.Command]) throws -> [Database.Output] {
        let place = try Place()
        var database = try place.open()
        var index: LogIndex = 0
        return try commands.map {
            index = index.next
            return try database.apply($0, at: LogID(term: 1, index: index))
        }
    }

    @Test(
        "What could come out differently on another member is refused, with its name",
        arguments: [
            ("INSERT INTO a VALUES (random())", "random "), ("SELECT hex(randomblob(4))", "randomblob "),
            ("INSERT INTO a VALUES (CURRENT_TIMESTAMP)", "current_timestamp "),
            ("SELECT date()", "date "), ("SELECT strftime('%s', 'now')", "strftime "),
            ("SELECT unixepoch()", "unixepoch "), ("SELECT last_insert_rowid()", "last_insert_rowid "),
            ("SELECT changes()", "changes "), ("SELECT sqlite_version()", "sqlite_version "),
            ("SELECT load_extension('a')", "load_extension "), ("PRAGMA foreign_keys = ON", "PRAGMA foreign_keys "),
            ("SELECT * FROM pragma_table_info('a')", "PRAGMA table_info "), ("ATTACH 'a' AS b", "ATTACH a "),
            ("BEGIN", "TRANSACTION BEGIN "), ("COMMIT", "TRANSACTION COMMIT "), ("SAVEPOINT a", "SAVEPOINT BEGIN "),
            ("ANALYZE", "ANALYZE "), ("CREATE TEMP TABLE b (c)", "TEMP TABLE b "),
            ("CREATE TEMP VIEW b AS SELECT 1", "TEMP VIEW b "), ("VACUUM", "cannot VACUUM "),
            ("VACUUM INTO 'a'", "cannot VACUUM "), ("CREATE VIRTUAL TABLE b USING fts5(c)", "VIRTUAL TABLE b "),
            ("SELECT * FROM dbstat", "dbstat "), ("SELECT * FROM sqlite_stmt", "sqlite_stmt "),
            ("INSERT INTO a (rowid) VALUES (9223372036854775807)", "the largest rowid "),
            ("UPDATE a SET rowid = 9223372036854775807", "the largest rowid "),
            ("INSERT INTO s (i) SELECT 9223372036854775807 UNION ALL SELECT NULL", "the largest rowid "),
            ("CREATE TABLE b (c INTEGER PRIMARY KEY AUTOINCREMENT, d)", "AUTOINCREMENT "),
            ("CREATE TABLE sqlite_sequence (name, seq)", "object name reserved"),
            ("INSERT INTO sqlite_sequence VALUES ('s', 1)", "no such table: sqlite_sequence"),
            ("SELECT sin(1)", "sin "), ("SELECT POWER(2, 3)", "power "), ("CREATE INDEX i ON a (exp(b))", "exp "),
            ("CREATE TABLE b (c, d AS (log10(c)))", "log10 "), ("CREATE TABLE b (c CHECK (ln(c) > 1))", "ln "),
            ("SELECT b FROM a WHERE b MATCH 1", "match "), ("EXPLAIN INSERT INTO a VALUES (1)", "EXPLAIN "),
            ("EXPLAIN QUERY PLAN SELECT 1", "EXPLAIN "),
            ("ALTER TABLE a ADD c CHECK (c > 0)", "PRAGMA quick_check "),
            ("ALTER TABLE a ADD c AS (b) NOT NULL", "PRAGMA quick_check "),
            ("DELETE FROM raft_applied", "raft_applied "), ("SELECT * FROM RAFT_APPLIED", "raft_applied "),
            ("DROP TABLE raft_applied", "raft_applied "), ("ALTER TABLE raft_applied ADD b", "raft_applied "),
            ("CREATE TRIGGER b AFTER UPDATE ON raft_applied BEGIN SELECT 1; END", "raft_applied "),
            ("INSERT INTO a VALUES (zeroblob(2000000))", "string or blob too big"),
            ("INSERT INTO a VALUES (?1)", "1 arguments are needed, 0 are given"), ("nonsense", "near"),
            ("INSERT OR ROLLBACK INTO u VALUES (1)", "UNIQUE constraint failed"),
        ])
    func refusals(sql: String, reason: String) throws {
        let outputs = try outputs([
            .init("CREATE TABLE a (b); CREATE TABLE s (i INTEGER PRIMARY KEY, v); INSERT INTO a VALUES (1)"),
            .init("INSERT INTO s VALUES (1, 1); CREATE TABLE u (v UNIQUE); INSERT INTO u VALUES (1)"),
            .init("INSERT INTO a VALUES (2); \(sql)"), .init("SELECT b FROM a"),
        ])
        #expect(outputs[0...1] == [.done(rows: []), .done(rows: [])])
        guard case .refused(let text) = outputs[2] else {
            Issue.record("\(sql): \(outputs[2])")
            return
        }
        #expect(text.hasPrefix(reason), "\(text)")
        #expect(outputs[3] == .done(rows: [[.integer(1)]]), "nothing of a refused command is done")
    }

    @Test("SQL with a NUL byte is refused, where SQLite would leave out the rest and say nothing")
    func bytes() throws {
        let outputs = try outputs([
            .init("CREATE TABLE a (b)"), .init("INSERT INTO a VALUES (1)\u{0}; nonsense"), .init("SELECT b FROM a"),
        ])
        guard case .refused(let text) = outputs[1], text.hasPrefix("a NUL byte ") else {
            Issue.record("\(outputs[1])")
            return
        }
        #expect(outputs[2] == .done(rows: []))
    }

    @Test("Every function that SQLite does not call deterministic is refused, with each number of arguments")
    func functions() throws {
        let place = try Place()
        var database = try place.open()
        // As a connection has them on which nothing was replaced.
        let listed = try Connection(":memory:").run(
            "SELECT name, narg FROM pragma_function_list WHERE type = 's' AND NOT flags & 2048")
        let names = Set(listed.compactMap(\.first?.description))
        #expect(
            names.isSuperset(of: ["random", "fts3_tokenizer", "matchinfo", "rtreenode", "fts5_source_id", "match"]))
        var index: LogIndex = 0
        func expectRefusal(of name: String, _ sql: String) throws {
            index = index.next
            let output = try database.apply(.init(sql), at: LogID(term: 1, index: index))
            guard case .refused(let text) = output, text.hasPrefix("\(name) is refused: it does not give") else {
                Issue.record("\(sql): \(output)")
                return
            }
        }
        for row in listed {
            guard case (.text(let name)?, .integer(let count)?) = (row.first, row.last) else { continue }
            for count in count < 0 ? 0...3 : Int(count)...Int(count) {
                let call = "\"\(name)\"(\(Array(repeating: "'simple'", count: count).joined(separator: ", ")))"
                try expectRefusal(of: name, "SELECT \(call)")
                // Here SQLite asks for no permission.
                try expectRefusal(of: name, "CREATE TABLE a (b, c DEFAULT (\(call))); INSERT INTO a (b) VALUES (1)")
            }
        }
    }

    @Test(
        "The largest rowid of a row that is not written is no harm: the next row has the next one",
        arguments: [
            "INSERT OR IGNORE INTO s VALUES (9223372036854775807, 1)",
            "INSERT INTO s VALUES (9223372036854775807, 1) ON CONFLICT DO NOTHING",
            "INSERT OR IGNORE INTO s VALUES (9223372036854775807, 9)",
        ])
    func unwritten(sql: String) throws {
        let outputs = try outputs([
            .init("CREATE TABLE s (i INTEGER PRIMARY KEY, v UNIQUE CHECK (v < 5)); INSERT INTO s (v) VALUES (1)"),
            .init(sql), .init("INSERT INTO s (v) VALUES (2) RETURNING i"),
        ])
        #expect(outputs == [.done(rows: []), .done(rows: []), .done(rows: [[.integer(2)]])])
    }

    @Test("What hides in a default, a trigger or a view is refused when it would be used")
    func hidden() throws {
        let outputs = try outputs([
            .init("CREATE TABLE a (b, c DEFAULT (random())); CREATE VIEW v AS SELECT datetime('now') AS d"),
            .init("INSERT INTO a (b) VALUES (1)"), .init("INSERT INTO a SELECT d, 1 FROM v"),
            .init("CREATE TABLE t (b); CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM raft_applied; END"),
            .init("INSERT INTO t VALUES (1)"), .init("INSERT INTO a VALUES (1, 2) RETURNING b, c"),
        ])
        for index in [1, 2, 4] {
            guard case .refused = outputs[index] else {
                Issue.record("\(index): \(outputs[index])")
                continue
            }
        }
        #expect(outputs[5] == .done(rows: [[.integer(1), .integer(2)]]))
    }

    @Test("Everything that is the same everywhere may be used, and every value comes back as it was")
    func allowed() throws {
        let place = try Place()
        var database = try place.open()
        let values: [Value] = [.null, .integer(.min), .real(0.1), .text("ä\u{0}b"), .blob([0, 255]), .blob([])]
        for (index, value) in values.enumerated() {
            var bytes: [UInt8] = []
            Database.Command("SELECT upper('a'), abs(-1), ?1", value).encode(into: &bytes)
            let output = try database.apply(
                .init(decoding: bytes[...]), at: LogID(term: 1, index: LogIndex(UInt64(index + 1))))
            #expect(output == .done(rows: [[.text("A"), .integer(1), value]]))
        }
        let several: Database.Command = .init(
            """
            CREATE TABLE a (b, c); INSERT INTO a SELECT value, value * 2 FROM json_each('[1, 2]'); -- a comment
            ALTER TABLE a RENAME COLUMN c TO d; CREATE INDEX i ON a (d); ALTER TABLE a RENAME TO e;
            SELECT sqrt(2), ceil(1.5), floor(1.5), round(1.5), mod(5, 3), degrees(1), radians(1), sign(-1), pi();
            ALTER TABLE e ADD f NOT NULL DEFAULT 1; ALTER TABLE e DROP f;
            WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3) SELECT sum(x) FROM n;
            """)
        #expect(try database.apply(several, at: LogID(term: 1, index: 9)) == .done(rows: [[.integer(6)]]))
    }

    @Test("Reads may use a clock, see the last commit, and change nothing")
    func reads() throws {
        let place = try Place()
        var database = try place.open()
        _ = try database.apply(.init("CREATE TABLE a (b)"), at: LogID(term: 1, index: 1))
        #expect(
            try database.query("SELECT count(*), datetime('now') > ?1 FROM a", .text("2")) == [
                [.integer(0), .integer(1)]
            ])
        for sql in ["INSERT INTO a VALUES (1)", "ATTACH 'b' AS c", "PRAGMA user_version = 1"] {
            #expect(throws: SQLiteError.self) { try database.query(sql) }
        }
    }

    @Test(
        "The position is in the file together with what was applied, and a file that knows more than the log is emptied"
    )
    func position() throws {
        let place = try Place()
        do {
            var database = try place.open()
            _ = try database.apply(.init("CREATE TABLE a (b)"), at: LogID(term: 2, index: 7))
            _ = try database.apply(.init("random nonsense"), at: LogID(term: 2, index: 8))
        }
        var database = try place.open()
        #expect(database.lastApplied == LogID(term: 2, index: 8))
        try database.open(logEnd: LogID(term: 2, index: 8))
        #expect(try database.query("SELECT count(*) FROM a") == [[.integer(0)]])
        try database.open(logEnd: LogID(term: 2, index: 7))
        #expect(database.lastApplied == nil)
        #expect(try place.open().lastApplied == nil)
        #expect(throws: SQLiteError.self) { try database.query("SELECT count(*) FROM a") }
    }

    @Test("A computer that stops at any moment leaves the state of exactly one entry, and its position")
    func powerCuts() throws {
        let place = try Place()
        var database = try place.open()
        _ = try database.apply(.init("CREATE TABLE a (b)"), at: LogID(term: 1, index: 1))
        for index in 2...20 as ClosedRange<UInt64> {
            let insert = Database.Command("INSERT INTO a VALUES (?1)", .integer(Int64(index)))
            _ = try database.apply(insert, at: LogID(term: 1, index: LogIndex(index)))
        }
        // Its files as they are now, with less and less of what was written last.
        let main = try Data(contentsOf: URL(filePath: place.path + "/a.db"))
        let log = try Data(contentsOf: URL(filePath: place.path + "/a.db-wal"))
        var positions: Set<LogIndex> = []
        for length in stride(from: log.count, through: 0, by: -1531) {
            let left = try Place()
            try main.write(to: URL(filePath: left.path + "/a.db"))
            try log.prefix(length).write(to: URL(filePath: left.path + "/a.db-wal"))
            let found = try left.open()
            positions.insert(found.lastApplied?.index ?? 0)
            guard let position = found.lastApplied else { continue }
            #expect(try found.query("SELECT count(*) + 1 FROM a") == [[.integer(Int64(position.index.rawValue))]])
        }
        #expect(positions.count > 15 && positions.contains(20))
    }

    /// A snapshot in memory.
    final class Bytes: SnapshotReader {
        let manifest: SnapshotManifest
        private let bytes: [UInt8]

        init(_ bytes: [UInt8], through last: LogID) throws {
            self.bytes = bytes
            manifest = SnapshotManifest(
                id: SnapshotID(builder: Incarnation(rawValue: 1), number: 1), last: last,
                configuration: try ClusterConfiguration(voters: [.init(id: 1, address: "a:1")]), configurationID: .zero,
                bootstrap: nil, byteCount: UInt64(bytes.count), checksum: SnapshotChecksum.of(bytes[...]))
        }
        func read(at offset: UInt64, maximumBytes: Int) -> [UInt8] {
            Array(bytes.dropFirst(Int(offset)).prefix(maximumBytes))
        }
    }

    @Test("A restore that ends half-way leaves an empty file without a position, not the old state")
    func halfRestored() throws {
        let place = try Place()
        var database = try place.open()
        _ = try database.apply(.init("CREATE TABLE a (b)"), at: LogID(term: 1, index: 1))
        let other = place.path + "/other.db"
        // SQLite takes over no other size of pages; when it says so the old state is gone.
        try Connection(other).run("PRAGMA page_size = 8192; CREATE TABLE raft_applied (term, entry)")
        let last = LogID(term: 1, index: 5)
        var contents = SnapshotContents(try Bytes(Array(Data(contentsOf: URL(filePath: other))), through: last))
        #expect(throws: SQLiteError.self) { try database.restore(&contents, through: last) }
        let found = try place.open()
        #expect(found.lastApplied == nil)
        #expect(try found.query("SELECT name FROM sqlite_schema") == [[.text("raft_applied")]])
    }

    @Test("A backup that could not be made is an error, also when it is only that somebody has locked the other file")
    func lockedBackup() throws {
        let place = try Place()
        let (source, other) = (try Connection(":memory:"), place.path + "/b.db")
        try source.run("CREATE TABLE a (b)")
        let (holder, destination) = (try Connection(other), try Connection(other))
        try holder.run("CREATE TABLE c (d); BEGIN IMMEDIATE")
        try destination.run("PRAGMA busy_timeout = 0")
        #expect(throws: SQLiteError.self) { try source.backUp(to: destination) }
        try holder.run("ROLLBACK")
        try source.backUp(to: destination)
        #expect(try destination.run("SELECT name FROM sqlite_schema") == [[.text("a")]])
    }

    @Test("What a process that died left of its snapshots goes with the next start, and nothing else")
    func leftovers() throws {
        let place = try Place()
        for end in ["snapshot-1", "snapshot-1-journal", "restoring", "restoring-wal", "other"] {
            try Data([1]).write(to: URL(filePath: "\(place.path)/a.db-\(end)"))
        }
        let database = try place.open()
        #expect(database.lastApplied == nil)
        let left = try FileManager.default.contentsOfDirectory(atPath: place.path).sorted()
        #expect(left == ["a.db", "a.db-other", "a.db-shm", "a.db-wal"])
    }
}
