import Foundation
import TestTraits
import Testing

/// Hooks of rules broken on purpose stand in production code: they must stay few, small, and where the article says.
@Suite("Hooks of mutants", .heavy)
struct MutantHookTests {
    private static let call = "Mutant.isOn("

    /// Name and files, from the table of the article.
    private static func declared() throws -> [(name: String, files: [String])] {
        let page = try #require(CitationTests.articles.first { $0.name == "Mutants.md" })
        return page.lines.compactMap { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 5, cells[0].first?.isNumber == true else { return nil }
            let files = cells[3].split(separator: "`").filter { $0.contains("/") }.map { "Sources/\($0).swift" }
            return (cells[1].replacing("`", with: ""), files)
        }
    }

    @Test("Each hook is one small condition, of a mutant whose row names its file")
    func hooks() throws {
        let declared = try Self.declared()
        var places: [String: Set<String>] = [:]
        for file in TidyTests.sources where file.name != "Mutant.swift" {
            let code = file.code
            for (number, text) in code where text.contains(Self.call) {
                let parts = text.components(separatedBy: Self.call + "\"")
                if parts.count != 1 + text.components(separatedBy: Self.call).count - 1 {
                    breach(file.path, number, "a hook without a literal name", cure: "Write Mutant.isOn(\"its-name\").")
                }
                for part in parts.dropFirst() {
                    let name = String(part.prefix { $0 != "\"" })
                    places[name, default: []].insert(file.path)
                    if declared.first(where: { $0.name == name })?.files.contains(file.path) != true {
                        breach(
                            file.path, number, "`\(name)` is not declared to be hooked here",
                            cure: "Give it a row in DeclaredMutant.all and in Mutants.md that names this file.")
                    }
                }
                if parts.count > 2 {
                    breach(file.path, number, "two hooks in one line", cure: "Give each a line of its own.")
                }
                checkBlock(file, code, number, text)
            }
        }
        #expect(places.count > 40)
        for (name, files) in declared {
            for path in files where places[name]?.contains(path) != true {
                breach(path, nil, "`\(name)` is declared to be hooked here, and is not", cure: "Correct its row.")
            }
        }
    }

    /// What a hook guards is at most two lines: a mutant is a slip, not a second protocol.
    private func checkBlock(_ file: SourceFile, _ code: [(number: Int, text: String)], _ number: Int, _ text: String) {
        guard text.hasSuffix("{"), text.contains("if \(Self.call)") else { return }
        let margin = text.prefix { $0 == " " }
        let end = code[number...].firstIndex { $0.text.hasPrefix(margin + "}") } ?? code.count
        if end - number > 2 {
            breach(
                file.path, number, "a hook guards \(end - number) lines", cure: "Let the mutant be one small condition."
            )
        }
    }
}
