internal import CWriteBack
public import Raft

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// The files of this machine. Directories are made for their owner alone (0700), and so are files (0600).
public struct POSIXFileSystem: FileSystem {
    public init() {}

    public var processID: Int { Int(getpid()) }

    public func kind(of path: String) throws(RaftError) -> FileKind? {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return nil }
            throw failed("look at", path)
        }
        // A link counts as what it leads to: operators link data directories to other disks.
        if status.st_mode & S_IFMT == S_IFLNK, stat(path, &status) != 0 { throw failed("look behind the link", path) }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .file
        case S_IFDIR: return .directory
        default: return .other
        }
    }

    public func open(_ path: String, _ mode: OpenMode) throws(RaftError) -> any FileHandle {
        let flags =
            switch mode {
            case .read: O_RDONLY
            case .readWrite: O_RDWR
            case .createOrKeep: O_RDWR | O_CREAT
            case .createEmpty: O_RDWR | O_CREAT | O_TRUNC
            }
        return POSIXFile(path: path, descriptor: try Self.descriptor(path, flags))
    }

    private static func descriptor(_ path: String, _ flags: Int32) throws(RaftError) -> Int32 {
        while true {
            let descriptor = openFile(path, flags | O_CLOEXEC, 0o600)
            if descriptor >= 0 { return descriptor }
            if errno != EINTR { throw failed("open", path) }
        }
    }

    public func rename(_ path: String, to newPath: String) throws(RaftError) {
        guard renameFile(path, newPath) == 0 else { throw failed("rename", "\(path) to \(newPath)") }
    }

    /// `unlink`: durable once the directory was synced.
    public func remove(_ path: String) throws(RaftError) {
        guard unlink(path) == 0 else { throw failed("remove", path) }
    }

    public func list(_ directory: String) throws(RaftError) -> [String] {
        guard let stream = opendir(directory) else { throw failed("list", directory) }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                if errno != 0 { throw failed("list", directory) }
                return names.sorted()
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
    }

    public func makeDirectory(_ path: String) throws(RaftError) {
        guard mkdir(path, 0o700) == 0 else { throw failed("make directory", path) }
    }

    /// `fsync` of the directory: names that were made, removed or changed in it are durable then.
    public func syncDirectory(_ path: String) throws(RaftError) {
        let descriptor = try Self.descriptor(path, O_RDONLY | O_DIRECTORY)
        defer { _ = closeFile(descriptor) }
        while fsync(descriptor) != 0 {
            if errno != EINTR { throw failed("sync directory", path) }
        }
    }
}

// The names below are also methods of the types here.
private func openFile(_ path: String, _ flags: Int32, _ mode: mode_t) -> Int32 { open(path, flags, mode) }
private func renameFile(_ path: String, _ newPath: String) -> Int32 { rename(path, newPath) }
private func closeFile(_ descriptor: Int32) -> Int32 { close(descriptor) }

/// The last system call's reason, with what was tried and where.
private func failed(_ operation: String, _ path: String, _ code: Int32 = errno) -> RaftError {
    let advice =
        switch code {
        case ENOSPC, EDQUOT: "; free space on that disk"
        case EACCES, EPERM: "; give the user that runs the node access to it"
        case EMFILE, ENFILE: "; raise the limit of open files"
        case EIO: "; the disk fails, replace it"
        default: ""
        }
    return RaftError(
        code == ENOSPC || code == EDQUOT ? .outOfSpace : .storage,
        "cannot \(operation) \(path): \(String(cString: strerror(code))) (error \(code))\(advice)")
}

private final class POSIXFile: FileHandle, @unchecked Sendable {
    // @unchecked: the two variables change only in tryLock() and close(), beside which the protocol allows no other call.
    let path: String
    private var descriptor: Int32
    private var isLocked = false

    init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = descriptor
    }

    deinit { close() }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(RaftError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = pread(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
            if count == 0 { break }
            if count > 0 {
                done += count
            } else if errno != EINTR {
                throw failed("read \(buffer.count - done) bytes at offset \(offset + done) of", path)
            }
        }
        return done
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(RaftError) {
        var done = 0
        while done < bytes.count {
            let count = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
            if count > 0 {
                done += count
            } else if count == 0 || errno != EINTR {
                let code = count == 0 ? EIO : errno
                throw failed("write \(bytes.count - done) bytes at offset \(offset + done) of", path, code)
            }
        }
    }

    func size() throws(RaftError) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failed("look at", path) }
        return Int(status.st_size)
    }

    func sync() throws(RaftError) {
        #if canImport(Darwin)
            // fsync leaves the data in the drive's cache there.
            while fcntl(descriptor, F_FULLFSYNC) == -1 {
                if errno != EINTR { throw failed("sync", path) }
            }
        #else
            while fdatasync(descriptor) != 0 {
                if errno != EINTR { throw failed("sync", path) }
            }
        #endif
    }

    func writeBack(_ range: Range<Int>) {
        // What fails here fails in sync(), too, or is only late.
        _ = raft_write_back(descriptor, Int64(range.lowerBound), Int64(range.count))
    }

    func tryLock() throws(RaftError) -> Bool {
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            switch errno {
            case EINTR: continue
            case EWOULDBLOCK: return false
            default: throw failed("lock", path)
            }
        }
        isLocked = true
        return true
    }

    func close() {
        guard descriptor >= 0 else { return }
        // The lock belongs to the open file, not to this descriptor: a child process keeps it for as long as it has a
        // copy, which is until its exec. Without this, a store that closes while its program starts a child can find
        // its own directory in use.
        if isLocked { flock(descriptor, LOCK_UN) }
        _ = closeFile(descriptor)
        descriptor = -1
    }
}
