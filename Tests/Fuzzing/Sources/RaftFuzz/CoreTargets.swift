internal import Logging

@testable internal import Raft
@testable internal import RaftTransport

/// A whole node that members send whatever they like: nothing of it may trap, or stop the node for a broken invariant.
enum CoreTargets {
    static let all: [Target] = [core]

    /// Reads an input's bytes one after another, zero once they are over.
    private struct Bytes {
        var rest: ArraySlice<UInt8>
        mutating func next() -> UInt8 { rest.popFirst() ?? 0 }
        mutating func next(below count: Int) -> Int { Int(next()) % count }
        /// The number, or one near it: what matters happens at the edges.
        mutating func near(_ number: UInt64) -> UInt64 {
            let byte = next()
            let step = UInt64(byte % 8)
            switch byte {
            case 255: return .max
            case 224...: return number > step ? number - step : 0
            case 192...: return number > .max - step ? .max : number + step
            default: return number
            }
        }
        mutating func near(_ term: Term) -> Term { Term(rawValue: near(term.rawValue)) }
        mutating func near(_ index: LogIndex) -> LogIndex { LogIndex(rawValue: near(index.rawValue)) }
        mutating func near(_ id: LogID) -> LogID { LogID(term: near(id.term), index: near(id.index)) }
        mutating func take(_ count: Int) -> [UInt8] {
            defer { rest = rest.dropFirst(count) }
            return Array(rest.prefix(count))
        }
    }

