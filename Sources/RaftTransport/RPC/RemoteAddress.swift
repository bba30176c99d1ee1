internal import NIOCore

/// Where a connection comes from, as far as limits go: an IPv4 address, or the first 64 bits of an IPv6 address.
struct RemoteAddress: Hashable, Sendable {
    private let bytes: [UInt8]

    /// - Returns: nil for an address of neither kind.
    init?(_ address: SocketAddress?) {
        let found = address?.withSockAddr { pointer, count -> [UInt8]? in
            let raw = UnsafeRawBufferPointer(start: pointer, count: count)
            // Behind family and port: four bytes; behind the flow label, too: sixteen.
            switch address?.protocol {
            case .inet where count >= 8: return Array(raw[4..<8])
            case .inet6 where count >= 24:
                let all = Array(raw[8..<24])
                // An IPv4 address, as a socket for both kinds shows it.
                let mapped = [UInt8](repeating: 0, count: 10) + [255, 255]
                return all.starts(with: mapped) ? Array(all[12...]) : Array(all[..<8])
            default: return nil
            }
        }
        guard let bytes = found ?? nil else { return nil }
        self.bytes = bytes
    }
}
