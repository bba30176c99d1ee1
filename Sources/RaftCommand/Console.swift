#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Standard output and standard error: whole bytes, and colour only where somebody looks.
enum Console {
    static func out(_ text: String) { write(1, Array(text.utf8)) }
    static func out(_ bytes: [UInt8]) { write(1, bytes) }

    /// One message for whoever called; nothing when it is empty.
    static func error(_ message: String, prefix: String = "raft: ") {
        guard !message.isEmpty else { return }
        write(2, Array("\(prefix)\(message)\n".utf8))
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

    /// - Parameter file: 1 or 2. A reader that has gone away is no error of ours.
    private static func write(_ file: Int32, _ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { writeBytes(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}

// The system call under a name that the method above does not hide.
private func writeBytes(_ file: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int { write(file, bytes, count) }
