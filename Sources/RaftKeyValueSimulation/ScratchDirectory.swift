internal import Raft

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// A directory of one run, removed with it: in memory where there is one, since nothing in it must outlive the run.
struct ScratchDirectory {
    let path: String

    init() throws {
        let temporary = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        for parent in ["/dev/shm", temporary] {
            var template = Array("\(parent)/raft-simulate-XXXXXX".utf8CString)
            if let made = mkdtemp(&template) {
                path = String(cString: made)
                return
            }
        }
        throw RaftError(.storage, "cannot make a directory in \(temporary): \(String(cString: strerror(errno)))")
    }

    /// What was in it has been removed.
    func remove() { rmdir(path) }
}
