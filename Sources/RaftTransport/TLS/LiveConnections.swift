internal import Raft

/// A connection that stands, as far as judging it again takes.
final class LiveConnection: Sendable {
    let principal: Principal
    let leaf: X509Certificate
    let chain: [X509Certificate]
    /// What the other side acts as.
    let side: TrustStore.Side
    /// When the first certificate between the other side and its authority expires, in seconds since 1970.
    let validUntil: Int64
    fileprivate let drop: @Sendable (Expulsion) -> Void

    /// - Parameter drop: ends the connection; may be called from any thread.
    init(
        _ principal: Principal, leaf: X509Certificate, chain: [X509Certificate], as side: TrustStore.Side,
        validUntil: Int64, drop: @escaping @Sendable (Expulsion) -> Void
    ) {
        self.principal = principal
        self.leaf = leaf
        self.chain = chain
        self.side = side
        self.validUntil = validUntil
        self.drop = drop
    }
}

/// Why a connection that stands must go.
struct Expulsion: Sendable {
    let reason: String
    /// At once, in the midst of its calls. Else it takes no new ones, and has ``grace`` to bring to an end what is open:
    /// whose authority went, or whose time is over, did nothing wrong, and will come back with a newer certificate.
    let isSudden: Bool

    /// How long that is, in milliseconds.
    static let grace: Int64 = 500
}

/// The connections of one context that stand, accepted and dialled.
final class LiveConnections: Sendable {
    private let all = Lock<[ObjectIdentifier: LiveConnection]>([:])

    func add(_ connection: LiveConnection) { all.withLock { $0[ObjectIdentifier(connection)] = connection } }

    func remove(_ connection: LiveConnection) {
        let removed = all.withLock { $0.removeValue(forKey: ObjectIdentifier(connection)) }
        withExtendedLifetime(removed) {}
    }

    var count: Int { all.withLock { $0.count } }

    /// Drops every connection that `judge` has something against.
    func drop(_ judge: (LiveConnection) -> Expulsion?) -> [DroppedConnection] {
        var dropped: [DroppedConnection] = []
        for connection in all.withLock({ Array($0.values) }) {
            guard let expulsion = judge(connection) else { continue }
            // Only once: it is gone from here before its event loop has ended it.
            remove(connection)
            dropped.append(DroppedConnection(principal: connection.principal, reason: expulsion.reason))
            connection.drop(expulsion)
        }
        return dropped
    }
}
