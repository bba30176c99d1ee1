import Foundation

/// A directory that lives as long as this object.
final class TemporaryDirectory: Sendable {
    let path: String

    /// - Parameter isInMemory: on a file system that no disk slows down, if there is one.
    init(isInMemory: Bool = false) throws {
        let root =
            isInMemory && FileManager.default.isWritableFile(atPath: "/dev/shm")
            ? "/dev/shm" : FileManager.default.temporaryDirectory.path
        path = root + "/raft-key-value-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }
}
