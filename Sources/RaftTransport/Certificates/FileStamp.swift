internal import Glibc

/// Which content a path has: it changes when the file is written, replaced, or pointed elsewhere.
struct FileStamp: Hashable, Sendable {
    let device: UInt64
    let inode: UInt64
    let size: Int64
    /// Of the content and of the file itself, in nanoseconds since 1970: a copy can bring old times along, but not both.
    let modified: Int64
    let changed: Int64

    /// The permission bits.
    let mode: UInt32

    /// - Returns: nil when there is no such file.
    init?(_ path: String) {
        var information = stat()
        guard stat(path, &information) == 0 else { return nil }
        func nanoseconds(_ time: timespec) -> Int64 { Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec) }
        device = UInt64(information.st_dev)
        inode = UInt64(information.st_ino)
        size = Int64(information.st_size)
        mode = information.st_mode & 0o777
        modified = nanoseconds(information.st_mtim)
        changed = nanoseconds(information.st_ctim)
    }
}
