internal import NIOCore
public import Raft

/// Nodes reach each other over TLS: one connection per direction and peer, shared by all links to that peer, and one
/// more while a snapshot is sent.
///
/// Everything happens on the node's loop: connections are dialled there, and accepted ones are moved there once their
/// handshake has shown that they are a peer's, except those for snapshots. Callbacks come from there too, never from
/// within a call.
public final class TLSTransport: Transport, @unchecked Sendable {
    // @unchecked: `receiver`, `peers` and `isStopped` belong to the event loop, except that `receiver` is set once
    // before the listener accepts.
    private let server: RPCServer
    private let tls: TLSContext
    private let eventLoop: any EventLoop
    private let limits: TransportLimits
    private var receiver: (any PeerReceiver)?
    private var peers: [Way: PeerConnection] = [:]
    private var isStopped = false

    private struct Way: Hashable {
        var peer: NodeID
        var purpose: Purpose
    }

    /// - Parameters:
    ///   - server: the node's listener; ``start(_:)`` adds the peer service to it and lets it accept, ``stop()`` stops
    ///     it.
    ///   - tls: the node's certificate, as it dials.
    ///   - loop: the node's loop.
    public init(
        server: RPCServer, tls: TLSContext, loop: NIOLoop, limits: TransportLimits = TransportLimits()
    ) {
        self.server = server
        self.tls = tls
        self.limits = limits
        eventLoop = loop.eventLoop
    }

    /// - Throws: ``RaftError/Code/transport`` when the certificate is not this node's.
    public func start(_ receiver: any PeerReceiver) throws {
        let hello = receiver.hello
        for principal in [tls.principal, server.tls.principal] {
            guard principal.node == hello.node, principal.cluster == hello.cluster else {
                throw RaftError(
                    .transport,
                    "certificate \(principal) is not this node's, which is node \(hello.node) of cluster \(hello.cluster); give the certificate for raft://\(hello.cluster)/peer/\(hello.node)"
                )
            }
        }
        self.receiver = receiver
        server.serve(.peer, PeerService.table(receiver, .peer), on: eventLoop)
        server.serve(.snapshot, PeerService.table(receiver, .snapshot))
        server.start()
    }

    public func connect(to peer: NodeID, at address: String, observer: any PeerLinkObserver) -> any PeerLink {
        connect(to: peer, at: address, .peer, observer)
    }

    public func connectForSnapshot(
        to peer: NodeID, at address: String, observer: any PeerLinkObserver
    ) -> any PeerLink {
        connect(to: peer, at: address, .snapshot, observer)
    }

    private func connect(
        to peer: NodeID, at address: String, _ purpose: Purpose, _ observer: any PeerLinkObserver
    ) -> any PeerLink {
        let link = TLSPeerLink(to: peer, purpose, observer) { [weak self] link in
            guard let self else { return }
            eventLoop.execute { for connection in self.peers.values { connection.remove(link) } }
        }
        eventLoop.execute { [self] in attach(link, address) }
        return link
    }

    private func attach(_ link: TLSPeerLink, _ address: String) {
        guard !link.isClosed else { return }
        guard !isStopped, let receiver else { return link.failed("this node's transport is not running") }
        let way = Way(peer: link.peer, purpose: link.purpose)
        if let connection = peers[way], connection.isUsable, connection.address == address {
            return connection.add(link)
        }
        // Links of an older connection, to an address that is no longer the peer's, stay with it while it lasts.
        let connection = PeerConnection(
            to: link.peer, at: address, tls: tls, purpose: link.purpose, on: eventLoop, receiver, limits: limits)
        peers[way] = connection
        connection.add(link)
    }

    public func stop() {
        server.beginStop()
        eventLoop.execute { [self] in
            isStopped = true
            let ended = peers
            peers = [:]
            for (_, connection) in ended { connection.stop() }
            receiver = nil
        }
    }
}
