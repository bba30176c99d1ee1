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
}
