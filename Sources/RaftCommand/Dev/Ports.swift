internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// TCP ports of 127.0.0.1.
enum Ports {
    /// Below those that Linux (32768 and up), Darwin and the IANA (49152 and up) give to connections that go out: one of
    /// these could take a port between its choice here and the start of the node that is to listen there.
    private static let range: Range<UInt16> = 15_000..<32_000
    private static let given = Mutex<Set<UInt16>>([])

    /// As many different free ports, none of which this process was given before.
    static func free(_ count: Int) throws(Failure) -> [UInt16] {
        var ports: [UInt16] = []
        for _ in 0..<10_000 where ports.count < count {
            let port = UInt16.random(in: range)
            if isFree(port), given.withLock({ $0.insert(port).inserted }) { ports.append(port) }
        }
        guard ports.count == count else {
            throw Failure(
                .refused,
                "found \(ports.count) of \(count) free ports of 127.0.0.1 from \(range.lowerBound) to \(range.upperBound - 1)"
            )
        }
        return ports
    }

    static func isFree(_ port: UInt16) -> Bool {
        #if canImport(Darwin)
            let file = socket(AF_INET, SOCK_STREAM, 0)
        #else
            let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        #endif
        guard file >= 0 else { return false }
        defer { close(file) }
        var one: Int32 = 1
        setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = port.bigEndian
        return withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                // Listening, since a port that is bound twice with SO_REUSEADDR is refused only here.
                bind(file, address, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 && listen(file, 1) == 0
            }
        }
    }
}
