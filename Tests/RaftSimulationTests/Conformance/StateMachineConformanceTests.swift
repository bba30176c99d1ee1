import Raft
import TestTraits
import Testing

@testable import RaftSimulation

@Suite("State machines keep what a node and all members rely on", .heavy)
struct StateMachineConformanceTests {
    typealias Check = StateMachineCheck

    static func conformance(flaw: Check? = nil) -> StateMachineConformance<Purse> {
        var conformance = StateMachineConformance<Purse>(
            command: { Purse.Pay(name: UInt8($0.next() % 40), amount: UInt8($0.next() % 50), flaw: flaw) },
            state: { $0.shown },
            place: {
                let file = Lock(Purse.File())
                return .init(crash: { file.withLock { $0.crash(flaw) } }) { Purse(file, flaw) }
            })
        conformance.patience = .milliseconds(200)
        return conformance
    }

    @Test("A machine with files of its own that does all of it", arguments: StateMachineConformance<Purse>.checks)
    func sound(check: Check) {
        #expect(Self.conformance().violation(of: check) == nil)
    }

    @Test("A machine in memory that makes no snapshots", arguments: StateMachineConformance<Tally>.checks)
    func inMemory(check: Check) {
        #expect(Tally.conformance.violation(of: check) == nil)
    }

    @Test("The simulated cluster's own machine", arguments: StateMachineConformance<SimulatedStore>.checks)
    func simulated(check: Check) {
        let conformance = StateMachineConformance(
            command: { random in
                let change: SimulatedStore.Command.Change =
                    switch random.next() % 3 {
                    case 0: .put("\(random.next() % 4)")
                    case 1: .compareAndSwap(expected: "\(random.next() % 4)", new: "x")
                    default: .append("\(random.next() % 4)")
                    }
                return SimulatedStore.Command(serial: random.next(), key: "k\(random.next() % 3)", change)
            },
            state: { $0.values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" } },
            machine: { SimulatedStore(onApply: { _, _, _ in }, onRestore: { _, _, _ in }) })
        #expect(conformance.violation(of: check) == nil)
    }

    @Test(
        "A machine that breaks one promise is found out by the check of that promise, in words",
        arguments: StateMachineConformance<Purse>.checks)
    func broken(check: Check) throws {
        let violation = try #require(Self.conformance(flaw: check).violation(of: check))
        #expect(violation.check == check)
        #expect(violation.description.hasPrefix("\(check.rawValue): "))
        #expect(!violation.description.contains("an error was thrown"), "\(violation)")
        #expect(violation.description.count > check.rawValue.count + 20)
    }

    @Test("A machine that keeps everything is subject to every check, one that does not only to what it does")
    func concerned() {
        #expect(StateMachineConformance<Purse>.checks == Check.allCases)
        let fewer = Set(StateMachineConformance<Tally>.checks)
        #expect(fewer.isDisjoint(with: [.snapshots, .pointInTime, .keptSessions]) && fewer.contains(.reopens))
        #expect(Tally.conformance.violation(of: .snapshots) == nil)
    }

    @Test("All checks at once name every promise that is broken, and only those")
    func together() {
        let broken = Self.conformance(flaw: .pointInTime).violations().map(\.check)
        #expect(broken.contains(.pointInTime) && !broken.contains(.runs) && !broken.contains(.reopens), "\(broken)")
    }

    @Test("A machine that traps on bytes that it does not know takes the check down with it")
    func traps() async {
        await #expect(processExitsWith: .failure) {
            _ = Trap.conformance.violation(of: .garbage)
        }
    }

    @Test("The fingerprint is the same at every call and in every process, and another one for another machine")
    func fingerprint() throws {
        let fingerprint = try Self.conformance().fingerprint()
        #expect(fingerprint == 1_989_956_322)
        #expect(try Self.conformance().fingerprint() == Self.conformance().fingerprint())
        #expect(try Self.conformance().fingerprint(seed: 2) != Self.conformance().fingerprint())
        #expect(try Self.conformance(flaw: .determinism).fingerprint() != Self.conformance().fingerprint())
    }
}

