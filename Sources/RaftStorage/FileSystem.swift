public import Raft

/// What a file is opened for.
public enum OpenMode: Hashable, Sendable {
    /// To read an existing file.
    case read
    /// To read and write an existing file.
    case readWrite
    /// To read and write a file that is made if it does not exist, and otherwise kept as it is.
    case createOrKeep
    /// To read and write an empty file: made, or emptied.
    case createEmpty
}

/// What a path names.
public enum FileKind: Hashable, Sendable {
    case file
    case directory
    /// A device, a socket, …: nothing that belongs into a data directory.
    case other
}

/// The operating system's files, as a seam: everything that this module does to a disk goes through here.
///
/// ``POSIXFileSystem`` is the real one; a simulation keeps the files in memory and decides what a crash leaves of
/// them. Calls are synchronous. What was made, renamed or removed is durable only after ``syncDirectory(_:)``, and
/// what was written only after ``FileHandle/sync()``.
///
/// Every error has the code `.storage`, or `.outOfSpace` when only room is missing, and names the operation, the path
/// and the system's reason.
public protocol FileSystem: Sendable {
    /// What `path` names, or nil when nothing is there.
    func kind(of path: String) throws(RaftError) -> FileKind?
    func open(_ path: String, _ mode: OpenMode) throws(RaftError) -> any FileHandle
    /// Replaces `newPath`, if it exists, in one step. Both are in one directory.
    func rename(_ path: String, to newPath: String) throws(RaftError)
    func remove(_ path: String) throws(RaftError)
    /// The names in a directory, sorted, without `.` and `..`.
    func list(_ directory: String) throws(RaftError) -> [String]
    /// Makes one directory, which only its owner may enter. Its parent exists.
    func makeDirectory(_ path: String) throws(RaftError)
    func syncDirectory(_ path: String) throws(RaftError)
    /// Who holds the locks that are taken here.
    var processID: Int { get }
}

/// One open file. Safe to use from several threads at once, except for ``close()``.
public protocol FileHandle: AnyObject, Sendable {
    var path: String { get }
    /// Fills `buffer` from `offset` on.
    ///
    /// - Returns: how many bytes were there: fewer than asked for only at the end of the file.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(RaftError) -> Int
    /// Writes all of `bytes` at `offset`.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(RaftError)
    /// In bytes.
    func size() throws(RaftError) -> Int
    /// Returns once everything written is durable. A failure must not be followed by another try: the system may
    /// have dropped what it could not write.
    func sync() throws(RaftError)
    /// Brings this part of what was written to the disk's queue and waits until it has left the cache, so that a later
    /// ``sync()`` finds little to do. Promises nothing: only that makes it durable.
    func writeBack(_ range: Range<Int>)
    /// Takes the file's exclusive lock, which ``close()`` or the end of the process releases.
    ///
    /// - Returns: whether it was free.
    func tryLock() throws(RaftError) -> Bool
    /// May be called more than once. Nothing else is called afterwards.
    func close()
}

extension FileHandle {
    public func writeBack(_ range: Range<Int>) {}

    /// The bytes of `range`, as far as the file has them.
    public func bytes(_ range: Range<Int>) throws(RaftError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: range.count)
        var failure: RaftError?
        let count = bytes.withUnsafeMutableBytes { buffer -> Int in
            do throws(RaftError) {
                return try read(into: buffer, at: range.lowerBound)
            } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    /// Writes all of `bytes` at `offset`.
    public func write(_ bytes: [UInt8], at offset: Int) throws(RaftError) {
        var failure: RaftError?
        bytes.withUnsafeBytes { buffer in
            do throws(RaftError) { try write(buffer, at: offset) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}

extension FileSystem {
    /// Makes `path` and whatever of its parents is missing, each durably.
    func makeDirectories(_ path: String) throws(RaftError) {
        if try kind(of: path) == .directory { return }
        let parent = parentDirectory(of: path)
        if parent != path { try makeDirectories(parent) }
        try makeDirectory(path)
        try syncDirectory(parent)
    }

    /// Puts a whole new file at `path`, through `path.tmp`: a crash leaves the old one or the new one. Durable when it
    /// returns.
    func replace(_ path: String, with bytes: [UInt8]) throws(RaftError) {
        let temporary = path + ".tmp"
        let file = try open(temporary, .createEmpty)
        defer { file.close() }
        try file.write(bytes, at: 0)
        try file.sync()
        try rename(temporary, to: path)
        try syncDirectory(parentDirectory(of: path))
    }
}

/// `path` without the slashes at its end.
func withoutTrailingSlashes(_ path: String) -> String {
    var path = Substring(path)
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    return String(path)
}

/// The directory that `path` is in.
func parentDirectory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : withoutTrailingSlashes(String(path[..<slash]))
}
