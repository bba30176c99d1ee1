import Foundation
import Testing

@Suite("The generated protobuf code")
struct ProtosTests {
    @Test(
        "is what protoc-c makes of Protos/",
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/protoc-c"), "protoc-c is not installed"))
    func generated() throws {
        // Tests/RaftTransportTests/Codec/ProtosTests.swift, four levels below the package.
        let root = (0..<4).reduce(URL(filePath: #filePath)) { path, _ in path.deletingLastPathComponent() }
        let check = Process()
        check.executableURL = root.appending(path: ".ci/protos")
        try check.run()
        check.waitUntilExit()
        #expect(check.terminationStatus == 0, "run .ci/protos --write and commit what it changes")
    }
}
