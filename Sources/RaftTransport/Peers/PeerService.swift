internal import Raft

/// The methods between peers, and how this node serves them: the same on connections of both purposes.
enum PeerService {
    /// The first call on every connection: who calls, answered with who serves; or the reason of a refusal.
    static func hello(_ purpose: Purpose) -> Method {
        Method(id: 1, name: "raft.peer.v1.Peer/Hello", purpose: purpose, roles: [.peer])
    }
    /// One link: requests one way, replies the other.
    static func link(_ purpose: Purpose) -> Method {
        Method(id: 2, name: "raft.peer.v1.Peer/Link", purpose: purpose, roles: [.peer])
    }

    /// The details of a refusal that is for good: the caller was removed from the cluster.
    static let removal = Array("removed".utf8)

    /// Marks a connection whose hello was accepted.
    fileprivate final class Admitted: @unchecked Sendable {
        // @unchecked: `isMissed` is touched on the connection's event loop only.
        let hello: Hello
        /// The receiver has been told that the connection broke: once, however many links it had.
        var isMissed = false
        init(_ hello: Hello) { self.hello = hello }
    }

    static func table(_ receiver: any PeerReceiver, _ purpose: Purpose) -> ServiceTable {
        var table = ServiceTable()
        table.add(
            hello(purpose),
            .connected { call, connection in
                do throws(RPCStatus) {
                    connection.attachment = nil
                    connection.attachment = Admitted(try admit(call.request, connection.principal, receiver))
                    call.respond(PeerCodec.encode(receiver.hello))
                } catch {
                    call.fail(error)
                }
            })
        table.add(
            link(purpose),
            .connectedStream { _, connection in
                guard let admitted = connection.attachment as? Admitted else {
                    return .failure(RPCStatus(.failedPrecondition, "say hello before opening a link"))
                }
                return .success(LinkReceiver(admitted, receiver, purpose, connection))
            })
        return table
    }

    private static func admit(
        _ bytes: [UInt8], _ principal: Principal, _ receiver: any PeerReceiver
    ) throws(RPCStatus) -> Hello {
        let hello = try PeerCodec.decodeHello(bytes)
        try check(hello, against: principal)
        switch receiver.admit(hello) {
        case .accepted: return hello
        case .refused(let reason): throw RPCStatus(.failedPrecondition, reason)
        case .removed(let reason): throw RPCStatus(.failedPrecondition, reason, details: removal)
        }
    }

    /// A node may only say of itself what its certificate says.
    static func check(_ hello: Hello, against principal: Principal) throws(RPCStatus) {
        guard hello.node == principal.node, hello.cluster == principal.cluster else {
            throw RPCStatus(
                .permissionDenied,
                "node \(hello.node) of cluster \(hello.cluster.prefix(64)) came with certificate \(principal)")
        }
    }
}

/// Serves one link: decodes, checks the sender, judges it again, hands over.
///
/// The configuration may have changed since the hello: a member that was removed, or whose place another life of it has
/// taken, is not served on the connections that it still has. It is not told why here, since what it said of its own
/// configuration is old by now: it dials again, and its new hello gets the answer.
private final class LinkReceiver: RPCStreamHandler, @unchecked Sendable {
    // @unchecked: everything but the constants is touched on the connection's event loop only.
    private let admitted: PeerService.Admitted
    private let receiver: any PeerReceiver
    private let purpose: Purpose
    private weak var connection: Connection?
    private var path: StreamReplyPath?

    init(
        _ admitted: PeerService.Admitted, _ receiver: any PeerReceiver, _ purpose: Purpose, _ connection: Connection
    ) {
        self.purpose = purpose
        self.admitted = admitted
        self.receiver = receiver
        self.connection = connection
    }

    func streamReceived(_ message: [UInt8], on stream: RPCStream) {
        stream.consumed(message.count)
        let node = admitted.hello.node
        do throws(RPCStatus) {
            guard receiver.admit(admitted.hello) == .accepted else {
                throw RPCStatus(.failedPrecondition, "the members have changed since its hello; it may say hello again")
            }
            let request = try PeerCodec.decodeRequest(message)
            guard request.sender == node else {
                throw RPCStatus(.permissionDenied, "node \(node) sent a request in the name of node \(request.sender)")
            }
            let isSnapshot = if case .snapshot = request { true } else { false }
            guard isSnapshot == (purpose == .snapshot) else {
                throw RPCStatus(
                    .invalidArgument, "such a request does not belong on a connection of \(purpose.rawValue)")
            }
            let path = self.path ?? StreamReplyPath(stream)
            self.path = path
            receiver.receive(request, reply: path)
        } catch {
            // Who sends this is broken or hostile: nothing more of it is looked at.
            connection?.refuse("node \(node): \(error.message)", code: error.code)
        }
    }

    func streamFinished(_ stream: RPCStream) { stream.finish() }
    func streamEnded(_ status: RPCStatus?, on stream: RPCStream) {
        path = nil
        guard purpose == .peer, connection?.isBroken == true, !admitted.isMissed else { return }
        admitted.isMissed = true
        receiver.connectionBroke(from: admitted.hello.node)
    }
}

/// Replies go back on the stream that the request came on. They are small, and overtake bulk; results of writes that were
/// passed on need not be, and wait for their turn.
private final class StreamReplyPath: ReplyPath {
    private let stream: RPCStream
    init(_ stream: RPCStream) { self.stream = stream }

    func send(_ reply: PeerReply) {
        let isForward = if case .forward = reply { true } else { false }
        guard !stream.send(PeerCodec.encode(reply), isUrgent: !isForward), !stream.isEnded, isForward else { return }
        // A caller waits for it; once the link has ended its outcome is known to be unknown.
        stream.end(RPCStatus(.resourceExhausted, "a reply was not taken: it is above 4 MiB, or the peer is too slow"))
    }
}
