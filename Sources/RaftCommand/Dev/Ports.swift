#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// TCP ports of 127.0.0.1.
enum Ports {
    /// As many different free ports, chosen by the kernel.
    static func free(_ count: Int) throws(Failure) -> [UInt16] {
        var sockets: [Int32] = []
        // All are held until the last one is chosen, so that none comes twice.
        defer { for socket in sockets { close(socket) } }
        var ports: [UInt16] = []
        for _ in 0..<count {
            let (socket, port) = try bound(0)
            sockets.append(socket)
            ports.append(port)
        }
        return ports
    }

    static func isFree(_ port: UInt16) -> Bool {
        guard let (socket, _) = try? bound(port) else { return false }
        close(socket)
        return true
    }

    private static func bound(_ port: UInt16) throws(Failure) -> (socket: Int32, port: UInt16) {
        #if canImport(Darwin)
            let file = socket(AF_INET, SOCK_STREAM, 0)
        #else
            let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        #endif
        guard file >= 0 else { throw .system("make", "a socket") }
        var one: Int32 = 1
        setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = port.bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> Int32 in
                // Listening, since a port that is bound twice with SO_REUSEADDR is refused only here.
                guard bind(file, address, size) == 0, listen(file, 1) == 0 else { return errno }
                return getsockname(file, address, &size) == 0 ? 0 : errno
            }
        }
        guard code == 0 else {
            close(file)
            throw .system("bind", "127.0.0.1:\(port)", code)
        }
        return (file, UInt16(bigEndian: address.sin_port))
    }
}
