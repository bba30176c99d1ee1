internal import Glibc

/// TCP on 127.0.0.1.
enum Loopback {
    private static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = port.bigEndian
        return address
    }

    private static func socket() throws -> Int32 {
        let file = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard file >= 0 else { throw BenchmarkError("no socket: \(String(cString: strerror(errno)))") }
        return file
    }

    /// Listens on a port that the kernel chooses.
    static func listen(backlog: Int32) throws -> (socket: Int32, port: UInt16) {
        let file = try socket()
        var address = address(0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(file, $0, size) == 0 && Glibc.listen(file, backlog) == 0 && getsockname(file, $0, &size) == 0
            }
        }
        guard isListening else {
            close(file)
            throw BenchmarkError("no free port: \(String(cString: strerror(errno)))")
        }
        return (file, UInt16(bigEndian: address.sin_port))
    }

    static func connect(to port: UInt16) throws -> Int32 {
        let file = try socket()
        var address = address(port)
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(file, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else {
            close(file)
            throw BenchmarkError("cannot connect to port \(port): \(String(cString: strerror(errno)))")
        }
        return file
    }

    static func tune(_ socket: Int32) {
        var one: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    }

    /// As many different free ports.
    static func freePorts(_ count: Int) throws -> [UInt16] {
        var sockets: [Int32] = []
        // All are held until the last one is chosen, so that none comes twice.
        defer { for socket in sockets { close(socket) } }
        return try (0..<count).map { _ in
            let (socket, port) = try listen(backlog: 1)
            sockets.append(socket)
            return port
        }
    }
}
