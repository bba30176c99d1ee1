internal import NIOCore
internal import Raft

/// The connection on which this node calls one peer, from the dial to its end. All links to the peer share it.
///
/// Lives on the node's loop. Made when a link is wanted and none is there; dies when the connection breaks, or some
/// time after its last link.
final class PeerConnection: @unchecked Sendable {
    // @unchecked: what changes belongs to the loop.
    private enum Phase {
        case dialling
        case open(RPCConnection, Hello)
        case over
    }

    let peer: NodeID
    let address: String
    let purpose: Purpose
    private let eventLoop: any EventLoop
    private let receiver: any PeerReceiver
    private var phase = Phase.dialling
    private var links: [ObjectIdentifier: TLSPeerLink] = [:]
    private var dial: Dial?

    /// How long a connection without links is kept: an election closes links and opens others soon after.
    private static let linger = TimeAmount.seconds(10)

    init(
        to peer: NodeID, at address: String, tls: TLSContext, purpose: Purpose, on eventLoop: any EventLoop,
        _ receiver: any PeerReceiver, limits: TransportLimits
    ) {
        self.peer = peer
        self.address = address
        self.purpose = purpose
        self.eventLoop = eventLoop
        self.receiver = receiver
        let dial = Dial(to: address, tls: tls, purpose: purpose, on: eventLoop, limits: limits) { [self] result in
            dialled(result, timeout: limits.handshakeTimeout)
        }
        self.dial = dial
        dial.begin(timeout: limits.handshakeTimeout) { principal in
            principal.node == peer
                ? nil
                : "peer certificate names \(principal), but node \(peer) was dialled at \(address); issue a certificate for node \(peer) or correct the address"
        }
    }

    /// Whether a further link can use it.
    var isUsable: Bool {
        switch phase {
        case .dialling: true
        case .open(let connection, _): connection.isOpen
        case .over: false
        }
    }

    func add(_ link: TLSPeerLink) {
        links[ObjectIdentifier(link)] = link
        guard case .open(let connection, let hello) = phase else { return }
        // The connection may be older than the present members: who may not be called any more is not.
        switch receiver.admit(hello) {
        case .accepted: link.opened(on: connection, hello.incarnation)
        case .refused(let reason), .removed(let reason): end("node \(peer) at \(address) is refused here: \(reason)")
        }
    }

    func remove(_ link: TLSPeerLink) {
        guard links.removeValue(forKey: ObjectIdentifier(link)) != nil, links.isEmpty else { return }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: Self.linger) {
            if bound.value.links.isEmpty { bound.value.end("it is no longer needed") }
        }
    }

    private func dialled(_ result: Result<RPCConnection, RPCStatus>, timeout: Duration) {
        dial = nil
        guard case .dialling = phase else { return }
        switch result {
        case .failure(let status): end(status.message)
        case .success(let connection):
            connection.call(PeerService.hello(purpose), PeerCodec.encode(receiver.hello), timeout: timeout) {
                [self] result in
                greeted(result, connection)
            }
        }
    }

    private func greeted(_ result: Result<[UInt8], RPCStatus>, _ connection: RPCConnection) {
        guard case .dialling = phase else { return }
        let hello: Hello
        do throws(RPCStatus) {
            let bytes: [UInt8]
            switch result {
            case .success(let answer): bytes = answer
            case .failure(let status):
                throw RPCStatus(
                    status.code, "node \(peer) at \(address) refused this node: \(status.message)",
                    details: status.details)
            }
            hello = try PeerCodec.decodeHello(bytes)
            try PeerService.check(hello, against: connection.server)
            switch receiver.admit(hello) {
            case .accepted: break
            case .refused(let reason), .removed(let reason):
                throw RPCStatus(.failedPrecondition, "node \(peer) at \(address) is refused here: \(reason)")
            }
        } catch {
            return end(error.message, isRemoval: error.details == PeerService.removal)
        }
        phase = .open(connection, hello)
        for link in sortedLinks { link.opened(on: connection, hello.incarnation) }
    }

    private var sortedLinks: [TLSPeerLink] { links.sorted { $0.key < $1.key }.map(\.value) }

    /// Ends it and every link; nobody hears of it any more.
    func stop() {
        let ended = sortedLinks
        links = [:]
        for link in ended { link.close() }
        end("this node's transport has stopped")
    }

    /// Ends it and every link.
    func end(_ reason: String, isRemoval: Bool = false) {
        if case .over = phase { return }
        // The connection itself closes when the last reference to it goes.
        phase = .over
        dial?.cancel()
        dial = nil
        let ended = sortedLinks
        links = [:]
        for link in ended { link.failed(reason, isRemoval: isRemoval) }
    }
}
