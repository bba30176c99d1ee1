import Foundation
import Raft

/// A SQLite database, replicated: its SQL goes over the log, and every member runs it on a file of its own.
///
/// Each command is one transaction of SQLite, and how far it has applied the log is in the same one: after a crash the
/// file is the state of exactly one entry, and says which. The file is a cache of the log, so SQLite need not sync it at
/// every command (`synchronous = NORMAL`): a power cut takes the last of them, and the node goes on from there.
struct Database: StateMachine {
    /// SQL, one statement or several, which are done together or not at all.
    struct Command: ReplicatedCommand, Codable {
        var sql: String
        /// What stands for `?1`, `?2` and so on in it: whatever members must not ask a clock or chance for.
        var arguments: [Value]

        init(_ sql: String, _ arguments: Value...) {
            self.sql = sql
            self.arguments = arguments
        }
        func encode(into bytes: inout [UInt8]) {
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys  // the same bytes on every member
            encoder.nonConformingFloatEncodingStrategy = .convertToString(
                positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
            bytes += (try? encoder.encode(self)) ?? Data()
        }
        init(decoding bytes: ArraySlice<UInt8>) throws {
            let decoder = JSONDecoder()
            decoder.nonConformingFloatDecodingStrategy = .convertFromString(
                positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
            self = try decoder.decode(Self.self, from: Data(bytes))
        }
    }
    enum Output: Hashable, Sendable {
        /// The rows are those of the last statement: of a `RETURNING`, or a `SELECT`.
        case done(rows: [[Value]])
        /// Nothing was done. An output, not an error: it is the same on every member.
        case refused(String)
    }

    static let execution = StateMachineExecution.worker  // it writes to a file
    static let sessions = SessionSupport.none  // it does not keep them in its file
    private static let position = "raft_applied"
    private let path: String
    private let writer: Connection
    private let sqlGuard: SQLGuard
    private let reader: Connection
    private(set) var lastApplied: LogID?

    /// - Parameter path: of its file, which may or may not be there; SQLite puts two more beside it.
    init(path: String) throws {
        self.path = path
        Self.removeCopies(of: path)
        writer = try Connection(path)
        // Readers see the last commit while the next one is written, for as long as they like.
        try writer.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
        try writer.run("CREATE TABLE IF NOT EXISTS \(Self.position) (term INTEGER, entry INTEGER)")
        sqlGuard = try SQLGuard(writer, reserving: Self.position)
        reader = try Connection(path, readOnly: true)
        try reader.allowOnlySelect()
        if let row = try writer.run("SELECT term, entry FROM \(Self.position)").first,
            case (.integer(let term)?, .integer(let index)?) = (row.first, row.last)
        {
            lastApplied = LogID(
                term: Term(UInt64(bitPattern: term)), index: LogIndex(UInt64(bitPattern: index)))
        }
    }

    mutating func open(logEnd: LogID) throws {
        guard let held = lastApplied, held.index > logEnd.index else { return }
        try empty()  // the log was cut, or is another one
    }

    /// Begins anew: everything goes, and the position with it, in one transaction.
    private mutating func empty() throws {
        let nothing = try Connection(":memory:")
        try nothing.run("CREATE TABLE \(Self.position) (term INTEGER, entry INTEGER)")
        try nothing.backUp(to: writer)
        lastApplied = nil
    }

    mutating func apply(_ command: Command, at id: LogID) throws -> Output {
        let output: Output
        try writer.run("BEGIN IMMEDIATE")
        do {
            output = .done(rows: try sqlGuard.run(command.sql, command.arguments))
        } catch let error as SQLiteError where error.isOfTheStatement {
            if writer.isInTransaction { try writer.run("ROLLBACK") }  // an `OR ROLLBACK` has done so itself
            try writer.run("BEGIN IMMEDIATE")
            output = .refused(error.message)
        }
        try Self.keep(id, in: writer)
        try writer.run("COMMIT")
        lastApplied = id
        return output
    }

    /// A run may end with entries that are no commands: they count as applied, too.
    mutating func apply(_ batch: CommandBatch<Command>, into outputs: inout [Output]) throws {
        try batch.forEachCommand { command, id in outputs.append(try apply(command, at: id)) }
        guard lastApplied != batch.through else { return }
        try writer.run("BEGIN IMMEDIATE")
        try Self.keep(batch.through, in: writer)
        try writer.run("COMMIT")
        lastApplied = batch.through
    }

    private static func keep(_ id: LogID, in connection: Connection) throws {
        try connection.run("DELETE FROM \(position)")
        let (term, index) = (Int64(bitPattern: id.term.rawValue), Int64(bitPattern: id.index.rawValue))
        try connection.run("INSERT INTO \(position) VALUES (?1, ?2)", [.integer(term), .integer(index)])
    }

    /// For reads: one statement or several that only read. They may use every function: nothing comes of it.
    func query(_ sql: String, _ arguments: Value...) throws -> [[Value]] { try reader.run(sql, arguments) }

    static let makesSnapshots = true

    /// Begins to read now, and copies what it reads later: SQLite keeps the pages as they were for as long.
    func snapshot() throws -> StateSnapshot {
        let view = try Connection(path, readOnly: true)
        try view.run("BEGIN; SELECT * FROM \(Self.position)")
        let copy = "\(path)-snapshot-\(UUID())"
        return StateSnapshot { write in
            defer { Self.remove(copy) }
            try view.backUp(to: Connection(copy))
            let file = try FileHandle(forReadingFrom: URL(filePath: copy))
            defer { try? file.close() }
            while let piece = try file.read(upToCount: 1 << 18), !piece.isEmpty { try write(ArraySlice(piece)) }
        }
    }

    mutating func restore(_ contents: inout SnapshotContents, through last: LogID) throws {
        let copy = "\(path)-restoring"
        Self.remove(copy)  // of a start that ended half-way
        defer { Self.remove(copy) }
        try Data().write(to: URL(filePath: copy))
        let file = try FileHandle(forWritingTo: URL(filePath: copy))
        defer { try? file.close() }
        while let piece = try contents.next() { try file.write(contentsOf: piece) }  // checks what it reads

        let taken = try Connection(copy)
        try Self.keep(last, in: taken)
        // Whoever crashes from here on finds an empty file, or the new state with its position. Not the old state with
        // its own, which may be of a log that is gone; nor without one, or commands would be applied to it once more.
        try empty()
        try taken.backUp(to: writer)
        lastApplied = last
    }

    /// Removes what a process that died on the way left of a snapshot that it wrote or took over.
    private static func removeCopies(of path: String) {
        let file = URL(filePath: path)
        let folder = file.deletingLastPathComponent().path
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        where ["-snapshot-", "-restoring"].contains(where: { name.hasPrefix(file.lastPathComponent + $0) }) {
            try? FileManager.default.removeItem(atPath: "\(folder)/\(name)")
        }
    }

    private static func remove(_ file: String) {
        for name in [file, file + "-wal", file + "-shm", file + "-journal"] {
            try? FileManager.default.removeItem(atPath: name)
        }
    }

    mutating func close() throws { try writer.run("PRAGMA wal_checkpoint(TRUNCATE)") }
}
