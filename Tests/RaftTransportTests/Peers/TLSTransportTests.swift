import NIOCore
import NIOPosix
import Raft
import RaftTransport
import Testing

/// A node, as a transport sees it: answers votes, keeps what it heard.
private final class TestNode: PeerReceiver {
    let id: NodeID
    let cluster: String
    let refuses = Lock<String?>(nil)
    let removes = Lock(false)
    let admitted = Lock<[Hello]>([])
    /// Whose connections ended without a goodbye.
    let broken: AsyncStream<NodeID>
    private let breaks: AsyncStream<NodeID>.Continuation
    let requests: AsyncStream<PeerRequest>
    private let feed: AsyncStream<PeerRequest>.Continuation
    let loop: NIOLoop
    let wasOnLoop = Lock(true)
    let bulk: any EventLoop
    let wasSnapshotOnBulk = Lock(true)

    init(_ id: NodeID, cluster: String = "test", loop: NIOLoop, bulk: any EventLoop) {
        self.id = id
        self.cluster = cluster
        self.loop = loop
        self.bulk = bulk
        (requests, feed) = AsyncStream.makeStream(of: PeerRequest.self)
        (broken, breaks) = AsyncStream.makeStream(of: NodeID.self)
    }

    func connectionBroke(from peer: NodeID) { breaks.yield(peer) }
    func endBreaks() { breaks.finish() }
    func endRequests() { feed.finish() }

    var hello: Hello {
        Hello(
            cluster: cluster, node: id, incarnation: Incarnation(rawValue: id.rawValue + 100), bootstrap: 7,
            configuration: LogID(term: 1, index: 1))
    }

    func admit(_ hello: Hello) -> Admission {
        admitted.withLock { $0.append(hello) }
        if removes.withLock({ $0 }) { return .removed("node \(hello.node) was removed") }
        return refuses.withLock { $0 }.map { .refused($0) } ?? .accepted
    }

    func receive(_ request: PeerRequest, reply: any ReplyPath) {
        let (place, wasThere) =
            if case .snapshot = request { (bulk, wasSnapshotOnBulk) } else { (loop.eventLoop, wasOnLoop) }
        if !place.inEventLoop { wasThere.withLock { $0 = false } }
        feed.yield(request)
        switch request {
        case .vote(let vote):
            reply.send(.vote(VoteReply(phase: vote.phase, round: vote.round, term: vote.term, isGranted: true)))
        case .append(let append):
            reply.send(
                .append(
                    AppendReply(
                        term: append.term, stream: append.stream, sequence: 9,
                        outcome: .accepted(through: append.last.index))))
        case .heartbeat(let heartbeat):
            reply.send(
                .heartbeat(
                    HeartbeatReply(
                        term: heartbeat.term, stream: heartbeat.stream, round: heartbeat.round, isRejected: false)))
        case .snapshot(let piece):
            reply.send(
                .snapshot(
                    SnapshotReply(
                        term: piece.term, stream: piece.stream, snapshot: piece.manifest.id,
                        outcome: .received(through: piece.offset + UInt64(piece.bytes.count)))))
        case .forward(let forward):
            reply.send(.forward(ForwardReply(id: forward.id, result: .success(forward.payload))))
        case .timeoutNow, .readIndex: break
        }
    }
}

private final class LinkRecorder: PeerLinkObserver {
    enum Event: Equatable, Sendable {
        case opened
        case reply(PeerReply)
        case closed(String)
    }
    let life = Lock<Incarnation?>(nil)
    let isRemoval = Lock(false)
    let events: AsyncStream<Event>
    private let feed: AsyncStream<Event>.Continuation
    private let place: (any EventLoop)?
    let wasThere = Lock(true)
    init(expectedOn place: (any EventLoop)? = nil) {
        self.place = place
        (events, feed) = AsyncStream.makeStream(of: Event.self)
    }
    func linkOpened(_ incarnation: Incarnation) {
        if let place, !place.inEventLoop { wasThere.withLock { $0 = false } }
        life.withLock { $0 = incarnation }
        feed.yield(.opened)
    }
    func linkReceived(_ reply: PeerReply) {
        if let place, !place.inEventLoop { wasThere.withLock { $0 = false } }
        feed.yield(.reply(reply))
    }
    func linkClosed(_ reason: LinkFailure) {
        isRemoval.withLock { $0 = reason.isRemoval }
        feed.yield(.closed(reason.reason))
        feed.finish()
    }

