import CSQLite
import Foundation

/// Lets SQL that comes over the log do nothing that could come out differently on another member, or after a restart.
///
/// - SQLite tells which of its functions do not give the same for the same arguments, and which tables it makes up.
/// - Where it asks whether a statement may do something (`sqlite3_set_authorizer`), only what is listed here may be done.
/// - The functions that are refused are replaced, too: SQLite asks for no permission for those in a `DEFAULT`.
final class SQLGuard {
    private let connection: Connection
    /// The machine's own table.
    private let reserved: String
    private let madeUpTables: Set<String>
    /// Functions that do not give the same everywhere.
    private let madeUpFunctions: Set<String>
    private var isOn = false
    /// Why the statement under way is refused, if it is.
    private var reason: String?

    init(_ connection: Connection, reserving reserved: String) throws {
        self.connection = connection
        self.reserved = reserved
        // Such as `dbstat`, which shows pages. `pragma_…` are not here, but ask for permission for the PRAGMA.
        let modules = try connection.run(
            "SELECT name FROM pragma_module_list WHERE name NOT IN ('json_each', 'json_tree')")
        madeUpTables = Set(modules.compactMap(\.first?.description))
        // Such as random() and CURRENT_TIMESTAMP; changes() and last_insert_rowid(), which a restart forgets;
        // sqlite_version(). 2048 is SQLITE_DETERMINISTIC.
        let functions = try connection.run(
            "SELECT name, narg FROM pragma_function_list WHERE type = 's' AND NOT flags & 2048")
        madeUpFunctions = Set(functions.compactMap { $0.first?.description.lowercased() })
            .union(Self.clocks).union(Self.roughMath)
        // To SQLite one with the exact number of arguments goes before one with any, so each needs a replacement.
        for function in functions {
            guard case (.text(let name)?, .integer(let count)?) = (function.first, function.last) else { continue }
            try replaceFunction(name, Int32(clamping: count))
        }
        for name in madeUpFunctions { try replaceFunction(name, -1) }

        // More than that in one value is refused, before it is a matter of how much memory a member has.
        sqlite3_limit(connection.handle, SQLITE_LIMIT_LENGTH, 1 << 20)
        let me = Unmanaged.passUnretained(self).toOpaque()  // nothing runs on the connection once this is gone
        sqlite3_set_authorizer(
            connection.handle,
            { me, action, first, second, _, _ in
                guard let me else { return SQLITE_DENY }
                let (first, second) = (first.map { String(cString: $0) }, second.map { String(cString: $0) })
                let mine = Unmanaged<SQLGuard>.fromOpaque(me).takeUnretainedValue()
                return mine.allows(action, first ?? "", second ?? "") ? SQLITE_OK : SQLITE_DENY
            }, me)
        sqlite3_update_hook(
            connection.handle,
            { me, _, _, table, rowid in
                guard let me, rowid == .max else { return }
                Unmanaged<SQLGuard>.fromOpaque(me).takeUnretainedValue().reason =
                    "the largest rowid is refused: behind it SQLite draws others by chance"
            }, me)
    }

    deinit {
        sqlite3_set_authorizer(connection.handle, nil, nil)
        sqlite3_update_hook(connection.handle, nil, nil)
    }

    /// Runs SQL that somebody wrote.
    ///
    /// - Throws: an error whose ``SQLiteError/isOfTheStatement`` says whether it is refused, by us or by SQLite.
    func run(_ sql: String, _ arguments: [Value]) throws -> [[Value]] {
        (isOn, reason) = (true, nil)
        defer { isOn = false }
        do {
            let rows = try connection.run(sql, arguments, allowsExplain: false)
            guard let reason else { return rows }
            throw SQLiteError(code: SQLITE_AUTH, message: reason)
        } catch let error as SQLiteError {
            // Whatever came of it then: behind the largest rowid SQLite may say that the disk is full.
            guard let reason else { throw error }
            throw SQLiteError(code: SQLITE_AUTH, message: reason)
        }
    }

