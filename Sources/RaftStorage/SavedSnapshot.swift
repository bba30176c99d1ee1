public import Raft

/// A snapshot in a file of its own, outside of any data directory: a backup. The bytes are those of a snapshot in a data
/// directory, each of which can be copied and used as one; the name says nothing.
public final class SavedSnapshot: Sendable {
    public let path: String
    public let reader: any SnapshotReader

    /// What it holds.
    public var manifest: SnapshotManifest { reader.manifest }

    /// - Throws: `.corrupt` when it is no snapshot, or one that is not whole; `.storage`. That its bytes are right shows
    ///   when they are read.
    public init(_ path: String, fileSystem: any FileSystem = POSIXFileSystem()) throws(RaftError) {
        switch try fileSystem.kind(of: path) {
        case nil: throw RaftError(.storage, "there is no file \(path); name one that `raft snapshot save` has written")
        case .file: break
        default: throw RaftError(.storage, "\(path) is no file; name one that `raft snapshot save` has written")
        }
        self.path = path
        do throws(RaftError) {
            reader = try SnapshotFileReader(path, isNamed: false, fileSystem: fileSystem)
        } catch {
            guard error.code == .corrupt else { throw error }
            throw RaftError(.corrupt, "\(error.message); this is no saved snapshot, or not a whole one")
        }
    }

    /// Reads all of it.
    ///
    /// - Throws: `.corrupt` unless every byte is what was written; `.storage`.
    public func verify() throws(RaftError) {
        do { try reader.verify() } catch { throw RaftError(error, or: .storage) }
    }

    /// Begins a file. It has its name once it is whole and durable; until then what there is of it is called
    /// `PATH.tmp`, which another call begins anew.
    ///
    /// - Parameter replacing: a file that is there is replaced, once the new one is whole.
    /// - Throws: `.storage` when there is something at `path`, when its directory is not there, or when another process
    ///   writes there.
    public static func write(
        _ path: String, replacing: Bool, fileSystem: any FileSystem = POSIXFileSystem()
    ) throws(RaftError) -> any SnapshotWriter {
        switch try fileSystem.kind(of: path) {
        case nil: break
        case .file where replacing: break
        case .file: throw RaftError(.storage, "there is a file \(path) already; name another, or let it be replaced")
        default: throw RaftError(.storage, "\(path) is no file; name one to write")
        }
        let directory = parentDirectory(of: path)
        guard try fileSystem.kind(of: directory) == .directory else {
            throw RaftError(.storage, "there is no directory \(directory); make it, or name a file elsewhere")
        }
        let name = String(path[(path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex)...])
        let temporary = name + ".tmp"
        let lock = try fileSystem.open(directory + "/" + temporary, .createOrKeep)
        guard try lock.tryLock() else {
            lock.close()
            throw RaftError(.storage, "another process writes \(path) already; wait for it, or name another file")
        }
        return try SnapshotFileWriter(
            temporary: temporary, in: directory, fileSystem: fileSystem, name: { _ in name },
            // Held for as long as there is a writer to call this.
            onCommit: { _ in lock.close() })
    }
}
