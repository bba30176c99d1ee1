import Testing

@testable import Raft

@Suite("Entries of sessions, as bytes")
struct SessionEntryTests {
    static let kinds: [SessionOrder] = [
        .register(SessionLimits(sessions: 3, replies: 256, replyBytes: 65_536)),
        .keepAlive(SessionID(0x0102_0304), lowestUnanswered: .max), .close(SessionID(9)),
        .expire(SessionID(9), unheardSince: 12),
    ]

    @Test("Each is read as it was written, and nothing shorter or longer is", arguments: kinds)
    func orders(_ order: SessionOrder) throws {
        let bytes = order.encoded
        #expect(try SessionOrder(decoding: bytes[...]) == order)
        for count in 0..<bytes.count {
            #expect(throws: RaftError.self, "\(count) bytes") { try SessionOrder(decoding: bytes[..<count]) }
        }
        #expect(throws: RaftError.self) { try SessionOrder(decoding: (bytes + [0])[...]) }
    }

    @Test("Their bytes are those that are in somebody's log")
    func fixed() {
        #expect(Self.kinds[0].encoded == [1, 3, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0])
        #expect(Self.kinds[2].encoded == [3, 9, 0, 0, 0, 0, 0, 0, 0])
        #expect(EntryKind.sessionCommand.rawValue == 3 && EntryKind.session.rawValue == 4)
    }

    @Test("One that this version does not know is an error that says what to run")
    func unknown() {
        let error = #expect(throws: RaftError.self) { try SessionOrder(decoding: [5, 1, 2]) }
        #expect(error?.code == .corrupt && error?.message.contains("run the one that wrote it") == true)
    }

    @Test("A command's request stands in front of it")
    func request() throws {
        let request = SessionRequest(session: SessionID(5), sequence: 6, lowestUnanswered: 4)
        var bytes: [UInt8] = []
        request.encode(into: &bytes)
        #expect(bytes.count == SessionRequest.headerSize)
        #expect(bytes == [5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0])
        #expect(try SessionRequest(decoding: (bytes + [1, 2])[...]) == request)
        #expect(throws: RaftError.self) { try SessionRequest(decoding: bytes[..<23]) }
    }

    @Test("A batch with a command too short for its request is refused where it comes in; the others keep their flag")
    func batch() throws {
        let batch = SessionRunTests.batch(
            [(.command, [1]), (.sessionCommand, [UInt8](repeating: 0, count: 24))], from: 1)
        #expect(batch.mayHoldSessions && batch.configurations.isEmpty)
        #expect(try EntryBatch(parsing: Array(batch.bytes)).mayHoldSessions)
        #expect(!SessionRunTests.batch([(.command, [1])], from: 1).mayHoldSessions)
        let short = SessionRunTests.batch([(.sessionCommand, [UInt8](repeating: 0, count: 23))], from: 1)
        #expect(throws: MalformedRecords.self) { try EntryBatch(parsing: Array(short.bytes)) }
    }
}
