import Foundation
import Raft
import Testing

@testable import RaftCommand

@Suite("The journal of what was not synced")
struct UnsyncedJournalTests {
    /// Writes a journal as the library does, and makes the changes that it speaks of.
    private final class Disk {
        let temporary: TemporaryDirectory
        let root: String
        let folder: String
        private var journal = Data()

        init() throws {
            temporary = try TemporaryDirectory()
            root = temporary.path + "/root"
            folder = temporary.path + "/journal"
            for path in [root, folder] {
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            }
        }

        func note(
            _ kind: UnsyncedJournal.Kind, file: UInt64 = 0, offset: Int64 = 0, oldSize: Int64 = 0, path: String = "",
            other: String = "", bytes: String = "", through: UInt64? = nil
        ) {
            let through = through ?? UInt64(journal.count)
            func add(_ number: some FixedWidthInteger) {
                withUnsafeBytes(of: number) { journal.append(contentsOf: $0) }
            }
            add(UnsyncedJournal.magic)
            add(kind.rawValue)
            add(file)
            add(offset)
            add(oldSize)
            add(through)
            add(UInt32(path.utf8.count))
            add(UInt32(other.utf8.count))
            add(UInt64(bytes.utf8.count))
            journal.append(Data((path + other + bytes).utf8))
        }

        func path(_ name: String) -> String { root + "/" + name }
        func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }
        func text(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }

        /// Gives the file its text, and its second name.
        func put(_ name: String, _ text: String, file: UInt64) throws {
            let handle = try handle(name)
            try handle.truncate(atOffset: 0)
            try handle.write(contentsOf: Data(text.utf8))
            try handle.close()
            if !FileManager.default.fileExists(atPath: "\(folder)/\(file)") {
                try FileManager.default.linkItem(atPath: path(name), toPath: "\(folder)/\(file)")
            }
        }

        private func handle(_ name: String) throws -> FileHandle {
            if !exists(name) { _ = FileManager.default.createFile(atPath: path(name), contents: nil) }
            return try #require(FileHandle(forWritingAtPath: path(name)))
        }

        func cutPower(
            droppingLast count: Int = 0, keptShare: Double = 0, seed: UInt64 = 1
        ) throws -> UnsyncedJournal.Loss {
            var random = RandomSource(seed: seed)
            try journal.dropLast(count).write(to: URL(fileURLWithPath: folder + "/journal"))
            return try UnsyncedJournal(folder).cutPower(keptShare: keptShare, random: &random)
        }
    }

    @Test("What was written since the last sync is undone, the newest first; what was before it stays")
    func writes() throws {
        let disk = try Disk()
        try disk.put("log", "aabbccdd", file: 7)
        disk.note(.write, file: 7, offset: 0, oldSize: 0)
        disk.note(.sync, file: 7)
        // Over two bytes, over them and two more, and behind the end.
        disk.note(.write, file: 7, offset: 2, oldSize: 6, bytes: "xx")
        disk.note(.write, file: 7, offset: 0, oldSize: 6, bytes: "aaBB")
        disk.note(.write, file: 7, offset: 6, oldSize: 6)
        disk.note(.writeOverZeros, file: 7, offset: 5, oldSize: 8, through: 1)
        #expect(try disk.cutPower() == .init(writes: 4, names: 0))
        #expect(try disk.text("log") == "aaxxc\0")
        // Begun anew.
        #expect(try FileManager.default.contentsOfDirectory(atPath: disk.folder).isEmpty)
    }

    @Test("Names that no sync of their directory covers are undone, and the bytes behind them are there again")
    func names() throws {
        let disk = try Disk()
        // Kept: made, and the directory synced.
        try disk.put("kept", "1", file: 1)
        disk.note(.create, path: disk.path("kept"))
        disk.note(.write, file: 1)
        disk.note(.sync, file: 1)
        disk.note(.syncDirectory, path: disk.root)
        // Made, its bytes synced, its name not.
        try disk.put("new", "2", file: 2)
        disk.note(.create, path: disk.path("new"))
        disk.note(.write, file: 2)
        disk.note(.sync, file: 2)
        // Put in the place of another.
        try disk.put("vote.new", "newer", file: 3)
        try disk.put("vote", "older", file: 4)
        disk.note(.rename, file: 4, path: disk.path("vote.new"), other: disk.path("vote"))
        #expect(rename(disk.path("vote.new"), disk.path("vote")) == 0)
        // Taken away.
        try disk.put("gone", "5", file: 5)
        disk.note(.unlink, file: 5, path: disk.path("gone"))
        #expect(unlink(disk.path("gone")) == 0)
        disk.note(.makeDirectory, path: disk.path("folder"))
        #expect(mkdir(disk.path("folder"), 0o700) == 0)

        #expect(try disk.cutPower() == .init(writes: 0, names: 4))
        #expect(try disk.text("kept") == "1")
        #expect(!disk.exists("new"))
        #expect(try disk.text("vote") == "older")
        #expect(try disk.text("vote.new") == "newer")
        #expect(try disk.text("gone") == "5")
        #expect(!disk.exists("folder"))
    }

    @Test("A record that the kill cut off speaks of a change that was never made")
    func torn() throws {
        let disk = try Disk()
        try disk.put("log", "ab", file: 7)
        disk.note(.write, file: 7, offset: 1, oldSize: 1)
        disk.note(.write, file: 7, offset: 0, oldSize: 2, bytes: "ZZ")
        #expect(try disk.cutPower(droppingLast: 1) == .init(writes: 1, names: 0))
        #expect(try disk.text("log") == "a")
    }

    @Test("Of what was not synced, some sectors may be there and others not; what was synced is there")
    func sectors() throws {
        let disk = try Disk()
        let (old, new) = (String(repeating: "o", count: 512), String(repeating: "n", count: 512))
        try disk.put("log", old + String(repeating: new, count: 99), file: 7)
        disk.note(.write, file: 7)
        disk.note(.sync, file: 7)
        disk.note(.write, file: 7, offset: 512, oldSize: 51200, bytes: String(repeating: old, count: 99))
        _ = try disk.cutPower(keptShare: 0.5)
        let bytes = Array(try disk.text("log").utf8)
        let sectors = stride(from: 0, to: 51200, by: 512).map { String(decoding: bytes[$0..<$0 + 512], as: UTF8.self) }
        #expect(sectors[0] == old)
        #expect(Set(sectors) == [old, new])
        #expect((25...75).contains(sectors.count { $0 == new }))
    }

    @Test("Names become durable in their order, up to one by chance")
    func someNames() throws {
        var lengths: Set<Int> = []
        for seed in 0..<40 as Range<UInt64> {
            let disk = try Disk()
            for number in 1...4 as ClosedRange<UInt64> {
                disk.note(.create, path: disk.path("\(number)"))
                try disk.put("\(number)", "", file: number)
            }
            _ = try disk.cutPower(keptShare: 0.5, seed: seed)
            let there = (1...4).map { disk.exists("\($0)") }
            #expect(there == (1...4).map { $0 <= there.count { $0 } })
            lengths.insert(there.count { $0 })
        }
        #expect(lengths == [0, 1, 2, 3, 4])
    }

    @Test("Without a journal there was no library, and nothing would be shown")
    func missing() throws {
        let failure = #expect(throws: Failure.self) { try UnsyncedJournal("/nowhere") }
        #expect(failure?.message.contains("no journal in /nowhere") == true)
    }
}
