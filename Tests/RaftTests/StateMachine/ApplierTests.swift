import Testing

@testable import Raft

@Suite("The applier")
struct ApplierTests {
    final class Stage {
        let loop = ManualLoop()
        let node: Mailbox<Message>
        let store = MemoryLogStore()
        let applier: Applier<Recorder>

        init(_ machine: sending Recorder = Recorder()) {
            node = Mailbox(loop: loop)
            applier = Applier(
                machine: machine, loop: loop, node: node, reader: LogReader(store: store, loop: loop), maximumBytes: 60)
        }

        func open(_ logEnd: LogID = LogID(100, 1)) -> Result<LogID?, RaftError>? {
            let answer = Lock<Result<LogID?, RaftError>?>(nil)
            applier.open(ApplierStart(logEnd: logEnd)) { result in answer.withLock { $0 = result } }
            loop.run()
            return answer.withLock { $0 }
        }

        /// What the applier told the node, as text.
        func told() -> [String] {
            var messages: [Message] = []
            node.takeAll(into: &messages)
            return messages.map {
                switch $0 {
                case .applied(let index): "applied \(index)"
                case .applyFailed(let error): "failed \(error.code)"
                default: "\($0)"
                }
            }
        }
    }

    /// A machine that keeps every command, and fails at the one it is told to.
    struct Recorder: StateMachine {
        struct Word: ReplicatedCommand {
            var text: String
            func encode(into bytes: inout [UInt8]) { bytes.append(contentsOf: text.utf8) }
            init(_ text: String) { self.text = text }
            init(decoding bytes: ArraySlice<UInt8>) throws { text = String(decoding: bytes, as: UTF8.self) }
        }
        var words: [String] = []
        var failsAt: String?
        var held: LogID?
        var lastApplied: LogID? { held }
        mutating func apply(_ command: Word, at id: LogID) throws -> Int {
            if command.text == failsAt { throw RaftError(.stateMachine, "no more room") }
            words.append(command.text)
            return words.count
        }
    }

    func words(_ texts: [String], from first: LogIndex) -> EntryBatch {
        var builder = EntryBatch.Builder(first: first, term: 1)
        for text in texts { builder.append(text.isEmpty ? .blank : .command, Array(text.utf8)) }
        return builder.finish()!
    }

    func ticket(_ caller: Caller) -> OutputTicket<Int> { OutputTicket { caller.note($0) } }

    func read(_ applier: Applier<Recorder>, at index: LogIndex) -> (Caller, Lock<[String]>) {
        let caller = Caller()
        let seen = Lock<[String]>([])
        applier.serve([Look(seen, caller)], at: index)
        return (caller, seen)
    }

    final class Look: ReadTicket<Recorder>, @unchecked Sendable {
        // @unchecked: as its superclass; both are immutable.
        private let seen: Lock<[String]>
        private let caller: Caller
        init(_ seen: Lock<[String]>, _ caller: Caller) {
            self.seen = seen
            self.caller = caller
        }
        override func serve(_ machine: borrowing Recorder) {
            let words = machine.words
            seen.withLock { $0 = words }
            caller.note(Result<Void, RaftError>.success(()))
        }
        override func failed(_ error: RaftError) { caller.note(Result<Void, RaftError>.failure(error)) }
    }

    @Test("Outputs go to the proposers of their commands, past entries that are none")
    func outputs() {
        let stage = Stage()
        _ = stage.open()
        let callers = (0..<2).map { _ in Caller() }
        stage.applier.apply(
            ApplyOrder(
                first: 1, through: 4, entries: [words(["a", "", "b"], from: 1), words(["c"], from: 4)],
                tickets: [(3, ticket(callers[0])), (4, ticket(callers[1]))]))
        stage.loop.run()
        #expect(callers.map(\.answerCount) == [1, 1] && callers.allSatisfy { $0.error == nil })
        #expect(stage.told() == ["applied 4"])
        let (read, seen) = read(stage.applier, at: 4)
        stage.loop.run()
        #expect(read.answerCount == 1 && seen.withLock { $0 } == ["a", "b", "c"])
    }