    /// The reason, if the first thing heard is that the link has closed.
    func refusal() async -> String? {
        for await event in events {
            if case .closed(let reason) = event { return reason }
            return nil
        }
        return nil
    }
}

/// A node with its server and transport, on a loop of its own; connections are accepted on another.
private struct Member {
    let node: TestNode
    let server: RPCServer
    let transport: TLSTransport
    var address: String { "127.0.0.1:\(server.port)" }

    init(
        _ id: NodeID, _ authority: TestAuthority, name: String? = nil, cluster: String = "test", starts: Bool = true
    ) throws {
        let loops = Array(MultiThreadedEventLoopGroup.singleton.makeIterator())
        let loop = NIOLoop(loops[Int(id.rawValue) % loops.count])
        let tls = try authority.context(.peer, name ?? "\(id)", cluster: cluster)
        let bulk = loops[(Int(id.rawValue) + 1) % loops.count]
        node = TestNode(id, cluster: cluster, loop: loop, bulk: bulk)
        server = try RPCServer(listen: "127.0.0.1:0", tls: tls, group: MultiThreadedEventLoopGroup.singleton)
        transport = TLSTransport(server: server, tls: tls, loop: loop, bulk: bulk)
        if starts { try transport.start(node) }
    }

    func stop() async {
        transport.stop()
        await server.stop()
    }
}

/// Passes bytes between two ports until it is cut: what ends then is the connection alone, at both ends.
private final class Relay: Sendable {
    private final class Pass: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        private let other: any Channel
        init(to other: any Channel) { self.other = other }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            other.writeAndFlush(unwrapInboundIn(data), promise: nil)
        }
        func channelInactive(context: ChannelHandlerContext) { other.close(promise: nil) }
    }
    private let channels = Lock<[any Channel]>([])
    private let listener = Lock<(any Channel)?>(nil)
    var address: String { "127.0.0.1:\(listener.withLock { $0?.localAddress?.port ?? 0 })" }

    init(to port: Int) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let channel = try await ServerBootstrap(group: group).childChannelInitializer { [channels] near in
            ClientBootstrap(group: near.eventLoop).channelInitializer { $0.pipeline.addHandler(Pass(to: near)) }
                .connect(host: "127.0.0.1", port: port).flatMap { far in
                    channels.withLock { $0 += [near, far] }
                    return near.pipeline.addHandler(Pass(to: far))
                }
        }.bind(host: "127.0.0.1", port: 0).get()
        listener.withLock { $0 = channel }
    }

    func cut() async {
        try? await listener.withLock { $0 }?.close()
        for channel in channels.withLock({ $0 }) { channel.close(promise: nil) }
    }
}

@Suite("The TLS transport")
struct TLSTransportTests {
    private let authority: TestAuthority
    init() throws { authority = try TestAuthority() }

    private func vote(_ candidate: NodeID, round: UInt64 = 1) -> PeerRequest {
        .vote(VoteRequest(phase: .vote, term: 3, candidate: candidate, lastLog: .zero, round: round))
    }

    private func granted(_ round: UInt64) -> LinkRecorder.Event {
        .reply(.vote(VoteReply(phase: .vote, round: round, term: 3, isGranted: true)))
    }

    @Test("carries snapshots on a loop of their own at both ends, in the order in which they were sent")
    func snapshots() async throws {
        let one = try Member(1, authority)
        let two = try Member(2, authority)
        let manifest = SnapshotManifest(
            id: SnapshotID(builder: Incarnation(rawValue: 5), number: 7), last: LogID(term: 3, index: 9),
            configuration: try ClusterConfiguration(voters: [.init(id: 1, address: "a:1")]),
            configurationID: LogID(term: 0, index: 1), bootstrap: 9, byteCount: 8 << 20, checksum: 1)
        let recorder = LinkRecorder(expectedOn: one.node.bulk)
        let link = one.transport.connectForSnapshot(to: 2, at: two.address, observer: recorder)
        let bytes = [UInt8](repeating: 3, count: 256 << 10)
        var events = recorder.events.makeAsyncIterator()
        // Some before it has opened, and some after.
        for number in 0..<16 as Range<UInt64> {
            if number == 8 { #expect(await events.next() == .opened) }
            link.send(
                .snapshot(
                    SnapshotRequest(
                        term: 3, leader: 1, stream: StreamID(rawValue: 4), manifest: manifest, offset: number << 18,
                        checksum: 2,
                        bytes: bytes)))
        }
        for number in 1...16 as ClosedRange<UInt64> {
            #expect(
                await events.next()
                    == .reply(
                        .snapshot(
                            SnapshotReply(
                                term: 3, stream: StreamID(rawValue: 4), snapshot: manifest.id,
                                outcome: .received(through: number << 18)))))
        }
        #expect(two.node.wasSnapshotOnBulk.withLock { $0 } && recorder.wasThere.withLock { $0 })
        link.close()
        await one.stop()
        await two.stop()
    }

