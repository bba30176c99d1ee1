/// What a follower has of the snapshot that it is being sent. Travels with the baton; the bytes are with the
/// SnapshotKeeper.
///
/// Invariant: pieces are taken in order and without a gap, of one snapshot at a time.
struct SnapshotReceiver: Sendable {
    private struct Receipt: Sendable {
        var manifest: SnapshotManifest
        /// Of the leader who sends it, or last did.
        var term: Term
        /// Up to here pieces were taken.
        var offset: UInt64
    }
    private var receipt: Receipt?

    var id: SnapshotID? { receipt?.manifest.id }

    enum Step: Equatable {
        /// Write this piece; with `begins` it is the first, and whatever was received before is given up.
        case write(begins: Bool)
        /// Not the piece that comes next: ask for that one.
        case ask(from: UInt64)
        /// Of a snapshot that a newer one has overtaken.
        case drop
    }

    /// Only the snapshot of the highest (term, index) goes on (etcd #18055).
    mutating func take(_ request: SnapshotRequest) -> Step {
        let length = UInt64(request.bytes.count)
        if let current = receipt, current.manifest == request.manifest {
            receipt?.term = max(current.term, request.term)
            guard request.offset == current.offset else { return .ask(from: current.offset) }
            receipt?.offset += length
            return .write(begins: request.offset == 0)
        }
        if let current = receipt,
            (request.term, request.manifest.last.index) < (current.term, current.manifest.last.index)
        {
            return .drop
        }
        guard request.offset == 0 else { return .ask(from: 0) }
        receipt = Receipt(manifest: request.manifest, term: request.term, offset: length)
        return .write(begins: true)
    }

    /// The receipt of `id` is over: complete, failed, or not needed any more. Another one goes on.
    mutating func end(_ id: SnapshotID) {
        if receipt?.manifest.id == id { receipt = nil }
    }
}