    @Test("Entries that are no longer in memory are read in parts, in order, and what follows waits for them")
    func fromDisk() throws {
        let stage = Stage()
        _ = stage.open()
        try stage.store.write([.append(words(["a", "b", "c"], from: 1))])
        let callers = (0..<2).map { _ in Caller() }
        stage.applier.apply(ApplyOrder(first: 1, through: 3, entries: nil, tickets: [(3, ticket(callers[0]))]))
        stage.applier.apply(
            ApplyOrder(first: 4, through: 4, entries: [words(["d"], from: 4)], tickets: [(4, ticket(callers[1]))]))
        let (_, seen) = read(stage.applier, at: 4)
        stage.loop.run()
        #expect(seen.withLock { $0 } == ["a", "b", "c", "d"])
        #expect(callers.map(\.answerCount) == [1, 1])
    }

    @Test("A read waits until the machine has applied through its index")
    func readWaits() {
        let stage = Stage()
        _ = stage.open()
        let (caller, _) = read(stage.applier, at: 1)
        stage.loop.run()
        #expect(caller.answerCount == 0)
        stage.applier.apply(ApplyOrder(first: 1, through: 1, entries: [words(["a"], from: 1)], tickets: []))
        stage.loop.run()
        #expect(caller.answerCount == 1 && caller.error == nil)
    }

    @Test("A machine that throws is given nothing more; everyone who waits is told (R57)")
    func machineFails() {
        var machine = Recorder()
        machine.failsAt = "b"
        let stage = Stage(machine)
        _ = stage.open()
        let callers = (0..<3).map { _ in Caller() }
        for (offset, text) in ["a", "b", "c"].enumerated() {
            let index = LogIndex(UInt64(offset + 1))
            stage.applier.apply(
                ApplyOrder(
                    first: index, through: index, entries: [words([text], from: index)],
                    tickets: [(index, ticket(callers[offset]))]))
        }
        let (read, _) = read(stage.applier, at: 3)
        stage.loop.run()
        #expect(callers.map(\.answerCount) == [1, 1, 1])
        #expect(callers[0].error == nil)
        #expect(callers[1...].allSatisfy { $0.error?.code == .outcomeUnknown && $0.error?.outcome == .unknown })
        #expect(read.error?.code == .stateMachine)
        #expect(stage.told() == ["failed stateMachine", "applied 1"])
    }

    @Test("Orders out of order are a bug, and are not applied")
    func outOfOrder() {
        let stage = Stage()
        _ = stage.open()
        let caller = Caller()
        stage.applier.apply(
            ApplyOrder(first: 2, through: 2, entries: [words(["b"], from: 2)], tickets: [(2, ticket(caller))]))
        stage.loop.run()
        #expect(caller.error?.code == .outcomeUnknown && stage.told() == ["failed invariantViolated"])
    }

    @Test("A machine that is ahead of its log is not used")
    func ahead() {
        var machine = Recorder()
        machine.held = LogID(9, 1)
        let stage = Stage(machine)
        guard case .failure(let error)? = stage.open(LogID(8, 1)) else { return #expect(Bool(false), "accepted") }
        #expect(error.code == .stateMachine)
    }

    @Test("Closing settles everyone who waits, and whoever comes later is refused")
    func close() {
        let stage = Stage()
        _ = stage.open()
        let proposer = Caller()
        let (waiting, _) = read(stage.applier, at: 9)
        stage.applier.apply(ApplyOrder(first: 1, through: 1, entries: nil, tickets: [(1, ticket(proposer))]))
        let closed = Caller()
        stage.applier.close { _ in closed.note(Result<Void, RaftError>.success(())) }
        stage.loop.run()
        let (late, _) = read(stage.applier, at: 0)
        stage.loop.run()
        #expect(closed.answerCount == 1)
        #expect(proposer.error?.code == .outcomeUnknown)
        #expect(waiting.error?.code == .stopped && late.error?.code == .stopped)
    }
}
