import ArgumentParser
import Foundation
import Raft
import RaftSimulation

/// Runs scenarios from text files, one after another.
enum ScenarioFiles {
    /// - Parameter seed: in place of each text's own.
    /// - Returns: whether all of them came true.
    static func run(_ paths: [String], seed: UInt64?) throws -> Bool {
        var failedCount = 0
        for path in paths {
            do {
                let text = try read(path)
                let scenario = try Scenario(name: path, text: text)
                let report = try scenario.run(seed: seed, making: SeedRun.again)
                print("\(path): \(report.events) events in \(report.virtualTime) of virtual time")
            } catch let failure as ScenarioFailure {
                print(failure)
                failedCount += 1
            }
        }
        print("\(paths.count) scenarios, \(failedCount) failed")
        return failedCount == 0
    }

    private static func read(_ path: String) throws -> String {
        do { return try String(contentsOf: URL(filePath: path), encoding: .utf8) } catch {
            throw ValidationError("\(path) cannot be read: \(error.localizedDescription)")
        }
    }
}

extension MutantOptions {
    /// - Throws: unless at most one rule is to be broken, and this build can.
    func checkForOne(areBuilt: Bool = Mutant.areBuilt) throws {
        guard !mutants, !kept, !keep, mutant.count <= 1 else {
            throw ValidationError(
                "--scenario, --seed and --crash-states go with one --mutant at most, and with no search for seeds")
        }
        guard mutant.isEmpty || areBuilt else { throw ValidationError(Self.refusal) }
        for wanted in mutant where !DeclaredMutant.all.contains(where: { $0.name == wanted }) {
            throw ValidationError("--mutant \(wanted): give one name of the article Mutants")
        }
    }

    /// Breaks the rule that is to be broken, if any: before anything runs.
    func activate() {
        #if MUTANTS
            if let name = mutant.first { Mutant.activate(name) }
        #endif
    }
}
