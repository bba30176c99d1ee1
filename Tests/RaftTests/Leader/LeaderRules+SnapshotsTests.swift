import Testing

@testable import Raft

@Suite("A leader whose log begins behind a snapshot")
struct LeaderSnapshotsTests {
    /// A leader of term 3 over [1, 1, 2, 2, 2, 3], purged through entry 4, with a stream to node 2 and to node 3.
    private func leader(purged: LogIndex = 4) -> Desk<LeaderRules> {
        let desk = Desk(LeaderRules(), term: 3, vote: 1, log: [1, 1, 2, 2, 2], commit: 5, makesSnapshots: true) {
            $0.snapshotPolicy = .manual
            $0.maximumKeptEntries = 0
        }
        desk.begin()
        desk.turn([.durable(desk.lastWrite!)])
        if purged > 0 {
            desk.baton.note(manifest(purged, 2))
            var effects = Effects()
            Snapshotting.maintain(&desk.baton, held: nil, &effects)
        }
        desk.turn([.streamStarted(2, StreamID(12)), .streamStarted(3, StreamID(13))])
        return desk
    }

    private func conflict(_ hint: LogID, _ desk: Desk<LeaderRules>, from peer: NodeID = 2) -> Message {
        let progress = desk.rules.progress.first { $0.peer == peer }!
        return .reply(
            .append(
                AppendReply(
                    term: 3, stream: StreamID(peer.rawValue + 10), sequence: progress.nextSequence - 1,
                    outcome: .conflict(previous: progress.nextIndex.previous, hint: hint))), from: peer)
    }

    private func answer(_ outcome: SnapshotReply.Outcome, from peer: NodeID = 2, stream: UInt64? = nil) -> Message {
        .reply(
            .snapshot(
                SnapshotReply(
                    term: 3, stream: StreamID(stream ?? peer.rawValue + 10), snapshot: manifest(4, 2).id,
                    outcome: outcome)), from: peer)
    }

    /// Node 2 says that it holds nothing, until it is sent a snapshot.
    private func fallBehind(_ desk: Desk<LeaderRules>) -> [Act] {
        var acts: [Act] = []
        for _ in 0..<3 where !acts.contains(where: { $0.kind == "send snapshot" }) {
            acts = desk.turn([conflict(.zero, desk)]).acts
        }
        return acts
    }

    @Test("A peer that needs what was purged gets the snapshot, and no append until it has it")
    func behind() {
        let desk = leader()
        #expect(fallBehind(desk).contains(.sendSnapshot(2, LogID(4, 2), on: StreamID(12))))
        let others = desk.turn([.command("x")]).acts.allSatisfy {
            if case .append(2, _, _, _) = $0 { false } else { true }
        }
        #expect(others)
        let acts = desk.turn([answer(.installed(through: 4))]).acts
        #expect(acts.contains(.endSnapshot(2)))
        guard case .append(2, _, let request, _)? = acts.first(where: { $0.kind == "append" }) else {
            Issue.record("no append: \(acts)")
            return
        }
        #expect(request.previous == LogID(4, 2))
    }

    @Test(
        "A peer exactly at the boundary needs no snapshot; one entry below it does, without a new write (openraft #1828)"
    )
    func boundary() {
        let at = leader()
        #expect(at.turn([conflict(LogID(4, 2), at)]).acts.map(\.kind) == ["append"])
        let below = leader()
        let acts = below.turn([conflict(LogID(3, 2), below)]).acts + below.turn([conflict(LogID(3, 2), below)]).acts
        #expect(acts.contains(.sendSnapshot(2, LogID(4, 2), on: StreamID(12))))
    }

    @Test("While a peer takes a snapshot the log behind it is kept, until it has caught up with the newest")
    func held() {
        let desk = leader()
        _ = fallBehind(desk)
        #expect(desk.rules.heldIndex == 4)
        desk.baton.note(manifest(5, 2, number: 2))
        desk.turn([.tick])
        #expect(desk.state.purged == LogID(4, 2))
        desk.turn([answer(.installed(through: 4))])
        #expect(desk.rules.heldIndex == 4)
        let sequence = desk.rules.progress[0].nextSequence - 1
        desk.turn([
            .reply(
                .append(
                    AppendReply(term: 3, stream: StreamID(12), sequence: sequence, outcome: .accepted(through: 6))),
                from: 2)
        ])
        #expect(desk.rules.heldIndex == nil)
        #expect(desk.state.purged == LogID(5, 2))
    }

