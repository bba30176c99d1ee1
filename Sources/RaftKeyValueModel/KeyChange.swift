package import Raft

/// One change of one key.
public struct KeyChange: Hashable, Sendable {
    /// The revision of the command that made it.
    public var revision: UInt64
    /// Which change of its revision it is, from 0 on: a transaction makes several.
    public var ordinal: UInt32
    /// Which key.
    public var key: [UInt8]
    /// What the key is since then; nil when it was removed.
    public var entry: KeyValue?

    public init(revision: UInt64, ordinal: UInt32, key: [UInt8], entry: KeyValue?) {
        self.revision = revision
        self.ordinal = ordinal
        self.key = key
        self.entry = entry
    }

    /// Right behind it.
    public var position: ChangePosition { ChangePosition(revision: revision, ordinal: ordinal) }
}

/// A place in the order of all changes: behind one change, or behind all of a revision.
public struct ChangePosition: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Everything of lower revisions lies before it.
    public var revision: UInt64
    /// And of this revision what has no higher number; `UInt32.max` for all of it.
    public var ordinal: UInt32

    /// - Parameter ordinal: without it, behind all of the revision.
    public init(revision: UInt64, ordinal: UInt32 = .max) {
        self.revision = revision
        self.ordinal = ordinal
    }

    /// Before all changes of `revision` and those that follow.
    public init(before revision: UInt64) { self.init(revision: revision == 0 ? 0 : revision - 1) }

    public static func < (a: ChangePosition, b: ChangePosition) -> Bool {
        (a.revision, a.ordinal) < (b.revision, b.ordinal)
    }

    public var description: String { ordinal == .max ? "\(revision)" : "\(revision).\(ordinal)" }
}

// A change as bytes: in the history, in snapshots, and from server to client. Numbers are little-endian; bytes have
// their count before them (u32).
//
//   u64 revision · u32 ordinal · bytes key · u8 kind: 0 removed
//                                                     1 set: bytes value · u64 created · u64 version · u64 lease (0: none)

extension KeyChange {
    /// Writes it behind what `bytes` holds.
    package func encode(into bytes: inout [UInt8]) {
        bytes.put(revision)
        bytes.put(ordinal)
        bytes.put(counted: key)
        guard let entry else { return bytes.append(0) }
        bytes.append(1)
        bytes.put(counted: entry.value)
        bytes.put(entry.created)
        bytes.put(entry.version)
        bytes.put(entry.lease ?? 0)
    }

    /// Takes one change off the front; nil for one that lies outside of what is asked for.
    ///
    /// - Throws: ``RaftError/Code/corrupt`` when the bytes do not begin with a change.
    package static func take(
        _ rest: inout ByteReader, after position: ChangePosition, in range: KeyRange
    ) throws(RaftError) -> (change: KeyChange?, position: ChangePosition) {
        let revision = try rest.take(UInt64.self)
        let ordinal = try rest.take(UInt32.self)
        let here = ChangePosition(revision: revision, ordinal: ordinal)
        let key = try rest.take(count: Int(try rest.take(UInt32.self)))
        let isWanted = here > position && range.contains(key)
        guard try rest.takeFlag() else {
            return (isWanted ? KeyChange(revision: revision, ordinal: ordinal, key: Array(key), entry: nil) : nil, here)
        }
        let value = try rest.take(count: Int(try rest.take(UInt32.self)))
        let created = try rest.take(UInt64.self)
        let version = try rest.take(UInt64.self)
        let lease = try rest.take(UInt64.self)
        guard isWanted else { return (nil, here) }
        let entry = KeyValue(
            key: Array(key), value: Array(value), revision: revision, created: created, version: version,
            lease: lease == 0 ? nil : lease)
        return (KeyChange(revision: revision, ordinal: ordinal, key: entry.key, entry: entry), here)
    }

    /// Every change in `bytes`.
    ///
    /// - Throws: ``RaftError/Code/corrupt`` when they are not changes, one after the other.
    package static func all(decoding bytes: ArraySlice<UInt8>) throws(RaftError) -> [KeyChange] {
        var rest = ByteReader(bytes, of: "changes")
        var changes: [KeyChange] = []
        while !rest.rest.isEmpty {
            if let change = try take(&rest, after: ChangePosition(revision: 0, ordinal: 0), in: KeyRange()).change {
                changes.append(change)
            }
        }
        return changes
    }
}

/// Some of the changes, in order.
public struct ChangePage: Hashable, Sendable {
    public var changes: [KeyChange]
    /// How far it goes: everything that was asked for lies in it, or behind this.
    public var position: ChangePosition
    /// Whether it goes to the end of what there is.
    public var isComplete: Bool
    public init(changes: [KeyChange], position: ChangePosition, isComplete: Bool) {
        self.changes = changes
        self.position = position
        self.isComplete = isComplete
    }
}
