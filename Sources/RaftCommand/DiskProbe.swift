internal import Raft
internal import RaftStorage

/// What a disk did with writes like those of a log: into a file whose bytes are all there, each followed by a sync.
struct DiskProbe {
    static let fileBytes = 64 << 20
    /// A few entries.
    static let writeBytes = 2048
    private static let largeBytes = 1 << 20

    private(set) var syncs = LatencyHistogram()
    private(set) var bytesPerSecond = 0

    /// - Throws: `.storage`, with the path and the system's reason.
    init(
        in directory: String, atMost time: Duration, fileSystem: any FileSystem = POSIXFileSystem()
    ) throws(RaftError) {
        let path = directory + "/raft-check-\(fileSystem.processID).tmp"
        let file = try fileSystem.open(path, .createEmpty)
        do throws(RaftError) {
            try measure(file, time)
        } catch {
            file.close()
            try? fileSystem.remove(path)
            throw error
        }
        file.close()
        try fileSystem.remove(path)
    }

    private mutating func measure(_ file: any FileHandle, _ time: Duration) throws(RaftError) {
        let clock = ContinuousClock()
        let large = [UInt8](repeating: 0, count: Self.largeBytes)
        let start = clock.now
        for offset in stride(from: 0, to: Self.fileBytes, by: large.count) {
            try file.write(large, at: offset)
            try file.sync()
        }
        let elapsed = max((clock.now - start).nanoseconds, 1)
        bytesPerSecond = Int(Double(Self.fileBytes) * 1e9 / Double(elapsed))
        let small = [UInt8](repeating: 0xA5, count: Self.writeBytes)
        let end = clock.now + time
        for offset in stride(from: 0, to: Self.fileBytes, by: small.count) {
            let before = clock.now
            try file.write(small, at: offset)
            try file.sync()
            let after = clock.now
            syncs.record((after - before).nanoseconds)
            if after >= end { break }
        }
    }
}
