import Testing

@testable import Raft

@Suite("Calls between actors of one loop")
struct ActorOnLoopTests {
    private actor Counter {
        nonisolated let unownedExecutor: UnownedSerialExecutor
        private let loop: any Loop
        private var count = 0
        init(_ loop: any Loop) {
            self.loop = loop
            unownedExecutor = loop.asUnownedSerialExecutor()
        }
        func add(_ number: Int) throws(RaftError) -> Int {
            guard number > 0 else { throw RaftError(.storage, "\(number) is not above zero") }
            count += number
            return count
        }
    }

    @Test("A call on the actor's own loop is made at once, with its result and its error")
    func atOnce() throws {
        let counter = Counter(ManualLoop())
        #expect(try counter.onLoop { try $0.add(2) } == 2)
        #expect(try counter.onLoop { try $0.add(3) } == 5)
        #expect(throws: RaftError(.storage, "-1 is not above zero")) { try counter.onLoop { try $0.add(-1) } }
    }

    #if DEBUG
        @Test("From elsewhere it stops a debug build")
        func elsewhere() async {
            await #expect(processExitsWith: .failure) {
                let loop = ThreadLoop(name: "test")
                let counter = Counter(loop)
                _ = try? counter.onLoop { try $0.add(1) }
            }
        }
    #endif
}
