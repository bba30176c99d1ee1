import Testing

@testable import Raft

@Suite("A follower that is sent a snapshot")
struct FollowerSnapshotTests {
    private let snapshot = manifest(7, 4)

    private func follower(
        log: [Term] = [1, 1, 2], commit: LogIndex = 2, term: Term = 5, voters: [NodeID] = [1, 2, 3],
        atMost limit: Int = 1 << 40
    ) -> Desk<FollowerRules> {
        let desk = Desk(
            FollowerRules(), term: term, log: log, commit: commit, voters: voters, leader: 2, makesSnapshots: true
        ) { $0.maximumSnapshotBytes = limit }
        desk.begin()
        return desk
    }

    private func message(_ request: SnapshotRequest) -> Message { .request(.snapshot(request), reply: Path()) }

    private func reply(_ outcome: SnapshotReply.Outcome, of snapshot: SnapshotManifest) -> PeerReply {
        .snapshot(SnapshotReply(term: 5, stream: StreamID(9), snapshot: snapshot.id, outcome: outcome))
    }

    @Test("Pieces are written in order, and each is answered when it is written")
    func pieces() {
        let desk = follower()
        desk.now += .ms(10)
        #expect(
            desk.turn([message(piece(of: snapshot, term: 5))]).acts
                == [.note(.info), .receiveSnapshot(from: 0, to: 3, begins: true)])
        #expect(desk.baton.leaderHeardAt == desk.now)
        #expect(
            desk.turn([.snapshotPiece(result(.written(through: 3), of: snapshot))]).acts
                == [.reply(reply(.received(through: 3), of: snapshot))])
        #expect(
            desk.turn([message(piece(of: snapshot, term: 5, from: 3, upTo: 6))]).acts
                == [.receiveSnapshot(from: 3, to: 6)])
    }

    @Test("A piece whose bytes do not match is not written, and is asked for again")
    func corrupt() {
        let desk = follower()
        var broken = piece(of: snapshot, term: 5)
        broken.bytes[1] ^= 1
        #expect(
            desk.turn([message(broken)]).acts == [.note(.warning), .reply(reply(.received(through: 0), of: snapshot))])
        #expect(desk.baton.snapshots.receiver.id == nil)
    }

    @Test("A whole snapshot replaces a log that ends before it: log, commit, apply and members begin behind it")
    func install() {
        let desk = follower()
        let whole = manifest(7, 4, voters: [1, 2, 4], configured: LogID(2, 1))
        desk.expect(
            .snapshotPiece(result(.durable, of: whole)), .stay,
            [
                .note(.info), .installSnapshot(LogID(7, 4)),
                .write([.reset(LogID(7, 4))], replies: [reply(.installed(through: 7), of: whole)]),
            ]
        ) {
            $0.last = LogID(7, 4)
            $0.purged = LogID(7, 4)
            $0.durableIndex = 7
            $0.commitIndex = 7
            $0.applyOrdered = 7
            $0.snapshot = LogID(7, 4)
            $0.voters = [1, 2, 4]
        }
    }

    @Test("A log with another entry there goes as a whole, and writes of it that are still out make nothing durable")
    func conflicting() {
        let desk = follower(log: [1, 1, 2, 3, 3, 3, 3, 3, 3])
        desk.turn([
            message(piece(of: snapshot, term: 5)), .snapshotPiece(result(.durable, of: snapshot)),
        ])
        #expect(desk.state.last == LogID(7, 4))
        desk.turn([.durable(desk.lastWrite!)])
        #expect(desk.state.durableIndex == 7)
        // What follows, follows.
        let next = AppendRequest(
            term: 5, leader: 2, stream: StreamID(9), previous: LogID(7, 4), leaderCommit: 7,
            entries: [batch(from: 8, [5])])
        desk.turn([.request(.append(next), reply: Path())])
        #expect(desk.state.last == LogID(8, 5))
    }

    @Test("A log that holds the snapshot's last entry keeps what follows, and nothing is installed")
    func matching() {
        let desk = follower(log: [1, 1, 2, 3, 4, 4, 4, 4, 4])
        let acts = desk.turn([message(piece(of: snapshot, term: 5))]).acts
        #expect(
            acts == [.apply(from: 3, through: 7), .reply(reply(.installed(through: 7), of: snapshot))])
        #expect(desk.state.last == LogID(9, 4))
        #expect(desk.state.commitIndex == 7)
    }

    @Test("A snapshot of what is committed here already is answered with the position, as soon as that is durable")
    func stale() {
        let desk = follower(log: [1, 1, 2, 3, 4, 4, 4, 4, 4], commit: 8)
        #expect(
            desk.turn([message(piece(of: snapshot, term: 5))]).acts
                == [.reply(reply(.installed(through: 8), of: snapshot))])
        // Also when it has come whole meanwhile.
        #expect(
            desk.turn([.snapshotPiece(result(.durable, of: snapshot))]).acts.first
                == .reply(reply(.installed(through: 8), of: snapshot)))
        #expect(desk.state.snapshot == LogID(7, 4))
    }

    @Test("A snapshot that contradicts a committed entry, or ends in a later term than its sender's, is refused loudly")
    func contradiction() {
        let desk = follower(log: [1, 1, 2, 3, 3, 3, 3], commit: 7)
        #expect(desk.turn([message(piece(of: snapshot, term: 5))]).acts == [.note(.error)])
        #expect(
            desk.turn([.snapshotPiece(result(.durable, of: snapshot))]).acts == [.note(.error), .discardSnapshot])
        #expect(desk.turn([message(piece(of: manifest(9, 6), term: 5))]).acts == [.note(.error)])
        #expect(desk.state.last == LogID(7, 3))
    }

    @Test("A snapshot of the most bytes that are taken is received; of one more it is refused, whoever sends it")
    func tooLarge() {
        for limit in [testState.count - 1, testState.count, testState.count + 1] {
            let desk = follower(atMost: limit)
            let acts = desk.turn([message(piece(of: snapshot, term: 5))]).acts
            guard limit < testState.count else {
                #expect(acts == [.note(.info), .receiveSnapshot(from: 0, to: 3, begins: true)])
                // What comes counts as well: what was declared, and not a byte more.
                let rest = piece(of: snapshot, term: 5, from: 3, upTo: testState.count)
                var long = rest
                long.bytes.append(0)
                long.checksum = SnapshotChecksum.of(long.bytes[...])
                #expect(desk.turn([message(long)]).acts == [.note(.error)])
                #expect(desk.turn([message(rest)]).acts == [.receiveSnapshot(from: 3, to: UInt64(testState.count))])
                continue
            }
            #expect(acts == [.note(.error), .reply(reply(.unable, of: snapshot))])
            #expect(desk.baton.snapshots.receiver.id == nil)
        }
    }

    @Test("Bytes beyond the snapshot's end are refused")
    func tooLong() {
        let desk = follower()
        var long = piece(of: snapshot, term: 5, from: 3, upTo: 6)
        long.offset = 5
        #expect(desk.turn([message(long)]).acts == [.note(.error)])
        long.offset = .max
        #expect(desk.turn([message(long)]).acts == [.note(.error)])
    }

    @Test("A piece of a term that is over is answered with the present one")
    func oldTerm() {
        let desk = follower(term: 6)
        let acts = desk.turn([message(piece(of: snapshot, term: 5))]).acts
        #expect(
            acts == [
                .reply(
                    .snapshot(
                        SnapshotReply(term: 6, stream: StreamID(9), snapshot: snapshot.id, outcome: .rejected)))
            ])
    }

    @Test("A disk that cannot take it is no reason to stop: the leader is told, and it begins anew")
    func failedWrite() {
        let desk = follower()
        desk.turn([message(piece(of: snapshot, term: 5))])
        #expect(
            desk.turn([.snapshotPiece(result(.failed(RaftError(.storage, "no space")), of: snapshot))]).acts
                == [.note(.warning), .reply(reply(.unable, of: snapshot))])
        #expect(
            desk.turn([message(piece(of: snapshot, term: 5))]).acts.contains(
                .receiveSnapshot(from: 0, to: 3, begins: true)))
    }

    @Test("An install ends a build, and the node that loses its vote in it becomes a learner")
    func rolesAndBuilds() {
        let desk = follower()
        desk.turn([.triggerSnapshot(SnapshotTicket { _ in })])
        let other = manifest(7, 4, voters: [2, 3, 4])
        let (verdict, acts) = desk.turn([.snapshotPiece(result(.durable, of: other))])
        #expect(verdict == .become(.learner))
        #expect(acts.contains(.abortBuild))
    }

    @Test("Members that were appended and not committed are gone, though the snapshot's are older (openraft #1808)")
    func uncommittedMembers() {
        let desk = follower()
        var effects = Effects()
        desk.baton.write(
            keeping: LogID(3, 2), [batch(from: 4, [3])],
            configurations: [(LogID(4, 3), Desk<FollowerRules>.configuration([1, 8, 9]))], &effects)
        #expect(desk.state.voters == [1, 8, 9])
        desk.turn([.snapshotPiece(result(.durable, of: snapshot))])
        #expect(desk.state.voters == [1, 2, 3])
        #expect(desk.baton.membership.bootstrap == 77)
    }

    // MARK: Who it is

    @Test("An empty node has joined before a first snapshot can be durable, and has no vote before it is bound (R27)")
    func joins() {
        let desk = follower(log: [], commit: 0)
        let acts = desk.turn([message(piece(of: snapshot, term: 5))]).acts
        #expect(acts == [.note(.info), .rememberJoining, .receiveSnapshot(from: 0, to: 3, begins: true)])
        #expect(desk.hasJoined)
        desk.turn([.snapshotPiece(result(.durable, of: snapshot))])
        #expect(!desk.mayVote)
        var bound = manifest(9, 4, number: 2, configured: LogID(8, 4))
        bound.configuration = bound.configuration.binding { $0 == 1 ? Incarnation(rawValue: 1) : nil }
        desk.turn([.snapshotPiece(result(.durable, of: bound))])
        #expect(desk.mayVote)
    }

    @Test("A node that has a log of its own has not joined by a snapshot")
    func hasLog() {
        let desk = follower()
        desk.turn([
            message(piece(of: snapshot, term: 5)), .snapshotPiece(result(.durable, of: snapshot)),
        ])
        #expect(!desk.hasJoined)
        #expect(desk.mayVote)
    }

    @Test("A snapshot whose configuration binds another life takes the vote of this one")
    func otherLife() {
        let desk = follower()
        var bound = manifest(7, 4, configured: LogID(2, 1))
        bound.configuration = bound.configuration.binding { $0 == 1 ? Incarnation(rawValue: 100) : nil }
        desk.turn([.snapshotPiece(result(.durable, of: bound))])
        #expect(!desk.mayVote)
        desk.now += .seconds(60)
        #expect(desk.turn([.tick]).verdict == .stay)
    }

    @Test("A node that was removed hears it out of a snapshot")
    func removed() throws {
        let desk = follower()
        var without = manifest(7, 4, configured: LogID(6, 4))
        without.configuration = try ClusterConfiguration(
            voterSets: [[2, 3]], members: [.init(id: 2, address: "b:1"), .init(id: 3, address: "c:1")],
            removed: [.init(id: 1, incarnation: Incarnation(rawValue: 1))])
        let (verdict, _) = desk.turn([.snapshotPiece(result(.durable, of: without))])
        #expect(verdict == .become(.learner))
        #expect(desk.isConfigurationCommitted)
        #expect(desk.isRemoved)
    }
}
