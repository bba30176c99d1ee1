import Foundation
import Testing

/// One text under Tests/Scenarios.
struct ScenarioFile: CustomTestStringConvertible, Sendable {
    let name: String
    let text: String

    var path: String { "Tests/Scenarios/\(name).txt" }
    var testDescription: String { name }

    /// What the name begins with: a place on the list, or a known bug.
    var number: String { String(name.prefix { $0 != "-" }) }

    /// The numbers of known bugs that its second line names.
    var bugs: [String] {
        let lines = text.split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false)
        guard lines.count > 1 else { return [] }
        return lines[1].split { !($0.isLetter || $0.isNumber) }.map(String.init).filter(Self.isBug)
    }

    static func isBug(_ word: String) -> Bool {
        (word.hasPrefix("R") || word.hasPrefix("D")) && (2...3).contains(word.count)
            && word.dropFirst().allSatisfy(\.isNumber)
    }

    static let tests: URL = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()

    static let all: [ScenarioFile] = {
        let folder = tests.appending(path: "Scenarios")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path())) ?? []
        return names.filter { $0.hasSuffix(".txt") }.sorted().compactMap { name in
            (try? String(contentsOf: folder.appending(path: name), encoding: .utf8)).map {
                ScenarioFile(name: String(name.dropLast(".txt".count)), text: $0)
            }
        }
    }()
}