    @Test("opens a link after both sides have accepted each other's hello, and carries requests and replies")
    func exchange() async throws {
        let one = try Member(1, authority)
        let two = try Member(2, authority)
        let recorder = LinkRecorder()
        let link = one.transport.connect(to: 2, at: two.address, observer: recorder)
        var events = recorder.events.makeAsyncIterator()
        #expect(await events.next() == .opened)
        #expect(recorder.life.withLock { $0 } == two.node.hello.incarnation)
        #expect(one.node.admitted.withLock { $0 } == [two.node.hello])
        #expect(two.node.admitted.withLock { $0 } == [one.node.hello])
        for round in 1...50 as ClosedRange<UInt64> {
            link.send(vote(1, round: round))
            #expect(await events.next() == granted(round))
        }
        // The node's own loop, wherever the connection was accepted.
        #expect(two.node.wasOnLoop.withLock { $0 })
        link.close()
        await one.stop()
        await two.stop()
    }

    @Test("loses no write that is passed on, however many come before the link has opened")
    func earlyForwards() async throws {
        let one = try Member(1, authority)
        let two = try Member(2, authority)
        let recorder = LinkRecorder()
        let link = one.transport.connect(to: 2, at: two.address, observer: recorder)
        for id in 1...300 as ClosedRange<UInt64> {
            link.send(.forward(ForwardRequest(sender: 1, id: id, kind: .command, payload: [UInt8(id % 251)])))
        }
        var events = recorder.events.makeAsyncIterator()
        #expect(await events.next() == .opened)
        for id in 1...300 as ClosedRange<UInt64> {
            #expect(await events.next() == .reply(.forward(ForwardReply(id: id, result: .success([UInt8(id % 251)])))))
        }
        link.close()
        await one.stop()
        await two.stop()
    }

    @Test("brings large appends across whole, with heartbeats between them")
    func appends() async throws {
        let one = try Member(1, authority)
        let two = try Member(2, authority)
        let recorder = LinkRecorder()
        let link = one.transport.connect(to: 2, at: two.address, observer: recorder)
        var appends: [PeerRequest] = []
        var previous = LogID.zero
        for number in 1...5 as ClosedRange<UInt64> {
            var builder = EntryBatch.Builder(first: previous.index.next, term: 3)
            builder.append(.command, [UInt8](repeating: UInt8(number), count: 1 << 20))
            let batch = builder.finish()!
            let append = AppendRequest(
                term: 3, leader: 1, stream: StreamID(rawValue: 5), sequence: 9, previous: previous, leaderCommit: 0,
                entries: [batch])
            previous = batch.last
            appends.append(.append(append))
        }
        let heartbeat = PeerRequest.heartbeat(
            HeartbeatRequest(
                term: 3, leader: 1, stream: StreamID(rawValue: 5), round: 1, commit: 0, leaderCommit: 0))
        // Sent before the link has opened: kept until it has.
        for append in appends { link.send(append) }
        link.send(heartbeat)
        var got: [PeerRequest] = []
        for await request in two.node.requests {
            got.append(request)
            if got.count == 6 { break }
        }
        #expect(got.filter { $0 != heartbeat } == appends)
        #expect(got.contains(heartbeat))
        link.close()
        await one.stop()
        await two.stop()
    }

    @Test("shares one connection among the links to a peer, and gives each its own replies")
    func sharing() async throws {
        let one = try Member(1, authority)
        let two = try Member(2, authority)
        let recorders = (0..<3).map { _ in LinkRecorder() }
        let links = recorders.map { one.transport.connect(to: 2, at: two.address, observer: $0) }
        for recorder in recorders {
            var events = recorder.events.makeAsyncIterator()
            #expect(await events.next() == .opened)
        }
        // Before any request, each of which is judged again.
        #expect(two.node.admitted.withLock { $0.count } == 1)
        for (number, recorder) in recorders.enumerated() {
            var events = recorder.events.makeAsyncIterator()
            links[number].send(vote(1, round: UInt64(number)))
            #expect(await events.next() == granted(UInt64(number)))
        }
        // One that closes disturbs no other.
        links[0].close()
        links[0].send(vote(1, round: 99))
        links[1].send(vote(1, round: 77))
        for await request in two.node.requests where request == vote(1, round: 77) { break }
        await one.stop()
        await two.stop()
    }

