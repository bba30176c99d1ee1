internal import NIOCore
internal import NIOPosix

/// Stands above TLS until the handshake has told what an accepted connection is for; then the connection takes over,
/// on the event loop where its purpose is served.
final class AcceptHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let server: RPCServer
    private let tls: TLSHandler
    private let place: ConnectionRegistry.Place
    private var isSettled = false
    private let hasMoved: Bool

    /// - Parameter hasMoved: this channel is the one that the connection was moved to.
    init(_ server: RPCServer, _ tls: TLSHandler, _ place: ConnectionRegistry.Place, hasMoved: Bool = false) {
        self.hasMoved = hasMoved
        self.server = server
        self.tls = tls
        self.place = place
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let established = event as? TLSEstablished else { return context.fireUserInboundEventTriggered(event) }
        guard let service = server.service(established.purpose) else { return context.close(promise: nil) }
        if !hasMoved, let eventLoop = server.home(of: service), !eventLoop.inEventLoop {
            return move(to: eventLoop, context)
        }
        isSettled = true
        if let page = service.page { return serve(page, established, context) }
        let outbox = Outbox(eventLoop: context.eventLoop)
        let isPeer = established.purpose.isBetweenMembers
        // The place lives as long as the connection's handler does.
        let side = ServerSide(
            service.table, share: isPeer ? nil : server.callShares.share(of: established.principal),
            metrics: server.metrics
        ) { [place] _ in withExtendedLifetime(place) {} }
        let refusal = server.connections.settle(place, isPeer: isPeer, channel: context.channel, outbox: outbox)
        let connection = Connection(
            outbox, on: context.eventLoop, principal: established.principal, isServer: true, greets: refusal == nil,
            limits: server.limits, budget: isPeer ? nil : server.budget, side: side)
        try? context.pipeline.syncOperations.addHandler(connection, position: .after(self))
        if let refusal {
            server.refuse(.places, "\(refusal) (\(established.principal))", context.channel)
            connection.refuse(
                "no room for another connection: \(refusal); use those, or try another node", code: .resourceExhausted)
        }
    }

    private func serve(_ page: RPCServer.Page, _ established: TLSEstablished, _ context: ChannelHandlerContext) {
        if let refusal = server.connections.settle(place, isPeer: false, channel: context.channel, outbox: nil) {
            server.refuse(.places, "\(refusal) (\(established.principal))", context.channel)
            return context.close(promise: nil)
        }
        try? context.pipeline.syncOperations.addHandlers(PageHandler.pipeline(page, place), position: .after(self))
    }

    /// A node's peers live on the node's own loop, so that nothing hops threads. NIO does not move channels, but the
    /// descriptor can be: a copy of it, and the TLS session, go to a new channel there; the old one closes without a
    /// word.
    private func move(to eventLoop: any EventLoop, _ context: ChannelHandlerContext) {
        isSettled = true
        let copy = try? context.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
            ListeningSocket.duplicate($0)
        }
        guard let descriptor = copy ?? nil else { return context.close(promise: nil) }
        let session = tls.detach()
        context.close(promise: nil)
        ClientBootstrap(group: eventLoop)
            .channelOption(ConnectionSetup.noDelay, value: 1)
            .channelOption(ConnectionSetup.unsentLimit, value: ConnectionSetup.maximumUnsentBytes)
            .channelOption(.recvAllocator, value: ConnectionSetup.receiveBuffers)
            .channelInitializer { [server, place] channel in
                channel.eventLoop.makeCompletedFuture {
                    let tls = TLSHandler(
                        session, deadline: server.limits.handshakeTimeout.timeAmount, isEstablished: true)
                    let above = AcceptHandler(server, tls, place, hasMoved: true)
                    try channel.pipeline.syncOperations.addHandlers(tls, above)
                }
            }
            .withConnectedSocket(descriptor)
            .whenFailure { [server] error in server.noteFailure("cannot move a connection to its loop: \(error)") }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !isSettled else { return context.fireErrorCaught(error) }
        isSettled = true
        let failure = error as? TLSFailure
        server.refuse(failure?.rule ?? .abandoned, failure?.reason ?? "\(error)", context.channel)
        context.close(promise: nil)
    }
}
