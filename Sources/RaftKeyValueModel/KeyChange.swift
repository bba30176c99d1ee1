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
        Self.encode(
            position, key, entry.map { ($0.value, $0.created, $0.version, $0.lease ?? 0) }, into: &bytes)
    }

    /// Writes a change that nobody has put together.
    ///
    /// - Parameter set: what the key is since then, its lease 0 for none; nil when it was removed.
    package static func encode(
        _ position: ChangePosition, _ key: [UInt8],
        _ set: (value: [UInt8], created: UInt64, version: UInt64, lease: UInt64)?, into bytes: inout [UInt8]
    ) {
        bytes.put(position.revision)
        bytes.put(position.ordinal)
        bytes.put(counted: key)
        guard let set else { return bytes.append(0) }
        bytes.append(1)
        bytes.put(counted: set.value)
        bytes.put(set.created)
        bytes.put(set.version)
        bytes.put(set.lease)
    }

    /// Takes one change off the front; nil for one that lies outside of what is asked for.
    ///
    /// - Throws: ``RaftError/Code/corrupt`` when the bytes do not begin with a change.
    package static func take(
        _ rest: inout ByteReader, after position: ChangePosition, in range: KeyRange
    ) throws(RaftError) -> (change: KeyChange?, position: ChangePosition) {
        let fields = try Fields(&rest)
        let here = fields.position
        guard here > position, range.contains(fields.key) else { return (nil, here) }
        let key = Array(fields.key)
        let entry = fields.set.map {
            KeyValue(
                key: key, value: Array($0.value), revision: here.revision, created: $0.created, version: $0.version,
                lease: $0.lease == 0 ? nil : $0.lease)
        }
        return (KeyChange(revision: here.revision, ordinal: here.ordinal, key: key, entry: entry), here)
    }

    /// Takes one change off the front, as the bytes that it is.
    ///
    /// - Throws: ``RaftError/Code/corrupt`` when the bytes do not begin with a change.
    package static func takeBytes(
        _ rest: inout ByteReader
    ) throws(RaftError) -> (bytes: ArraySlice<UInt8>, position: ChangePosition) {
        let whole = rest.rest
        let position = try Fields(&rest).position
        return (whole.dropLast(rest.rest.count), position)
    }

    /// What a change is made of, where it lies.
    private struct Fields {
        let position: ChangePosition
        let key: ArraySlice<UInt8>
        /// nil when it was removed.
        let set: (value: ArraySlice<UInt8>, created: UInt64, version: UInt64, lease: UInt64)?

        init(_ rest: inout ByteReader) throws(RaftError) {
            let revision = try rest.take(UInt64.self)
            position = ChangePosition(revision: revision, ordinal: try rest.take(UInt32.self))
            key = try rest.take(count: Int(try rest.take(UInt32.self)))
            guard try rest.takeFlag() else {
                set = nil
                return
            }
            let value = try rest.take(count: Int(try rest.take(UInt32.self)))
            let (created, version) = (try rest.take(UInt64.self), try rest.take(UInt64.self))
            set = (value, created, version, try rest.take(UInt64.self))
        }
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