    /// To SQLite they are deterministic, unless they are given 'now' or 'localtime'.
    private static let clocks = ["date", "time", "datetime", "julianday", "strftime", "unixepoch", "timediff"]
    /// From the C library, which takes another way on another processor, and may round the last digit otherwise. What
    /// IEEE 754 rounds exactly may be used: sqrt, ceil, floor, trunc, mod, degrees, radians.
    private static let roughMath = [
        "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cos", "cosh", "exp", "ln", "log", "log10", "log2",
        "pow", "power", "sin", "sinh", "tan", "tanh",
    ]

    private static let allowed: Set<Int32> = [
        SQLITE_SELECT, SQLITE_READ, SQLITE_FUNCTION, SQLITE_RECURSIVE, SQLITE_INSERT, SQLITE_UPDATE, SQLITE_DELETE,
        SQLITE_CREATE_TABLE, SQLITE_CREATE_INDEX, SQLITE_CREATE_VIEW, SQLITE_CREATE_TRIGGER, SQLITE_ALTER_TABLE,
        SQLITE_DROP_TABLE, SQLITE_DROP_INDEX, SQLITE_DROP_VIEW, SQLITE_DROP_TRIGGER, SQLITE_REINDEX,
    ]
    /// The names of what is most likely asked for of the rest.
    private static let refused: [Int32: String] = [
        SQLITE_PRAGMA: "PRAGMA", SQLITE_ATTACH: "ATTACH", SQLITE_DETACH: "DETACH", SQLITE_ANALYZE: "ANALYZE",
        SQLITE_TRANSACTION: "TRANSACTION", SQLITE_SAVEPOINT: "SAVEPOINT", SQLITE_CREATE_VTABLE: "VIRTUAL TABLE",
        SQLITE_DROP_VTABLE: "VIRTUAL TABLE", SQLITE_CREATE_TEMP_TABLE: "TEMP TABLE",
        SQLITE_CREATE_TEMP_INDEX: "TEMP INDEX", SQLITE_CREATE_TEMP_VIEW: "TEMP VIEW",
        SQLITE_CREATE_TEMP_TRIGGER: "TEMP TRIGGER",
    ]

    private func allows(_ action: Int32, _ first: String, _ second: String) -> Bool {
        guard isOn else { return true }
        if !Self.allowed.contains(action) {
            reason =
                "\(Self.refused[action] ?? "action \(action)") \(first) is refused: each command is a transaction on"
            reason? += " this database alone, the same on every member"
        } else if first.lowercased() == reserved || second.lowercased() == reserved {
            reason = "\(reserved) is the machine's own table"
        } else if action == SQLITE_READ, madeUpTables.contains(first.lowercased()) {
            reason = "\(first) is refused: what it shows is not the same on every member"
        } else if action == SQLITE_FUNCTION, madeUpFunctions.contains(second.lowercased()) {
            reason = Self.reason(against: second)
        } else if action == SQLITE_CREATE_TABLE, first.lowercased() == "sqlite_sequence" {
            // Which SQLite makes with the first such table.
            reason = "AUTOINCREMENT is refused: its counter may come to its end without a row, and the next row would"
            reason? += " stop every member; INTEGER PRIMARY KEY alone numbers rows the same everywhere"
        }
        return reason == nil
    }

    private static func reason(against function: String) -> String {
        "\(function) is refused: it does not give the same everywhere; put its value into an argument"
    }

    private func replaceFunction(_ name: String, _ argumentCount: Int32) throws {
        try connection.check(
            sqlite3_create_function_v2(
                connection.handle, name, argumentCount, SQLITE_UTF8, strdup(name),
                { context, _, _ in
                    let name = sqlite3_user_data(context).map {
                        String(cString: $0.assumingMemoryBound(to: CChar.self))
                    }
                    sqlite3_result_error(context, SQLGuard.reason(against: name ?? ""), -1)
                }, nil, nil, { free($0) }))
    }
}
