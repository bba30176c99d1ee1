#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Standard output and standard error: whole bytes, and colour only where somebody looks.
enum Console {
    /// Writes a result.
    ///
    /// - Parameters:
    ///   - text: nothing of it stays in a buffer.
    ///   - code: what a failed write means. What only reads is refused; what has changed something is ``unwritten``,
    ///     since ``refused`` says that nothing happened.
    ///   - file: standard output, but for tests.
    /// - Throws: when not all of it could be written. A reader that has gone away is no error of ours.
    static func out(_ text: String, orLeaveWith code: Failure.Code = .refused, file: Int32 = 1) throws(Failure) {
        try out(Array(text.utf8), orLeaveWith: code, file: file)
    }

    static func out(_ bytes: [UInt8], orLeaveWith code: Failure.Code = .refused, file: Int32 = 1) throws(Failure) {
        guard let problem = write(file, bytes), problem != EPIPE else { return }
        throw Failure(code, "cannot write standard output: \(Failure.reason(problem))")
    }

    /// Puts something that fails in the place of each standard stream that is closed: a file or a socket opened later
    /// would take its number, and be read or written in its stead.
    static func holdStandardStreams() {
        for stream in [Int32(0), 1, 2] where fcntl(stream, F_GETFD) < 0 {
            // The lowest free number, so this one. Opened the wrong way round, it fails as a closed one does.
            _ = open("/dev/null", stream == 0 ? O_WRONLY : O_RDONLY)
        }
    }

    /// One message for whoever called; nothing when it is empty.
    static func error(_ message: String, prefix: String = "raft: ", ending: String = "\n") {
        guard !message.isEmpty else { return }
        // Whoever closed standard error wants to hear nothing.
        _ = write(2, Array("\(prefix)\(message)\(ending)".utf8))
    }

    /// Everything that standard input gives, up to a limit that no value comes near.
    static func readAll(maximumBytes: Int = 64 << 20) throws(Failure) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(0, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .system("read", "standard input") }
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk[..<count])
            guard bytes.count <= maximumBytes else {
                throw Failure(.refused, "standard input holds more than \(maximumBytes) bytes; that is no value")
            }
        }
    }

    static var isOutputTerminal: Bool { isatty(1) != 0 }

    /// Whether output may be coloured: a terminal, and nobody who set NO_COLOR (https://no-color.org).
    static var usesColor: Bool {
        isOutputTerminal && (environment("NO_COLOR") ?? "").isEmpty && environment("TERM") != "dumb"
    }

    static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// Returns the error number of what kept it from writing everything.
    private static func write(_ file: Int32, _ bytes: [UInt8]) -> Int32? {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { writeBytes(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return count < 0 ? errno : EIO }
            rest = rest.dropFirst(count)
        }
        return nil
    }
}

// The system call under a name that the method above does not hide.
private func writeBytes(_ file: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int { write(file, bytes, count) }
