import CSQLite

/// A value as SQLite has it.
enum Value: Codable, Hashable, Sendable, CustomStringConvertible {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])

    var description: String {
        switch self {
        case .null: "NULL"
        case .integer(let value): "\(value)"
        case .real(let value): "\(value)"
        case .text(let value): value
        case .blob(let value): "\(value)"
        }
    }
}

/// What SQLite says that went wrong.
struct SQLiteError: Error, CustomStringConvertible {
    let code: Int32
    let message: String
    var description: String { "SQLite: \(message) (\(code))" }

    /// Whether the statement is at fault, so that every member finds the same. Everything else is this member's own
    /// trouble: its disk, its memory.
    var isOfTheStatement: Bool {
        [SQLITE_ERROR, SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_AUTH, SQLITE_RANGE]
            .contains(code & 0xff)
    }
}

/// One connection to a database file: the little of SQLite's interface that is needed here.
///
/// `@unchecked Sendable`: one place at a time uses it, and SQLite locks it besides (`SQLITE_OPEN_FULLMUTEX`).
final class Connection: @unchecked Sendable {
    let handle: OpaquePointer

    init(_ path: String, readOnly: Bool = false) throws {
        let access = readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
        var opened: OpaquePointer?
        let code = sqlite3_open_v2(path, &opened, access | SQLITE_OPEN_FULLMUTEX, nil)
        guard code == SQLITE_OK, let opened else {
            let message = opened.map { String(cString: sqlite3_errmsg($0)) } ?? "no memory"
            sqlite3_close_v2(opened)
            throw SQLiteError(code: code, message: "\(path): \(message)")
        }
        handle = opened
        sqlite3_busy_timeout(handle, 5000)
    }

    deinit { sqlite3_close_v2(handle) }

    var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

    /// Runs every statement of a text. The arguments are `?1`, `?2` and so on, the same ones for each.
    ///
    /// - Parameter allowsExplain: EXPLAIN shows how a statement would be run, down to addresses in memory.
    /// - Returns: the rows of the last statement.
    @discardableResult
    func run(_ sql: String, _ arguments: [Value] = [], allowsExplain: Bool = true) throws -> [[Value]] {
        guard !sql.utf8.contains(0) else {
            throw SQLiteError(
                code: SQLITE_ERROR,
                message: "a NUL byte in SQL is refused: SQLite reads no further; put it into an argument")
        }
        return try sql.withCString { text in
            var rows: [[Value]] = []
            var rest: UnsafePointer<CChar>? = text
            while let here = rest, here.pointee != 0 {
                var statement: OpaquePointer?
                try check(sqlite3_prepare_v2(handle, here, -1, &statement, &rest))
                guard let statement else { continue }  // a comment, or nothing at all
                defer { sqlite3_finalize(statement) }
                guard allowsExplain || sqlite3_stmt_isexplain(statement) == 0 else {
                    throw SQLiteError(
                        code: SQLITE_AUTH,
                        message: "EXPLAIN is refused: it shows addresses in this member's memory; ask it in a read")
                }
                try bind(arguments, to: statement)
                rows = try self.rows(of: statement)
            }
            return rows
        }
    }

    private func rows(of statement: OpaquePointer) throws -> [[Value]] {
        var rows: [[Value]] = []
        while true {
            let code = sqlite3_step(statement)
            if code == SQLITE_DONE { return rows }
            guard code == SQLITE_ROW else { throw error(code) }
            rows.append((0..<sqlite3_column_count(statement)).map { Self.value(of: statement, at: $0) })
        }
    }

    private func bind(_ arguments: [Value], to statement: OpaquePointer) throws {
        let count = Int(sqlite3_bind_parameter_count(statement))
        guard count <= arguments.count else {
            throw SQLiteError(
                code: SQLITE_RANGE, message: "\(count) arguments are needed, \(arguments.count) are given")
        }
        let isCopied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)  // SQLITE_TRANSIENT, which is a macro
        for (place, argument) in zip(1...Int32.max, arguments.prefix(count)) {
            switch argument {
            case .null: try check(sqlite3_bind_null(statement, place))
            case .integer(let value): try check(sqlite3_bind_int64(statement, place, value))
            case .real(let value): try check(sqlite3_bind_double(statement, place, value))
            case .text(let value):
                let code = sqlite3_bind_text(statement, place, value, Int32(clamping: value.utf8.count), isCopied)
                try check(code)
            case .blob(let value) where value.isEmpty: try check(sqlite3_bind_zeroblob(statement, place, 0))
            case .blob(let value):
                try check(sqlite3_bind_blob(statement, place, value, Int32(clamping: value.count), isCopied))
            }
        }
    }

    private static func value(of statement: OpaquePointer, at column: Int32) -> Value {
        switch sqlite3_column_type(statement, column) {
        case SQLITE_INTEGER: return .integer(sqlite3_column_int64(statement, column))
        case SQLITE_FLOAT: return .real(sqlite3_column_double(statement, column))
        case SQLITE_TEXT:
            let start = sqlite3_column_text(statement, column)
            let bytes = UnsafeBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, column)))
            return .text(String(decoding: bytes, as: UTF8.self))
        case SQLITE_BLOB:
            let start = sqlite3_column_blob(statement, column)
            let bytes = UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, column)))
            return .blob(Array(bytes))
        default: return .null
        }
    }

    /// From now on it refuses everything else, such as to ATTACH other files of this computer.
    func allowOnlySelect() throws {
        try check(
            sqlite3_set_authorizer(
                handle,
                { _, action, _, _, _, _ in
                    let allowed = [SQLITE_SELECT, SQLITE_READ, SQLITE_FUNCTION, SQLITE_RECURSIVE]
                    return allowed.contains(action) ? SQLITE_OK : SQLITE_DENY
                }, nil))
    }

    /// Puts the whole of this database, as it is for this connection now, in the place of another one's: in one
    /// transaction of that one, so whoever crashes in between finds it as it was.
    func backUp(to destination: Connection) throws {
        guard let backup = sqlite3_backup_init(destination.handle, "main", handle, "main") else {
            throw destination.error(sqlite3_errcode(destination.handle))
        }
        let code = sqlite3_backup_step(backup, -1)
        let end = sqlite3_backup_finish(backup)  // undoes what is not whole
        // Of a file that was locked SQLite promises to tell by the step alone: it could be gone on with later.
        guard code == SQLITE_DONE else {
            throw SQLiteError(code: code, message: "backup: \(String(cString: sqlite3_errstr(code)))")
        }
        try destination.check(end)
    }

    func check(_ code: Int32) throws {
        guard code == SQLITE_OK else { throw error(code) }
    }

    private func error(_ code: Int32) -> SQLiteError {
        SQLiteError(code: code, message: String(cString: sqlite3_errmsg(handle)))
    }
}
