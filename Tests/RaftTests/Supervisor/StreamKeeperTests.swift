import Testing

@testable import Raft

@Suite("The stream keeper")
struct StreamKeeperTests {
    final class Stage {
        let loop = ManualLoop()
        let transport = StageTransport()
        let mailbox: Mailbox<Message>
        let store = WatchedStore()
        let keeper: StreamKeeper
        let moved = Lock<[NodeID]>([])

        init() {
            mailbox = Mailbox(loop: loop)
            keeper = StreamKeeper(
                loop: loop, mailbox: mailbox, transport: transport, reader: LogReader(store: store, loop: loop),
                settings: Configuration(id: 1), random: RandomSource(seed: 1),
                address: { [moved] id in moved.withLock { $0.contains(id) } ? "moved-\(id)" : "node-\(id)" })
        }

        func keep(_ peers: [NodeID]) {
            keeper.assumeIsolated { $0.keep(peers) }
            loop.run()
        }
        /// What the streams told the node since the last call.
        func told() -> [(isStart: Bool, peer: NodeID, id: StreamID)] {
            var messages: [Message] = []
            mailbox.takeAll(into: &messages)
            return messages.compactMap {
                switch $0 {
                case .streamStarted(let peer, let id, _): (true, peer, id)
                case .streamEnded(let peer, let id, _): (false, peer, id)
                default: nil
                }
            }
        }
        func heartbeat(_ peer: NodeID, _ id: StreamID) {
            let request = HeartbeatRequest(term: 1, leader: 1, stream: id, round: 0, commit: 0, leaderCommit: 0)
            keeper.assumeIsolated { $0.send(.heartbeat(request), to: peer, on: id) }
        }
    }

    @Test("One stream for each peer; a failed one comes back under a new id, and the others stay (D9)")
    func restarts() throws {
        let stage = Stage()
        stage.keep([2, 3])
        let first = stage.told()
        #expect(first.map(\.peer) == [2, 3] && first.allSatisfy(\.isStart))
        stage.transport.links[0].observer.linkClosed(LinkFailure("test"))
        stage.loop.run()
        let ended = stage.told()
        #expect(ended.count == 1 && ended[0].peer == 2 && !ended[0].isStart && ended[0].id == first[0].id)
        #expect(stage.transport.links.count == 2, "after a pause, not at once (D11)")
        stage.loop.advance(.ms(20))
        let again = stage.told()
        #expect(again.count == 1 && again[0].isStart && again[0].id != first[0].id)
        #expect(!stage.transport.links[1].isClosed)
    }

    @Test("A peer that cannot be reached is tried again for ever, slower and slower (R48)")
    func backoff() {
        let stage = Stage()
        stage.transport.setOpens(false)
        stage.keep([2])
        for _ in 0..<400 {
            if let link = stage.transport.links.last, !link.isClosed {
                link.observer.linkClosed(LinkFailure("refused"))
            }
            stage.loop.advance(.ms(100))
        }
        // 40 s at pauses of at most 2 s, and of at least 1 s once they have grown.
        #expect((20...50).contains(stage.transport.links.count))
    }

    @Test("What is for an earlier life of a stream is not sent on a later one (D10)")
    func staleOrders() {
        let stage = Stage()
        stage.keep([2])
        let id = stage.told()[0].id
        stage.heartbeat(2, id)
        stage.heartbeat(2, StreamID(rawValue: id.rawValue &+ 1))
        #expect(stage.transport.takeSent(to: 2).count == 1)
    }

    @Test("Peers that are not wanted any more are let go, and a restart that was ordered for them is void")
    func letsGo() {
        let stage = Stage()
        stage.keep([2, 3])
        stage.transport.links[0].observer.linkClosed(LinkFailure("test"))
        stage.loop.run()
        stage.keep([])
        stage.loop.advance(.seconds(10))
        #expect(stage.transport.links.count == 2 && stage.transport.links[1].isClosed)
        #expect(stage.told().filter { !$0.isStart }.count == 1, "an end from this side is not reported")
    }

    @Test("Appends keep their order when one must be read first, and a heartbeat does not wait for it (D15)")
    func readsInOrder() throws {
        let stage = Stage()
        try stage.store.write([.append(batch(from: 1, [1, 1]))])
        stage.keep([2])
        let id = stage.told()[0].id
        func append(_ previous: LogID, _ entries: [EntryBatch], readThrough: LogIndex?) {
            let request = AppendRequest(
                term: 1, leader: 1, stream: id, previous: previous, leaderCommit: 0, entries: entries)
            stage.keeper.assumeIsolated {
                $0.append(AppendOrder(request: request, readThrough: readThrough), to: 2, on: id)
            }
        }
        append(.zero, [], readThrough: 2)
        append(LogID(2, 1), [batch(from: 3, [1])], readThrough: nil)
        stage.heartbeat(2, id)
        #expect(stage.transport.takeSent(to: 2).count == 1, "the heartbeat alone")
        stage.loop.run()
        let sent = stage.transport.takeSent(to: 2).map { request -> LogIndex in
            if case .append(let append) = request { append.last.index } else { 0 }
        }
        #expect(sent == [2, 3])
    }

    @Test("Entries that cannot be read end the stream: an append without them would say something else (R51)")
    func readFails() {
        let stage = Stage()
        stage.keep([2])
        let id = stage.told()[0].id
        let request = AppendRequest(
            term: 1, leader: 1, stream: id, previous: .zero, leaderCommit: 0, entries: [])
        stage.keeper.assumeIsolated { $0.append(AppendOrder(request: request, readThrough: 9), to: 2, on: id) }
        stage.loop.run()
        #expect(stage.transport.takeSent(to: 2).isEmpty)
        #expect(stage.told().map(\.isStart) == [false])
    }

    @Test("A peer that has moved is called where it is now, on another stream; the others stay")
    func moved() {
        let stage = Stage()
        stage.keep([2, 3])
        let before = stage.told()
        stage.moved.withLock { $0 = [2] }
        stage.keep([2, 3])
        let told = stage.told()
        #expect(told.map(\.isStart) == [false, true] && told.allSatisfy { $0.peer == 2 })
        #expect(told[0].id == before[0].id && told[1].id != before[0].id)
        let links = stage.transport.links
        #expect(links.map(\.isClosed) == [true, false, false] && links.map(\.peer) == [2, 3, 2])
        stage.keep([2, 3])
        #expect(stage.told().isEmpty)
    }
}
