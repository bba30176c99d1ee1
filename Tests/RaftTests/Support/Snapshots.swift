@testable import Raft

/// A snapshot that ends with this entry, of a state of `bytes`.
func manifest(
    _ index: LogIndex, _ term: Term, number: UInt64 = 1, voters: [NodeID] = [1, 2, 3], configured: LogID = .zero,
    bytes: [UInt8] = testState
) -> SnapshotManifest {
    SnapshotManifest(
        id: SnapshotID(builder: Incarnation(rawValue: 9), number: number), last: LogID(index, term),
        configuration: Desk<FollowerRules>.configuration(voters), configurationID: configured, bootstrap: 77,
        byteCount: UInt64(bytes.count), checksum: SnapshotChecksum.of(bytes[...]))
}

let testState: [UInt8] = [1, 2, 3, 4, 5, 6]

/// A piece of a snapshot as its leader sends it.
func piece(
    of manifest: SnapshotManifest, term: Term, leader: NodeID = 2, stream: StreamID = StreamID(9), from: Int = 0,
    upTo: Int = 3, state: [UInt8] = testState
) -> SnapshotRequest {
    let bytes = Array(state[from..<upTo])
    return SnapshotRequest(
        term: term, leader: leader, stream: stream, manifest: manifest, offset: UInt64(from),
        checksum: SnapshotChecksum.of(bytes[...]), bytes: bytes)
}

func result(_ outcome: SnapshotPieceResult.Outcome, of manifest: SnapshotManifest) -> SnapshotPieceResult {
    SnapshotPieceResult(manifest: manifest, outcome: outcome, stream: StreamID(9), path: Path())
}
