import ArgumentParser
import RaftSimulation
import TestTraits
import Testing

@testable import RaftSimulateCommand

@Suite("raft-simulate --mutants", .heavy)
struct MutantOptionsTests {
    private func options(_ arguments: String...) throws -> MutantOptions { try MutantOptions.parse(arguments) }

    @Test("A build without mutants says so, and how to make one")
    func refusal() throws {
        let error = #expect(throws: ValidationError.self) { try options("--mutants").check(areBuilt: false) }
        let text = try #require(error?.message)
        #expect(text.contains("this build has no mutants"))
        #expect(text.contains("RAFT_MUTANTS=1 swift build -c release"))
        #expect(throws: ValidationError.self) { try options("--mutant-child", "x").check(areBuilt: false) }
        try options("--mutants").check(areBuilt: true)
        try options().check(areBuilt: false)
    }

    @Test(
        "What does not belong together is refused",
        arguments: [
            ["--mutant", "4.1"], ["--kept"], ["--keep"], ["--mutants", "--kept", "--keep"],
            ["--mutants", "--base-seeds", "0"], ["--mutants", "--mutant", "4"],
        ])
    func refused(_ arguments: [String]) throws {
        let options = try MutantOptions.parse(arguments)
        #expect(throws: ValidationError.self) { try options.check(areBuilt: true) }
    }

    @Test("A number or a name chooses one; none chooses all")
    func chosen() throws {
        #expect(
            try options("--mutants", "--mutant", "4.2", "--mutant", "old-term-commit").chosen.map(\.number) == [
                "1", "4.2",
            ])
        #expect(try options("--mutants").chosen.count > 50)
    }

    @Test("A campaign's seeds are run as the command runs them")
    func seedRun() {
        #expect(MutantRun(events: 10, nodes: nil).arguments == ["--events", "10", "--profile", "swarm"])
        #expect(
            MutantRun(events: 10, nodes: 3, profile: .churn).arguments == [
                "--events", "10", "--nodes", "3", "--profile", "churn",
            ])
    }
}
