public import Raft

/// A file system that tells how long each sync of the log took: what every write waits for.
public struct TimedFileSystem: FileSystem {
    private let base: any FileSystem
    private let onSync: @Sendable (Duration) -> Void

    /// - Parameter onSync: called on the thread that synced a segment of the log, after it; it must not wait.
    public init(_ base: any FileSystem, onSync: @escaping @Sendable (Duration) -> Void) {
        self.base = base
        self.onSync = onSync
    }

    public var processID: Int { base.processID }
    public func kind(of path: String) throws(RaftError) -> FileKind? { try base.kind(of: path) }
    public func rename(_ path: String, to newPath: String) throws(RaftError) { try base.rename(path, to: newPath) }
    /// As the one behind it does: durable once the directory was synced.
    public func remove(_ path: String) throws(RaftError) { try base.remove(path) }
    public func list(_ directory: String) throws(RaftError) -> [String] { try base.list(directory) }
    public func makeDirectory(_ path: String) throws(RaftError) { try base.makeDirectory(path) }
    /// As the one behind it does. Not timed: entries wait for their segment, whose name is durable before.
    public func syncDirectory(_ path: String) throws(RaftError) { try base.syncDirectory(path) }

    public func open(_ path: String, _ mode: OpenMode) throws(RaftError) -> any FileHandle {
        let file = try base.open(path, mode)
        let name = String(path[(path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex)...])
        // One that is being made ahead has another name, and nobody waits for it.
        return Segment.number(in: name) == nil ? file : TimedFile(file, onSync)
    }
}

private final class TimedFile: FileHandle {
    private let base: any FileHandle
    private let onSync: @Sendable (Duration) -> Void
    init(_ base: any FileHandle, _ onSync: @escaping @Sendable (Duration) -> Void) {
        self.base = base
        self.onSync = onSync
    }

    var path: String { base.path }
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(RaftError) -> Int {
        try base.read(into: buffer, at: offset)
    }
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(RaftError) {
        try base.write(bytes, at: offset)
    }
    func size() throws(RaftError) -> Int { try base.size() }
    func sync() throws(RaftError) {
        let start = ContinuousClock.now
        try base.sync()
        onSync(ContinuousClock.now - start)
    }
    func writeBack(_ range: Range<Int>) { base.writeBack(range) }
    func tryLock() throws(RaftError) -> Bool { try base.tryLock() }
    func close() { base.close() }
}
