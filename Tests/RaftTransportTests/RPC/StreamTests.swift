import Raft
import RaftTransport
import Testing

@Suite("A stream over TLS")
struct StreamTests {
    let authority: TestAuthority
    init() throws { authority = try TestAuthority() }

    @Test("carries messages both ways in their order, and ends well")
    func echo() async throws {
        let server = try TestServer(authority)
        let connection = try await server.connect()
        let recorder = StreamRecorder()
        let stream = connection.open(Methods.echoStream, recorder)
        let messages = [1, 70_000, 0, 16_385, 5, 300_000].map { [UInt8](repeating: UInt8($0 % 251), count: $0) }
        for message in messages { #expect(stream.send(message)) }
        stream.finish()
        var events: [StreamRecorder.Event] = []
        for await event in recorder.events { events.append(event) }
        #expect(events == messages.map { .message($0) } + [.ended(nil)])
        #expect(!stream.send([1]))
        await server.server.stop()
    }

    @Test("sends more than its credit as the other end gives it back")
    func credit() async throws {
        var limits = TransportLimits()
        limits.streamCredit = 10_000
        let server = try TestServer(authority, limits: limits)
        let connection = try await server.connect(limits: limits)
        let recorder = StreamRecorder()
        let stream = connection.open(Methods.echoStream, recorder)
        for number in 0..<100 { #expect(stream.send([UInt8](repeating: UInt8(number), count: 3000))) }
        stream.finish()
        var count = 0
        for await event in recorder.events {
            if case .message(let message) = event {
                #expect(message == [UInt8](repeating: UInt8(count), count: 3000))
                count += 1
            }
        }
        #expect(count == 100)
        await server.server.stop()
    }

    @Test("lets urgent messages through while bulk waits for credit")
    func urgent() async throws {
        var limits = TransportLimits()
        limits.streamCredit = 1000
        let authority = authority
        let server = try TestServer(authority, limits: limits)
        // A server whose stream is never consumed: bulk stands still for ever.
        let deaf = Deaf()
        var table = ServiceTable()
        table.registerStream(Methods.echoStream) { _ in deaf }
        server.server.serve(.client, table)
        let connection = try await server.connect(limits: limits)
        let recorder = StreamRecorder()
        let stream = connection.open(Methods.echoStream, recorder)
        for _ in 0..<5 { #expect(stream.send([UInt8](repeating: 0, count: 900))) }
        #expect(stream.send([42], isUrgent: true))
        var urgentCame = false
        var bulk = 0
        for await message in deaf.messages {
            if message == [42] { urgentCame = true } else { bulk += 1 }
            if urgentCame && bulk == 2 { break }
        }
        // Two of 900 bytes: the second overdraws the credit of 1000, the third waits.
        #expect(urgentCame)
        await connection.close()
        await server.server.stop()
    }

    @Test("cancelled by its caller ends at both ends")
    func cancel() async throws {
        let server = try TestServer(authority)
        let deaf = Deaf()
        var table = ServiceTable()
        table.registerStream(Methods.echoStream) { _ in deaf }
        server.server.serve(.client, table)
        let connection = try await server.connect()
        let recorder = StreamRecorder()
        let stream = connection.open(Methods.echoStream, recorder)
        #expect(stream.send([1]))
        for await message in deaf.messages {
            #expect(message == [1])
            break
        }
        stream.end(RPCStatus(.cancelled, "enough"))
        for await event in recorder.events { #expect(event == .ended(.cancelled)) }
        for await status in deaf.ends { #expect(status == .cancelled) }
        #expect(connection.isOpen)
        await server.server.stop()
    }

    @Test("that the server does not allow ends with the reason")
    func refused() async throws {
        let server = try TestServer(authority)
        let connection = try await server.connect()
        for method in [Methods.unknown, Methods.echo] {
            let recorder = StreamRecorder()
            _ = connection.open(method, recorder)
            var events: [StreamRecorder.Event] = []
            for await event in recorder.events { events.append(event) }
            #expect(events == [.ended(.unimplemented)])
        }
        await server.server.stop()
    }

    @Test("ends when its connection does")
    func broken() async throws {
        let server = try TestServer(authority)
        let connection = try await server.connect()
        let recorder = StreamRecorder()
        _ = connection.open(Methods.echoStream, recorder)
        await connection.close()
        for await event in recorder.events { #expect(event == .ended(.unavailable)) }
        await server.server.stop()
    }
}

/// Takes messages and never says that it has dealt with them.
final class Deaf: RPCStreamHandler {
    let messages: AsyncStream<[UInt8]>
    let ends: AsyncStream<RPCStatus.Code?>
    private let feed: AsyncStream<[UInt8]>.Continuation
    private let endFeed: AsyncStream<RPCStatus.Code?>.Continuation
    init() {
        (messages, feed) = AsyncStream.makeStream(of: [UInt8].self)
        (ends, endFeed) = AsyncStream.makeStream(of: RPCStatus.Code?.self)
    }
    func streamReceived(_ message: [UInt8], on stream: RPCStream) { feed.yield(message) }
    func streamFinished(_ stream: RPCStream) {}
    func streamEnded(_ status: RPCStatus?, on stream: RPCStream) {
        endFeed.yield(status?.code)
        endFeed.finish()
    }
}
