internal import Raft
internal import RaftStorage

/// The files of this machine, with every sync of a segment of the log counted.
final class CountingFileSystem: FileSystem, @unchecked Sendable {
    // @unchecked: the count has its lock.
    private let files = POSIXFileSystem()
    private let count = Counter()

    var syncCount: Int { count.value }
    var processID: Int { files.processID }

    func kind(of path: String) throws(RaftError) -> FileKind? { try files.kind(of: path) }
    func open(_ path: String, _ mode: OpenMode) throws(RaftError) -> any FileHandle {
        CountingFile(try files.open(path, mode), path.hasSuffix(".segment") ? count : Counter())
    }
    func rename(_ path: String, to newPath: String) throws(RaftError) { try files.rename(path, to: newPath) }
    func remove(_ path: String) throws(RaftError) { try files.remove(path) }
    func list(_ directory: String) throws(RaftError) -> [String] { try files.list(directory) }
    func makeDirectory(_ path: String) throws(RaftError) { try files.makeDirectory(path) }
    func syncDirectory(_ path: String) throws(RaftError) { try files.syncDirectory(path) }
}

private final class CountingFile: FileHandle {
    private let file: any FileHandle
    private let count: Counter
    init(_ file: any FileHandle, _ count: Counter) {
        self.file = file
        self.count = count
    }
    var path: String { file.path }
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(RaftError) -> Int {
        try file.read(into: buffer, at: offset)
    }
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(RaftError) { try file.write(bytes, at: offset) }
    func size() throws(RaftError) -> Int { try file.size() }
    func sync() throws(RaftError) {
        count.add()
        try file.sync()
    }
    func writeBack(_ range: Range<Int>) { file.writeBack(range) }
    func tryLock() throws(RaftError) -> Bool { try file.tryLock() }
    func close() { file.close() }
}

private final class Counter: Sendable {
    private let count = Lock(0)
    var value: Int { count.withLock { $0 } }
    func add() { count.withLock { $0 += 1 } }
}
