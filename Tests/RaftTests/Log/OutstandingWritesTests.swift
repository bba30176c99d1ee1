import Testing

@testable import Raft

@Suite("Writes on their way to the disk")
struct OutstandingWritesTests {
    let state = HardState(currentTerm: 1)

    @Test("An index that was written, cut and written again is durable only with the second write")
    func aba() {
        var writes = OutstandingWrites()
        let first = writes.begin(last: 8, hardState: state, now: .zero)
        writes.truncate(through: 5)
        let second = writes.begin(last: 8, hardState: HardState(currentTerm: 2), now: .zero)
        #expect(writes.finish(through: first)?.last == 5)
        let done = writes.finish(through: second)
        #expect(done?.last == 8)
        #expect(done?.hardState == HardState(currentTerm: 2))
    }

    @Test("The same through a baton: an answer to the first write never covers the second's entries")
    func abaInBaton() {
        let desk = Desk(FollowerRules(), term: 2, log: [1], leader: 2)
        var effects = Effects()
        desk.baton.write(keeping: LogID(1, 1), [batch(from: 2, [2, 2])], configurations: [], &effects)
        desk.baton.write(keeping: LogID(1, 1), [batch(from: 2, [2, 2])], configurations: [], &effects)
        let ids = effects.takeAll().compactMap { if case .write(_, let id, _) = $0 { id } else { nil } }
        desk.expect(.durable(ids[0]))
        #expect(desk.state.durableIndex == 1)
        desk.expect(.durable(ids[1])) { $0.durableIndex = 3 }
    }

    @Test(
        "An answer to a later write covers every earlier one; a late answer to an earlier one says nothing")
    func outOfOrder() {
        var writes = OutstandingWrites()
        let first = writes.begin(last: 4, hardState: state, now: .seconds(1))
        let second = writes.begin(last: 6, hardState: state, now: .seconds(2))
        let third = writes.begin(last: 9, hardState: state, now: .seconds(3))
        #expect(writes.oldestSince == .seconds(1))
        #expect(writes.finish(through: second)?.last == 6)
        #expect(writes.oldestSince == .seconds(3))
        #expect(writes.finish(through: first)?.last == nil)
        #expect(writes.finish(through: third)?.last == 9)
        #expect(writes.isEmpty && writes.oldestSince == nil)
    }

    @Test("Write ids never repeat")
    func ids() {
        var writes = OutstandingWrites()
        var ids: [WriteID] = []
        for _ in 0..<10 {
            let id = writes.begin(last: 1, hardState: state, now: .zero)
            if ids.count.isMultiple(of: 2) { _ = writes.finish(through: id) }
            writes.truncate(through: 0)
            ids.append(id)
        }
        #expect(ids == ids.sorted() && Set(ids).count == 10)
    }
}
