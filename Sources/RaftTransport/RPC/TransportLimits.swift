public import Raft

/// The limits and times of connections. Each bounds what one other side can make this one hold or wait for.
public struct TransportLimits: Sendable {
    /// The most accepted connections, those still in their handshake included.
    public var maximumConnections = 1024
    /// How many of ``maximumConnections`` only peers may use.
    public var reservedPeerConnections = 64
    /// The most accepted connections from one address, peers' not counted. Of IPv6 addresses the first 64 bits are looked
    /// at: whoever has one has all of them.
    public var maximumConnectionsPerAddress = 100
    /// The most handshakes under way. Above it the oldest is given up: an honest one takes milliseconds.
    public var maximumHandshakes = 512
    /// The most handshakes under way from one address. Above it the oldest of that address is given up.
    public var maximumHandshakesPerAddress = 128
    /// The most handshakes from one address that may fail within a second. Above it, its connections are closed before
    /// anything is worked out for them. Addresses that members have come from are not counted.
    public var maximumFailedHandshakesPerAddress = 20
    /// The most calls and streams that one connection may have open. A client keeps further calls waiting.
    public var maximumCallsInFlight = 1024
    /// The most calls and streams that one caller may have open over all of its connections, as the identity in its
    /// certificate says; members' are not counted.
    public var maximumCallsInFlightPerCaller = 4096
    /// The most calls that wait on the calling side for a free place; above it `resourceExhausted`.
    public var maximumWaitingCalls = 65_536
    /// The largest message, in bytes; 4 MiB at most.
    public var maximumMessageBytes = 4 << 20
    /// The most bytes that one connection may hold of messages not yet complete.
    public var maximumPartialBytes = 16 << 20
    /// The most bytes that wait to be written to one connection; above it the connection is closed as too slow.
    public var maximumQueuedBytes = 64 << 20
    /// The most bytes that wait to be written to all accepted connections together, peers' not counted. Above it
    /// connections that have more than their share waiting are closed as too slow.
    public var maximumQueuedBytesInAll = 512 << 20
    /// How many bytes of a stream may be on their way before the receiver has taken them.
    public var streamCredit = 8 << 20
    /// How long the TLS handshake and the first frame may take.
    public var handshakeTimeout: Duration = .seconds(5)
    /// After this long without a byte from the other side it is asked for a sign of life.
    public var keepaliveInterval: Duration = .seconds(2)
    /// After this long without a byte from the other side the connection is closed.
    public var keepaliveTimeout: Duration = .seconds(6)
    /// After this long in which bytes waited to be written, and the other side took none, the connection is closed.
    public var stallTimeout: Duration = .seconds(10)
    /// After this long without a call an accepted connection is ended, in good order.
    public var idleTimeout: Duration = .seconds(300)
    public init() {}

    /// While somebody waits for an answer, the other side is asked for a sign of life after this long without a byte; and
    /// after so much more it is in doubt: whoever can go elsewhere had better.
    static let doubtInterval = Duration.milliseconds(250)
    static let doubtTimeout = Duration.milliseconds(750)
    /// No setting allows larger messages than this.
    static let hardMessageBytes = 4 << 20
    /// The most bytes of urgent frames that wait for one connection.
    static let maximumUrgentBytes = 4 << 20

    /// - Throws: ``RaftError/Code/invalidConfiguration`` for limits that let nobody in, or contradict each other.
    public func validate() throws(RaftError) {
        let counts = [
            ("maximumConnections", maximumConnections), ("maximumConnectionsPerAddress", maximumConnectionsPerAddress),
            ("maximumHandshakes", maximumHandshakes), ("maximumHandshakesPerAddress", maximumHandshakesPerAddress),
            ("maximumFailedHandshakesPerAddress", maximumFailedHandshakesPerAddress),
            ("maximumCallsInFlight", maximumCallsInFlight),
            ("maximumCallsInFlightPerCaller", maximumCallsInFlightPerCaller),
            ("maximumMessageBytes", maximumMessageBytes),
            ("maximumPartialBytes", maximumPartialBytes), ("maximumQueuedBytes", maximumQueuedBytes),
            ("maximumQueuedBytesInAll", maximumQueuedBytesInAll), ("streamCredit", streamCredit),
        ]
        for (name, count) in counts where count < 1 {
            throw RaftError(.invalidConfiguration, "\(name) \(count) is not above 0; with it nobody could be served")
        }
        let times = [
            ("handshakeTimeout", handshakeTimeout), ("keepaliveInterval", keepaliveInterval),
            ("keepaliveTimeout", keepaliveTimeout), ("stallTimeout", stallTimeout), ("idleTimeout", idleTimeout),
        ]
        for (name, time) in times where time <= .zero {
            throw RaftError(.invalidConfiguration, "\(name) \(time) is not above 0; every connection would be closed")
        }
        guard (0..<maximumConnections).contains(reservedPeerConnections) else {
            throw RaftError(
                .invalidConfiguration,
                "reservedPeerConnections \(reservedPeerConnections) is not from 0 to below maximumConnections \(maximumConnections); leave places for clients"
            )
        }
        guard keepaliveTimeout > keepaliveInterval else {
            throw RaftError(
                .invalidConfiguration,
                "keepaliveTimeout \(keepaliveTimeout) is not above keepaliveInterval \(keepaliveInterval); leave time for an answer"
            )
        }
        guard maximumMessageBytes <= Self.hardMessageBytes else {
            throw RaftError(
                .invalidConfiguration,
                "maximumMessageBytes \(maximumMessageBytes) is above \(Self.hardMessageBytes), which no setting exceeds"
            )
        }
    }
}
