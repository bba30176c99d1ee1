import NIOCore
import Testing

@testable import RaftTransport

@Suite("The message assembler")
struct MessageAssemblerTests {
    private func frame(_ type: FrameType, _ stream: UInt32, _ payload: [UInt8], _ flags: FrameFlags = []) -> Frame {
        Frame(
            header: FrameHeader(length: payload.count, type: type, flags: flags, stream: stream),
            payload: ByteBuffer(bytes: payload))
    }

    private var limits: TransportLimits {
        var limits = TransportLimits()
        limits.maximumMessageBytes = 1000
        limits.maximumPartialBytes = 1500
        limits.maximumCallsInFlight = 3
        return limits
    }

    @Test("puts parts together, with other streams between them")
    func parts() throws {
        var assembler = MessageAssembler(limits: limits)
        #expect(try assembler.take(frame(.message, 1, Wire.bytes(UInt32(4)) + [1])) == nil)
        #expect(try assembler.take(frame(.response, 2, Wire.bytes(UInt32(1)) + [9])) == .response(stream: 2, [9]))
        #expect(try assembler.take(frame(.part, 1, [2, 3])) == nil)
        #expect(
            try assembler.take(frame(.message, 1, Wire.bytes(UInt32(1)) + [8], .urgent))
                == .message(stream: 1, isUrgent: true, [8]))
        #expect(try assembler.take(frame(.part, 1, [4])) == .message(stream: 1, isUrgent: false, [1, 2, 3, 4]))
    }

    @Test("ignores the rest of a message whose stream is over")
    func dropped() throws {
        var assembler = MessageAssembler(limits: limits)
        #expect(try assembler.take(frame(.message, 1, Wire.bytes(UInt32(4)) + [1])) == nil)
        assembler.drop(1)
        #expect(try assembler.take(frame(.part, 1, [2, 3, 4])) == nil)
        #expect(try assembler.take(frame(.message, 1, Wire.bytes(UInt32(1)) + [5])) != nil)
    }

    @Test("carries statuses whole, and cuts texts that are too long")
    func statuses() throws {
        var assembler = MessageAssembler(limits: limits)
        let sent = RPCStatus(.aborted, String(repeating: "x", count: 2000), details: [1, 2])
        let got = try assembler.take(frame(.status, 5, Wire.statusHead(sent)))
        #expect(
            got == .status(stream: 5, RPCStatus(.aborted, String(repeating: "x", count: 1024), details: [1, 2])))
    }

    @Test("takes control characters out of texts")
    func controlCharacters() throws {
        var assembler = MessageAssembler(limits: limits)
        let sent = RPCStatus(.aborted, "a\nforged log line\u{1b}[2J é")
        let got = try assembler.take(frame(.status, 5, Wire.statusHead(sent)))
        #expect(got == .status(stream: 5, RPCStatus(.aborted, "a forged log line [2J é")))
    }

    @Test("refuses what is out of place", arguments: 0..<19)
    func malformed(number: Int) throws {
        let frames: [[Frame]] = [
            [frame(.settings, 1, [UInt8](repeating: 0, count: 16))],
            [frame(.settings, 0, [1, 2])],
            [frame(.ping, 0, [1, 2, 3])],
            [frame(.ping, 3, [UInt8](repeating: 0, count: 8))],
            [frame(.message, 0, Wire.bytes(UInt32(0)))],
            [frame(.message, 1, [1, 2])],
            [frame(.message, 1, Wire.bytes(UInt32(1001)))],
            [frame(.message, 1, Wire.bytes(UInt32.max))],
            [frame(.message, 1, Wire.bytes(UInt32(1)) + [1, 2])],
            [frame(.message, 1, Wire.bytes(UInt32(9)) + [1], .urgent)],
            [frame(.message, 1, Wire.bytes(UInt32(9)) + [1]), frame(.message, 1, Wire.bytes(UInt32(9)) + [1])],
            [frame(.message, 1, Wire.bytes(UInt32(3)) + [1]), frame(.part, 1, [1, 2, 3])],
            [frame(.message, 1, Wire.bytes(UInt32(3)) + [1]), frame(.part, 1, [])],
            [frame(.request, 1, [1, 2, 3])],
            [frame(.cancel, 1, [1])],
            [frame(.credit, 1, [1, 2, 3])],
            [frame(.status, 1, [1, 0, 255, 255])],
            [frame(.part, 1, [1], .urgent)],
            // Four unfinished messages where three are allowed.
            (1...4).map { frame(.message, $0, Wire.bytes(UInt32(9)) + [1]) },
        ]
        var assembler = MessageAssembler(limits: limits)
        let last = try #require(frames[number].last)
        for good in frames[number].dropLast() { #expect(try assembler.take(good) == nil) }
        #expect(throws: MalformedFrame.self) { try assembler.take(last) }
    }

    @Test("holds only so many bytes of unfinished messages, over all streams")
    func partialBytes() throws {
        var assembler = MessageAssembler(limits: limits)
        let half = Wire.bytes(UInt32(1000)) + [UInt8](repeating: 0, count: 700)
        #expect(try assembler.take(frame(.message, 1, half)) == nil)
        #expect(try assembler.take(frame(.message, 2, half)) == nil)
        #expect(throws: MalformedFrame.self) { try assembler.take(frame(.message, 3, half)) }
    }
}
