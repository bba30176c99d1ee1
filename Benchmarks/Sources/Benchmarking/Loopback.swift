internal import Glibc

/// TCP on 127.0.0.1.
enum Loopback {
    private static func address(_ port: UInt16, host: UInt32 = 0x7F00_0001) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = host.bigEndian
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

    /// Connects from another address of this machine; closing it leaves nothing behind.
    ///
    /// - Parameter waits: for the connection to stand, and for at most ten seconds for each read of it; else it only
    ///   begins.
    static func connect(to port: UInt16, from host: UInt32, waits: Bool) -> Int32? {
        guard let file = try? socket() else { return nil }
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(file, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        if waits {
            var patience = timeval(tv_sec: 10, tv_usec: 0)
            setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        } else {
            _ = fcntl(file, F_SETFL, O_NONBLOCK)
        }
        var from = address(0, host: host)
        var to = address(port)
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isConnected = withUnsafePointer(to: &from) { from in
            withUnsafePointer(to: &to) { to in
                from.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(file, $0, size) } == 0
                    && (to.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(file, $0, size) } == 0
                        || errno == EINPROGRESS)
            }
        }
        guard isConnected else {
            close(file)
            return nil
        }
        return file
    }

    /// 127.0.0.2 and up.
    static func attacker(_ number: Int) -> UInt32 { 0x7F00_0002 + UInt32(number) }

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
