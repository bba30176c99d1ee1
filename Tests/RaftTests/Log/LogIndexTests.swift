import Raft
import Testing

@Suite("A log index")
struct LogIndexTests {
    @Test("saturates at both ends: a hostile index must not trap")
    func saturates() {
        #expect(LogIndex(.max).next == LogIndex(.max))
        #expect(LogIndex.zero.previous == .zero)
        #expect(LogIndex(7).distance(above: 9) == 0)
        #expect(LogIndex(.max).distance(above: 0) == Int.max)
    }

    @Test("R60: ids are ordered by term, then by index, and only equal ones are neither before nor after")
    func order() {
        let ids = (0...3).flatMap { term in
            (0...3).map { LogID(term: Term(term), index: LogIndex($0)) }
        }
        for (a, id) in ids.enumerated() {
            for (b, other) in ids.enumerated() {
                #expect((id < other) == (a < b) && (id == other) == (a == b) && (id >= other) == (a >= b))
            }
        }
    }
}
