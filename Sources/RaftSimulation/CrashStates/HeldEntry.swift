package import Raft

/// An entry, with its payload's hash in place of the payload: quick to compare in a debug build.
package struct HeldEntry: Hashable, Sendable {
    package let id: LogID
    package let kind: EntryKind
    package let payloadHash: Int

    package init(_ entry: Entry) {
        id = entry.id
        kind = entry.kind
        var hasher = Hasher()
        entry.payload.withUnsafeBytes { hasher.combine(bytes: $0) }
        hasher.combine(entry.payload.count)
        payloadHash = hasher.finalize()
    }
}

extension EntryBatch {
    package var entries: [HeldEntry] { (0..<count).map { HeldEntry(self[$0]) } }
}
