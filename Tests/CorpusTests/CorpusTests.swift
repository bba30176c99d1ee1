import Foundation
import TestTraits
import Testing

/// A promise of a target. Here a broken one is a failed test, and the other inputs follow.
func require(_ condition: Bool, _ text: @autoclosure () -> String) {
    if !condition { Issue.record("\(text())") }
}

/// What fuzzing has found to reach everything, and what each target begins with, without a sanitizer.
@Suite("The kept corpora", .heavy)
struct CorpusTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../Fuzzing/Corpus")

    /// An input a line, in Base64.
    private static func kept(_ target: String) throws -> [[UInt8]] {
        try String(contentsOf: folder.appending(path: "\(target).txt"), encoding: .utf8).split(separator: "\n").map {
            Array(try #require(Data(base64Encoded: String($0)), "not Base64 in \(target).txt: \($0)"))
        }
    }

    @Test("Every kept input is read, or refused, as its reader promises", arguments: Target.all.map(\.name))
    func inputs(_ name: String) throws {
        let target = try #require(Target.all.first { $0.name == name })
        for input in try target.seeds() + Self.kept(name) { target.run(input) }
    }

    @Test("Every reader of foreign bytes has a kept corpus, and no corpus is without its reader")
    func complete() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path()).filter {
            $0.hasSuffix(".txt")
        }
        #expect(Set(files) == Set(Target.all.map { "\($0.name).txt" }), ".ci/fuzz --keep TARGET writes one")
    }
}
