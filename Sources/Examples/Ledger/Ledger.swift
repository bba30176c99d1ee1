import Foundation
import Raft

/// Accounts, kept in a file of the machine's own: one line for each run of commands, with what it changed.
///
/// The file is a cache of the log: it is synced at a clean end only. After a power cut some lines are missing or torn; the
/// whole lines before the first bad one are the state of exactly one entry, and the node goes on behind it.
struct Ledger: StateMachine {
    /// As text, `+5 ann` or `-5 ann`.
    struct Booking: ReplicatedCommand {
        var account: String
        var amount: Int32
        struct NotABooking: Error {}

        func encode(into bytes: inout [UInt8]) { bytes += "\(amount < 0 ? "" : "+")\(amount) \(account)".utf8 }
        init(decoding bytes: ArraySlice<UInt8>) throws {
            let parts = String(decoding: bytes, as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
            guard parts.count == 2, let amount = Int32(parts[0]), parts[1].allSatisfy({ $0.isASCII && $0.isLetter })
            else { throw NotABooking() }
            self.init(account: String(parts[1]), amount: amount)
        }
        init(account: String, amount: Int32) {
            self.account = account
            self.amount = amount
        }
    }
    enum Output: Hashable, Sendable {
        case balance(Int)
        /// An output, not an error: it is the same on every member.
        case tooLittle(Int)
    }

    static let execution = StateMachineExecution.worker  // it writes to a file
    static let sessions = SessionSupport.none  // it does not keep them in its file
    private let path: String
    private var file: FileHandle?
    private var balances: [String: Int] = [:]
    private(set) var lastApplied: LogID?

    init(path: String) { self.path = path }

    mutating func open(logEnd: LogID) throws {
        let lines = try? String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        for line in lines ?? [] where take(line) == false { break }
        // The log was cut, or is another one: begin anew.
        if let held = lastApplied, held.index > logEnd.index { (balances, lastApplied) = ([:], nil) }
        try rewrite()
    }

    /// Takes over a line; false when it is not whole.
    private mutating func take(_ line: Substring) -> Bool {
        let parts = line.split(separator: "|", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[3] == Self.checksum(parts[0..<3].joined(separator: "|")),
            let term = UInt64(parts[0]), let index = UInt64(parts[1])
        else { return false }
        for change in parts[2].split(separator: ",") {
            let pair = change.split(separator: "=")
            balances[String(pair[0])] = Int(pair[1])
        }
        lastApplied = LogID(term: Term(term), index: LogIndex(index))
        return true
    }

    private static func checksum(_ text: String) -> String { "\(SnapshotChecksum.of(Array(text.utf8)[...]))" }

    private static func line(_ balances: [String: Int], through last: LogID) -> Data {
        let changes = balances.map { "\($0)=\($1)" }.joined(separator: ",")
        let text = "\(last.term)|\(last.index)|\(changes)"
        return Data("\(text)|\(checksum(text))\n".utf8)
    }

    /// Puts one line in place of all, so that the file does not grow for ever. Whole, or not at all.
    private mutating func rewrite() throws {
        try file?.close()
        let line = lastApplied.map { Self.line(balances, through: $0) } ?? Data()
        try line.write(to: URL(filePath: path), options: .atomic)
        let opened = try FileHandle(forWritingTo: URL(filePath: path))
        try opened.seekToEnd()
        file = opened
    }

    mutating func apply(_ booking: Booking, at id: LogID) throws -> Output {
        let balance = balances[booking.account, default: 0]
        guard balance + Int(booking.amount) >= 0 else { return .tooLittle(balance) }
        balances[booking.account] = balance + Int(booking.amount)
        return .balance(balance + Int(booking.amount))
    }

    /// One write for all commands of a run, and the position that belongs to it.
    mutating func apply(_ batch: CommandBatch<Booking>, into outputs: inout [Output]) throws {
        var changed: [String: Int] = [:]
        try batch.forEachCommand { booking, id in
            outputs.append(try apply(booking, at: id))
            changed[booking.account] = balances[booking.account]
        }
        try file?.write(contentsOf: Self.line(changed, through: batch.through))
        lastApplied = batch.through
    }

    /// For reads.
    var accounts: [String] { balances.map { "\($0): \($1)" }.sorted() }

    static let makesSnapshots = true

    func snapshot() throws -> StateSnapshot {
        StateSnapshot { [balances] write in
            for (account, balance) in balances { try write(ArraySlice("\(account)=\(balance)\n".utf8)) }
        }
    }

    mutating func restore(_ contents: inout SnapshotContents, through last: LogID) throws {
        var restored: [String: Int] = [:]
        for line in String(decoding: try contents.all(), as: UTF8.self).split(separator: "\n") {
            let pair = line.split(separator: "=")
            guard pair.count == 2, let balance = Int(pair[1]) else { throw Booking.NotABooking() }
            restored[String(pair[0])] = balance
        }
        (balances, lastApplied) = (restored, last)
        try rewrite()
    }

    mutating func close() throws {
        try file?.synchronize()
        try file?.close()
        file = nil
    }
}
