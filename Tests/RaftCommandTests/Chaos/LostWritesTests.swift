import RaftSimulation
import Testing

@testable import RaftCommand

@Suite("Lost writes")
struct LostWritesTests {
    private func put(_ value: String, _ call: Int64, _ end: Int64?) -> HistoryOperation {
        let operation = HistoryOperation(client: 1, key: "a", kind: .put(value), callNanoseconds: call)
        return end.map { operation.finished(.done, at: $0) } ?? operation
    }
    private func read(_ value: String?, at moment: Int64) -> HistoryOperation {
        HistoryOperation(client: 2, key: "a", kind: .get, callNanoseconds: moment)
            .finished(.value(value), at: moment + 1)
    }

    @Test("Nothing is lost when the last value was written last, or may have been")
    func nothing() {
        #expect(LostWrites.count(in: []) == 0)
        #expect(LostWrites.count(in: [put("1", 0, 10), put("2", 20, 30), read("2", at: 40)]) == 0)
        // Beside each other: either may have come last.
        #expect(LostWrites.count(in: [put("1", 0, 25), put("2", 20, 30), read("1", at: 40)]) == 0)
        // Unknown when it took effect: perhaps after the other.
        #expect(LostWrites.count(in: [put("1", 0, nil), put("2", 20, 30), read("1", at: 40)]) == 0)
        // Nobody was told that it is done.
        #expect(LostWrites.count(in: [put("1", 0, 10), put("2", 20, nil), read("1", at: 40)]) == 0)
    }

    @Test("What was acknowledged after the last value was is lost")
    func lost() {
        let writes = [put("1", 0, 10), put("2", 20, 30), put("3", 31, 35)]
        #expect(LostWrites.count(in: writes + [read("1", at: 40)]) == 2)
        #expect(LostWrites.count(in: writes + [read(nil, at: 40)]) == 3)
        // A value that nobody wrote is no better than none.
        #expect(LostWrites.count(in: writes + [read("9", at: 40)]) == 3)
        let swap = HistoryOperation(
            client: 1, key: "a", kind: .compareAndSwap(expected: "1", new: "2"), callNanoseconds: 20)
        #expect(LostWrites.count(in: [writes[0], swap.finished(.swapped(true), at: 30), read("1", at: 40)]) == 1)
        #expect(LostWrites.count(in: [writes[0], swap.finished(.swapped(false), at: 30), read("1", at: 40)]) == 0)
    }
}
