internal import Glibc
internal import NIOCore
internal import Raft

/// A bound and listening TCP socket, made without waiting for an event loop: a busy port is known at once.
struct ListeningSocket {
    let descriptor: CInt
    let port: Int

    init(_ endpoint: Endpoint) throws(RaftError) {
        let address: SocketAddress
        do {
            address = try SocketAddress.makeAddressResolvingHost(endpoint.host, port: endpoint.port)
        } catch {
            throw RaftError(
                .transport,
                "cannot listen at \(endpoint): the host name cannot be resolved; give an address of this machine")
        }
        func refuse(_ error: CInt) -> RaftError {
            let hint =
                switch error {
                case EADDRINUSE: "; another process listens there: stop it or choose another port"
                case EADDRNOTAVAIL: "; give an address of this machine, or 0.0.0.0 for all"
                case EACCES: "; ports below 1024 need a privilege: choose a higher one"
                default: ""
                }
            return RaftError(.transport, "cannot listen at \(endpoint): \(String(cString: strerror(error)))\(hint)")
        }
        let family = address.protocol == .inet6 ? AF_INET6 : AF_INET
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw refuse(errno) }
        var on: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
        let bound = address.withSockAddr { bind(descriptor, $0, socklen_t($1)) }
        guard bound == 0, listen(descriptor, 512) == 0 else {
            let error = errno
            Self.close(descriptor)
            throw refuse(error)
        }
        self.descriptor = descriptor
        port = Self.port(of: descriptor)
    }

    private static func port(of descriptor: CInt) -> Int {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(descriptor, $0, &length) }
            // Both families keep the port in bytes 2 and 3.
            let raw = UnsafeRawPointer(pointer)
            return Int(raw.load(fromByteOffset: 2, as: UInt8.self)) << 8
                | Int(raw.load(fromByteOffset: 3, as: UInt8.self))
        }
    }

    /// A second descriptor of a connection, which stays when the first is closed.
    static func duplicate(_ descriptor: CInt) -> CInt? {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        return copy >= 0 ? copy : nil
    }

    static func close(_ descriptor: CInt) { _ = Glibc.close(descriptor) }
}
