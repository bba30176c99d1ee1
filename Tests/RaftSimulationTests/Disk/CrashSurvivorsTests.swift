import RaftStorage
import TestTraits
import Testing

@testable import RaftSimulation

@Suite("What a power cut may leave", .heavy)
struct CrashSurvivorsTests {
    /// What there may be of `/f`; nil for no such file.
    private func images(_ prepare: (SimulatedFileSystem) throws -> Void) throws -> Set<[UInt8]?> {
        let disk = SimulatedFileSystem()
        disk.beginHistory()
        try prepare(disk)
        let last = try #require(disk.endHistory().last)
        return Set(
            last.survivors.map {
                var image = last
                image.crash(leaving: $0)
                return image.file("/f")?.current
            })
    }

    private func bytes(_ count: Int, _ byte: UInt8) -> [UInt8] { [UInt8](repeating: byte, count: count) }

    @Test("All of a write, nothing, its front, each sector alone or missing, and zeros where the file has grown")
    func parts() throws {
        let found = try images { disk in
            let file = try disk.open("/f", .createEmpty)
            try file.sync()
            try disk.syncDirectory("/")
            try file.write(bytes(1024, 7), at: 0)
        }
        let (sector, none) = (bytes(512, 7), bytes(512, 0))
        #expect(found == [[], [7], sector, sector + sector, none + sector, none + none])
    }

    @Test("Each of two writes alone, neither, both; a synced one always")
    func alone() throws {
        let found = try images { disk in
            let file = try disk.open("/f", .createEmpty)
            try file.write([1, 1, 1], at: 0)
            try file.sync()
            try disk.syncDirectory("/")
            try file.write([2], at: 0)
            try file.write([3], at: 1)
        }
        #expect(found == [[1, 1, 1], [2, 1, 1], [1, 3, 1], [2, 3, 1]])
    }

    @Test("A name that was made, or renamed, is there or not, whatever is left of the file")
    func names() throws {
        let found = try images { disk in
            let file = try disk.open("/f.tmp", .createEmpty)
            try file.write([5], at: 0)
            try file.sync()
            try disk.rename("/f.tmp", to: "/f")
        }
        #expect(found == [nil, [5]])
        let removed = try images { disk in
            let file = try disk.open("/f", .createEmpty)
            try file.write([5], at: 0)
            try file.sync()
            try disk.syncDirectory("/")
            try disk.remove("/f")
        }
        #expect(removed == [nil, [5]])
    }

    @Test("There is one crash only where all is durable")
    func settled() throws {
        let found = try images { disk in
            let file = try disk.open("/f", .createEmpty)
            try file.write([5], at: 0)
            disk.settle()
        }
        #expect(found == [[5]])
    }
}
