import Foundation
import TestTraits
import Testing

@testable import RaftSimulation

@Suite("The list of mutants", .heavy)
struct DeclaredMutantTests {
    private static let root: URL = {
        var folder = URL(filePath: #filePath)
        while !FileManager.default.fileExists(atPath: folder.appending(path: "Package.swift").path()) {
            folder.deleteLastPathComponent()
        }
        return folder
    }()

    private static func row(_ mutant: DeclaredMutant) -> String {
        let files = mutant.files.map { "`\($0.dropLast(".swift".count))`" }.joined(separator: ", ")
        let runs = mutant.profile == .swarm ? "" : ", \(mutant.profile) runs"
        let text = mutant.scenario.map { ", `\($0)`" } ?? ""
        let place = mutant.needs.map { "not there yet: \($0)" } ?? files + runs + text
        return "| \(mutant.number) | `\(mutant.name)` | \(mutant.fault) | \(place) | \(mutant.source) |"
    }

    @Test("Its numbers and names are its own, and what is not there yet has no place")
    func unique() {
        let all = DeclaredMutant.all
        #expect(Set(all.map(\.number)).count == all.count)
        #expect(Set(all.map(\.name)).count == all.count)
        for mutant in all {
            #expect(mutant.files.isEmpty == (mutant.needs != nil), "\(mutant.name)")
            #expect(mutant.name.allSatisfy { $0.isLowercase || $0 == "-" }, "\(mutant.name)")
        }
        #expect(Set(all.compactMap { Int($0.number.prefix { $0 != "." }) }).isSuperset(of: 1...34))
    }

    @Test("The article Mutants shows the same rows")
    func article() throws {
        let page = try String(
            contentsOf: Self.root.appending(path: "Sources/Raft/Raft.docc/Mutants.md"), encoding: .utf8)
        let shown = page.split(separator: "\n").map(String.init).filter {
            $0.hasPrefix("| ") && $0.dropFirst(2).first?.isNumber == true
        }
        let rows = DeclaredMutant.all.map(Self.row)
        #expect(shown == rows, "the table of Mutants.md should be:\n\(rows.joined(separator: "\n"))")
    }

    @Test("A number and a name find the same one, and nothing else finds any")
    func find() {
        #expect(DeclaredMutant.find("4.2")?.name == "index-before-term")
        #expect(DeclaredMutant.find("index-before-term")?.number == "4.2")
        #expect(DeclaredMutant.find("4") == nil)
        #expect(DeclaredMutant.find("") == nil)
    }

    @Test("What no seed is to notice is noticed by a scenario that is run with it")
    func scenarios() throws {
        let lines = try String(
            contentsOf: Self.root.appending(path: "Tests/ScenarioTests/mutants.txt"), encoding: .utf8
        ).split(separator: "\n")
        for mutant in DeclaredMutant.all {
            guard let scenario = mutant.scenario else { continue }
            #expect(
                lines.contains { $0.split(separator: "\t") == [mutant.name[...], scenario[...]] }, "\(mutant.name)")
        }
    }

    @Test("Every mutant that there is has a seed that is known to notice it")
    func kept() throws {
        let text = try String(
            contentsOf: Self.root.appending(path: "Tests/RaftSimulationTests/mutants.txt"), encoding: .utf8)
        var names: Set<String> = []
        for line in text.split(separator: "\n") {
            let kept = try #require(KeptSeed(line), "\(line)")
            #expect(kept.line == line)
            #expect(names.insert(kept.name).inserted, "\(kept.name) has two lines")
        }
        let there = Set(DeclaredMutant.all.filter(\.isSearched).map(\.name))
        #expect(names == there, "search for their seeds: raft-simulate --mutants --keep")
    }
}
