import Logging
import Testing

@testable import Raft

/// A node by itself, with its disk in the test's hands.
struct LoneNode {
    let store = StallingStore()
    let node: RaftNode<Counter>

    init(starts: Bool = true, bootstraps: Bool = true, _ change: (inout Configuration) -> Void = { _ in }) async throws
    {
        var configuration = LocalCluster.configuration(1)
        change(&configuration)
        let loops = NodeLoops.threads(name: "lone")
        node = try RaftNode(
            configuration: configuration, machine: Counter(), store: store,
            transport: LocalNetwork().transport(for: 1, on: loops.loop), loops: loops,
            bootstrap: bootstraps ? LocalCluster.members([1]) : nil, logger: .silent)
        guard starts else { return }
        try await node.start()
        if bootstraps { try await node.untilLeader() }
    }

    /// What is in the state once everything before has been applied.
    func history() async throws -> [Int64] {
        try await node.barrier()
        return try await node.read { $0.history }
    }
}

/// Calls that were made and not awaited.
final class Results: Sendable {
    private let state = Lock<[Int: Result<Int64, RaftError>]>([:])
    subscript(_ number: Int) -> Result<Int64, RaftError>? { state.withLock { $0[number] } }
    func note(_ number: Int) -> @Sendable (Result<Int64, RaftError>) -> Void {
        { [self] result in state.withLock { $0[number] = result } }
    }
}

@Suite("Writes with conditions", .timeLimit(.minutes(1)))
struct RaftNodeWritesTests {
    @Test("Commands that are proposed together have one result each, in order")
    func batch() async throws {
        let lone = try await LoneNode { $0.maximumCommandBytes = 8 }
        let results = await lone.node.propose(all: (1...100).map { .init($0) })
        var total: Int64 = 0
        for (position, result) in results.enumerated() {
            total += Int64(position) + 1
            #expect(try result.get() == total)
        }
        #expect(results.count == 100)
        #expect(await lone.node.propose(all: []).isEmpty)
        #expect(try await lone.history() == (1...100).map(Int64.init))
        await lone.node.stop()
        let late = await lone.node.propose(all: [.init(1), .init(2)])
        #expect(late.count == 2)
        for result in late {
            guard case .failure(let error) = result, error.code == .stopped else {
                Issue.record("\(result)")
                continue
            }
        }
    }

    @Test("A command for one term is taken in that term only")
    func onlyInTerm() async throws {
        let lone = try await LoneNode()
        let term = lone.node.status.currentTerm
        #expect(try await lone.node.propose(.init(1), onlyInTerm: term, within: nil) == 1)
        for other in [term.next, Term(0)] {
            let error = await #expect(throws: RaftError.self) {
                try await lone.node.propose(.init(2), onlyInTerm: other, within: nil)
            }
            #expect(error?.code == .leaderChanged && error?.outcome == .nothingHappened)
        }
        let mixed = await lone.node.propose(all: [.init(3), .init(4)], onlyInTerm: term.next)
        #expect(mixed.allSatisfy { (try? $0.get()) == nil })
        #expect(try await lone.history() == [1])
        await lone.node.stop()
    }

    @Test("What is submitted is applied, and nobody waits for it; what is known at once is thrown")
    func submit() async throws {
        let lone = try await LoneNode { $0.maximumCommandBytes = 8 }
        for amount in 1...20 as ClosedRange<Int64> { try lone.node.submit(.init(amount)) }
        #expect(try await lone.history() == (1...20).map(Int64.init))
        await lone.node.stop()
        let error = #expect(throws: RaftError.self) { try lone.node.submit(.init(1)) }
        #expect(error?.code == .stopped)
    }

    @Test("A barrier returns when everything before it in the log is applied, sessions' commands too")
    func barrier() async throws {
        let lone = try await LoneNode()
        let results = Results()
        for number in 0..<50 { lone.node.propose(.init(Int64(number)), completion: results.note(number)) }
        let index = try await lone.node.barrier(within: .seconds(30))
        #expect((0..<50).allSatisfy { results[$0] != nil })
        #expect(try await lone.node.read(.atLeast(index)) { $0.history.count } == 50)
        var numbers = SessionNumbers(try await lone.node.sessions.register())
        let request = numbers.next()
        async let first = lone.node.propose(.init(7), in: request)
        async let second = lone.node.barrier()
        #expect(try await second > index)
        // 0 through 49, and 7.
        #expect(try await first == 1232)
        await lone.node.stop()
        let error = await #expect(throws: RaftError.self) { try await lone.node.barrier() }
        #expect(error?.code == .stopped && error?.outcome == .nothingHappened)
    }
}
