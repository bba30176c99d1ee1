public import Raft
public import RaftStorage

/// A disk in memory that loses in a crash what a real one may lose.
///
/// Every file has a current image, which reads see, and a durable one; every directory too. ``crash(using:)`` keeps
/// each write that was not synced whole, or some of its 512-byte sectors, or nothing, and each making, renaming or
/// removing of a name that was not synced, or not: any subset. Nothing here is random but what is drawn there.
public final class SimulatedFileSystem: FileSystem {
    /// What can be made to fail.
    public enum Operation: Hashable, Sendable {
        case write
        /// Of a file or a directory.
        case sync
    }

    private let disk: Lock<SimulatedDisk>

    /// An empty disk with one directory, `/`.
    public init() { disk = Lock(SimulatedDisk()) }

    /// A disk as another one was at some moment.
    init(_ disk: SimulatedDisk) { self.disk = Lock(disk) }

    public var processID: Int { 1 }

    // MARK: Faults

    /// The power fails: open files are closed, locks are gone, and of what was not synced any part survives.
    public func crash(using generator: inout some RandomNumberGenerator) {
        disk.withLock { $0.crash(using: &generator) }
    }

    /// The process ends, the machine does not: open files are closed, locks are gone, nothing written is lost.
    public func killProcess() { disk.withLock { $0.beginLife() } }

    /// Lets `count` more changes (writes, syncs, makings, renamings, removals) happen; from then on every call fails,
    /// until ``crash(using:)`` or ``killProcess()``: the moment in which the machine stops.
    public func stop(afterChanges count: Int) { disk.withLock { $0.remainingChanges = count } }

    /// Lets everything happen through so many makings or renamings of a name; from then on every call fails: the moment
    /// in which a name is there, and its directory is not synced. Nil: it does not come to that.
    public func stop(atName count: Int?) { disk.withLock { $0.remainingNames = count } }

    /// Whether every call fails now.
    public var hasStopped: Bool { disk.withLock { $0.isStopped } }

    /// How many changes there were so far.
    public var changeCount: Int { disk.withLock { $0.changeCount } }

    /// Makes the next `operation` on a path that contains `text` fail with an input/output error.
    public func failNext(_ operation: Operation, at text: String) {
        disk.withLock { $0.faults.append((operation, text)) }
    }

    /// Makes writes fail that would let all files together exceed this many bytes. Nil: there is room for everything.
    public func limitCapacity(_ bytes: Int?) { disk.withLock { $0.capacity = bytes } }

    /// Every file is gone, and the machine goes on with an empty disk.
    public func loseEverything() {
        disk.withLock {
            $0.loseNames()
            $0.life += 1
        }
    }

    /// Time passes: everything that was written is durable.
    func settle() { disk.withLock { $0.settle() } }

    /// From now on the disk remembers what it was like before each change.
    func beginHistory() { disk.withLock { $0.beginHistory() } }

    /// What it was like before each change since then, and what it is like now.
    func endHistory() -> [SimulatedDisk] { disk.withLock { $0.endHistory() } }

    /// Nothing is left of any file.
    func erase() { disk.withLock { $0.erase() } }

    /// Whether a limit is set.
    public var isLimited: Bool { disk.withLock { $0.capacity != nil } }

    /// How many files and directories there are.
    public var nameCount: Int { disk.withLock { $0.nameCount } }

    /// The size of all files together.
    public var byteCount: Int { disk.withLock { $0.byteCount } }

    /// Nothing that was asked to fail fails any more.
    public func clearFaults() { disk.withLock { $0.faults = [] } }

    /// Whether a name was made, changed or removed whose directory was not synced since.
    public var hasPendingNames: Bool { disk.withLock { $0.hasPendingNames } }

    /// Turns over bits of a file, in both images: rot.
    public func damage(_ path: String, at offset: Int, mask: UInt8 = 1) {
        disk.withLock { $0.damage(path, at: offset, mask: mask) }
    }

