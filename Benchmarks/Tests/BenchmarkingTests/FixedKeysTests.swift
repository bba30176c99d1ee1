import Testing

@testable import Benchmarking

@Suite("Fixed keys")
struct FixedKeysTests {
    @Test("Different numbers have different keys of the same length")
    func different() {
        let keys = Set((0..<10_000).map { FixedKeys.key($0) })
        #expect(keys.count == 10_000)
        #expect(keys.allSatisfy { $0.count == FixedKeys.keyBytes })
    }

    @Test("One seed draws the same keys each time, out of those that there are")
    func drawn() {
        let all = Set((0..<50).map { FixedKeys.key($0) })
        var (one, same, other) = (
            FixedKeys(count: 50, seed: 1), FixedKeys(count: 50, seed: 1), FixedKeys(count: 50, seed: 2)
        )
        let drawn = (0..<1000).map { _ in one.draw() }
        let again = (0..<1000).map { _ in same.draw() }
        let others = (0..<1000).map { _ in other.draw() }
        #expect(drawn == again)
        #expect(drawn != others)
        #expect(Set(drawn) == all)
    }
}
