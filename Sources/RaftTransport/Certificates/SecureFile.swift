internal import Glibc
internal import Raft

/// Reading and writing of certificates and keys.
enum SecureFile {
    enum Kind: String {
        case certificate, key
        case authority = "CA"
        case list = "revocation list"
    }

    /// The largest file read.
    static let maximumBytes = 1 << 20

    /// Reads a file whole. A key must belong to its reader alone: the mode is looked at on the open file, so nobody can
    /// change it in between.
    static func read(_ path: String, _ kind: Kind) throws(RaftError) -> [UInt8] {
        func refuse(_ reason: String) -> RaftError {
            RaftError(.transport, "\(kind.rawValue) file \(path) \(reason)")
        }
        // What is no regular file must not be waited for, such as a pipe that nobody writes to.
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else {
            let error = errno
            guard error != ENOENT else {
                throw refuse("does not exist; correct the path, or make one with `raft cert`")
            }
            throw refuse("cannot be opened: \(String(cString: strerror(error)))")
        }
        defer { close(file) }
        var information = stat()
        guard fstat(file, &information) == 0, information.st_mode & S_IFMT == S_IFREG else {
            throw refuse("is not a regular file")
        }
        if kind == .key, information.st_mode & 0o077 != 0 {
            let mode = String(information.st_mode & 0o777, radix: 8)
            throw refuse("has mode \(mode), so others than its owner may use the key; run: chmod 600 \(path)")
        }
        guard information.st_size <= maximumBytes else {
            throw refuse("has \(information.st_size) bytes; at most \(maximumBytes) are read")
        }
        var bytes = [UInt8](repeating: 0, count: Int(information.st_size))
        var count = 0
        while count < bytes.count {
            let more = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress! + count, $0.count - count) }
            if more < 0 && errno == EINTR { continue }
            guard more >= 0 else { throw refuse("cannot be read: \(String(cString: strerror(errno)))") }
            if more == 0 { break }
            count += more
        }
        return Array(bytes[..<count])
    }

    static func remove(_ path: String) { unlink(path) }

    /// Puts new content in the place of several files, each whole or not at all: all are written and synced beside the
    /// old ones before the first of them takes its place.
    static func replace(_ files: [(path: String, text: String, mode: mode_t)]) throws(RaftError) {
        let staged = files.map { "\($0.path).new-\(getpid())" }
        do throws(RaftError) {
            for (file, beside) in zip(files, staged) { try create(beside, file.text, mode: file.mode) }
            for (file, beside) in zip(files, staged) {
                guard rename(beside, file.path) == 0 else {
                    throw RaftError(.transport, "cannot replace \(file.path): \(String(cString: strerror(errno)))")
                }
            }
        } catch {
            for beside in staged { unlink(beside) }
            throw error
        }
        for file in files {
            let slash = file.path.lastIndex(of: "/")
            let folder = slash.map { String(file.path[..<$0]) } ?? "."
            let descriptor = open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard descriptor >= 0 else { continue }
            fsync(descriptor)
            close(descriptor)
        }
    }

    /// Writes a new file and syncs it; refuses one that exists.
    static func create(_ path: String, _ text: String, mode: mode_t) throws(RaftError) {
        // The mode is given at creation, so there is no moment at which others can read a key.
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        guard file >= 0 else {
            let error = errno
            guard error != EEXIST else {
                throw RaftError(
                    .transport, "\(path) exists already and is not overwritten; remove it or choose another name")
            }
            throw RaftError(.transport, "cannot create \(path): \(String(cString: strerror(error)))")
        }
        defer { close(file) }
        do throws(RaftError) { try write(Array(text.utf8), to: file, path) } catch {
            unlink(path)
            throw error
        }
    }

    /// Writes all of it to a file that is open, and syncs it.
    static func write(_ bytes: [UInt8], to file: CInt, _ path: String) throws(RaftError) {
        var count = 0
        while count < bytes.count {
            let more = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress! + count, $0.count - count) }
            if more < 0 && errno == EINTR { continue }
            guard more > 0 else {
                throw RaftError(.transport, "cannot write \(path): \(String(cString: strerror(errno)))")
            }
            count += more
        }
        guard fsync(file) == 0 else {
            throw RaftError(.transport, "cannot sync \(path): \(String(cString: strerror(errno)))")
        }
    }
}
