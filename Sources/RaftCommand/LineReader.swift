#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Standard input, line by line, without holding more than one line and a little.
struct LineReader {
    private var bytes: [UInt8] = []
    /// Where in them the next line begins.
    private var start = 0
    private var isAtEnd = false
    private let file: Int32
    private let maximumBytes: Int

    /// - Parameter maximumBytes: of a line; far more than the longest key and value take.
    init(file: Int32 = 0, maximumBytes: Int = 16 << 20) {
        self.file = file
        self.maximumBytes = maximumBytes
    }

    /// The next line without its end; nil when there are no more.
    mutating func next() throws(Failure) -> [UInt8]? {
        var searched = start
        while true {
            if let end = bytes[searched...].firstIndex(of: 10) {
                defer { start = end + 1 }
                return Array(bytes[start..<end])
            }
            if isAtEnd {
                defer { start = bytes.count }
                return start == bytes.count ? nil : Array(bytes[start...])
            }
            bytes.removeSubrange(..<start)
            start = 0
            searched = bytes.count
            guard bytes.count <= maximumBytes else {
                throw Failure(
                    .refused, "a line of standard input has more than \(maximumBytes) bytes; that is no key")
            }
            var chunk = [UInt8](repeating: 0, count: 65_536)
            let count = read(file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .system("read", "standard input") }
            if count == 0 { isAtEnd = true }
            bytes += chunk[..<count]
        }
    }
}