    @Test("A snapshot that is being built is waited for")
    func waits() throws {
        let desk = leader()
        desk.turn([.triggerSnapshot(SnapshotTicket { _ in })])
        let id = try #require(desk.baton.snapshots.building)
        #expect(!fallBehind(desk).contains { $0.kind == "send snapshot" })
        var newer = manifest(5, 2)
        newer.id = id
        #expect(desk.turn([.snapshotBuilt(newer)]).acts.contains(.sendSnapshot(2, LogID(5, 2), on: StreamID(12))))
    }

    @Test("An answer on behalf of an earlier stream does not count; a new stream asks anew")
    func otherStream() {
        let desk = leader()
        _ = fallBehind(desk)
        #expect(desk.turn([answer(.installed(through: 4), stream: 99)]).acts == [])
        desk.turn([.streamStarted(2, StreamID(22))])
        #expect(desk.rules.progress[0].state == .probe)
        #expect(desk.rules.progress[0].matchIndex == 0)
    }

    @Test("An answer above the log's end is not believed")
    func tooFar() {
        let desk = leader()
        _ = fallBehind(desk)
        #expect(desk.turn([answer(.installed(through: 60))]).acts == [.note(.error)])
        #expect(desk.rules.progress[0].matchIndex == 0)
    }

    @Test("A snapshot that cannot be read is replaced, also for the peer that was being sent it")
    func unreadable() throws {
        let desk = leader()
        _ = fallBehind(desk)
        desk.turn([.snapshotUnreadable(manifest(4, 2).id, RaftError(.corrupt, "rot"))])
        var newer = manifest(5, 2)
        newer.id = try #require(desk.baton.snapshots.building)
        #expect(desk.turn([.snapshotBuilt(newer)]).acts.contains(.sendSnapshot(2, LogID(5, 2), on: StreamID(12))))
    }

    @Test("A push sends one that has everything applied, and ends when every peer asked has answered")
    func push() throws {
        let desk = leader(purged: 0)
        let told = Lock<Int>(0)
        let ticket = SnapshotTicket { result in
            if case .success(let manifest) = result, manifest.last == LogID(5, 2) { told.withLock { $0 += 1 } }
        }
        desk.turn([.pushSnapshot(to: nil, ticket)])
        var built = manifest(5, 2)
        built.id = try #require(desk.baton.snapshots.building)
        let acts = desk.turn([.snapshotBuilt(built)]).acts
        #expect(acts.contains(.sendSnapshot(2, LogID(5, 2), on: StreamID(12))))
        #expect(acts.contains(.sendSnapshot(3, LogID(5, 2), on: StreamID(13))))
        #expect(!desk.turn([answer(.installed(through: 5))]).acts.contains(.succeedSnapshot(1, LogID(5, 2))))
        #expect(desk.turn([answer(.installed(through: 5), from: 3)]).acts.contains(.succeedSnapshot(1, LogID(5, 2))))
        #expect(desk.rules.pushes.isEmpty)
    }

    @Test("A push to nobody is refused; one whose build fails, or whose leader ends, is told")
    func pushFails() throws {
        let desk = leader(purged: 0)
        #expect(desk.turn([.pushSnapshot(to: 9, SnapshotTicket { _ in })]).acts == [.fail(1, .snapshotFailed)])
        desk.turn([.pushSnapshot(to: 2, SnapshotTicket { _ in })])
        let id = try #require(desk.baton.snapshots.building)
        #expect(desk.turn([.snapshotFailed(id, RaftError(.storage, "full"))]).acts.contains(.fail(1, .storage)))
        desk.turn([.pushSnapshot(to: 2, SnapshotTicket { _ in })])
        let later = HeartbeatRequest(term: 4, leader: 2, stream: StreamID(1), round: 0, commit: 0, leaderCommit: 0)
        #expect(desk.turn([.request(.heartbeat(later), reply: Path())]).acts.contains(.fail(1, .notLeader)))
    }

    @Test("A push to a member that is removed meanwhile waits for it no longer")
    func pushToRemoved() {
        let desk = Desk(
            LeaderRules(), term: 3, vote: 1, log: [1, 1, 2], commit: 3, voters: [1], learners: [4], makesSnapshots: true
        ) { $0.snapshotPolicy = .manual }
        desk.begin()
        desk.turn([.durable(desk.lastWrite!)])
        desk.turn([.pushSnapshot(to: 4, SnapshotTicket { _ in })])
        desk.turn([
            .changeMembership(MembershipOrder(request: .remove(4), ticket: CompletionTicket { _ in }))
        ])
        #expect(!desk.rules.pushes.isEmpty)
        desk.now += .seconds(1)
        #expect(desk.turn([.tick]).acts.contains(.fail(1, .snapshotFailed)))
        #expect(desk.rules.pushes.isEmpty)
    }
}
