internal import Benchmarking
internal import Glibc
internal import Raft
internal import RaftStorage

/// Runs the log and the bare calls in turns, so that both meet the same machine.
struct LogRun {
    let directory: String
    let valueSize: Int

    /// How many batches one turn has.
    private static let turn = 50
    private let clock = ContinuousClock()

    func appends(waiting: Int, batches: Int) throws -> LogReport.Appends {
        let files = CountingFileSystem()
        let log = try NewLog(directory + "/append-\(waiting)", files)
        defer { log.close() }
        let bare = try BareFile(directory + "/bare-\(waiting)", size: SegmentedLog.defaultSegmentBytes)
        defer { bare.close() }
        var (times, bareTimes): ([Int64], [Int64]) = ([], [])
        let syncsBefore = files.syncCount
        // The first turn of each warms up.
        for turn in 0...batches / Self.turn {
            let made = (0..<Self.turn).map { _ in log.batch(of: waiting, valueSize) }
            for batch in made {
                let start = clock.now
                try log.log.write([.append(batch)])
                if turn > 0 { times.append((clock.now - start).nanoseconds) }
            }
            // What a frame takes: its head, the records, its end; as far from the processor as the entries are.
            for bytes in made.map({ [UInt8](repeating: 7, count: $0.byteCount + 80) }) {
                let start = clock.now
                try bare.append(bytes)
                if turn > 0 { bareTimes.append((clock.now - start).nanoseconds) }
            }
        }
        let entries = Double(times.count * waiting)
        return LogReport.Appends(
            waiting: waiting, batches: times.count, entriesPerSecond: entries / seconds(times),
            bareEntriesPerSecond: entries / seconds(bareTimes), batch: Times(times).summary,
            bareBatch: Times(bareTimes).summary,
            syncsPerEntry: Double(files.syncCount - syncsBefore) / (entries + Double(Self.turn * waiting)))
    }

    private func seconds(_ nanoseconds: [Int64]) -> Double { Double(nanoseconds.reduce(0, +)) / 1e9 }

    func opening(mebibytes: Int, times: Int) throws -> LogReport.Opening {
        let path = directory + "/open"
        let new = try NewLog(path, POSIXFileSystem())
        Output.note("writing \(mebibytes) MiB of log")
        var written = 0
        while written < mebibytes << 20 {
            let batch = new.batch(of: 1024, valueSize)
            try new.log.write([.append(batch)])
            written += batch.byteCount
        }
        new.close()
        let files = try POSIXFileSystem().list(path + "/log").filter { $0.hasSuffix(".segment") }
        var (opened, read): ([Int64], [Int64]) = ([], [])
        for turn in 0...times {
            let start = clock.now
            try NewLog(path, POSIXFileSystem(), mode: .existing).close()
            let middle = clock.now
            for file in files { try readBare(path + "/log/" + file) }
            guard turn > 0 else { continue }  // It brings the files into the cache.
            opened.append((middle - start).nanoseconds)
            read.append((clock.now - middle).nanoseconds)
        }
        let size = Double(written) / Double(1 << 20)
        func rate(_ times: [Int64]) -> Double { size / (Double(Times(times).percentile(0.5)!) / 1e9) }
        return LogReport.Opening(
            mebibytes: size, segments: files.count, mebibytesPerSecond: rate(opened),
            bareMebibytesPerSecond: rate(read))
    }

    /// Every byte once through the checksum.
    private func readBare(_ path: String) throws {
        let file = try POSIXFileSystem().open(path, .read)
        defer { file.close() }
        var checksum: UInt32 = 0
        var offset = 0
        while true {
            let bytes = try file.bytes(offset..<(offset + 1 << 20))
            guard !bytes.isEmpty else { break }
            checksum = SnapshotChecksum.of(bytes[...], continuing: checksum)
            offset += bytes.count
        }
        guard offset > 0 else { throw BenchmarkError("\(path) is empty (checksum \(checksum))") }
    }
}

/// A log that grows.
private final class NewLog {
    let log: SegmentedLog
    private let directory: DataDirectory
    private let preparation = ThreadLoop(name: "segments")
    private var next: LogIndex

    init(_ path: String, _ files: some FileSystem, mode: DataDirectory.Mode = .create) throws {
        var random = SystemRandomNumberGenerator()
        directory = try DataDirectory.open(
            path, cluster: "benchmark", node: 1, mode: mode, fileSystem: files, using: &random)
        log = try SegmentedLog(directory: directory, preparation: preparation)
        next = try log.open().last.index.next
    }

    func batch(of count: Int, _ size: Int) -> EntryBatch {
        var builder = EntryBatch.Builder(first: next, term: 1)
        let payload = [UInt8](repeating: UInt8(truncatingIfNeeded: next.rawValue) | 1, count: size)
        for _ in 0..<count { builder.append(.command, payload) }
        let batch = builder.finish()!
        next = batch.lastIndex.next
        return batch
    }

    func close() {
        log.close()
        directory.close()
        preparation.stop()
    }
}

/// A file that is written front to back over zeros, and again from its front.
private final class BareFile {
    private let descriptor: Int32
    private let path: String
    private let size: Int
    private var offset = 0

    init(_ path: String, size: Int) throws {
        self.path = path
        self.size = size
        descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw BenchmarkError("cannot make \(path)") }
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        for position in stride(from: 0, to: size, by: zeros.count) {
            guard pwrite(descriptor, zeros, zeros.count, off_t(position)) == zeros.count else {
                throw BenchmarkError("cannot fill \(path)")
            }
        }
        guard fsync(descriptor) == 0 else { throw BenchmarkError("cannot sync \(path)") }
    }

    func append(_ bytes: [UInt8]) throws {
        if offset + bytes.count > size { offset = 0 }
        guard pwrite(descriptor, bytes, bytes.count, off_t(offset)) == bytes.count, fdatasync(descriptor) == 0 else {
            throw BenchmarkError("cannot write \(path)")
        }
        offset += bytes.count
    }

    func close() {
        Glibc.close(descriptor)
        unlink(path)
    }
}
