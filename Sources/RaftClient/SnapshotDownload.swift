public import Raft

/// Reads one snapshot of one node, front to back, over as many calls and connections as it takes.
///
/// That the bytes are right is for whoever writes them to see: the manifest has their checksum.
public struct SnapshotDownload {
    /// The node that is asked: another one has another snapshot.
    public let endpoint: String
    public let id: SnapshotID
    private let client: KeyValueClient
    private let timeout: Duration
    /// Of the first piece; the same in each.
    private var manifest: SnapshotManifest?
    private var offset: UInt64 = 0

    /// - Parameters:
    ///   - client: with a certificate of role `admin`.
    ///   - id: of a snapshot that the node has said it has; see ``KeyValueClient/triggerSnapshot(of:timeout:)``.
    ///   - timeout: how long each piece is tried for; nil for the client's own.
    public init(_ client: KeyValueClient, of endpoint: String, _ id: SnapshotID, timeout: Duration? = nil) {
        self.client = client
        self.endpoint = endpoint
        self.id = id
        self.timeout = timeout ?? client.options.timeout
    }

    /// The next piece: with bytes, unless the whole state has none. Nil at the end.
    ///
    /// - Throws: ``RaftClientError/Code/refused`` when the node has that snapshot no more, or cannot read it; begin anew
    ///   with another one. ``RaftClientError/Code/unavailable`` when the node did not answer for the timeout; may be
    ///   called again.
    public mutating func next() async throws(RaftClientError) -> SnapshotPiece? {
        if let manifest, offset == manifest.byteCount { return nil }
        let deadline = client.clock.now + timeout
        var pause = client.options.minimumPause
        while true {
            do throws(RaftClientError) {
                let piece = try await client.readSnapshot(
                    id, at: offset, of: endpoint, timeout: max(deadline - client.clock.now, .milliseconds(1)))
                try check(piece)
                manifest = piece.manifest
                offset = piece.end
                return piece
            } catch {
                guard error.code == .unavailable, client.clock.now + pause < deadline else { throw error }
            }
            do { try await client.clock.pause(pause) } catch {
                throw RaftClientError(.cancelled, "cancelled after \(offset) bytes of snapshot \(id)")
            }
            pause = min(pause * 2, client.options.maximumPause)
        }
    }

    private func check(_ piece: SnapshotPiece) throws(RaftClientError) {
        guard piece.manifest.id == id, manifest == nil || manifest == piece.manifest else {
            throw RaftClientError(.refused, "\(endpoint): asked for snapshot \(id), it sent \(piece.manifest)")
        }
        let left = piece.manifest.byteCount - offset
        guard piece.bytes.count <= left, !piece.bytes.isEmpty || left == 0 else {
            throw RaftClientError(
                .refused,
                "\(endpoint): sent \(piece.bytes.count) bytes at \(offset) of the \(piece.manifest.byteCount) bytes of snapshot \(id)"
            )
        }
    }
}
