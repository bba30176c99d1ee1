internal import Raft

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// The file that says whether the state beside it can be trusted.
///
/// The state is written without syncing, so it is whole only in the page cache: it survives the death of the process,
/// not the death of the machine. The mark says which start of the machine last wrote, and whether everything was synced
/// after that.
struct CleanMark {
    enum State: String {
        /// Being written, or was when the process died.
        case open
        /// Synced, and not written since.
        case clean
    }

    /// The layout of the state's database. A state of another layout is rebuilt.
    static let layout = "4"

    let directory: String
    /// Which start of the machine this is; nil when nobody can tell, and then only a clean state is trusted.
    let bootID: String?

    private var path: String { directory + "/mark" }

    /// Whether the state may be used: it was left clean, or left open in this very start of the machine.
    func isTrusted() -> Bool {
        guard let bytes = try? Self.read(path, maximumBytes: 4096) else { return false }
        let words = String(decoding: bytes, as: UTF8.self).split(whereSeparator: { $0 == " " || $0 == "\n" })
        guard words.count == 4, words[0] == "raft-key-value", words[1] == Self.layout,
            let state = State(rawValue: String(words[2]))
        else { return false }
        switch state {
        case .clean: return true
        case .open: return bootID.map { words[3] == $0 } ?? false
        }
    }

    /// Replaces the mark; durable when it returns.
    func write(_ state: State) throws(RaftError) {
        let temporary = path + ".new"
        let text = "raft-key-value \(Self.layout) \(state.rawValue) \(bootID ?? "unknown")\n"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Self.failure("open", temporary) }
        var bytes = Array(text.utf8)
        let count = bytes.count
        let written = writeBytes(file, &bytes, count)
        let isDurable = written == count && fsync(file) == 0
        let code = errno
        close(file)
        guard isDurable else { throw Self.failure("write", temporary, code) }
        guard rename(temporary, path) == 0 else { throw Self.failure("rename", temporary) }
        try Self.syncDirectory(directory)
    }

    /// The kernel's id of this start of the machine.
    static func currentBootID() -> String? {
        guard let bytes = try? read("/proc/sys/kernel/random/boot_id", maximumBytes: 128) else { return nil }
        let text = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first.map(String.init) ?? ""
        return text.isEmpty ? nil : text
    }

    static func syncDirectory(_ path: String) throws(RaftError) {
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw failure("open", path) }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw failure("sync", path) }
    }

    static func failure(_ action: String, _ path: String, _ code: Int32 = errno) -> RaftError {
        RaftError(.storage, "cannot \(action) \(path): \(String(cString: strerror(code)))")
    }

    private static func read(_ path: String, maximumBytes: Int) throws(RaftError) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw failure("open", path) }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: maximumBytes)
        let count = bytes.withUnsafeMutableBytes { readBytes(file, $0.baseAddress, maximumBytes) }
        guard count >= 0 else { throw failure("read", path) }
        return Array(bytes.prefix(count))
    }
}

// The system calls under names that the methods above do not hide.
private func writeBytes(_ file: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int { write(file, bytes, count) }
private func readBytes(_ file: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    read(file, bytes, count)
}
