import Raft
import RaftSimulation
import RaftStorage
import TestTraits
import Testing

/// Random numbers that a seed repeats (SplitMix64).
private struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

@Suite("The simulated disk", .heavy)
struct SimulatedFileSystemTests {
    /// What crashes with many seeds leave of a file.
    private func outcomes(_ prepare: (SimulatedFileSystem) throws -> Void) throws -> Set<[UInt8]?> {
        var found: Set<[UInt8]?> = []
        for seed in 0..<200 as Range<UInt64> {
            let disk = SimulatedFileSystem()
            try prepare(disk)
            var generator = SeededGenerator(state: seed)
            disk.crash(using: &generator)
            found.insert(disk.contents(of: "/f"))
        }
        return found
    }

    @Test("A file that is renamed is the one that had the name then, whatever had it before and was removed")
    func renamedAgain() throws {
        let found = try outcomes { disk in
            try disk.open("/f.new", .createEmpty).close()
            try disk.remove("/f.new")
            let file = try disk.open("/f.new", .createEmpty)
            try file.write([1], at: 0)
            try file.sync()
            try disk.rename("/f.new", to: "/f")
        }
        #expect(found == [nil, [1]])
    }

    @Test("A synced write in a synced directory survives every crash")
    func durable() throws {
        let found = try outcomes { disk in
            let file = try disk.open("/f", .createEmpty)
            try file.write([1, 2, 3], at: 2)
            try file.sync()
            try disk.syncDirectory("/")
        }
        #expect(found == [[0, 0, 1, 2, 3]])
    }

    @Test("A file that is synced in a directory that is not may be gone")
    func lostName() throws {
        let found = try outcomes { disk in
            let file = try disk.open("/f", .createEmpty)
            try file.write([1], at: 0)
            try file.sync()
        }
        #expect(found == [nil, [1]])
    }

    @Test("A rename that is not synced happened or not, and takes what the file held durably")
    func rename() throws {
        let found = try outcomes { disk in
            for (name, byte) in [("/f", 1), ("/g", 2)] as [(String, UInt8)] {
                let file = try disk.open(name, .createEmpty)
                try file.write([byte], at: 0)
                try file.sync()
            }
            try disk.syncDirectory("/")
            try disk.rename("/g", to: "/f")
            #expect(disk.contents(of: "/f") == [2])
        }
        #expect(found == [[1], [2]])
    }

    @Test("Of writes that were not synced any subset survives, in whole sectors")
    func subsets() throws {
        let old = [UInt8](repeating: 9, count: 1536)
        let found = try outcomes { disk in
            let file = try disk.open("/f", .createEmpty)
            try file.write(old, at: 0)
            try file.sync()
            try disk.syncDirectory("/")
            try file.write([UInt8](repeating: 1, count: 1000), at: 100)
            try file.write([2], at: 1400)
        }
        var expected: Set<[UInt8]?> = []
        for subset in 0..<16 {
            var bytes = old
            for sector in 0..<3 where subset >> sector & 1 == 1 {
                for offset in max(100, sector * 512)..<min(1100, sector * 512 + 512) { bytes[offset] = 1 }
            }
            if subset & 8 != 0 { bytes[1400] = 2 }
            expected.insert(bytes)
        }
        #expect(found == expected)
    }

    @Test("The same seed leaves the same disk")
    func deterministic() throws {
        func survivors(_ seed: UInt64) throws -> [String: [UInt8]] {
            let disk = SimulatedFileSystem()
            for name in 0..<20 {
                let file = try disk.open("/\(name)", .createEmpty)
                try file.write([UInt8](repeating: UInt8(name), count: 2000), at: 0)
            }
            var generator = SeededGenerator(state: seed)
            disk.crash(using: &generator)
            return disk.snapshot()
        }
        for seed in 0..<5 as Range<UInt64> { #expect(try survivors(seed) == survivors(seed)) }
        #expect(try survivors(1) != survivors(2))
    }

    @Test("Faults happen once, where they were asked for; rot is durable; a stopped machine does nothing")
    func faults() throws {
        let disk = SimulatedFileSystem()
        let file = try disk.open("/f", .createEmpty)
        disk.failNext(.write, at: "/f")
        #expect(throws: RaftError.self) { try file.write([1], at: 0) }
        try file.write([1], at: 0)
        disk.failNext(.sync, at: "/f")
        #expect(throws: RaftError.self) { try file.sync() }
        try file.sync()
        disk.limitCapacity(3)
        try file.write([1, 2, 3], at: 0)
        #expect(throws: RaftError.self) { try file.write([1], at: 3) }
        disk.limitCapacity(nil)
        disk.damage("/f", at: 1, mask: 0x80)
        #expect(disk.contents(of: "/f") == [1, 0x82, 3])
        disk.stop(afterChanges: 1)
        try file.write([7], at: 0)
        #expect(throws: RaftError.self) { try file.write([8], at: 0) }
        #expect(throws: RaftError.self) { _ = try disk.list("/") }
        disk.killProcess()
        #expect(throws: RaftError.self) { _ = try file.size() }
        #expect(disk.contents(of: "/f") == [7, 0x82, 3])
    }

    @Test("A machine that stops at a name has made it, and does nothing more, not even make it durable")
    func stopsAtName() throws {
        let disk = SimulatedFileSystem()
        disk.stop(atName: 2)
        let file = try disk.open("/f.new", .createEmpty)
        try file.write([1], at: 0)
        try file.sync()
        #expect(!disk.hasStopped)
        try disk.rename("/f.new", to: "/f")
        #expect(disk.hasStopped)
        #expect(throws: RaftError.self) { try disk.syncDirectory("/") }
        #expect(throws: RaftError.self) { try disk.remove("/f") }
        disk.killProcess()
        #expect(!disk.hasStopped)
        #expect(disk.contents(of: "/f") == [1])
        #expect(disk.hasPendingNames)
        _ = try disk.open("/g", .createEmpty)
        _ = try disk.open("/h", .createEmpty)
        #expect(!disk.hasStopped)
    }

    @Test("A lock is held by one, and ends with its holder or the process")
    func locks() throws {
        let disk = SimulatedFileSystem()
        let first = try disk.open("/f", .createOrKeep)
        let second = try disk.open("/f", .createOrKeep)
        #expect(try first.tryLock())
        #expect(try !second.tryLock())
        first.close()
        #expect(try second.tryLock())
        disk.killProcess()
        #expect(try disk.open("/f", .createOrKeep).tryLock())
    }
}
