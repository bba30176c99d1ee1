import ArgumentParser
import Foundation
import RaftSimulation

/// `raft-simulate --check FILE`: whether a history that somebody wrote down is linearizable.
enum CheckHistory {
    /// - Throws: `ExitCode` 1 if it is not, 2 if the file cannot be read, 3 if it could not be decided.
    static func run(_ path: String) throws {
        let operations: [HistoryOperation]
        do {
            let bytes = path == "-" ? try FileHandle.standardInput.readToEnd() ?? Data() : try read(path)
            operations = try HistoryFormat.operations(from: Array(bytes))
        } catch {
            let reason = (error as? HistoryFormatError)?.description ?? error.localizedDescription
            FileHandle.standardError.write(Data("raft-simulate: \(path): \(reason)\n".utf8))
            throw ExitCode(2)
        }
        let begin = ContinuousClock.now
        let verdict = LinearizabilityChecker().check(operations)
        let (seconds, attoseconds) = (ContinuousClock.now - begin).components
        let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000
        let keyCount = Set(operations.map { Array($0.key.utf8) }).count
        let unknownCount = operations.count { $0.returnNanoseconds == nil }
        print("\(operations.count) operations (\(unknownCount) unknown) on \(keyCount) keys, \(milliseconds) ms")
        switch verdict {
        case .linearizable: print("linearizable")
        case .notLinearizable(let key, let explanation):
            print("not linearizable: key \(String(reflecting: key))\n\(explanation)")
            throw ExitCode(1)
        case .undecided(let key):
            print("undecided: key \(String(reflecting: key)) has too many orders to try")
            throw ExitCode(3)
        }
    }

    private static func read(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }
}
