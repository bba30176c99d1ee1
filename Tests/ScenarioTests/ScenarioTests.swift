import Foundation
import RaftSimulation
import TestTraits
import Testing

@Suite("Scenarios, as text", .heavy)
struct ScenarioTests {
    @Test("Each comes true, with every promise kept after every event", arguments: ScenarioFile.all)
    func comesTrue(_ file: ScenarioFile) throws {
        do {
            let report = try Scenario(name: file.path, text: file.text).run()
            #expect(report.events > 50, "next to nothing happens in \(file.path)")
        } catch {
            Issue.record("\(error)")
        }
    }

    @Test("Each says what it shows and where it comes from, and ends by showing that the cluster moves on")
    func shape() throws {
        #expect(ScenarioFile.all.count >= 50)
        for file in ScenarioFile.all {
            let scenario = try Scenario(name: file.path, text: file.text)
            #expect(scenario.title.hasSuffix("."), "\(file.path): the first line is no sentence behind a \"# \"")
            #expect(scenario.source.count > 10, "\(file.path): the second line does not say where it comes from")
            #expect(scenario.endsInLivenessCheck, "\(file.path) does not end with: finally converge")
        }
    }

    @Test("Each number on the list has its scenario, or the test that shows it, or a reason why not yet")
    func complete() throws {
        var found: Set<String> = []
        for file in ScenarioFile.all {
            found.insert(file.number)
            found.formUnion(file.bugs)
            let isPlace = ScenarioList.places.contains(file.number)
            #expect(
                isPlace || file.bugs.contains(file.number), "\(file.path): its second line does not name \(file.number)"
            )
        }
        let titles = try Self.testSources()
        for number in ScenarioList.places + ScenarioList.bugs {
            let cover = ScenarioList.covers[number]
            #expect(found.contains(number) || cover != nil, "nothing shows \(number): write a scenario")
            #expect(!found.contains(number) || cover == nil, "\(number) has a scenario: take it out of `covers`")
            if case .test(let title) = cover {
                #expect(titles.contains { $0.contains("\"\(title)\"") }, "\(number): there is no test \"\(title)\"")
            }
        }
        let known = Set(ScenarioList.places + ScenarioList.bugs)
        #expect(found.subtracting(known).isEmpty, "not on the list: \(found.subtracting(known).sorted())")
        #expect(Set(ScenarioList.covers.keys).subtracting(known).isEmpty)
    }

    /// Every test's source but the list itself.
    private static func testSources() throws -> [String] {
        let paths = FileManager.default.enumerator(atPath: ScenarioFile.tests.path())?.allObjects ?? []
        return try paths.compactMap { $0 as? String }.filter { $0.hasSuffix("Tests.swift") }
            .map { try String(contentsOf: ScenarioFile.tests.appending(path: $0), encoding: .utf8) }
    }

    @Test("The same text runs the same way")
    func repeats() throws {
        let file = try #require(ScenarioFile.all.first { $0.name == "21-figure-8-unreliable" })
        let scenario = try Scenario(name: file.path, text: file.text)
        #expect(try scenario.run() == scenario.run())
    }

    /// Rules that can be broken and whose breach no scenario notices, and why.
    private static let unnoticed: [String: String] = {
        let members = "no text yet; churn runs"
        let snapshots = "no text yet; swarm runs"
        let forwards = "no text passes a write on; swarm runs, ForwardLinkTests"
        let power = "texts have no words for power that flickers; swarm runs"
        return [
            "ack-of-other-term": "an answer outlives its link only where the two meet; RegressionTests",
            "round-of-other-term": "an answer outlives its link only where the two meet; RegressionTests",
            "apply-after-failure": "the state machine of a scenario does not fail; ApplierTests",
            "damage-is-the-end": "no scenario turns bits over; LogRecoveryTests",
            "suspect-end-is-torn": "no scenario turns bits over; TornTailTests",
            "cut-keeps-configuration": members, "joint-quorum-of-union": members, "learner-counts": members,
            "removed-leader-counts": members, "configuration-at-commit": members, "two-changes": members,
            "change-before-own-commit": members, "joint-left-early": members, "voters-in-one-step": members,
            "snapshot-without-configuration": members, "edge-without-term": snapshots,
            "purge-one-too-many": snapshots, "old-snapshot-installed": snapshots, "matching-log-dropped": snapshots,
            "purge-before-snapshot": snapshots, "snapshot-name-not-synced": snapshots,
            "lease-without-entry": "no text yet; swarm runs", "rebuilt-not-taken": snapshots,
            "forward-loss-is-nothing": forwards, "forward-sent-twice": forwards,
            "expire-ends-active": "no text falls silent for as long as a session lasts; swarm runs",
            "torn-end-overwritten": power, "peers-not-kept": power,
        ]
    }()

    @Test("Each rule that can be broken on purpose has a scenario that notices; `.ci/mutants` breaks them and looks")
    func mutants() throws {
        let text = try String(
            contentsOf: ScenarioFile.tests.appending(path: "ScenarioTests/mutants.txt"), encoding: .utf8)
        let lines = text.split(separator: "\n").map { $0.split(separator: "\t").map(String.init) }
        for line in lines {
            try #require(line.count == 2, "\(line)")
            #expect(ScenarioFile.all.contains { $0.name == line[1] }, "\(line[0]): there is no scenario \(line[1])")
        }
        let names = lines.map { $0[0] } + Self.unnoticed.keys
        let there = DeclaredMutant.all.filter { $0.needs == nil }.map(\.name)
        #expect(names.sorted() == there.sorted())
    }
}
