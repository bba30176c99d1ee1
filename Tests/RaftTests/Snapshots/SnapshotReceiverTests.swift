import Testing

@testable import Raft

@Suite("What a follower takes of a snapshot")
struct SnapshotReceiverTests {
    @Test(
        "Pieces are taken in order; a repeated one, and one behind a gap, are answered with the place that comes next")
    func order() {
        var receiver = SnapshotReceiver()
        let snapshot = manifest(7, 4)
        #expect(receiver.take(piece(of: snapshot, term: 5, from: 2, upTo: 4)) == .ask(from: 0))
        #expect(receiver.take(piece(of: snapshot, term: 5, from: 0, upTo: 2)) == .write(begins: true))
        #expect(receiver.take(piece(of: snapshot, term: 5, from: 0, upTo: 2)) == .ask(from: 2))
        #expect(receiver.take(piece(of: snapshot, term: 5, from: 4, upTo: 6)) == .ask(from: 2))
        #expect(receiver.take(piece(of: snapshot, term: 5, from: 2, upTo: 4)) == .write(begins: false))
        #expect(receiver.take(piece(of: snapshot, term: 5, from: 4, upTo: 6)) == .write(begins: false))
    }

    @Test("A snapshot is never mixed with another one, not even of the same last entry")
    func twoSnapshots() {
        var receiver = SnapshotReceiver()
        let (first, second) = (manifest(7, 4, number: 1), manifest(7, 4, number: 2))
        #expect(receiver.take(piece(of: first, term: 5)) == .write(begins: true))
        #expect(receiver.take(piece(of: second, term: 5, from: 3, upTo: 6)) == .ask(from: 0))
        #expect(receiver.take(piece(of: second, term: 5)) == .write(begins: true))
        #expect(receiver.take(piece(of: first, term: 5, from: 3, upTo: 6)) == .ask(from: 0))
        #expect(receiver.take(piece(of: second, term: 5, from: 3, upTo: 6)) == .write(begins: false))
    }

    @Test("Only the snapshot of the highest term and index goes on")
    func highest() {
        var receiver = SnapshotReceiver()
        #expect(receiver.take(piece(of: manifest(7, 4), term: 5)) == .write(begins: true))
        #expect(receiver.take(piece(of: manifest(6, 4, number: 2), term: 5)) == .drop)
        #expect(receiver.take(piece(of: manifest(9, 4, number: 3), term: 4)) == .drop)
        #expect(receiver.take(piece(of: manifest(6, 4, number: 4), term: 6)) == .write(begins: true))
        #expect(receiver.id == manifest(6, 4, number: 4).id)
    }

    @Test("A later leader goes on with the same snapshot where the earlier one was")
    func nextLeader() {
        var receiver = SnapshotReceiver()
        let snapshot = manifest(7, 4)
        #expect(receiver.take(piece(of: snapshot, term: 5, leader: 2)) == .write(begins: true))
        #expect(receiver.take(piece(of: snapshot, term: 6, leader: 3)) == .ask(from: 3))
        #expect(receiver.take(piece(of: snapshot, term: 6, leader: 3, from: 3, upTo: 6)) == .write(begins: false))
    }

    @Test("When a receipt is over it begins anew; the end of another one does not matter")
    func end() {
        var receiver = SnapshotReceiver()
        let snapshot = manifest(7, 4)
        _ = receiver.take(piece(of: snapshot, term: 5))
        receiver.end(manifest(7, 4, number: 2).id)
        #expect(receiver.take(piece(of: snapshot, term: 5, from: 3, upTo: 6)) == .write(begins: false))
        receiver.end(snapshot.id)
        #expect(receiver.id == nil)
        #expect(receiver.take(piece(of: snapshot, term: 5, from: 3, upTo: 6)) == .ask(from: 0))
    }

    @Test("An empty state is one empty piece")
    func empty() {
        var receiver = SnapshotReceiver()
        let snapshot = manifest(7, 4, bytes: [])
        #expect(receiver.take(piece(of: snapshot, term: 5, upTo: 0)) == .write(begins: true))
    }
}
