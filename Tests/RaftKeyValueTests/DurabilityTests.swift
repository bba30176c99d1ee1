import Foundation
import Raft
import Testing

@testable import RaftKeyValue

@Suite("KeyValueMachine and its files")
struct DurabilityTests {
    let directory: TemporaryDirectory
    init() throws { directory = try TemporaryDirectory() }

    /// What is on the file system at this moment, as it stays behind when the process dies: everything that was
    /// written, synced or not.
    private func copyState(_ from: String = "state", to: String) throws {
        try FileManager.default.copyItem(atPath: directory.file(from), toPath: directory.file(to))
    }

    private func mark(_ name: String = "state") throws -> String {
        try String(contentsOfFile: directory.file(name) + "/mark", encoding: .utf8)
    }

    @Test("After a clean end the state is there again, even on another start of the machine")
    func cleanEnd() throws {
        let machine = try KeyValueMachine(in: directory)
        try machine.run(from: 1, term: 3, [.put("a", "1")])
        try machine.close()
        #expect(try mark().contains("clean"))

        let again = try KeyValueMachine(in: directory, bootID: "another start")
        #expect(again.lastApplied == LogID(term: 3, index: 1))
        #expect(try again.value("a") == "1")
        #expect(again.discardReason == nil)
    }

    @Test(
        "State that is damaged is thrown away, with a reason, and built anew: it is a cache of the log",
        arguments: ["flip", "cut", "text"])
    func damaged(_ kind: String) throws {
        let machine = try KeyValueMachine(in: directory)
        try machine.run(from: 1, [.put("a", "1")])
        try machine.close()
        let url = URL(fileURLWithPath: directory.file("state") + "/data.mdb")
        var bytes = try Data(contentsOf: url)
        switch kind {
        case "flip": for offset in 16..<24 { bytes[offset] ^= 0xFF }
        case "cut": bytes = bytes.prefix(100)
        default: bytes = Data("this is no state".utf8)
        }
        try bytes.write(to: url)
        let again = try KeyValueMachine(in: directory)
        #expect(again.lastApplied == nil)
        #expect(again.discardReason?.hasPrefix("the key-value state cannot be read") == true)
        try again.run(from: 1, [.put("a", "2")])
        #expect(try again.value("a") == "2")
    }

    @Test("After the death of the process alone the state is there again, to the last batch")
    func processDeath() throws {
        let machine = try KeyValueMachine(in: directory)
        for index in UInt64(1)...50 { try machine.run(from: index, [.put("key\(index % 7)", "\(index)")]) }
        try copyState(to: "copy")

        let again = try KeyValueMachine(in: directory, "copy")
        #expect(again.lastApplied == LogID(term: 1, index: 50))
        #expect(try again.dump() == machine.dump())
        #expect(again.discardReason == nil)
    }

    @Test("After the death of the machine the state is thrown away, and the log is applied from its first entry on")
    func machineDeath() throws {
        let machine = try KeyValueMachine(in: directory)
        try machine.run(from: 1, [.put("a", "1"), .put("b", "2")])
        try copyState(to: "copy")

        let again = try KeyValueMachine(in: directory, "copy", bootID: "another start")
        #expect(again.lastApplied == nil)
        #expect(again.discardReason != nil)
        #expect(try again.dump() == [])
        try again.run(from: 1, [.put("a", "1"), .put("b", "2")])
        #expect(try again.dump() == machine.dump())
    }

    @Test("A machine that cannot name its start trusts a clean state only")
    func unknownStart() throws {
        let machine = try KeyValueMachine(in: directory, bootID: nil)
        try machine.run(from: 1, [.put("a", "1")])
        try copyState(to: "open")
        try machine.close()
        #expect(try KeyValueMachine(in: directory, "open", bootID: nil).lastApplied == nil)
        #expect(try KeyValueMachine(in: directory, bootID: nil).lastApplied == LogID(term: 1, index: 1))
    }

    @Test("The clean mark is gone before anything is written again")
    func markRemoved() throws {
        try KeyValueMachine(in: directory).close()
        let again = try KeyValueMachine(in: directory)
        #expect(try mark().contains("open \(KeyValueMachine.boot)"))
        try again.run(from: 1, [.put("a", "1")])
        try copyState(to: "copy")
        #expect(try KeyValueMachine(in: directory, "copy", bootID: "another start").lastApplied == nil)
    }

