internal import NIOCore

/// How the channels at both ends are set up.
enum ConnectionSetup {
    /// Few and large reads: each is deciphered in one go.
    static let receiveBuffers = AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 16_384, maximum: 262_144)

    /// Writes are gathered here already; the kernel must not wait for more.
    static let noDelay = ChannelOptions.Types.SocketOption(level: .tcp, name: .tcp_nodelay)

    /// How many bytes the kernel may hold that have not left yet (TCP_NOTSENT_LOWAT, 25 on Linux): what it holds, no
    /// heartbeat can overtake.
    static let unsentLimit = ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: 25))
    static let maximumUnsentBytes = 262_144
}

extension Duration {
    /// As NIO counts it: not below zero, and a century at most, since its arithmetic traps.
    var timeAmount: TimeAmount { TimeAmount(min(max(self, .zero), .seconds(100 * 365 * 86_400))) }
}
