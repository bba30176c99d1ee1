/// The limits and times of connections. Each bounds what one other side can make this one hold or wait for.
public struct TransportLimits: Sendable {
    /// The most accepted connections, those still in their handshake included.
    public var maximumConnections = 1024
    /// How many of ``maximumConnections`` only peers may use.
    public var reservedPeerConnections = 64
    /// The most calls and streams that one connection may have open. A client keeps further calls waiting.
    public var maximumCallsInFlight = 1024
    /// The most calls that wait on the calling side for a free place; above it `resourceExhausted`.
    public var maximumWaitingCalls = 65_536
    /// The largest message, in bytes; 4 MiB at most.
    public var maximumMessageBytes = 4 << 20
    /// The most bytes that one connection may hold of messages not yet complete.
    public var maximumPartialBytes = 16 << 20
    /// The most bytes that wait to be written to one connection; above it the connection is closed as too slow.
    public var maximumQueuedBytes = 64 << 20
    /// How many bytes of a stream may be on their way before the receiver has taken them.
    public var streamCredit = 8 << 20
    /// How long the TLS handshake and the first frame may take.
    public var handshakeTimeout: Duration = .seconds(5)
    /// After this long without a byte from the other side it is asked for a sign of life.
    public var keepaliveInterval: Duration = .seconds(2)
    /// After this long without a byte from the other side the connection is closed.
    public var keepaliveTimeout: Duration = .seconds(6)
    public init() {}

    /// No setting allows larger messages than this.
    static let hardMessageBytes = 4 << 20
    /// The most bytes of urgent frames that wait for one connection.
    static let maximumUrgentBytes = 4 << 20
}
