import Testing

@testable import Raft

@Suite("Emptying an array")
struct ArrayEmptyTests {
    @Test("Everything is let go of, few or many, and the storage is kept", arguments: [0, 1, 4, 5, 100])
    func empty(count: Int) {
        final class Thing {}
        weak var first: Thing?
        var things: [Thing] = []
        do {
            let thing = Thing()
            first = thing
            if count > 0 { things = (0..<count).map { $0 == 0 ? thing : Thing() } }
        }
        let capacity = things.capacity
        things.empty()
        #expect(things.isEmpty)
        #expect(first == nil)
        #expect(things.capacity == capacity)
    }
}