    @Test("tells the reason when the other side does not admit this node")
    func refusedThere() async throws {
        let one = try Member(1, authority)
        let two = try Member(2, authority)
        two.node.refuses.withLock { $0 = "node 1 was removed by configuration 9@4" }
        let recorder = LinkRecorder()
        _ = one.transport.connect(to: 2, at: two.address, observer: recorder)
        #expect(await recorder.refusal()?.contains("node 1 was removed by configuration 9@4") == true)
        await one.stop()
        await two.stop()
    }

    @Test("tells a removed node that it is one, and nobody else")
    func removed() async throws {
        let one = try Member(1, authority)
        let two = try Member(2, authority)
        two.node.removes.withLock { $0 = true }
        let recorder = LinkRecorder()
        _ = one.transport.connect(to: 2, at: two.address, observer: recorder)
        #expect(await recorder.refusal()?.contains("node 1 was removed") == true)
        #expect(recorder.isRemoval.withLock { $0 })
        let other = LinkRecorder()
        _ = two.transport.connect(to: 1, at: one.address, observer: other)
        #expect(await other.refusal()?.contains("node 1 was removed") == true)
        #expect(!other.isRemoval.withLock { $0 }, "it is the other one that was removed")
        await one.stop()
        await two.stop()
    }

    @Test("asks anew, on a connection that stands, whether the peer may be called")
    func admittedAnew() async throws {
        let one = try Member(1, authority)
        let two = try Member(2, authority)
        let first = LinkRecorder()
        _ = one.transport.connect(to: 2, at: two.address, observer: first)
        var events = first.events.makeAsyncIterator()
        #expect(await events.next() == .opened)
        one.node.refuses.withLock { $0 = "another life of node 2 is the member now" }
        let second = LinkRecorder()
        _ = one.transport.connect(to: 2, at: two.address, observer: second)
        #expect(await second.refusal()?.contains("another life of node 2 is the member now") == true)
        guard case .closed? = await events.next() else {
            Issue.record("the link of old stayed open")
            return
        }
        await one.stop()
        await two.stop()
    }

    @Test("tells the reason when this node does not admit the other side")
    func refusedHere() async throws {
        let one = try Member(1, authority)
        let two = try Member(2, authority)
        one.node.refuses.withLock { $0 = "another bootstrap" }
        let recorder = LinkRecorder()
        _ = one.transport.connect(to: 2, at: two.address, observer: recorder)
        #expect(await recorder.refusal()?.contains("another bootstrap") == true)
        await one.stop()
        await two.stop()
    }

    @Test("does not open a link to a node whose certificate names another")
    func wrongPeer() async throws {
        let one = try Member(1, authority)
        let two = try Member(2, authority)
        let recorder = LinkRecorder()
        _ = one.transport.connect(to: 3, at: two.address, observer: recorder)
        let reason = await recorder.refusal()
        #expect(reason?.contains("peer certificate names raft://test/peer/2, but node 3 was dialled") == true)
        #expect(two.node.admitted.withLock { $0.isEmpty })
        await one.stop()
        await two.stop()
    }

    @Test("closes the connection of a peer that sends in another's name, and never delivers it")
    func spoofing() async throws {
        let one = try Member(1, authority)
        let two = try Member(2, authority)
        let recorder = LinkRecorder()
        let link = one.transport.connect(to: 2, at: two.address, observer: recorder)
        link.send(vote(3))
        var events = recorder.events.makeAsyncIterator()
        #expect(await events.next() == .opened)
        guard case .closed(let reason)? = await events.next() else {
            Issue.record("the link stayed open")
            return
        }
        #expect(reason.contains("node 1 sent a request in the name of node 3"))
        // A good one on a new link is the first that arrives.
        let again = LinkRecorder()
        let second = one.transport.connect(to: 2, at: two.address, observer: again)
        second.send(vote(1, round: 5))
        for await request in two.node.requests {
            #expect(request == vote(1, round: 5))
            break
        }
        await one.stop()
        await two.stop()
    }

