import Foundation
import Logging
import Raft
import RaftClient
import Testing

@testable import RaftCommand

@Suite("Output")
struct OutputTests {
    @Test("JSON text is what any parser reads back")
    func json() throws {
        let nasty = "\"\\/\n\r\t\u{0}\u{1F}\u{7F}ü€\u{1F600}"
        let json = JSON.object([
            .init("a", .string(nasty)), .init("b", .array([.null, .bool(true), .number(.max)])),
            .init("c", .object([])),
        ])
        let parsed = try #require(
            try JSONSerialization.jsonObject(with: Data(json.text.utf8)) as? [String: Any])
        #expect(parsed["a"] as? String == nasty)
        #expect((parsed["b"] as? [Any])?.count == 3)
        #expect(json.text.hasSuffix(#""b":[null,true,18446744073709551615],"c":{}}"#))
    }

    @Test("Bytes are text when they can be, else base64 under a name that says so")
    func bytes() {
        #expect(JSON.bytes("key", [97]) == .init("key", .string("a")))
        for count in 0...40 {
            let bytes = (0..<count).map { UInt8(255 - $0) }
            #expect(JSON.base64(bytes) == Data(bytes).base64EncodedString())
        }
        #expect(JSON.bytes("key", [0xFF, 0]) == .init("keyBase64", .string("/wA=")))
    }

    @Test("A snapshot's members print with what they are to be, and the lease that goes for all of them")
    func snapshotMembers() throws {
        var manifest = SnapshotManifest(
            id: SnapshotID(builder: Incarnation(rawValue: 5), number: 7), last: LogID(term: 3, index: 40),
            configuration: try ClusterConfiguration(
                voterSets: [[1]],
                members: [
                    .init(id: 1, address: "a:1", incarnation: Incarnation(rawValue: 10), preference: .preferred),
                    .init(id: 2, address: "b:1", isPromotedWhenReady: true),
                ], leaseWindow: .milliseconds(900)), configurationID: LogID(term: 3, index: 9), bootstrap: 5,
            byteCount: 10, checksum: 6)
        let head = #"{"file":"f","id":"0000000000000005-7","index":40,"term":3,"bytes":10,"members":["#
        #expect(
            SnapshotInspect.json("f", .success(manifest)).text == head
                + #"{"id":1,"address":"a:1","voter":true,"incarnation":"000000000000000a","preference":"preferred","promotedWhenReady":false},"#
                + #"{"id":2,"address":"b:1","voter":false,"incarnation":null,"preference":"ordinary","promotedWhenReady":true}"#
                + #"],"leaseMilliseconds":900}"#)
        manifest.configuration = try ClusterConfiguration(voters: [.init(id: 1, address: "a:1")])
        #expect(SnapshotInspect.json("f", .success(manifest)).text.hasSuffix(#"],"leaseMilliseconds":null}"#))
        #expect(
            SnapshotInspect.json("f", .failure(RaftError(.corrupt, "bad"))).text == #"{"file":"f","damage":"bad"}"#)
    }

    @Test(
        "Nodes that could build no snapshot are told beside those that could; only one reason of all is the exit code")
    func triggered() {
        let built = SnapshotSummary(
            id: SnapshotID(builder: Incarnation(rawValue: 5), number: 7), last: LogID(term: 3, index: 40), byteCount: 9)
        let lost = Result<SnapshotSummary, RaftClientError>.failure(RaftClientError(.unavailable, "c: gone"))
        let some: [SnapshotTrigger.Answer] = [("a", .success(built)), ("c", lost)]
        #expect(
            SnapshotTrigger.json(some).text
                == #"[{"endpoint":"a","id":"0000000000000005-7","index":40,"term":3,"bytes":9},{"endpoint":"c","error":"c: gone"}]"#
        )
        #expect(SnapshotTrigger.failure(some) == Failure(.refused, "c: gone"))
        #expect(SnapshotTrigger.failure([("a", .success(built))]) == nil)
        #expect(SnapshotTrigger.failure([("c", lost)]) == Failure(.unavailable, "c: gone"))
        let forbidden = Result<SnapshotSummary, RaftClientError>.failure(RaftClientError(.notAuthorized, "d: no"))
        #expect(SnapshotTrigger.failure([("c", lost), ("d", forbidden)]) == Failure(.refused, "c: gone\nd: no"))
    }

    @Test("Results print with every field, absent ones as null")
    func results() {
        #expect(
            Put.json([97], PutResult(revision: 4, previousRevision: nil)).text
                == #"{"key":"a","revision":4,"previousRevision":null}"#)
        #expect(
            Get.json([97], KeyValue(key: [97], value: [255], revision: 4)).text
                == #"{"key":"a","valueBase64":"/w==","revision":4,"created":4,"version":1,"lease":null}"#)
        #expect(
            Get.json([97], nil).text
                == #"{"key":"a","value":null,"revision":null,"created":null,"version":null,"lease":null}"#)
        #expect(
            Delete.json([97], DeleteResult(revision: nil, previousRevision: nil)).text
                == #"{"key":"a","revision":null,"previousRevision":null}"#)
        #expect(
            CompareAndSwap.json([97], SwapResult(revision: nil, previousRevision: 3)).text
                == #"{"key":"a","swapped":false,"revision":null,"previousRevision":3}"#)
        let entries = [KeyValue(key: [97], value: [49], revision: 4)]
        #expect(
            RangeCommand.json(entries, true).text
                == #"{"entries":[{"key":"a","value":"1","revision":4,"created":4,"version":1,"lease":null}],"more":true}"#
        )
    }

    @Test("What a terminal must not see is shown escaped")
    func shown() {
        #expect(ByteText.shown(Array("aü€".utf8)) == "aü€")
        #expect(ByteText.shown(Array("a\u{1B}[31m\n\\".utf8)) == #"a\x1b[31m\x0a\\"#)
        #expect(ByteText.shown(Array("\u{202E}".utf8)) == #"\xe2\x80\xae"#)
        #expect(ByteText.shown([97, 0xFF, 0, 0x5C]) == #"a\xff\x00\\"#)
    }

    @Test("An argument that is not UTF-8 keeps its bytes")
    func rawArguments() {
        let raw: [[UInt8]] = [Array("put".utf8), [0xFF, 97], [0xFE, 98]]
        #expect(
            ByteText.bytes(ofArgument: String(decoding: [0xFE, 98] as [UInt8], as: UTF8.self), in: raw) == [0xFE, 98])
        #expect(ByteText.bytes(ofArgument: "abc", in: raw) == Array("abc".utf8))
        #expect(ByteText.bytes(ofArgument: "\u{FFFD}x", in: raw) == Array("\u{FFFD}x".utf8))
    }

    @Test("A table lines up, with colour or without")
    func table() {
        var table = Table(["A", "LONGER"])
        table.add([.init("value"), .init("x", .green)])
        #expect(table.text(color: false) == "A      LONGER\nvalue  x\n")
        #expect(
            table.text(color: true)
                == "\u{1B}[1mA\u{1B}[0m      \u{1B}[1mLONGER\u{1B}[0m\nvalue  \u{1B}[32mx\u{1B}[0m\n")
    }

    @Test("A result that cannot be written is an error with the code that fits, and a reader that left is none")
    func unwritten() throws {
        let pipe = Pipe()
        signal(SIGPIPE, SIG_IGN)
        try pipe.fileHandleForReading.close()
        try Console.out("x", file: pipe.fileHandleForWriting.fileDescriptor)

        // Open for reading only: like a full disk, it takes nothing. Kept open: another test may be given its number.
        let reader = try #require(FileHandle(forReadingAtPath: "/dev/null"))
        defer { withExtendedLifetime(reader) {} }
        let file = reader.fileDescriptor
        #expect(throws: Failure(.refused, "cannot write standard output: bad file descriptor")) {
            try Console.out("x", file: file)
        }
        #expect(throws: Failure(.unwritten, "cannot write standard output: bad file descriptor")) {
            try Console.out("x", orLeaveWith: .unwritten, file: file)
        }
        try Console.out("", file: file)
    }

    @Test("A line of the log is one line, whatever a message holds")
    func logLine() {
        let line = StandardErrorLog.line(at: Date(timeIntervalSince1970: 0), .notice, "a\nb\u{1B}[0m \\ ü")
        #expect(line == #"1970-01-01T00:00:00.000Z notice a\x0ab\x1b[0m \ ü"#)
    }
}
