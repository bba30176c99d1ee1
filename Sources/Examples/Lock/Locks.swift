import Foundation
import Raft

/// Locks by name, that their owners lose after a while, each with a token that only grows.
///
/// What a lock alone cannot do: an owner that was held up for long does not know that it has lost its lock. So whatever
/// the lock protects takes the token along, and refuses those below the highest that it has seen (``Vault``).
struct Locks: StateMachine {
    enum Command: ReplicatedCommand, Codable {
        /// - now: by the proposer's clock, in milliseconds. A machine has none of its own: it would differ on each member.
        case acquire(String, owner: String, now: Int64, milliseconds: Int64)
        case release(String, token: UInt64)

        func encode(into bytes: inout [UInt8]) {
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys  // the same bytes on every member
            bytes += (try? encoder.encode(self)) ?? Data()
        }
        init(decoding bytes: ArraySlice<UInt8>) throws { self = try JSONDecoder().decode(Self.self, from: Data(bytes)) }
    }

    enum Output: Hashable, Sendable {
        /// The owner has it. Asked again it gets the same token, so a lost answer does no harm.
        case granted(token: UInt64)
        case taken(by: String)
        case released, notHeld
    }

    private struct Holder: Codable {
        var owner: String
        var token: UInt64
        var until: Int64
    }
    private struct State: Codable {
        var holders: [String: Holder] = [:]
        /// The latest time that a proposer has named: it never goes back, whoever's clock does.
        var now: Int64 = 0
    }
    private var state = State()

    mutating func apply(_ command: Command, at id: LogID) -> Output {
        switch command {
        case .acquire(let name, let owner, let now, let milliseconds):
            state.now = max(state.now, now)
            if let holder = state.holders[name], holder.owner != owner, holder.until > state.now {
                return .taken(by: holder.owner)
            }
            // Nothing that comes from a log may trap: these numbers are anybody's.
            let (until, isTooLate) = state.now.addingReportingOverflow(max(milliseconds, 0))
            let kept = state.holders[name].flatMap { $0.owner == owner && $0.until > state.now ? $0.token : nil }
            // An entry's index is used once, and grows: the best of tokens.
            let holder = Holder(owner: owner, token: kept ?? id.index.rawValue, until: isTooLate ? .max : until)
            state.holders[name] = holder
            return .granted(token: holder.token)
        case .release(let name, let token):
            guard state.holders[name]?.token == token else { return .notHeld }
            state.holders[name] = nil
            return .released
        }
    }

    /// Who has which lock, for reads.
    var held: [String] { state.holders.map { "\($0): \($1.owner) \($1.token) until \($1.until)" }.sorted() }

    static let makesSnapshots = true

    func snapshot() throws -> StateSnapshot {
        StateSnapshot { [state] write in try write(ArraySlice(JSONEncoder().encode(state))) }
    }

    mutating func restore(_ contents: inout SnapshotContents, through last: LogID) throws {
        state = try JSONDecoder().decode(State.self, from: Data(contents.all()))
    }
}

/// What a lock protects: it takes nothing from who has been overtaken.
struct Vault {
    private(set) var content = ""
    private var highest: UInt64 = 0

    mutating func write(_ text: String, token: UInt64) -> Bool {
        guard token >= highest else { return false }
        (highest, content) = (token, text)
        return true
    }
}
