import Foundation
import Testing

@Suite("The page of the key-value service")
struct SemanticsTests {
    @Test("Each line of its table names a test that is there")
    func tests() throws {
        let path = "Sources/Raft/Raft.docc/KeyValueService.md"
        let text = try String(contentsOf: SourceFile.root.appending(path: path), encoding: .utf8)
        let rows = text.split(separator: "\n").filter { $0.hasPrefix("| ") }.dropFirst()
        let tests = SourceFile.all(under: "Tests").map { $0.lines.joined(separator: "\n") }
        #expect(rows.count > 15)
        for row in rows {
            let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            let name = cells.last ?? ""
            #expect(cells.count == 4 && name.hasPrefix("\"") && name.hasSuffix("\""), "\(row)")
            if !tests.contains(where: { $0.contains(name) }) {
                breach(path, nil, "no test is named \(name)", cure: "Write it, or correct the name.")
            }
        }
    }
}
