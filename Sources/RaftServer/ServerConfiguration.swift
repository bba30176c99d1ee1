public import Raft
internal import RaftKeyValueModel
public import RaftTransport

/// The settings of one node as a service.
public struct ServerConfiguration: Sendable {
    /// What to do when the data directory is empty.
    public enum FirstStart: Hashable, Sendable {
        /// Refuse: an empty directory under an old id is a disk that was lost, or a wrong path.
        case refuse
        /// Begin a new cluster with ``ServerConfiguration/members``.
        case bootstrap
        /// Wait for the leader of a cluster that is there.
        case join
    }

    /// This node's id, as in its certificate.
    public var id: NodeID
    /// The cluster's name, as in the certificates.
    public var cluster: String
    /// `host:port` to listen on; port 0 for one that the kernel chooses.
    public var listen: String
    /// `host:port` to show metrics at, over mutual TLS to certificates of role metrics or admin; nil for nowhere.
    public var metrics: String?
    /// Where others reach this node; nil for its entry in ``members``, else ``listen``.
    public var advertise: String?
    /// The data directory.
    public var data: String
    /// Paths of PEM files.
    public var certificate: String
    public var key: String
    public var ca: String
    /// The revocation lists of the authorities in ``ca``; nil to check nothing for revocation.
    public var crl: String?
    /// What to do with a certificate whose authority has no current list. Without ``crl`` it means nothing.
    public var revocation = RevocationPolicy.failClosed
    /// As ``TLSFiles/acceptsTLS12``.
    public var acceptsTLS12 = false
    /// What others can make this node hold or wait for.
    public var limits = TransportLimits()
    /// The initial members. On a later start they must not contradict what the log holds.
    public var members: ClusterConfiguration?
    public var firstStart = FirstStart.refuse
    public var electionTimeout: ClosedRange<Duration> = .milliseconds(1000)...(.milliseconds(2000))
    public var heartbeatInterval: Duration = .milliseconds(100)
    /// In millionths, as ``Configuration/maximumClockDrift``: 0 to 500 000.
    public var maximumClockDrift = 1000
    /// As ``Configuration`` has them.
    public var promotesLearners = false
    public var steadyInterval: Duration = .seconds(10)
    public var preferenceInterval: Duration = .seconds(60)
    /// The most bytes a second of a snapshot on its way to one member, within ``snapshotRates``; nil for as many as the
    /// way takes.
    public var maximumSnapshotBytesPerSecond: Int?
    /// With the least a piece of 256 KiB leaves every four seconds.
    public static let snapshotRates = (64 << 10)...(1 << 40)
    /// As ``Configuration/maximumSnapshotBytes``.
    public var maximumSnapshotBytes = 1 << 40
    /// The largest value taken from clients, at most ``largestMaximumValueBytes``.
    public var maximumValueBytes = 1_572_864
    /// The most comparisons that a transaction of a client has, and the most operations in each of its lists: 1 to
    /// ``largestMaximumTransactionCount``.
    public var maximumTransactionCount = 128
    /// The most watches that are open on this node at a time; each also counts as a call of its connection.
    public var maximumWatchCount = 20_000
    /// What of the history of changes is kept, while this node leads.
    public var history = HistoryLimits()
    public static let largestMaximumTransactionCount = KeyValueTransaction.maximumCount

    /// A snapshot is due after so many bytes of log, and at least as many as the state has. A node that the power was cut
    /// from applies as much anew when it starts.
    static let snapshotLogBytes = 256 << 20

    /// The most bytes that one command may have, whatever ``maximumValueBytes`` is: what a peer's message carries.
    /// Two of the largest values of the default limit, as a compare-and-swap brings, fit with their key.
    public static let maximumCommandBytes = 15 << 18
    public static let largestMaximumValueBytes = 3 << 20
    /// The most bytes that a compare-and-swap's two values may have together: the rest is for the key and what is
    /// around the three.
    static let maximumPairBytes = maximumCommandBytes - 1024

    public init(
        id: NodeID, cluster: String, listen: String, data: String, certificate: String, key: String, ca: String
    ) {
        self.id = id
        self.cluster = cluster
        self.listen = listen
        self.data = data
        self.certificate = certificate
        self.key = key
        self.ca = ca
    }
}
