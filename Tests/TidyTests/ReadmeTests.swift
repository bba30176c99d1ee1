import Foundation
import TestTraits
import Testing

@Suite("The README", .heavy)
struct ReadmeTests {
    private static func text(_ path: String) throws -> String {
        try String(contentsOf: SourceFile.root.appending(path: path), encoding: .utf8)
    }

    @Test("The counter in it is the one that is compiled")
    func counter() throws {
        let readme = try Self.text("README.md")
        let shown = readme.components(separatedBy: "<!-- counter: begin -->\n```swift\n").dropFirst().first?
            .components(separatedBy: "```\n<!-- counter: end -->").first
        #expect(
            try shown == Self.text("Sources/Examples/Counter/Counter.swift"),
            "copy Sources/Examples/Counter/Counter.swift between the two marks of README.md")
    }

    @Test("Each of its two commands is one line that installs what it needs")
    func commands() throws {
        let lines = try Self.text("README.md").split(separator: "\n")
        for command in ["swift run -c release --static-swift-stdlib raft dev", "swift test"] {
            let line = try #require(lines.first { $0.hasSuffix("&& \(command)") }, "no line ends with \(command)")
            for package in ["libssl-dev", "liblmdb-dev", "libprotobuf-c-dev", "libsqlite3-dev", "pkg-config"] {
                #expect(line.contains(package), "\(command): \(package) is not installed")
            }
        }
    }

    @Test("Every folder of Sources is on its map")
    func map() throws {
        let readme = try Self.text("README.md")
        let sources = SourceFile.root.appending(path: "Sources").path()
        for folder in try FileManager.default.contentsOfDirectory(atPath: sources) where !folder.hasPrefix(".") {
            #expect(readme.contains("`\(folder)`") || readme.contains("Sources/\(folder)"), "Sources/\(folder)")
        }
    }
}
