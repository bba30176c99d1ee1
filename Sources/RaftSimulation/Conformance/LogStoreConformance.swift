public import Raft

/// Checks that a ``LogStore`` of your own keeps the promises that a node relies on.
///
/// ```swift
/// let conformance = LogStoreConformance {
///     let directory = makeTemporaryDirectory()
///     return .init { try MyLogStore(directory) }
/// }
/// for check in LogStoreConformance.Check.allCases {
///     if let violation = conformance.violation(of: check) { print(violation) }
/// }
/// ```
///
/// It knows no test framework: call it from a test of any kind, one check a test or all at once. Each check works in a
/// place of its own, which it asks for; how the store is made, and what is left behind, is yours. The checks say what
/// was done to the store, what it answered, and what the promise is. They take a few seconds together on a real disk.
public struct LogStoreConformance: Sendable {
    /// Where one store keeps its data: empty at first, and no other check's.
    public struct Place: Sendable {
        let open: @Sendable () throws -> any LogStore
        let crash: (@Sendable () throws -> Void)?
        let fill: (@Sendable (_ isFull: Bool) throws -> Void)?

        /// - Parameters:
        ///   - crash: the machine stops and starts again: all that is not durable is lost. Called while the store is
        ///     open; it is closed afterwards, and opened anew. Nil if a test cannot do that: then
        ///     ``Check/survivesCrash`` only closes the store.
        ///   - fill: from now on the disk has no room for anything more, or has room again. Called while the store is open.
        ///     Nil if a test cannot do that: then ``Check/keepsWhatFindsNoRoom`` and ``Check/losesNothingWhileFull`` check
        ///     nothing.
        ///   - open: a store on what is there by now; the one before was closed. A store in memory gives the same one
        ///     again. ``LogStore/open()`` is left to the check.
        public init(
            crash: (@Sendable () throws -> Void)? = nil, fill: (@Sendable (_ isFull: Bool) throws -> Void)? = nil,
            open: @escaping @Sendable () throws -> any LogStore
        ) {
            self.open = open
            self.crash = crash
            self.fill = fill
        }
    }

    /// What is checked.
    public enum Check: String, CaseIterable, Sendable {
        /// A new store holds nothing: term 0, no vote, no entry.
        case emptyAtFirst
        /// What was appended is read back: ids, kinds and bytes, empty payloads too.
        case appends
        /// The newest term and vote are there when the store is opened again.
        case hardState
        /// ``RecoveredLog/termStarts`` names the first entry of each term, within batches and across them, without
        /// those that were cut.
        case termStarts
        /// ``RecoveredLog/configurations`` has every configuration entry with its bytes, without those that were cut.
        case configurations
        /// Operations of one write happen in the order given.
        case order
        /// A truncation forgets every entry above, and keeps every one through its own; then others may follow.
        case truncations
        /// A read gives at least one entry, no more bytes than asked for unless one entry has more, and none above the
        /// last that was asked for.
        case rangeLimits
        /// A read of what is not held is an error, not an empty or another batch.
        case refusals
        /// A purge takes nothing that is above it, and ``RecoveredLog/purged`` is an entry at or below it.
        case purges
        /// A log purged to its very end goes on behind it, also after a restart.
        case purgeToTheTip
        /// A log that begins anew behind an entry far ahead holds nothing, and goes on there.
        case resetAhead
        /// A log that begins anew behind an entry below its end, of another term, forgets what was above.
        case resetBehind
        /// Thousands of entries in one write, and one of 4 MiB.
        case bigBatches
        /// Reads on one thread see what was written, while another thread writes.
        case readsBesideWrites
        /// Opened again and again, the store holds the same.
        case reopens
        /// ``RecoveredLog/incarnation`` is the same at every start, and not that of another store.
        case incarnation
        /// What ``LogStore/write(_:)`` returned for is there after a crash.
        case survivesCrash
        /// A write that finds no room throws ``RaftError/Code/outOfSpace``, and what it has not performed is performed, in
        /// its order, once there is room: by the next call, with or without operations of its own. What was written
        /// before can be read meanwhile.
        case keepsWhatFindsNoRoom
        /// After a crash with a full disk everything is there that ``LogStore/write(_:)`` returned for, and behind it
        /// nothing but the beginning of what found no room.
        case losesNothingWhileFull
        /// Hundreds of operations of all kinds, in an order drawn from a seed, with restarts in between.
        case anything
    }

    let makePlace: @Sendable () throws -> Place

    /// - Parameter makePlace: called at least once by each check.
    public init(_ makePlace: @escaping @Sendable () throws -> Place) { self.makePlace = makePlace }

    /// Runs one check.
    ///
    /// - Returns: what the store did that it must not, or nil.
    public func violation(of check: Check) -> LogStoreViolation? {
        do {
            try run(check)
            return nil
        } catch let violation as LogStoreMismatch {
            return LogStoreViolation(check: check, description: "\(check.rawValue): \(violation.text)")
        } catch {
            return LogStoreViolation(check: check, description: "\(check.rawValue): an error was thrown: \(error)")
        }
    }

    /// Runs every check.
    ///
    /// - Returns: what is wrong; empty for a store that may be used.
    public func violations() -> [LogStoreViolation] { Check.allCases.compactMap { violation(of: $0) } }
}

/// A promise of ``LogStore`` that a store does not keep.
public struct LogStoreViolation: Error, Hashable, Sendable, CustomStringConvertible {
    public let check: LogStoreConformance.Check
    /// The check, what was found, and what should have been.
    public let description: String
}

struct LogStoreMismatch: Error {
    let text: String
    init(_ text: String) { self.text = text }
}