    @Test("does not start with the certificate of another node")
    func ownCertificate() throws {
        let wrong = try Member(1, authority, name: "2", starts: false)
        let error = #expect(throws: RaftError.self) { try wrong.transport.start(wrong.node) }
        #expect(error?.message.contains("raft://test/peer/1") == true)
    }

    @Test("closes its links when the other side stops, and dials afresh when it is back")
    func broken() async throws {
        let one = try Member(1, authority)
        let two = try Member(2, authority)
        let recorder = LinkRecorder()
        let link = one.transport.connect(to: 2, at: two.address, observer: recorder)
        var events = recorder.events.makeAsyncIterator()
        #expect(await events.next() == .opened)
        await two.stop()
        guard case .closed? = await events.next() else {
            Issue.record("the link stayed open")
            return
        }
        #expect(await events.next() == nil)
        link.send(vote(1))
        let three = try Member(2, authority)
        let again = LinkRecorder()
        let second = one.transport.connect(to: 2, at: three.address, observer: again)
        var more = again.events.makeAsyncIterator()
        #expect(await more.next() == .opened)
        second.send(vote(1, round: 8))
        #expect(await more.next() == granted(8))
        await one.stop()
        await three.stop()
    }

    @Test("serves nothing more on the link of a member that was removed meanwhile, which hears it when it dials again")
    func removedMeanwhile() async throws {
        let one = try Member(1, authority)
        let two = try Member(2, authority)
        let recorder = LinkRecorder()
        let link = one.transport.connect(to: 2, at: two.address, observer: recorder)
        var events = recorder.events.makeAsyncIterator()
        #expect(await events.next() == .opened)
        link.send(vote(1))
        #expect(await events.next() == granted(1))
        two.node.removes.withLock { $0 = true }
        link.send(vote(1, round: 8))
        guard case .closed(let reason)? = await events.next() else {
            Issue.record("the link stayed open")
            return
        }
        #expect(reason.contains("the members have changed since its hello"), "\(reason)")
        #expect(!recorder.isRemoval.withLock { $0 }, "what it said of its configuration is old")
        let again = LinkRecorder()
        _ = one.transport.connect(to: 2, at: two.address, observer: again)
        #expect(await again.refusal()?.contains("node 1 was removed") == true)
        #expect(again.isRemoval.withLock { $0 })
        await one.stop()
        await two.stop()
        two.node.endRequests()
        var served = 0
        for await _ in two.node.requests { served += 1 }
        #expect(served == 1)
    }

    @Test("tells that a peer's connection ended without a goodbye, and only then")
    func withoutGoodbye() async throws {
        let two = try Member(2, authority)
        let relay = try await Relay(to: two.server.port)
        let (leaving, dying) = (try Member(3, authority), try Member(1, authority))
        // One connection carries two links, and is missed once.
        for (member, address) in [(leaving, two.address), (dying, relay.address), (dying, relay.address)] {
            let recorder = LinkRecorder()
            _ = member.transport.connect(to: 2, at: address, observer: recorder)
            var events = recorder.events.makeAsyncIterator()
            #expect(await events.next() == .opened)
        }
        await leaving.stop()
        await relay.cut()
        var broken = two.node.broken.makeAsyncIterator()
        #expect(await broken.next() == 1)
        await dying.stop()
        await two.stop()
        two.node.endBreaks()
        #expect(await broken.next() == nil)
    }

    @Test("finds out that nobody listens at an address, by its number and by its name; somebody does elsewhere")
    func probes() async throws {
        let one = try Member(1, authority)
        let (told, tell) = AsyncStream.makeStream(of: String.self)
        let gone = try Member(2, authority)
        let port = gone.server.port
        await gone.stop()
        for address in [one.address, "no address", "192.0.2.1.nowhere.invalid:1"] {
            one.transport.probe(2, at: address) { tell.yield(address) }
        }
        var answers = told.makeAsyncIterator()
        for address in ["127.0.0.1:\(port)", "localhost:\(port)"] {
            one.transport.probe(2, at: address) { tell.yield(address) }
            #expect(await answers.next() == address)
        }
        await one.stop()
        tell.finish()
        #expect(await answers.next() == nil)
    }

    @Test("says when nobody listens at an address, and leaves other peers alone")
    func nobody() async throws {
        let one = try Member(1, authority)
        let recorder = LinkRecorder()
        _ = one.transport.connect(to: 2, at: "no port here", observer: recorder)
        #expect(await recorder.refusal()?.contains("write host:port") == true)
        await one.stop()
    }
}
