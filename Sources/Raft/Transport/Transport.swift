/// How nodes reach each other. `TLSTransport` of RaftTransport in production, ``LocalTransport`` within one process,
/// the simulator's network in tests; a program may bring its own.
///
/// What it must do: deliver a request or a reply whole or not at all, unchanged, and only between a sender and a
/// receiver whose identities it has checked (``PeerRequest/sender`` is who it says it is). What it need not do: Raft
/// bears loss, delay, duplicates and reordering, so nothing needs to be sent again. ``PeerRequest/forward(_:)`` is the
/// exception, since it stands for a call of a client: it arrives at most once, as on any connection, and where it or its
/// reply may have been lost the link ends. A transport calls back on any thread, and never from within a call into it.
public protocol Transport: AnyObject, Sendable {
    /// Begins to accept requests for this node. Called once.
    ///
    /// - Throws: when it cannot listen; the node then does not start.
    func start(_ receiver: any PeerReceiver) throws

    /// Opens a link to a member, on which this node calls it. Returns at once; `observer` hears what becomes of it.
    /// Only addresses out of a configuration are ever passed here, never one that a stranger announced.
    func connect(to peer: NodeID, at address: String, observer: any PeerLinkObserver) -> any PeerLink

    /// As ``connect(to:at:observer:)``, for snapshots: bulk that a heartbeat must never wait behind, so a transport with
    /// connections gives it one of its own. The default makes no difference between the two.
    func connectForSnapshot(to peer: NodeID, at address: String, observer: any PeerLinkObserver) -> any PeerLink

    /// Tries to connect to a member's address, and calls `refused` if that very attempt, below any encryption, was refused
    /// or reset: nothing listens there, so its process has ended. An attempt that stands, or that nothing answers, says
    /// nothing of the kind, and a later refusal (of a certificate, or for a limit) does not either; an attempt that
    /// stands may be followed by more, within a heartbeat or two. The default never calls it: a node then notices a
    /// leader's end by its election timeout.
    func probe(_ peer: NodeID, at address: String, refused: @escaping @Sendable () -> Void)

    /// Closes the listener and every link. Nothing is called back once it has returned, or soon after.
    func stop()
}

extension Transport {
    public func connectForSnapshot(
        to peer: NodeID, at address: String, observer: any PeerLinkObserver
    ) -> any PeerLink {
        connect(to: peer, at: address, observer: observer)
    }

    public func probe(_ peer: NodeID, at address: String, refused: @escaping @Sendable () -> Void) {}
}

/// One direction of calls to one peer.
public protocol PeerLink: AnyObject, Sendable {
    /// Sends a request; its reply, if one comes, is given to the observer. After the link has closed it does nothing.
    func send(_ request: PeerRequest)
    /// Ends the link. The observer hears nothing more.
    func close()
}

/// Whoever opened a ``PeerLink``, and hears what becomes of it.
public protocol PeerLinkObserver: AnyObject, Sendable {
    /// The peer has been reached, is who it should be, and is this life of it, as its hello said. Called at most once,
    /// and before any reply.
    func linkOpened(_ incarnation: Incarnation)
    func linkReceived(_ reply: PeerReply)
    /// The link cannot be opened or has broken. Called at most once; nothing follows.
    func linkClosed(_ reason: LinkFailure)
}

/// Why a link ended, for the log and `NodeStatus`.
public struct LinkFailure: Error, Hashable, Sendable, CustomStringConvertible {
    public var reason: String
    /// The peer said that this node was removed from the cluster.
    public var isRemoval: Bool
    /// - Parameter reason: for the log, with what to do about it.
    public init(_ reason: String, isRemoval: Bool = false) {
        self.reason = reason
        self.isRemoval = isRemoval
    }
    public var description: String { reason }
}

/// The node, as its transport sees it.
public protocol PeerReceiver: AnyObject, Sendable {
    /// What this node says of itself when a connection begins. May be read from any thread; it can change.
    var hello: Hello { get }
    /// Whether a peer that presented `hello`, and whose certificate was found to be that peer's, may be served, and
    /// may be called. Asked when a connection begins, from any thread, and again for each request on it: the configuration
    /// may have changed meanwhile. A connection whose peer is not accepted any more is closed; it may say hello again.
    func admit(_ hello: Hello) -> Admission
    /// Takes one request. `reply` is used once, or never.
    func receive(_ request: PeerRequest, reply: any ReplyPath)
    /// A connection on which `peer` called this node has ended without a goodbye, as when its process was killed. Called
    /// from any thread. A transport that cannot tell need not call it; see ``Transport/probe(_:at:refused:)``.
    func connectionBroke(from peer: NodeID)
}

extension PeerReceiver {
    public func connectionBroke(from peer: NodeID) {}
}

/// The way back to the sender of one request.
public protocol ReplyPath: AnyObject, Sendable {
    /// Sends the reply, from any thread. Does nothing when the connection is gone.
    func send(_ reply: PeerReply)
}

/// Who a node is. Exchanged as the first thing on every connection between peers.
public struct Hello: Hashable, Sendable {
    /// The cluster's name, the same as in its certificates.
    public var cluster: String
    public var node: NodeID
    public var incarnation: Incarnation
    /// The checksum of the cluster's first entry, or nil on a node that has none yet: two clusters of one name that
    /// were bootstrapped apart must not mix.
    public var bootstrap: UInt64?
    /// The id of the newest configuration that the node's log holds.
    public var configuration: LogID
    public init(
        cluster: String, node: NodeID, incarnation: Incarnation, bootstrap: UInt64?, configuration: LogID
    ) {
        self.cluster = cluster
        self.node = node
        self.incarnation = incarnation
        self.bootstrap = bootstrap
        self.configuration = configuration
    }
}

/// Whether a peer that has said who it is may speak to this node.
public enum Admission: Hashable, Sendable {
    case accepted
    /// With the reason, for the log here and for the refused peer, which has already shown a valid certificate.
    case refused(String)
    /// As `refused`, and for good: the peer was a member and is none any more. It must be told so.
    case removed(String)
}
