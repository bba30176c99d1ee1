import Foundation
import RaftKeyValueModel
import Testing

@testable import RaftCommand

@Suite("Keys as lines")
struct KeyLinesTests {
    @Test("What is exported is imported as it was, whatever bytes it has")
    func roundTrip() throws {
        for (key, value) in [([97], [49]), ([0, 255, 10], []), ([34, 92], Array(0...255))] as [([UInt8], [UInt8])] {
            let text = KeyLines.text(KeyValue(key: key, value: value, revision: 4))
            let line = Array(text.utf8)
            #expect(line.last == 10 && !line.dropLast().contains(10))
            let parsed = try #require(try KeyLines.parse(line.dropLast(), number: 1))
            #expect(parsed.key == key && parsed.value == value)
        }
        #expect(
            KeyLines.text(KeyValue(key: [97], value: [49], revision: 4)) == #"{"key":"YQ==","value":"MQ=="}"# + "\n")
    }

    @Test("A key as etcd writes it is read, with what else it says left out; what is no key is refused with its line")
    func foreign() throws {
        let etcd = #"{"key":"YQ==","create_revision":2,"mod_revision":9,"version":3,"value":"MQ==","lease":7587}"#
        let parsed = try #require(try KeyLines.parse(Array(etcd.utf8)[...], number: 1))
        #expect(parsed.key == [97] && parsed.value == [49])
        let empty = try #require(try KeyLines.parse(Array(#"{"key":"YQ=="}"#.utf8)[...], number: 1))
        #expect(empty.value == [])
        #expect(try KeyLines.parse(Array(" \r".utf8)[...], number: 1) == nil)
        for bad in ["a 1", "{}", #"{"key":"Y!"}"#, #"{"key":5,"value":"MQ=="}"#] {
            let failure = #expect(throws: Failure.self) { _ = try KeyLines.parse(Array(bad.utf8)[...], number: 7) }
            #expect(failure?.message.contains("line 7 ") == true)
        }
    }

    @Test("Puts go in batches that a server takes, and a key that comes twice goes in two, in order")
    func batches() {
        var batches = PutBatches()
        var done: [[KeyValueTransaction.Operation]] = []
        for number in 0..<300 {
            if let full = batches.add([UInt8(number / 256), UInt8(number % 256)], [1]) { done.append(full) }
        }
        #expect(done.map(\.count) == [128, 128])
        if let full = batches.add([1, 0], [2]) { done.append(full) }
        #expect(done.last?.count == 44 && batches.batch == [.put(key: [1, 0], value: [2])])
        let large = [UInt8](repeating: 1, count: 700_000)
        #expect(batches.add([9], large) == nil)
        #expect(batches.add([10], large)?.count == 2)
        #expect(batches.take().count == 1 && batches.take().isEmpty)
    }

    @Test("Lines are read one by one, however they arrive, the last one also without its end")
    func lines() throws {
        let pipe = Pipe()
        let long = String(repeating: "x", count: 200_000)
        let text = "a\n\n\(long)\nlast"
        DispatchQueue.global().async {
            pipe.fileHandleForWriting.write(Data(text.utf8))
            try? pipe.fileHandleForWriting.close()
        }
        var reader = LineReader(file: pipe.fileHandleForReading.fileDescriptor)
        var lines: [String] = []
        while let line = try reader.next() { lines.append(String(decoding: line, as: UTF8.self)) }
        #expect(lines == ["a", "", long, "last"])
    }
    @Test("A line that no key and value can fill is refused before it fills the memory")
    func endless() throws {
        let zeros = try #require(FileHandle(forReadingAtPath: "/dev/zero"))
        var reader = LineReader(file: zeros.fileDescriptor, maximumBytes: 100_000)
        let failure = #expect(throws: Failure.self) { _ = try reader.next() }
        #expect(failure?.message == "a line of standard input has more than 100000 bytes; that is no key")
    }
}
