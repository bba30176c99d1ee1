internal import Benchmarking
internal import Glibc
internal import Raft
internal import RaftKeyValue
internal import RaftStorage

/// Builds, reads and installs one state again and again, each beside its floor in turns.
final class SnapshotRun {
    private let command: SnapshotCommand
    private let path: String
    private let machine: KeyValueMachine
    private let installed: KeyValueMachine
    private let directory: DataDirectory
    private let store: SnapshotDirectory
    /// All keys in their order, one behind the other.
    private let keys: [UInt8]
    private let value: [UInt8]
    private let last: LogID
    private let clock = ContinuousClock()

    init(_ path: String, _ command: SnapshotCommand) throws {
        self.command = command
        self.path = path
        value = [UInt8](repeating: 7, count: command.valueSize)
        let count = max(1, (command.mebibytes << 20) / (FixedKeys.keyBytes + command.valueSize))
        let sorted = (0..<count).map { FixedKeys.key($0) }.sorted { $0.lexicographicallyPrecedes($1) }
        keys = Array(sorted.joined())
        machine = try KeyValueMachine(directory: path + "/machine")
        installed = try KeyValueMachine(directory: path + "/installed")
        var random = SystemRandomNumberGenerator()
        directory = try DataDirectory.open(
            path + "/data", cluster: "benchmark", node: 1, mode: .create, fileSystem: POSIXFileSystem(), using: &random)
        store = SnapshotDirectory(directory: directory)
        _ = try store.open()
        Output.note("filling \(command.mebibytes) MiB")
        last = try Self.fill(machine, sorted, value)
    }

    func close() {
        try? machine.close()
        try? installed.close()
        store.close()
        directory.close()
    }

    /// - Returns: the last entry. The history is forgotten: the state is what the keys hold.
    private static func fill(_ machine: KeyValueMachine, _ keys: [[UInt8]], _ value: [UInt8]) throws -> LogID {
        var next: LogIndex = 1
        var outputs: [KeyValueOutput] = []
        for start in stride(from: 0, to: keys.count, by: 256) {
            var builder = EntryBatch.Builder(first: next, term: 1)
            for key in keys[start..<min(start + 256, keys.count)] {
                var bytes: [UInt8] = []
                KeyValueCommand.put(key: key, value: value).encode(into: &bytes)
                next = builder.append(.command, bytes).next
            }
            outputs.removeAll(keepingCapacity: true)
            try machine.apply(CommandBatch([builder.finish()!]), into: &outputs)
        }
        let last = LogID(term: 1, index: next)
        _ = try machine.apply(.compact(through: next.rawValue - 1), at: last)
        return last
    }

    func report() throws -> SnapshotReport {
        var (built, read, taken): ([Double], [Double], [Double]) = ([], [], [])
        var (bareWritten, bareRead, bareTaken): ([Double], [Double], [Double]) = ([], [], [])
        var size = 0
        // The first pass warms up.
        for pass in 0...command.pass.passes {
            let start = clock.now
            let manifest = try build(number: UInt64(pass + 1))
            let buildTime = clock.now - start
            size = Int(manifest.byteCount)
            let writeTime = try writeBare(size)

            let reader = try store.reader(of: manifest.id)
            let verifyTime = try clock.measure { try reader.verify() }
            let readTime = try readBare(try file())

            let installTime = try clock.measure {
                var contents = SnapshotContents(reader)
                try installed.restore(&contents, through: last)
            }
            try check()
            let putTime = try putBare()
            try store.prune(endingBefore: last.index.next)
            guard pass > 0 else { continue }
            built.append(buildTime.inSeconds)
            bareWritten.append(writeTime.inSeconds)
            read.append(verifyTime.inSeconds)
            bareRead.append(readTime.inSeconds)
            taken.append(installTime.inSeconds)
            bareTaken.append(putTime.inSeconds)
        }
        func part(_ name: SnapshotReport.Step, _ times: [Double], _ bare: [Double]) -> SnapshotReport.Part {
            .init(
                step: name, mebibytesPerSecond: mebibytes(size) / median(times),
                bareMebibytesPerSecond: mebibytes(size) / median(bare))
        }
        return SnapshotReport(
            mebibytes: mebibytes(size), keys: keys.count / FixedKeys.keyBytes, valueBytes: value.count,
            parts: [
                part(.build, built, bareWritten), part(.read, read, bareRead), part(.install, taken, bareTaken),
            ])
    }

    // MARK: Snapshots

    private func build(number: UInt64) throws -> SnapshotManifest {
        let view = try machine.snapshot()
        let writer = try store.begin(.own)
        try view.write { try writer.write($0) }
        let manifest = SnapshotManifest(
            id: SnapshotID(builder: Incarnation(rawValue: 1), number: number), last: last,
            configuration: try ClusterConfiguration(voters: [.init(id: 1, address: "127.0.0.1:1")]),
            configurationID: LogID(term: 1, index: 1), bootstrap: nil, byteCount: writer.byteCount,
            checksum: writer.checksum)
        try writer.commit(manifest)
        return manifest
    }

    private func file() throws -> String {
        let folder = path + "/data/snapshots"
        guard let name = try POSIXFileSystem().list(folder).filter({ $0.hasSuffix(".snapshot") }).max() else {
            throw BenchmarkError("there is no snapshot in \(folder)")
        }
        return folder + "/" + name
    }

    private func check() throws {
        let middle = keys.count / FixedKeys.keyBytes / 2 * FixedKeys.keyBytes
        let key = Array(keys[middle..<(middle + FixedKeys.keyBytes)])
        guard installed.lastApplied == last, try installed.get(key)?.value == value else {
            throw BenchmarkError("the machine that took the snapshot over lacks a key")
        }
    }

    // MARK: Floors

    private func writeBare(_ size: Int) throws -> Duration {
        let bare = path + "/bare"
        let piece = [UInt8](repeating: 7, count: 1 << 20)
        defer { unlink(bare) }
        return try clock.measure {
            let file = open(bare, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
            guard file >= 0 else { throw BenchmarkError("cannot make \(bare)") }
            defer { Glibc.close(file) }
            var left = size
            while left > 0 {
                let count = min(left, piece.count)
                guard write(file, piece, count) == count else { throw BenchmarkError("cannot write \(bare)") }
                left -= count
            }
            guard fdatasync(file) == 0 else { throw BenchmarkError("cannot sync \(bare)") }
        }
    }

    private func readBare(_ path: String) throws -> Duration {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw BenchmarkError("cannot open \(path)") }
        defer { Glibc.close(file) }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var checksum: UInt32 = 0
        var total = 0
        let time = try clock.measure {
            while true {
                let count = Glibc.read(file, &buffer, buffer.count)
                guard count >= 0 else { throw BenchmarkError("cannot read \(path)") }
                guard count > 0 else { break }
                checksum = SnapshotChecksum.of(buffer[..<count], continuing: checksum)
                total += count
            }
        }
        guard total > 0 else { throw BenchmarkError("\(path) is empty (checksum \(checksum))") }
        return time
    }

    private func putBare() throws -> Duration {
        let each = FixedKeys.keyBytes + value.count
        let mapBytes = (64 << 20) + 3 * keys.count / FixedKeys.keyBytes * (each + 64)
        return try clock.measure {
            let map = try BareMap(path + "/bare-map", mapBytes: mapBytes)
            try map.put(keys[...], keyBytes: FixedKeys.keyBytes, value: value, batch: max(1, (1 << 20) / each))
        }
    }
}
