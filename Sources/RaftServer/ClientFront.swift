package import Raft
package import RaftKeyValue
package import RaftTransport

/// All that one node does for the clients of its key-value state. Has neither sockets nor a clock: it is asked through a
/// table of methods, and told what became of the state and when to look. So a simulation drives the very same.
package final class ClientFront: Sendable {
    /// What clients can make the node hold, and what of the state is kept.
    package struct Limits: Sendable {
        package var maximumValueBytes: Int
        package var maximumTransactionCount: Int
        package var maximumWatchCount: Int
        /// In millionths, as ``Configuration/maximumClockDrift``.
        package var maximumClockDrift: Int
        package var history: HistoryLimits
        /// A watch that has dealt with all but so many bytes of what it was sent may be sent a message more.
        package var watchWindowBytes: UInt64 = 128 << 10
        /// About the most bytes in one message of a watch.
        package var watchPageBytes = 256 << 10

        /// For a simulation that is to show that it would be noticed: leases do not begin anew with a leader.
        package var remembersLeases = false

        package init(_ configuration: ServerConfiguration) {
            maximumValueBytes = configuration.maximumValueBytes
            maximumTransactionCount = configuration.maximumTransactionCount
            maximumWatchCount = configuration.maximumWatchCount
            maximumClockDrift = configuration.maximumClockDrift
            history = configuration.history
        }
    }
    /// How often ``look()`` and ``lookAtLeases()`` are called.
    package static let interval = WatchHub.tick
    package static let leaseInterval = LeaseKeeper.tick
    package static let historyInterval = HistoryKeeper.tick

    private let service: ClientService
    fileprivate let watches: WatchHub
    private let history: HistoryKeeper
    private let leases: LeaseKeeper

    /// - Parameter now: since some fixed point; all leases are measured by it.
    package init(node: RaftNode<KeyValueMachine>, _ limits: Limits, now: @escaping @Sendable () -> Duration) {
        watches = WatchHub(
            node: node, maximumCount: limits.maximumWatchCount, windowBytes: limits.watchWindowBytes,
            pageBytes: limits.watchPageBytes)
        leases = LeaseKeeper(
            node: node, LeaseRules(maximumClockDrift: limits.maximumClockDrift, remembers: limits.remembersLeases),
            now: now)
        history = HistoryKeeper(node: node, limits.history, now: now)
        service = ClientService(
            node: node, maximumValueBytes: limits.maximumValueBytes,
            maximumTransactionCount: limits.maximumTransactionCount, watches: watches, leases: leases)
    }

    /// The methods of Protos/client.proto.
    package var table: ServiceTable { service.table }

    /// Every ``interval``.
    package func look() { watches.look() }

    /// Every ``historyInterval``.
    package func lookAtHistory() { history.look() }

    /// Every ``leaseInterval``.
    package func lookAtLeases() { leases.look() }

    /// Ends all watches.
    package func stop() { watches.stop() }
}

/// Tells a node's watches what became of its state: they are there only after the node that the machine belongs to.
///
/// They are kept by the front and by its table: whoever serves the table has watches that hear something.
package final class NewsRelay: Sendable {
    private struct State {
        weak var watches: WatchHub?
    }
    private let state = Lock(State())
    package init() {}
    package func set(_ front: ClientFront) { state.withLock { $0.watches = front.watches } }
    package func tell(_ news: StateNews) { state.withLock { $0.watches }?.heard(news) }
}
