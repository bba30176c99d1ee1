internal import Raft

/// One machine under check, with what it should show.
final class StateMachineSession<Machine: StateMachine> {
    private let conformance: StateMachineConformance<Machine>
    private let place: StateMachineConformance<Machine>.Place
    private let script: CommandScript<Machine>
    private let straight: Straight<Machine>
    /// Nil only while it is being replaced.
    private var current: Machine?
    /// How far it has applied the script.
    private(set) var applied = 0

    /// Opens a machine in a new place.
    init(
        _ conformance: StateMachineConformance<Machine>, _ script: CommandScript<Machine>,
        _ straight: Straight<Machine>
    ) throws {
        self.conformance = conformance
        self.script = script
        self.straight = straight
        place = try conformance.makePlace()
        try begin(logEnd: .zero)
    }

    /// Works on the machine in place.
    func with<Result>(_ body: (inout Machine) throws -> Result) throws -> Result {
        guard var machine = current.take() else {
            throw StateMachineMismatch("there is no machine, a bug of the check")
        }
        defer { current = machine }
        return try body(&machine)
    }

    private func begin(logEnd: LogID) throws {
        var machine = try place.open()
        try machine.open(logEnd: logEnd)
        let said = machine.lastApplied
        current = machine
        if let said {
            guard said.index <= logEnd.index else {
                throw StateMachineMismatch("opened over a log that ends at \(logEnd), it says it has applied \(said)")
            }
            guard said.index > 0, said == script.id(Int(said.index.rawValue)) else {
                throw StateMachineMismatch(
                    "it says it has applied \(said); nil is for none, and the log has \(script.id(Int(said.index.rawValue))) there"
                )
            }
        }
        applied = Int(said?.index.rawValue ?? 0)
        try check("opened, it says it has applied \(said.map { "\($0)" } ?? "nothing")")
    }

    /// It shows what it should.
    func check(_ what: @autoclosure () -> String) throws {
        let (sight, expected) = (try with { try conformance.look($0) }, straight.sights[applied])
        guard sight == expected else {
            throw StateMachineMismatch(
                "\(what()): it shows \(Self.short(sight.text)), but after entry \(applied) the state is \(Self.short(expected.text))"
            )
        }
    }

    static func short(_ text: String) -> String { text.count > 200 ? "\(text.prefix(200))…" : text }

    /// Applies the next entries as one run.
    func apply(through last: Int, maximumBatch: Int = 9) throws {
        guard last > applied else { return }
        try expect(applied, last) {
            try $0.apply(script.run(after: applied, through: last, maximumBatch: maximumBatch), into: &$1)
        }
    }

    /// As ``apply(through:maximumBatch:)``, with rows of sessions.
    func apply(through last: Int, keeping rows: [SessionRecord]) throws {
        let count = script.commandCount(after: applied, through: last)
        var wrongCount: Int?
        try expect(applied, last) { machine, outputs in
            try machine.apply(script.run(after: applied, through: last), into: &outputs) { given in
                if given.count != count { wrongCount = given.count }
                return rows
            }
        }
        if let wrongCount {
            throw StateMachineMismatch(
                "`changes` was called with \(wrongCount) outputs for a run of \(count) commands")
        }
    }

    private func expect(
        _ first: Int, _ last: Int, _ apply: (inout Machine, inout [Machine.Output]) throws -> Void
    ) throws {
        var outputs: [Machine.Output] = []
        try with { try apply(&$0, &outputs) }
        applied = last
        let what = "entries \(first + 1) through \(last) as one run"
        let expected = straight.outputs[first..<last].compactMap { $0 }
        guard outputs.count == expected.count else {
            throw StateMachineMismatch("\(what): \(outputs.count) outputs for \(expected.count) commands")
        }
        for (output, right) in zip(outputs, expected) where !conformance.isSameOutput(output, right) {
            throw StateMachineMismatch(
                "\(what): an output is \(Self.short("\(output)")), one by one it is \(Self.short("\(right)"))")
        }
        try check(what)
    }

    /// Applies what is left in runs of this length.
    func apply(inRunsOf count: Int, through last: Int) throws {
        while applied < last { try apply(through: min(applied + count, last)) }
    }

    /// Closes the machine and opens another one in its place.
    func reopen(logEnd: LogID? = nil) throws {
        let end = logEnd ?? script.id(applied)
        try with { try $0.close() }
        current = nil
        try begin(logEnd: end)
    }

    /// As ``reopen(logEnd:)``, but the machine is let go of as it is, and what is not durable is lost, if the place can
    /// do that.
    func crash() throws {
        let end = script.id(applied)
        current = nil
        try place.crash?()
        try begin(logEnd: end)
    }

    func close() throws { try with { try $0.close() } }

    // MARK: Snapshots

    func view() throws -> StateSnapshot { try with { try $0.snapshot() } }

    /// A snapshot of the state as it is.
    func snapshot() throws -> Stored { Stored(try Stored.bytes(of: try view()), through: applied) }

    /// Takes over a snapshot.
    func restore(_ stored: Stored, pieceBytes: Int = 1 << 20, sessions: [SessionRecord]? = nil) throws {
        let last = script.id(stored.through)
        var contents = SnapshotContents(try stored.reader(last), pieceBytes: pieceBytes)
        try with { machine in
            if let sessions {
                try machine.restore(&contents, through: last, sessions: sessions)
            } else {
                try machine.restore(&contents, through: last)
            }
        }
        applied = stored.through
        try check("a machine that took over a snapshot of entry \(applied)")
    }

    /// A snapshot as bytes.
    struct Stored: Sendable {
        let bytes: [UInt8]
        let through: Int

        init(_ bytes: [UInt8], through: Int) {
            self.bytes = bytes
            self.through = through
        }

        static func bytes(of view: StateSnapshot) throws -> [UInt8] {
            var bytes: [UInt8] = []
            try view.write { bytes += $0 }
            return bytes
        }

        /// - Parameter isCut: half of it cannot be read.
        func reader(_ last: LogID, isCut: Bool = false) throws -> any SnapshotReader {
            let manifest = SnapshotManifest(
                id: SnapshotID(builder: Incarnation(rawValue: 1), number: last.index.rawValue), last: last,
                configuration: try ClusterConfiguration(voters: [.init(id: 1, address: "a:1")]), configurationID: .zero,
                bootstrap: nil, byteCount: UInt64(bytes.count + (isCut ? 1 : 0)),
                checksum: SnapshotChecksum.of(bytes[...]))
            return StoredReader(manifest, bytes, readable: isCut ? bytes.count / 2 : bytes.count)
        }
    }
}

private final class StoredReader: SnapshotReader {
    let manifest: SnapshotManifest
    private let bytes: [UInt8]
    private let readable: Int

    init(_ manifest: SnapshotManifest, _ bytes: [UInt8], readable: Int) {
        self.manifest = manifest
        self.bytes = bytes
        self.readable = readable
    }

    func read(at offset: UInt64, maximumBytes: Int) throws -> [UInt8] {
        let start = Int(clamping: offset)
        if start >= readable, readable < manifest.byteCount {
            throw RaftError(.corrupt, "snapshot \(manifest.id): its bytes from \(offset) on cannot be read")
        }
        return Array(bytes[min(start, readable)..<min(start + max(maximumBytes, 1), readable)])
    }
}
