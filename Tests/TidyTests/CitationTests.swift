import Foundation
import TestTraits
import Testing

/// What comments, tests and articles refer to must be something that a reader has.
@Suite("Citations", .heavy)
struct CitationTests {
    static let articles = SourceFile.all(under: "Sources", endings: [".md"])

    static let files: [SourceFile] = {
        let code = ["Sources", "Tests"].flatMap {
            SourceFile.all(under: $0, endings: [".swift", ".c", ".h", ".md", ".txt"])
        }
        let readme = try? String(contentsOf: SourceFile.root.appending(path: "README.md"), encoding: .utf8)
        return code.filter { !$0.name.contains(".pb-c.") } + SourceFile.all(under: "Protos", endings: [".proto"])
            + [SourceFile(path: "README.md", lines: (readme ?? "").components(separatedBy: "\n"))]
    }()

    /// Names of plans and lists that were never part of the repository.
    static let absent = Set(
        [
            "DES,IGN", "RELI,ABILITY", "REGRES,SIONS", "SECU,RITY", "PERFOR,MANCE", "SKEL,ETON", "STY,LE",
        ].map { $0.replacing(",", with: "") })

    static func words(_ line: String) -> [String] {
        line.split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init)
    }

    /// Whether a word is one of `letters` and then one or two digits.
    static func isNumber(_ word: String, _ letters: String) -> Bool {
        guard let first = word.first, letters.contains(first), (2...3).contains(word.count) else { return false }
        return word.dropFirst().allSatisfy { "0123456789".contains($0) }
    }

    @Test("Nothing cites a document that is not in the repository")
    func documents() {
        let known = Set(Self.articles.map(\.name) + ["README.md"])
        let mutants = Self.articles.first { $0.name == "Mutants.md" }?.lines.filter { $0.hasPrefix("| ") } ?? []
        let numbers = Set(mutants.compactMap { Self.words($0).first })
        #expect(Self.files.count > 200 && known.count > 5)
        for file in Self.files {
            for (number, line) in file.lines.enumerated() {
                let words = Self.words(line)
                for (word, next) in zip(words, words.dropFirst() + [""]) {
                    let isList =
                        word.hasPrefix("mut" + "ant") && next.allSatisfy(\.isNumber) && !next.isEmpty
                        && !numbers.contains(next)
                    if isList || Self.absent.contains(word) || Self.isNumber(word, "NF") {
                        breach(
                            file.path, number + 1, "`\(word)` is nothing that a reader can look up",
                            cure: "Say the rule in words, or give it a line in KnownBugs.md.")
                    }
                }
                for path in line.split(whereSeparator: { !($0.isLetter || $0.isNumber || "-_.".contains($0)) })
                where path.hasSuffix(".md") && path.count > 3 && !known.contains(String(path)) {
                    breach(file.path, number + 1, "\(path) is not here", cure: "Correct the name, or say it in words.")
                }
            }
        }
    }

    @Test("Each known bug and each invariant that is cited has its line", arguments: ["KnownBugs", "Invariants"])
    func lines(_ article: String) throws {
        let name = "\(article).md"
        let letters = article == "KnownBugs" ? "RD" : "IL"
        let text = try #require(Self.articles.first { $0.name == name }).lines
        let listed = text.filter { $0.hasPrefix("- **") }.compactMap { Self.words($0).first }
        #expect(Set(listed).count == listed.count, "a number has two lines")
        var cited: Set<String> = []
        for file in Self.files where file.name != name {
            for (number, line) in file.lines.enumerated() {
                for word in Self.words(line) where Self.isNumber(word, letters) {
                    cited.insert(word)
                    if !listed.contains(word) {
                        breach(file.path, number + 1, "\(word) has no line", cure: "Give it one in \(name).")
                    }
                }
            }
        }
        #expect(cited.count > 10)
        for word in listed where !cited.contains(word) {
            breach(name, nil, "\(word) is cited nowhere", cure: "Take its line out, or name the test that covers it.")
        }
    }
}
