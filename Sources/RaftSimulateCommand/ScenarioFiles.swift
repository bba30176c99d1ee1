import Foundation
import RaftSimulation

/// Runs scenarios from text files, one after another.
enum ScenarioFiles {
    /// - Returns: whether all of them came true.
    static func run(_ paths: [String]) throws -> Bool {
        var failedCount = 0
        for path in paths {
            do {
                let text = try String(contentsOf: URL(filePath: path), encoding: .utf8)
                let scenario = try Scenario(name: path, text: text)
                let report = try scenario.run()
                print("\(path): \(report.events) events in \(report.virtualTime) of virtual time")
            } catch let failure as ScenarioFailure {
                print(failure)
                failedCount += 1
            }
        }
        print("\(paths.count) scenarios, \(failedCount) failed")
        return failedCount == 0
    }
}