    /// A file's bytes, as a read sees them.
    public func contents(of path: String) -> [UInt8]? { disk.withLock { $0.file(path)?.current } }

    /// Puts a file there, as it is durably; nil removes it.
    public func setContents(of path: String, to bytes: [UInt8]?) { disk.withLock { $0.set(path, to: bytes) } }

    /// Every file's path and bytes, to see whether anything was touched.
    public func snapshot() -> [String: [UInt8]] { disk.withLock { $0.snapshot() } }

    // MARK: FileSystem

    public func kind(of path: String) throws(RaftError) -> FileKind? {
        try disk.withLock { disk throws(RaftError) in
            try disk.requireRunning()
            return disk.node(path).map { $0.isDirectory ? .directory : .file }
        }
    }

    public func open(_ path: String, _ mode: OpenMode) throws(RaftError) -> any FileHandle {
        let (inode, life) = try disk.withLock { disk throws(RaftError) in (try disk.open(path, mode), disk.life) }
        return SimulatedFile(path: path, inode: inode, life: life, disk: disk)
    }

    public func rename(_ path: String, to newPath: String) throws(RaftError) {
        try disk.withLock { disk throws(RaftError) in try disk.rename(path, to: newPath) }
    }

    /// Durable once the directory was synced; until then a crash may bring the file back.
    public func remove(_ path: String) throws(RaftError) {
        try disk.withLock { disk throws(RaftError) in try disk.remove(path) }
    }

    public func list(_ directory: String) throws(RaftError) -> [String] {
        try disk.withLock { disk throws(RaftError) in try disk.list(directory) }
    }

    public func makeDirectory(_ path: String) throws(RaftError) {
        try disk.withLock { disk throws(RaftError) in try disk.makeDirectory(path) }
    }

    /// Makes names that were made, removed or changed in the directory durable.
    public func syncDirectory(_ path: String) throws(RaftError) {
        try disk.withLock { disk throws(RaftError) in try disk.syncDirectory(path) }
    }
}

private final class SimulatedFile: FileHandle {
    let path: String
    private let inode: Int
    /// Which life of the process opened it: no other may use it.
    private let life: Int
    private let disk: Lock<SimulatedDisk>

    init(path: String, inode: Int, life: Int, disk: Lock<SimulatedDisk>) {
        self.path = path
        self.inode = inode
        self.life = life
        self.disk = disk
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(RaftError) -> Int {
        // Only for the call: the pointer does not leave it.
        nonisolated(unsafe) let buffer = buffer
        return try disk.withLock { disk throws(RaftError) in
            try disk.requireRunning(life)
            let bytes = disk.inodes[inode].current
            guard offset < bytes.count else { return 0 }
            let count = min(buffer.count, bytes.count - offset)
            bytes.withUnsafeBytes {
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<(offset + count)]))
            }
            return count
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(RaftError) {
        let bytes = Array(bytes)
        try disk.withLock { disk throws(RaftError) in try disk.write(bytes, at: offset, of: inode, path, life) }
    }

    func size() throws(RaftError) -> Int {
        try disk.withLock { disk throws(RaftError) in
            try disk.requireRunning(life)
            return disk.inodes[inode].current.count
        }
    }

    func sync() throws(RaftError) {
        try disk.withLock { disk throws(RaftError) in try disk.sync(inode, path, life) }
    }

    func tryLock() throws(RaftError) -> Bool {
        try disk.withLock { disk throws(RaftError) in
            try disk.requireRunning(life)
            if let holder = disk.inodes[inode].lockHolder, holder.life == life, holder.file != ObjectIdentifier(self) {
                return false
            }
            disk.inodes[inode].lockHolder = (life, ObjectIdentifier(self))
            return true
        }
    }

    func close() {
        disk.withLock { disk in
            if disk.inodes[inode].lockHolder?.file == ObjectIdentifier(self) { disk.inodes[inode].lockHolder = nil }
        }
    }

    deinit { close() }
}
