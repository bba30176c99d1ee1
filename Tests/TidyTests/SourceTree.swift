import Foundation
import Testing

/// The package's own sources, as text.
struct SourceFile {
    /// From the package's root on.
    let path: String
    let lines: [String]

    /// The file without what follows `//` in each line: a rule about code does not read comments.
    var code: [(number: Int, text: String)] {
        lines.enumerated().map { number, line in
            (number + 1, line.range(of: "//").map { String(line[..<$0.lowerBound]) } ?? line)
        }
    }
    var name: String { String(path.split(separator: "/").last ?? "") }

    static let root: URL = {
        var folder = URL(filePath: #filePath)
        while !FileManager.default.fileExists(atPath: folder.appending(path: "Package.swift").path()) {
            folder.deleteLastPathComponent()
        }
        return folder
    }()

    /// Every file under `folder` whose name ends so, in order.
    static func all(under folder: String, endings: [String] = [".swift"]) -> [SourceFile] {
        let paths = FileManager.default.enumerator(atPath: root.appending(path: folder).path())?.allObjects ?? []
        let chosen = paths.compactMap { $0 as? String }.filter { path in
            // What a package of its own builds is not the repository's.
            !path.contains("/.build/") && endings.contains(where: path.hasSuffix)
        }
        return chosen.sorted().compactMap { path in
            guard let text = try? String(contentsOf: root.appending(path: "\(folder)/\(path)"), encoding: .utf8) else {
                return nil
            }
            return SourceFile(path: "\(folder)/\(path)", lines: text.components(separatedBy: "\n"))
        }
    }
}

/// One breach: where, what, and the cure.
func breach(_ file: String, _ line: Int?, _ what: String, cure: String) {
    Issue.record("\(file)\(line.map { ":\($0)" } ?? ""): \(what). \(cure)")
}
