import Raft
import RaftSimulation
import RaftStorage
import TestTraits
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A directory of its own for a test, removed at the end.
func withTemporaryDirectory(_ body: (String) throws -> Void) throws {
    var template = Array("/tmp/swift-raft-XXXXXX".utf8CString)
    let path = try template.withUnsafeMutableBufferPointer { buffer in
        String(cString: try #require(mkdtemp(buffer.baseAddress!)))
    }
    defer { removeTree(path) }
    try body(path)
}

private func removeTree(_ path: String) {
    let files = POSIXFileSystem()
    for name in (try? files.list(path)) ?? [] {
        let child = "\(path)/\(name)"
        if (try? files.kind(of: child)) == .directory { removeTree(child) } else { unlink(child) }
    }
    rmdir(path)
}

private func mode(of path: String) -> mode_t {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_mode & 0o777 : 0
}

@Suite("The files of this machine", .heavy)
struct POSIXFileSystemTests {
    private let files = POSIXFileSystem()

    @Test("Bytes come back from where they were written, and a read ends with the file")
    func readAndWrite() throws {
        try withTemporaryDirectory { path in
            let file = try files.open(path + "/f", .createEmpty)
            try file.write([1, 2, 3, 4], at: 10)
            try file.sync()
            #expect(try file.size() == 14)
            #expect(try file.bytes(9..<17) == [0, 1, 2, 3, 4])
            file.close()
            #expect(try files.open(path + "/f", .createOrKeep).size() == 14)
            #expect(try files.open(path + "/f", .createEmpty).size() == 0)
        }
    }

    #if os(Linux)
        /// A child between fork and exec has a copy of every descriptor; a duplicate in this process is the same to the
        /// kernel. CI failed on it: a store that closed and opened again found its directory in use by its own process.
        @Test("A lock ends with close(), whoever still has a copy of the descriptor")
        func lockAndCopies() throws {
            try withTemporaryDirectory { path in
                let name = path + "/lock"
                let first = try files.open(name, .createOrKeep)
                #expect(try first.tryLock())
                let copies = try files.list("/proc/self/fd").compactMap { Int32($0) }.filter { descriptor in
                    var target = [CChar](repeating: 0, count: 4096)
                    readlink("/proc/self/fd/\(descriptor)", &target, 4095)
                    return String(decoding: target.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self) == name
                }.map { dup($0) }
                defer { for copy in copies { close(copy) } }
                #expect(copies.count == 1)
                let second = try files.open(name, .createOrKeep)
                #expect(try !second.tryLock())
                second.close()
                first.close()
                #expect(try files.open(name, .createOrKeep).tryLock())
            }
        }
    #endif

    @Test("Names are listed, renamed and removed; kinds are told; only the owner may enter")
    func names() throws {
        try withTemporaryDirectory { path in
            try files.makeDirectory(path + "/d")
            try files.open(path + "/b", .createEmpty).close()
            try files.open(path + "/a", .createEmpty).close()
            #expect(try files.list(path) == ["a", "b", "d"])
            #expect(mode(of: path + "/d") == 0o700)
            #expect(mode(of: path + "/a") == 0o600)
            try files.rename(path + "/a", to: path + "/c")
            try files.remove(path + "/b")
            try files.syncDirectory(path)
            #expect(try files.list(path) == ["c", "d"])
            #expect(try files.kind(of: path + "/c") == .file)
            #expect(try files.kind(of: path + "/d") == .directory)
            #expect(try files.kind(of: path + "/a") == nil)
            #expect(try files.kind(of: "/dev/null") == .other)
        }
    }

    @Test("An error names the operation, the path and the reason")
    func errors() throws {
        try withTemporaryDirectory { path in
            let missing = error(.storage) { _ = try files.open(path + "/none/f", .createEmpty) }
            #expect(missing?.message.contains("open \(path)/none/f") == true)
            #expect(missing?.message.contains("No such file") == true)
            let double = error(.storage) { try files.makeDirectory(path) }
            #expect(double?.message.contains("File exists") == true)
            _ = error(.storage) { _ = try files.list(path + "/none") }
            _ = error(.storage) { try files.remove(path + "/none") }
            _ = error(.storage) { try files.rename(path + "/none", to: path + "/x") }
        }
    }

    @Test("A disk without room says so")
    func full() throws {
        guard try files.kind(of: "/dev/full") == .other else { return }
        let file = try files.open("/dev/full", .readWrite)
        let refusal = error(.outOfSpace) { try file.write([1], at: 0) }
        #expect(refusal?.message.contains("No space left") == true)
        #expect(refusal?.message.contains("free space") == true)
    }

    @Test("A data directory may be named with slashes to spare, and brings its parents into being")
    func slashes() throws {
        try withTemporaryDirectory { path in
            let made = try openDirectory(files, path + "/a//b/c//")
            #expect(made.path == path + "/a//b/c")
            made.close()
            let found = try openDirectory(files, path + "/a/b/c", mode: .existing)
            #expect(found.identity == made.identity)
            found.close()
        }
    }

    @Test("A data directory in use is refused, and free again once it is closed")
    func lock() throws {
        try withTemporaryDirectory { path in
            let first = try openDirectory(files, path + "/data")
            let refusal = error(.wrongDirectory) { _ = try openDirectory(files, path + "/data") }
            #expect(refusal?.message.contains("process \(getpid())") == true)
            first.close()
            try openDirectory(files, path + "/data").close()
            #expect(mode(of: path + "/data") == 0o700)
            for name in ["identity", "vote", "lock", "log/0000000000000001.segment"] {
                #expect(mode(of: "\(path)/data/\(name)") == 0o600)
            }
        }
    }

    @Test(
        "A log on a real disk, its segments made in the background, keeps everything, and can be read while it is written"
    )
    func log() throws {
        try withTemporaryDirectory { path in
            let loop = ThreadLoop(name: "preparation")
            defer { loop.stop() }
            var model = Model()
            for _ in 0..<3 {
                let store = try OpenLog(files, path + "/data", segmentBytes: 16384, preparation: loop)
                try model.expectHeld(by: store)
                let reader = Reader(log: store.log)
                let reading = reader.start()
                for _ in 0..<60 {
                    let sizes = [100, 900, 3000, model.entries.count % 7 == 0 ? 40_000 : 10]
                    let operations: [LogOperation] = [
                        .append(entries(model.last.index.next, term: model.last.term.next, sizes: sizes)),
                        .hardState(HardState(currentTerm: model.last.term.next, votedFor: 2)),
                    ]
                    try store.log.write(operations)
                    for operation in operations { model.perform(operation) }
                    reader.written.withLock { $0 = model.last.index }
                    if model.entries.count % 9 == 0 {
                        let cut = LogOperation.truncate(through: model.entries[model.entries.count - 2].id)
                        try store.log.write([cut])
                        model.perform(cut)
                    }
                }
                reader.isStopped.withLock { $0 = true }
                pthread_join(reading, nil)
                #expect(reader.failure.withLock { $0 } == nil)
                #expect(reader.readCount.withLock { $0 } > 0)
                try model.expectHeld(by: store, recovered: false)
                store.close()
            }
        }
    }
}

/// Reads the first half of a log over and over, on a thread of its own.
private final class Reader: Sendable {
    let log: SegmentedLog
    let written = Lock<LogIndex>(.zero)
    let isStopped = Lock(false)
    let failure = Lock<String?>(nil)
    let readCount = Lock(0)

    init(log: SegmentedLog) { self.log = log }

    func start() -> pthread_t {
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Reader>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        return thread
    }

    private func run() {
        repeat {
            let half = LogIndex(written.withLock { $0 }.rawValue / 2)
            guard half > 0 else { continue }
            do {
                let batch = try log.read(from: 1, through: half, maximumBytes: 50_000)
                if batch.firstIndex != 1 { failure.withLock { $0 = "began with \(batch.first)" } }
                readCount.withLock { $0 += 1 }
            } catch {
                failure.withLock { $0 = "\(error)" }
            }
        } while !isStopped.withLock { $0 }
    }
}
