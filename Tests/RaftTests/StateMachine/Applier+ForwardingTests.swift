import Testing

@testable import Raft

@Suite("The applier, with writes that members pass on")
struct ApplierForwardingTests {
    private typealias Results = Lock<[Result<[UInt8], RaftError>]>

    private func applier<Machine: StateMachine>(_ machine: sending Machine) -> Applier<Machine> {
        let loop = ManualLoop()
        return Applier(
            machine: machine, loop: loop, node: Mailbox(loop: loop),
            reader: LogReader(store: MemoryLogStore(), loop: loop),
            maximumBytes: 1 << 20)
    }

    private func request(_ kind: ForwardRequest.Kind, _ payload: [UInt8]) -> ForwardRequest {
        ForwardRequest(sender: 2, id: 1, kind: kind, payload: payload)
    }

    @Test("A command of a session keeps its numbers, and its ticket is one for the command's output")
    func sessionCommand() throws {
        var bytes: [UInt8] = []
        SessionRequest(session: SessionID(4), sequence: 9, lowestUnanswered: 3).encode(into: &bytes)
        Counter.Add(5).encode(into: &bytes)
        let results = Results([])
        let proposal = try applier(Counter()).proposal(request(.sessionCommand, bytes)) { result in
            results.withLock { $0.append(result) }
        }
        #expect(proposal.kind == .sessionCommand && proposal.payload == bytes)
        try #require(proposal.ticket as? OutputTicket<Int64>).succeed(258)
        #expect(results.withLock { $0 } == [.success([2, 1, 0, 0, 0, 0, 0, 0])])
    }

    @Test("A session that begins gets the limits of its leader, whatever the member says")
    func registration() throws {
        let hostile = SessionOrder.register(SessionLimits(sessions: .max, replies: .max, replyBytes: .max))
        let results = Results([])
        let proposal = try applier(Counter()).proposal(request(.session, hostile.encoded)) { result in
            results.withLock { $0.append(result) }
        }
        #expect(try SessionOrder(decoding: proposal.payload[...]) == .register(SessionLimits(Configuration(id: 1))))
        try #require(proposal.ticket as? SessionTicket).succeed(SessionID(7))
        #expect(results.withLock { $0 } == [.success([7, 0, 0, 0, 0, 0, 0, 0])])
    }

    @Test("An output that is too large for a message is applied all the same: its outcome is unknown to the caller")
    func largeOutput() throws {
        struct Large: StateMachine {
            mutating func apply(_ command: Counter.Add, at id: LogID) -> [UInt8] { [] }
        }
        var bytes: [UInt8] = []
        Counter.Add(5).encode(into: &bytes)
        let results = Results([])
        let proposal = try applier(Large()).proposal(request(.command, bytes)) { result in
            results.withLock { $0.append(result) }
        }
        try #require(proposal.ticket as? OutputTicket<[UInt8]>).succeed(Array(repeating: 1, count: 4 << 20))
        guard case .failure(let error)? = results.withLock({ $0.first }) else {
            Issue.record("it was sent")
            return
        }
        #expect(error.code == .replyDropped && error.outcome == .unknown)
    }

    @Test("A machine whose outputs are no bytes takes nothing from members")
    func noCodec() {
        struct Plain: StateMachine {
            struct Found: Sendable {}
            mutating func apply(_ command: Counter.Add, at id: LogID) -> Found { Found() }
        }
        var bytes: [UInt8] = []
        Counter.Add(5).encode(into: &bytes)
        let error = #expect(throws: RaftError.self) {
            try applier(Plain()).proposal(request(.command, bytes)) { _ in }
        }
        #expect(error?.message.contains("ReplicatedOutput") == true)
    }
}