    /// Steps of one node of three: requests, replies, links that open and break, time, what its own program orders.
    private static let core = Target(
        name: "core",
        seeds: {
            // Each link is opened, each request answered as it should be, and time goes on: elected, the node leads, and
            // each order is given once. The 7 behind it is what it is about, or one more command.
            var leads: [UInt8] = [4, 255]
            for round in 0..<18 as Range<UInt8> {
                for link in 0..<6 as Range<UInt8> { leads += [5, link, 0] }
                for link in 0..<6 as Range<UInt8> { leads += [2, link, 0, 0, 0, 0, 0, 0, 0, 0] }
                leads += [4, 5, 7, 8, round % 9, 7]
            }
            // Sent a heartbeat, entries, and others in their place.
            let follows: [UInt8] = [
                0, 0, 193, 7, 1, 0, 0, 0, 0, 0, 0, 0, 7, 2, 0, 0, 2, 0, 1, 3, 1, 2, 3, 1, 1, 9, 0, 0, 0, 0, 7, 2, 0,
                225, 0, 1, 0, 0, 0, 4, 255, 8, 1, 8, 2,
            ]
            // Sent a snapshot in two pieces.
            let restores: [UInt8] = [0, 0, 193, 7, 5, 1, 0, 194, 0, 1, 0, 0, 0, 0, 7, 5, 1, 0, 0, 0, 2, 0, 0, 7]
            return [leads, follows, restores, leads + follows + [4, 255] + leads, follows + leads + restores]
        },
        run: { input in
            let loop = HandLoop()
            let wire = HandWire()
            let node: RaftNode<Tally>
            do {
                var settings = Configuration(id: 1)
                settings.maximumSnapshotBytes = 1 << 20
                settings.maximumKeptEntries = 4
                settings.snapshotPolicy = SnapshotPolicy(entryCount: 8)
                node = try RaftNode(
                    configuration: settings, machine: Tally(), store: MemoryLogStore(), transport: wire,
                    loops: NodeLoops(loop: loop, disk: loop, apply: loop, reads: loop), bootstrap: members([1, 2, 3]),
                    snapshots: MemorySnapshotStore(), seed: 7,
                    logger: Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() })
            } catch { fatalError("\(error)") }
            node.start { _ in }
            loop.run()
            var bytes = Bytes(rest: input[...])
            var before = node.status
            while !bytes.rest.isEmpty {
                step(&bytes, node, wire, loop)
                loop.run()
                let now = node.status
                if let reason = now.stopReason { require(reason.code != .invariantViolated, "\(reason)") }
                require(now.currentTerm >= before.currentTerm, "the term goes back: \(before), \(now)")
                require(now.commitIndex >= before.commitIndex, "the commit index goes back: \(before), \(now)")
                require(now.lastApplied <= now.commitIndex, "more is applied than committed: \(now)")
                before = now
            }
            let hasStopped = Lock(false)
            node.stop { _ in hasStopped.withLock { $0 = true } }
            loop.run()
            loop.advance(.seconds(20))
            require(hasStopped.withLock { $0 }, "the node does not stop: \(node.status)")
            loop.end()
        })

    private static func step(_ bytes: inout Bytes, _ node: RaftNode<Tally>, _ wire: HandWire, _ loop: HandLoop) {
        switch bytes.next(below: 10) {
        case 0, 1:
            // Only what can come over a wire.
            guard let receiver = wire.receiver, let made = request(&bytes, node.status, receiver.hello),
                let request = try? PeerCodec.decodeRequest(PeerCodec.encode(made))
            else { return }
            receiver.receive(request, reply: HandReply())
        case 2, 3:
            guard let link = link(&bytes, wire), let made = reply(&bytes, link),
                let reply = try? PeerCodec.decodeReply(PeerCodec.encode(made))
            else { return }
            link.observer?.linkReceived(reply)
        case 4: loop.advance(.milliseconds(Int64(bytes.next()) * 10))
        case 5: link(&bytes, wire)?.observer?.linkOpened(Incarnation(rawValue: UInt64(bytes.next() % 3) + 1))
        case 6:
            guard let link = link(&bytes, wire) else { return }
            let observer = link.observer
            link.close()
            observer?.linkClosed(LinkFailure("cut", isRemoval: bytes.next() == 255))
        case 7: node.propose(Tally.Add()) { _ in }
        case 8: order(&bytes, node)
        default:
            guard let receiver = wire.receiver else { return }
            let own = receiver.hello
            let hello = Hello(
                cluster: own.cluster, node: NodeID(UInt64(bytes.next() % 5) + 1),
                incarnation: Incarnation(rawValue: UInt64(bytes.next() % 3) + 1),
                bootstrap: own.bootstrap.map { bytes.near($0) }, configuration: bytes.near(own.configuration))
            _ = receiver.admit(hello)
        }
    }

    private static func members(_ ids: [NodeID]) throws -> ClusterConfiguration {
        try ClusterConfiguration(voters: ids.map { .init(id: $0, address: "node-\($0):1") })
    }

    private static func configuration(_ bytes: inout Bytes) -> ClusterConfiguration? {
        let choices: [[NodeID]] = [[1, 2, 3], [2, 3], [1], [2, 3, 4]]
        return try? members(choices[bytes.next(below: choices.count)])
    }

    /// What the node's own program asks of it.
    private static func order(_ bytes: inout Bytes, _ node: RaftNode<Tally>) {
        switch bytes.next(below: 9) {
        case 0:
            node.read(.linearizable) {
                $0.total
            } completion: { _ in
            }
        case 1: node.triggerSnapshot { _ in }
        case 2: node.leadership.transfer(to: NodeID(UInt64(bytes.next() % 3) + 1)) { _ in }
        case 3: node.membership.perform(.add(4, address: "node-4:1", promotedWhenReady: true)) { _ in }
        case 4: node.membership.perform(.remove(NodeID(UInt64(bytes.next() % 4) + 1))) { _ in }
        case 5: node.membership.perform(.replaceVoters([1, 2, 4], keepingOthers: true)) { _ in }
        case 6: node.sessions.register(forwarding: .toLeader()) { _ in }
        case 7: node.pushSnapshot(to: NodeID(UInt64(bytes.next() % 3) + 1)) { _ in }
        default: node.propose(Tally.Add(), forwarding: .toLeader(), within: .seconds(1)) { _ in }
        }
    }

    private static func request(_ bytes: inout Bytes, _ status: NodeStatus, _ own: Hello) -> PeerRequest? {
        let peer = NodeID(UInt64(bytes.next() % 2) + 2)
        let term = bytes.near(status.currentTerm)
        let stream = StreamID(rawValue: UInt64(bytes.next()))
        switch bytes.next(below: 8) {
        case 0:
            return .vote(
                VoteRequest(
                    phase: bytes.next() % 2 == 0 ? .preVote : .vote, term: term, candidate: peer,
                    lastLog: bytes.near(status.last), round: UInt64(bytes.next()),
                    isTransfer: bytes.next() % 4 == 1))
        case 1:
            return .heartbeat(
                HeartbeatRequest(
                    term: term, leader: peer, stream: stream, round: UInt64(bytes.next()),
                    commit: bytes.near(status.commitIndex), leaderCommit: bytes.near(status.last.index),
                    freshMark: UInt64(bytes.next()), freshIndex: bytes.near(status.commitIndex)))
        case 2:
            let previous = bytes.near(status.last)
            guard previous.index.rawValue < 1 << 62 else { return nil }
            var builder = EntryBatch.Builder(first: previous.index.advanced(by: 1), term: bytes.near(term))
            let count = bytes.next(below: 4)
            for _ in 0..<count { append(&bytes, to: &builder) }
            return .append(
                AppendRequest(
                    term: term, leader: peer, stream: stream, sequence: UInt64(bytes.next()), previous: previous,
                    leaderCommit: bytes.near(status.last.index), entries: [builder.finish()].compactMap { $0 }))
        case 3: return .timeoutNow(TimeoutNowRequest(term: term, leader: peer, lastLog: bytes.near(status.last)))
        case 4:
            return .readIndex(
                ReadIndexRequest(
                    term: term, asker: peer, id: UInt64(bytes.next()), mayUseLease: bytes.next() % 2 == 1))
        case 5:
            guard let configuration = configuration(&bytes) else { return nil }
            var state: [UInt8] = []
            Int(bytes.next()).encode(into: &state)
            let manifest = SnapshotManifest(
                id: SnapshotID(builder: Incarnation(rawValue: 7), number: UInt64(bytes.next() % 2)),
                last: bytes.near(status.last), configuration: configuration,
                configurationID: bytes.near(status.configurationID), bootstrap: own.bootstrap,
                byteCount: bytes.near(UInt64(state.count)), checksum: SnapshotChecksum.of(state[...]))
            let parts: [Range<Int>] = [0..<8, 0..<4, 4..<8]
            let part = parts[bytes.next(below: parts.count)]
            return .snapshot(
                SnapshotRequest(
                    term: term, leader: peer, stream: stream, manifest: manifest,
                    offset: bytes.near(UInt64(part.lowerBound)), checksum: SnapshotChecksum.of(state[part]),
                    bytes: Array(state[part])))
        case 6:
            let kinds: [ForwardRequest.Kind] = [.command, .sessionCommand, .session]
            return .forward(
                ForwardRequest(
                    sender: peer, id: UInt64(bytes.next()), kind: kinds[bytes.next(below: kinds.count)],
                    onlyInTerm: bytes.next() % 2 == 0 ? nil : term,
                    timeout: bytes.next() % 2 == 0 ? nil : .milliseconds(500),
                    payload: bytes.take(bytes.next(below: 40))))
        default:
            // As it came over the wire; only from who has shown that it is a member.
            let length = Int(bytes.next()) | Int(bytes.next()) << 8
            guard let request = try? PeerCodec.decodeRequest(bytes.take(length)), [2, 3].contains(request.sender) else {
                return nil
            }
            return request
        }
    }

    private static func append(_ bytes: inout Bytes, to builder: inout EntryBatch.Builder) {
        let kinds: [EntryKind] = [.command, .blank, .sessionCommand, .session, .configuration]
        let kind = kinds[bytes.next(below: kinds.count)]
        if kind == .configuration, bytes.next() % 4 != 3, let configuration = configuration(&bytes) {
            builder.append(kind, configuration.encoded)
        } else {
            builder.append(kind, bytes.take(bytes.next(below: 40)))
        }
    }

    private static func link(_ bytes: inout Bytes, _ wire: HandWire) -> HandLink? {
        let (links, number) = (wire.links, Int(bytes.next()))
        return links.isEmpty ? nil : links[number % links.count]
    }

    /// An answer to what the node has asked: with zeros, the one that a member gives that agrees.
    private static func reply(_ bytes: inout Bytes, _ link: HandLink) -> PeerReply? {
        let place = bytes.next()
        guard let request = link.take(Int(place), keeping: place >= 128) else { return nil }
        let term = bytes.near(request.term)
        let fate = bytes.next(below: 8)
        switch request {
        case .vote(let vote):
            return .vote(
                VoteReply(
                    phase: fate < 7 ? vote.phase : .vote, round: bytes.near(vote.round), term: term,
                    isGranted: fate < 6))
        case .heartbeat(let beat):
            return .heartbeat(
                HeartbeatReply(
                    term: term, stream: beat.stream, round: bytes.near(beat.round), isRejected: fate == 7,
                    mark: UInt64(bytes.next())))
        case .append(let append):
            let outcome: AppendReply.Outcome =
                switch fate {
                case 6: .conflict(previous: bytes.near(append.previous.index), hint: bytes.near(append.previous))
                case 7: .rejected
                default: .accepted(through: bytes.near(append.last.index))
                }
            return .append(
                AppendReply(
                    term: term, stream: append.stream, sequence: bytes.near(append.sequence), outcome: outcome))
        case .snapshot(let piece):
            let outcome: SnapshotReply.Outcome =
                switch fate {
                case 5: .unable
                case 6: .installed(through: bytes.near(piece.manifest.last.index))
                case 7: .rejected
                default: .received(through: bytes.near(piece.end))
                }
            return .snapshot(
                SnapshotReply(term: term, stream: piece.stream, snapshot: piece.manifest.id, outcome: outcome))
        case .readIndex(let question):
            return .readIndex(
                ReadIndexReply(
                    term: term, id: bytes.near(question.id), index: fate == 7 ? nil : LogIndex(UInt64(bytes.next()))))
        case .forward(let forward):
            let result: Result<[UInt8], RaftError> =
                fate == 7
                ? .failure(RaftError(.notLeader, "ask", leader: LeaderHint(id: 3, address: "node-3:1")))
                : .success(bytes.take(fate))
            return .forward(ForwardReply(id: bytes.near(forward.id), result: result))
        case .timeoutNow: return nil
        }
    }
}