    @Test(
        "A mark that is missing, cut short or of another layout is not trusted",
        arguments: [nil, "", "raft-key-value", "raft-key-value 0 clean x\n", "raft-key-value 1 tidy x\n", "\u{0}"])
    func badMark(_ text: String?) throws {
        let machine = try KeyValueMachine(in: directory)
        try machine.run(from: 1, [.put("a", "1")])
        try machine.close()
        if let text {
            try text.write(toFile: directory.file("state") + "/mark", atomically: true, encoding: .utf8)
        } else {
            try FileManager.default.removeItem(atPath: directory.file("state") + "/mark")
        }
        let again = try KeyValueMachine(in: directory)
        #expect(again.lastApplied == nil)
        #expect(try again.dump() == [])
    }

    @Test("A state that shows entries above the end of the log is thrown away; one that does not is kept")
    func aboveTheLog() throws {
        let machine = try KeyValueMachine(in: directory)
        try machine.run(from: 1, term: 2, [.put("a", "1"), .put("a", "2")])
        try machine.discard(ifAbove: LogID(term: 2, index: 2))
        #expect(machine.lastApplied == LogID(term: 2, index: 2))
        try machine.discard(ifAbove: LogID(term: 2, index: 1))
        #expect(machine.lastApplied == nil)
        #expect(machine.discardReason == "the key-value state shows entry 2@2, the log ends at 1@2")
        try machine.run(from: 1, term: 3, [.put("a", "3")])
        #expect(try machine.value("a") == "3")
    }

    @Test("A log that ends in an older term than the state shows is another log")
    func olderTerm() throws {
        let machine = try KeyValueMachine(in: directory)
        try machine.run(from: 1, term: 5, [.put("a", "1")])
        try machine.discard(ifAbove: LogID(term: 4, index: 9))
        #expect(machine.lastApplied == nil)
    }

    @Test("A full map grows within a batch, and nothing of the batch is lost or applied twice")
    func growth() throws {
        let machine = try KeyValueMachine(in: directory, mapBytes: 1)
        let value = [UInt8](repeating: 9, count: 10_000)
        var outputs: [KeyValueOutput] = []
        for round in 0..<4 {
            outputs += try machine.run(
                from: UInt64(round * 50 + 1), (0..<50).map { .put(key: [UInt8($0), UInt8(round)], value: value) })
            #expect(try machine.get([0, UInt8(round)])?.value == value)
        }
        #expect(outputs == (1...200).map { .done(revision: $0, previous: nil) })
        #expect(try machine.dump().count == 200)
        try copyState(to: "copy")
        #expect(try KeyValueMachine(in: directory, "copy", mapBytes: 1).dump().count == 200)
    }

    @Test("A state that may not grow any more refuses with the limit, and keeps what it has")
    func growthLimit() throws {
        let machine = try KeyValueMachine(in: directory, mapBytes: 1 << 20, maximumMapBytes: 2 << 20)
        try machine.run(from: 1, [.put("a", "1")])
        let error = #expect(throws: RaftError.self) {
            try machine.run(from: 2, [.put(key: [1], value: [UInt8](repeating: 1, count: 3 << 20))])
        }
        #expect(error?.code == .storage)
        #expect(error?.message.contains("its limit is 2097152") == true)
        #expect(try machine.value("a") == "1")
        #expect(machine.lastApplied == LogID(term: 1, index: 1))
    }

    @Test("A closed state refuses everything, and closing it again does nothing")
    func closed() throws {
        let machine = try KeyValueMachine(in: directory)
        try machine.close()
        try machine.close()
        let error = #expect(throws: RaftError.self) { try machine.run(from: 1, [.put("a", "1")]) }
        #expect(error?.code == .stopped)
        #expect(throws: RaftError.self) { try machine.get([1]) }
    }

    @Test("A directory that cannot be made is named in the error")
    func noDirectory() throws {
        let error = #expect(throws: RaftError.self) { try KeyValueMachine(directory: directory.file("a/b")) }
        #expect(error?.message == "cannot make directory \(directory.file("a/b")): No such file or directory")
    }

    @Test("The state is readable by its owner alone")
    func modes() throws {
        _ = try KeyValueMachine(in: directory)
        for (name, mode) in [("", 0o700), ("/data.mdb", 0o600), ("/mark", 0o600)] {
            let attributes = try FileManager.default.attributesOfItem(atPath: directory.file("state") + name)
            #expect(attributes[.posixPermissions] as? Int == mode)
        }
    }
}