/// Adds up numbers, in memory.
struct Tally: StateMachine {
    struct Add: ReplicatedCommand {
        var amount: UInt8
        init(amount: UInt8) { self.amount = amount }
        func encode(into bytes: inout [UInt8]) { bytes.append(amount) }
        init(decoding bytes: ArraySlice<UInt8>) throws { amount = bytes.first ?? 0 }
    }
    private(set) var total = 0
    mutating func apply(_ command: Add, at id: LogID) -> Int {
        total += Int(command.amount)
        return total
    }

    static let conformance = StateMachineConformance(
        command: { Add(amount: UInt8($0.next() % 100)) }, state: { $0.total }, machine: { Tally() })
}

/// Traps where it should refuse.
private struct Trap: StateMachine {
    struct Add: ReplicatedCommand {
        var amount: UInt8
        func encode(into bytes: inout [UInt8]) { bytes.append(amount) }
        init(amount: UInt8) { self.amount = amount }
        init(decoding bytes: ArraySlice<UInt8>) { amount = bytes[bytes.startIndex] }
    }
    mutating func apply(_ command: Add, at id: LogID) {}

    static let conformance = StateMachineConformance<Trap>(
        command: { Add(amount: UInt8($0.next() % 100)) }, state: { _ in 0 }, isSameOutput: { _, _ in true },
        place: { .init { Trap() } })
}

/// Pays into forty purses, and keeps them in a file that is not one. It can break the promise of any one check.
struct Purse: StateMachine {
    struct Pay: ReplicatedCommand {
        var name: UInt8
        var amount: UInt8
        var flaw: StateMachineCheck?

        func encode(into bytes: inout [UInt8]) {
            if flaw == .commands { bytes = [] }
            bytes += [name, amount]
        }
        init(name: UInt8, amount: UInt8, flaw: StateMachineCheck? = nil) {
            self.name = name
            self.amount = amount
            self.flaw = flaw
        }
        init(decoding bytes: ArraySlice<UInt8>) throws {
            guard bytes.count == 2, let name = bytes.first, let amount = bytes.last else {
                throw RaftError(.corrupt, "\(bytes.count) bytes are no payment")
            }
            self.init(name: name, amount: amount)
        }
    }

    /// What outlives a machine.
    struct File {
        var now = Contents()
        /// Since the last sync, which is every fifth write.
        var durable = Contents()
        var writeCount = 0

        mutating func write(_ contents: Contents) {
            now = contents
            writeCount += 1
            if writeCount % 5 == 0 { durable = contents }
        }

        mutating func crash(_ flaw: StateMachineCheck?) {
            if flaw == .crashes { durable.lastApplied = now.lastApplied }
            now = durable
        }
    }

    struct Contents: Sendable {
        var lastApplied: LogID?
        var purses: [UInt8: Int] = [:]
        var rows: [[UInt8]: [UInt8]] = [:]
        /// Told to callers only.
        var paymentCount = 0
    }

    private static let lives = Lock(0)
    private let file: Lock<File>
    private let flaw: StateMachineCheck?
    /// Which machine this is.
    private let life = lives.withLock { lives in
        lives += 1
        return lives
    }
    private var contents = Contents()
    /// Where snapshots of a broken machine look.
    private let live = Lock<[UInt8: Int]>([:])
    private let gate = Lock(())
    private var restoreCount = 0

    init(_ file: Lock<File>, _ flaw: StateMachineCheck?) {
        self.file = file
        self.flaw = flaw
    }

