import Testing

@testable import Raft

/// In a follower, since these rules are the same in every role.
@Suite("When a snapshot is built, and what is purged behind it")
struct SnapshottingTests {
    private func follower(
        applied: LogIndex = 6, policy: SnapshotPolicy = .manual, kept: Int = 2
    ) -> Desk<FollowerRules> {
        let desk = Desk(
            FollowerRules(), term: 3, log: [1, 1, 2, 2, 3, 3, 3, 3], commit: applied, makesSnapshots: true
        ) {
            $0.snapshotPolicy = policy
            $0.maximumKeptEntries = kept
        }
        _ = desk.begin()
        return desk
    }

    private func ordered(_ desk: Desk<FollowerRules>) -> SnapshotID? {
        for case .buildSnapshot(let id) in desk.effects { return id }
        return nil
    }

    private func built(_ id: SnapshotID, _ index: LogIndex, _ term: Term) -> Message {
        var snapshot = manifest(index, term)
        snapshot.id = id
        return .snapshotBuilt(snapshot)
    }

    @Test("The policy's time comes with what is applied, and not again while one is built")
    func policy() {
        let desk = follower(applied: 4, policy: SnapshotPolicy(entryCount: 6, logBytes: nil))
        #expect(ordered(desk) == nil)
        desk.baton.commit(through: 8)
        desk.turn([.applied(through: 4)])
        #expect(desk.turn([.applied(through: 6)]).acts == [.buildSnapshot])
        #expect(desk.turn([.applied(through: 8)]).acts == [])
    }

    @Test("The log is purged only once the snapshot is durable, and some of it is kept")
    func purge() throws {
        let desk = follower()
        desk.turn([.triggerSnapshot(SnapshotTicket { _ in })])
        let id = try #require(ordered(desk))
        #expect(desk.baton.log.purged == .zero)
        let acts = desk.turn([built(id, 6, 3)]).acts
        #expect(
            acts == [
                .succeedSnapshot(1, LogID(6, 3)), .note(.info), .write([.purge(LogID(4, 2))]),
                .pruneSnapshots(endingBefore: 4),
            ])
        #expect(desk.state.purged == LogID(4, 2))
        #expect(desk.baton.log.term(at: 4) == 2)
        #expect(desk.baton.log.term(at: 3) == nil)
        #expect(desk.baton.log.term(at: 5) == 3)
    }

    @Test("What a role still holds for somebody is not purged, unless it has become too much")
    func held() {
        let desk = follower(kept: 0)
        desk.baton.note(manifest(6, 3))
        var effects = Effects()
        Snapshotting.maintain(&desk.baton, held: 3, &effects)
        #expect(desk.state.purged == LogID(3, 2))
        Snapshotting.maintain(&desk.baton, held: nil, &effects)
        #expect(desk.state.purged == LogID(6, 3))
        let full = Desk(FollowerRules(), term: 3, log: [1, 1, 2, 2, 3, 3, 3, 3], commit: 6, makesSnapshots: true) {
            $0.maximumKeptEntries = 0
            $0.maximumHeldBytes = 0
        }
        full.baton.note(manifest(6, 3))
        Snapshotting.maintain(&full.baton, held: 3, &effects)
        #expect(full.state.purged == LogID(6, 3))
    }

    @Test("A trigger while one is built is not lost on a quiet node (openraft #1829)")
    func triggerWhileBuilding() throws {
        let desk = follower(applied: 4)
        desk.turn([.triggerSnapshot(SnapshotTicket { _ in })])
        let first = try #require(ordered(desk))
        // More was applied since the view was taken.
        desk.baton.commit(through: 6)
        desk.turn([.applied(through: 4)])
        desk.turn([.applied(through: 6)])
        #expect(desk.turn([.triggerSnapshot(SnapshotTicket { _ in })]).acts == [])
        #expect(desk.turn([built(first, 4, 2)]).acts.contains(.buildSnapshot))
        let second = try #require(ordered(desk))
        #expect(second != first)
        #expect(desk.turn([built(second, 6, 3)]).acts.contains(.succeedSnapshot(1, LogID(6, 3))))
    }

    @Test("A trigger includes what its caller may have seen applied before the node has heard of it")
    func triggerBeforeApplied() throws {
        let desk = follower(applied: 4)
        desk.baton.note(manifest(4, 2))
        desk.baton.commit(through: 6)
        desk.turn([.applied(through: 4)])
        #expect(desk.baton.applyOrdered == 6)
        #expect(desk.turn([.triggerSnapshot(SnapshotTicket { _ in })]).acts == [])
        #expect(desk.turn([.applied(through: 5)]).acts == [])
        #expect(desk.turn([.applied(through: 6)]).acts == [.buildSnapshot])
    }

    @Test("A trigger when there is one of everything applied is answered with that one")
    func nothingNew() {
        let desk = follower()
        desk.baton.note(manifest(6, 3))
        desk.turn([.tick])
        #expect(
            desk.turn([.triggerSnapshot(SnapshotTicket { _ in })]).acts == [.succeedSnapshot(1, LogID(6, 3))])
    }

    @Test("A build that fails purges nothing, and is made again after a while")
    func failure() throws {
        let desk = follower(policy: SnapshotPolicy(entryCount: 1, logBytes: nil))
        desk.turn([.tick])
        let id = try #require(desk.baton.snapshots.building)
        let acts = desk.turn([.snapshotFailed(id, RaftError(.storage, "no space"))]).acts
        #expect(acts == [.fail(0, .storage), .note(.warning)])
        #expect(desk.state.purged == .zero)
        #expect(desk.turn([.durable(WriteID(rawValue: 0))]).acts == [])
        desk.now += .seconds(2)
        #expect(desk.turn([.durable(WriteID(rawValue: 0))]).acts == [.buildSnapshot])
    }

    @Test("One that cannot be read is replaced by another of the same state")
    func unreadable() throws {
        let desk = follower()
        desk.baton.note(manifest(6, 3))
        #expect(
            desk.turn([.snapshotUnreadable(manifest(6, 3).id, RaftError(.corrupt, "rot"))]).acts.contains(
                .buildSnapshot))
        let id = try #require(ordered(desk))
        desk.turn([built(id, 6, 3)])
        #expect(desk.baton.snapshots.newest?.id == id)
        #expect(desk.turn([.tick]).acts == [])
    }

    @Test("A machine that makes none builds none, purges nothing, and says so")
    func disabled() {
        let desk = Desk(FollowerRules(), term: 3, log: [1, 1], commit: 2) {
            $0.snapshotPolicy = SnapshotPolicy(entryCount: 1, logBytes: nil)
        }
        desk.begin()
        #expect(desk.turn([.triggerSnapshot(SnapshotTicket { _ in })]).acts == [.fail(1, .snapshotFailed)])
    }
}
