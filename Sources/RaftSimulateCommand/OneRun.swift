import ArgumentParser
import Foundation
import RaftSimulation

/// Looks at one seed: what it is made of, what happens in it, and what it takes to fail.
struct OneRun {
    let run: SeedRun

    /// - Parameter file: where the shortest run is kept.
    func print(trace: Bool, shrink: Bool, saving file: String?) throws {
        let lines = LastLines(limit: trace ? 0 : 200)
        let simulation = try run.simulation(onLine: { line in
            if trace { Swift.print(line) } else { lines.add(line) }
        })
        do {
            let report = try simulation.run(events: run.events, virtualTime: run.virtualTime)
            Swift.print(simulation.profile)
            Swift.print(describe(report))
        } catch {
            for line in lines.all { Swift.print(line) }
            Swift.print(simulation.profile)
            for line in simulation.nodeLines { Swift.print(line) }
            Swift.print("\(run.line): \(error)")
            if shrink { try self.shrink(simulation, saving: file) }
            throw ExitCode(1)
        }
        if shrink { Swift.print("the run does not fail; there is nothing to shrink") }
    }

    private func shrink(_ simulation: Simulation, saving file: String?) throws {
        var shrinker = Shrinker(
            seed: run.seed, profile: simulation.profile, faults: simulation.faults, events: run.events,
            making: SeedRun.again)
        let script = try shrinker.run { Swift.print($0) }
        Swift.print(script)
        guard let file else { return }
        try script.write(toFile: file, atomically: true, encoding: .utf8)
        Swift.print("# kept in \(file); again: raft-simulate --scenario \(file)")
    }

    private func describe(_ report: SimulationReport) -> String {
        """
        \(report.events) events, \(report.virtualTime) of virtual time, \(report.faults) faults
        \(report.acknowledged) writes acknowledged, \(report.reads) reads, \(report.unknown) calls without an answer
        \(report.committed) entries committed, highest term \(report.highestTerm), trace \(String(report.trace, radix: 16))
        """
    }
}

/// The last lines of many.
final class LastLines: @unchecked Sendable {
    // @unchecked: a simulation is one thread.
    private let limit: Int
    private(set) var all: [String] = []
    init(limit: Int) { self.limit = limit }
    func add(_ line: String) {
        guard limit > 0 else { return }
        all.append(line)
        if all.count > 2 * limit { all.removeFirst(limit) }
    }
}