    var shown: [String] { contents.purses.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" } }
    var lastApplied: LogID? { flaw == .emptyAtFirst ? contents.lastApplied ?? .zero : contents.lastApplied }

    mutating func open(logEnd: LogID) {
        contents = file.withLock { $0.now }
        if let held = contents.lastApplied, held.index > logEnd.index, flaw != .logCut {
            contents = Contents()
            keep()
        }
    }

    private func keep() {
        live.withLock { $0 = contents.purses }
        file.withLock { $0.write(contents) }
    }

    mutating func apply(_ command: Pay, at id: LogID) -> Int {
        if flaw == .appliesWhileWriting { gate.withLock { _ in } }
        contents.purses[command.name, default: 0] += Int(command.amount)
        contents.paymentCount += 1
        contents.lastApplied = id
        if flaw == .determinism { contents.purses[7] = life }
        if flaw == .garbage, command.name > 60 { return life }
        return contents.purses[command.name, default: 0] * 1000 + contents.paymentCount
    }

    mutating func apply(_ batch: CommandBatch<Pay>, into outputs: inout [Int]) throws {
        try apply(batch, into: &outputs) { _ in [] }
    }

    static let sessions = SessionSupport.kept

    mutating func apply(
        _ batch: CommandBatch<Pay>, into outputs: inout [Int], keeping changes: ([Int]) -> [SessionRecord]
    ) throws {
        let start = outputs.count
        try batch.forEachCommand { command, id in outputs.append(apply(command, at: id)) }
        if flaw == .runs, let last = outputs.last { for at in start..<outputs.count { outputs[at] = last } }
        if flaw == .otherEntries { while outputs.count < start + batch.maximumCount { outputs.append(0) } }
        for change in changes(Array(outputs[start...])) where flaw != .keptSessions || change.value != nil {
            contents.rows[change.key] = change.value
        }
        contents.lastApplied = batch.through
        keep()
    }

    func keptSessions() -> [SessionRecord] {
        contents.rows.sorted { $0.key.lexicographicallyPrecedes($1.key) }
            .map { SessionRecord(key: $0.key, value: $0.value) }
    }

    static let makesSnapshots = true

    func snapshot() -> StateSnapshot {
        StateSnapshot { [contents, flaw, live, gate] write in
            let purses = flaw == .pointInTime ? live.withLock { $0 } : contents.purses
            var bytes = Self.bytes(contents.paymentCount)
            for (name, amount) in purses { bytes += [name] + Self.bytes(amount) }
            func writing() throws {
                do { try write(bytes[...]) } catch  where flaw == .abandonedSnapshots {}
            }
            if flaw == .appliesWhileWriting { try gate.withLock { _ in try writing() } } else { try writing() }
        }
    }

    private static func bytes(_ number: Int) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }

    mutating func restore(_ snapshot: inout SnapshotContents, through last: LogID) throws {
        try restore(&snapshot, through: last, sessions: [])
    }

    mutating func restore(
        _ snapshot: inout SnapshotContents, through last: LogID, sessions: [SessionRecord]
    ) throws {
        restoreCount += 1
        var restored = Contents(lastApplied: last)
        var bytes: [UInt8] = []
        if flaw == .damagedSnapshots {
            while let piece = try? snapshot.next() { bytes += piece }
        } else {
            bytes = try snapshot.all()
        }
        if flaw == .restoreOverState { restored.purses = contents.purses }
        func take() throws -> Int {
            guard bytes.count >= 8 else { throw RaftError(.corrupt, "\(bytes.count) bytes are left") }
            defer { bytes.removeFirst(8) }
            return bytes.withUnsafeBytes { $0.loadUnaligned(as: Int.self) }
        }
        if flaw != .damagedSnapshots || bytes.count >= 8 {
            let count = try take()
            if flaw != .appliesAfterRestore { restored.paymentCount = count }
        }
        while !bytes.isEmpty, flaw != .damagedSnapshots || bytes.count > 8 {
            let name = bytes.removeFirst()
            restored.purses[name] = try take()
        }
        if flaw == .snapshots { restored.purses[restored.purses.keys.max() ?? 0] = nil }
        if flaw == .anything, last.index > 200 { restored.purses[0] = -1 }
        for row in sessions { restored.rows[row.key] = row.value }
        contents = restored
        keep()
    }

    mutating func close() {
        file.withLock { file in
            file.durable = file.now
            if flaw == .reopens { file.now.purses[0] = nil }
        }
    }
}
