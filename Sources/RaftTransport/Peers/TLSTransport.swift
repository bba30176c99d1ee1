internal import Glibc
public import NIOCore
internal import NIOPosix
public import Raft

/// Nodes reach each other over TLS: one connection per direction and peer, shared by all links to that peer, and one
/// more while a snapshot is sent.
///
/// Everything happens on the node's loop: connections are dialled there, and accepted ones are moved there once their
/// handshake has shown that they are a peer's. Those for snapshots are dialled on, and moved to, a loop for bulk, where
/// encrypting and decrypting them keeps nobody waiting. Callbacks come from there, never from within a call.
public final class TLSTransport: Transport, @unchecked Sendable {
    // @unchecked: everything is constant; see `Ways` for what is in those.
    private let server: RPCServer
    private let tls: TLSContext
    private let limits: TransportLimits
    private let ways: Ways
    private let bulkWays: Ways

    /// The connections of one purpose, on its loop.
    private final class Ways: @unchecked Sendable {
        // @unchecked: what changes belongs to the event loop, except that `receiver` is set once before the listener
        // accepts.
        let purpose: Purpose
        let eventLoop: any EventLoop
        /// nil before the start and after the stop.
        var receiver: (any PeerReceiver)?
        var peers: [NodeID: PeerConnection] = [:]

        init(_ purpose: Purpose, _ eventLoop: any EventLoop) {
            self.purpose = purpose
            self.eventLoop = eventLoop
        }

        func remove(_ link: TLSPeerLink) {
            eventLoop.execute { for connection in self.peers.values { connection.remove(link) } }
        }

        func stop() {
            eventLoop.execute {
                self.receiver = nil
                let ended = self.peers
                self.peers = [:]
                for (_, connection) in ended { connection.stop() }
            }
        }
    }

    /// - Parameters:
    ///   - server: the node's listener; ``start(_:)`` adds the peer service to it and lets it accept, ``stop()`` stops
    ///     it.
    ///   - tls: the node's certificate, as it dials.
    ///   - loop: the node's loop.
    ///   - bulk: where connections for snapshots live; nil for the node's loop.
    public init(
        server: RPCServer, tls: TLSContext, loop: NIOLoop, bulk: (any EventLoop)? = nil,
        limits: TransportLimits = TransportLimits()
    ) {
        self.server = server
        self.tls = tls
        self.limits = limits
        ways = Ways(.peer, loop.eventLoop)
        bulkWays = Ways(.snapshot, bulk ?? loop.eventLoop)
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
        for ways in [ways, bulkWays] {
            ways.receiver = receiver
            server.serve(ways.purpose, PeerService.table(receiver, ways.purpose), on: ways.eventLoop)
        }
        server.start()
    }

    public func connect(to peer: NodeID, at address: String, observer: any PeerLinkObserver) -> any PeerLink {
        connect(to: peer, at: address, ways, observer)
    }

    public func connectForSnapshot(
        to peer: NodeID, at address: String, observer: any PeerLinkObserver
    ) -> any PeerLink {
        connect(to: peer, at: address, bulkWays, observer)
    }

    private func connect(
        to peer: NodeID, at address: String, _ ways: Ways, _ observer: any PeerLinkObserver
    ) -> any PeerLink {
        let link = TLSPeerLink(to: peer, ways.purpose, on: ways.eventLoop, observer) { [weak ways] link in
            ways?.remove(link)
        }
        ways.eventLoop.execute { [self] in attach(link, address, ways) }
        return link
    }

    private func attach(_ link: TLSPeerLink, _ address: String, _ ways: Ways) {
        guard !link.isClosed else { return }
        guard let receiver = ways.receiver else { return link.failed("this node's transport is not running") }
        if let connection = ways.peers[link.peer], connection.isUsable, connection.address == address {
            return connection.add(link)
        }
        // Links of an older connection, to an address that is no longer the peer's, stay with it while it lasts.
        let connection = PeerConnection(
            to: link.peer, at: address, tls: tls, purpose: link.purpose, on: ways.eventLoop, receiver, limits: limits)
        ways.peers[link.peer] = connection
        connection.add(link)
    }

    public func probe(_ peer: NodeID, at address: String, refused: @escaping @Sendable () -> Void) {
        guard let target = try? Endpoint(address) else { return }
        probe(target, again: Self.probePauses[...], refused)
    }

    /// A process that dies gives up its sockets one by one, connections before the listener: an attempt that stands is
    /// followed by others, after these pauses.
    private static let probePauses: [TimeAmount] = [.milliseconds(5), .milliseconds(20), .milliseconds(100)]

    private func probe(_ target: Endpoint, again: ArraySlice<TimeAmount>, _ refused: @escaping @Sendable () -> Void) {
        ClientBootstrap(group: ways.eventLoop)
            .connectTimeout(limits.handshakeTimeout.timeAmount)
            .connect(host: target.host, port: target.port)
            .whenComplete { [self] result in
                switch result {
                case .success(let channel):
                    channel.close(promise: nil)
                    guard let pause = again.first else { return }
                    ways.eventLoop.scheduleTask(in: pause) { self.probe(target, again: again.dropFirst(), refused) }
                case .failure(let error): if Self.isRefusal(error) { refused() }
                }
            }
    }

    /// Whether every address that a name stands for refused, or reset before a connection stood.
    private static func isRefusal(_ error: any Error) -> Bool {
        switch error {
        case let error as NIOConnectionError:
            error.dnsAError == nil && error.dnsAAAAError == nil && !error.connectionErrors.isEmpty
                && error.connectionErrors.allSatisfy { isRefusal($0.error) }
        case let error as IOError: [ECONNREFUSED, ECONNRESET].contains(error.errnoCode)
        default: false
        }
    }

    public func stop() {
        server.beginStop()
        ways.stop()
        bulkWays.stop()
    }
}
