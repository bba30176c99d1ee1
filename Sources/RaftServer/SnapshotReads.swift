internal import Raft
internal import RaftClient

/// The snapshots that operators are reading, in pieces and each with as many calls as it takes.
///
/// A snapshot that was begun can be read to its end, though the node has built another one meanwhile and removed it:
/// its file stays open until nobody has asked for it for a while. So there are only so many of them.
///
/// Owned by the node's service, and at work on the loop that it is given, which may block.
final class SnapshotReads: Sendable {
    static let maximumOpenCount = 4
    static let maximumPause = Duration.seconds(60)
    static let pieceBytes = 1 << 20

    private struct Reading {
        let reader: any SnapshotReader
        var lastAsked: Instant
    }

    private let store: any SnapshotStore
    private let loop: any Loop
    private let readings = Lock<[SnapshotID: Reading]>([:])

    /// - Parameter store: open, or opened before the first call.
    init(_ store: any SnapshotStore, on loop: any Loop) {
        self.store = store
        self.loop = loop
    }

    /// How many files are open.
    var openCount: Int { readings.withLock { $0.count } }

    /// Reads one piece: as many bytes as there are, up to ``pieceBytes``; none at the end of the state or behind it.
    ///
    /// - Parameter done: called on the loop; never when the loop has ended. Refusals: `.overloaded`, `.corrupt`,
    ///   `.storage`, and nil for a snapshot that is not there.
    func read(
        _ id: SnapshotID, at offset: UInt64, done: @escaping @Sendable (Result<SnapshotPiece, RaftError>?) -> Void
    ) {
        loop.post(
            Block { [self] in
                do throws(RaftError) {
                    guard let reader = try reader(of: id) else { return done(nil) }
                    done(.success(try Self.piece(of: reader, at: offset)))
                } catch {
                    done(.failure(error))
                }
            })
    }

    private static func piece(of reader: any SnapshotReader, at offset: UInt64) throws(RaftError) -> SnapshotPiece {
        do {
            let bytes = try reader.read(at: offset, maximumBytes: pieceBytes)
            return SnapshotPiece(manifest: reader.manifest, offset: offset, bytes: bytes)
        } catch {
            throw RaftError(error, or: .storage)
        }
    }

    private func reader(of id: SnapshotID) throws(RaftError) -> (any SnapshotReader)? {
        closeIdle()
        let now = loop.now
        let known = readings.withLock { readings in
            readings[id]?.lastAsked = now
            return readings[id]?.reader
        }
        if let known { return known }
        guard openCount < Self.maximumOpenCount else {
            throw RaftError(
                .overloaded,
                "\(openCount) snapshots of this node are being read, the limit; try again when one is through")
        }
        guard let reader = try opened(id) else { return nil }
        readings.withLock { $0[id] = Reading(reader: reader, lastAsked: now) }
        watch(id)
        return reader
    }

    /// Nil when there is no such snapshot.
    private func opened(_ id: SnapshotID) throws(RaftError) -> (any SnapshotReader)? {
        do {
            return try store.reader(of: id)
        } catch {
            if let error = error as? RaftError, error.code == .corrupt { throw error }
            return nil
        }
    }

    /// Looks again when nobody can have asked for it for long enough.
    private func watch(_ id: SnapshotID) {
        loop.after(
            Self.maximumPause,
            Block { [weak self] in
                guard let self else { return }
                self.closeIdle()
                if self.readings.withLock({ $0[id] != nil }) { self.watch(id) }
            })
    }

    private func closeIdle() {
        let now = loop.now
        readings.withLock { readings in
            readings = readings.filter { now - $0.value.lastAsked < Self.maximumPause }
        }
    }
}
