import NIOCore
import NIOPosix
import Raft
import Testing

@testable import RaftTransport

/// Admits everybody and counts what arrives.
private final class Counter: PeerReceiver {
    let count = Lock(0)
    let hello = Hello(
        cluster: "test", node: 1, incarnation: Incarnation(rawValue: 1), bootstrap: nil, configuration: .zero)
    func admit(_ hello: Hello) -> Admission { .accepted }
    func receive(_ request: PeerRequest, reply: any ReplyPath) { count.withLock { $0 += 1 } }
}

@Suite("The peer service")
struct PeerServiceTests {
    private let authority: TestAuthority
    private let server: RPCServer
    private let transport: TLSTransport
    private let counter = Counter()

    init() throws {
        authority = try TestAuthority()
        let tls = try authority.context(.peer, "1")
        server = try RPCServer(listen: "127.0.0.1:0", tls: tls, group: MultiThreadedEventLoopGroup.singleton)
        transport = TLSTransport(
            server: server, tls: tls, loop: NIOLoop(MultiThreadedEventLoopGroup.singleton.next()))
        try transport.start(counter)
    }

    /// A connection of node 2 that has not said hello.
    private func connect() async throws -> RPCConnection {
        try await RPCConnection.connect(
            to: "127.0.0.1:\(server.port)", tls: authority.context(.peer, "2"), purpose: .peer,
            on: MultiThreadedEventLoopGroup.singleton, timeout: .seconds(20))
    }

    private func hello(_ node: NodeID, cluster: String = "test") -> [UInt8] {
        PeerCodec.encode(
            Hello(
                cluster: cluster, node: node, incarnation: Incarnation(rawValue: 2), bootstrap: nil,
                configuration: .zero))
    }

    private func end(_ recorder: StreamRecorder) async -> RPCStatus.Code? {
        for await event in recorder.events {
            if case .ended(let code) = event { return code }
        }
        return nil
    }

    @Test("opens no link before the hello")
    func helloFirst() async throws {
        let connection = try await connect()
        let recorder = StreamRecorder()
        _ = connection.open(PeerService.link(.peer), recorder)
        #expect(await end(recorder) == .failedPrecondition)
        await connection.close()
        transport.stop()
    }

    @Test("refuses a hello that is not the certificate's, or none at all, and opens no link after it")
    func falseHello() async throws {
        let connection = try await connect()
        // A good one first: a refused one must take back what it allowed.
        _ = try await connection.call(PeerService.hello(.peer), hello(2), timeout: .seconds(20))
        for (bytes, code) in [
            (hello(3), RPCStatus.Code.permissionDenied), (hello(2, cluster: "Test"), .permissionDenied),
            ([0xff, 0xff], .invalidArgument), ([], .invalidArgument),
        ] {
            let failure = await status {
                try await connection.call(PeerService.hello(.peer), bytes, timeout: .seconds(20))
            }
            #expect(failure?.code == code)
            let recorder = StreamRecorder()
            _ = connection.open(PeerService.link(.peer), recorder)
            #expect(await end(recorder) == .failedPrecondition)
        }
        await connection.close()
        transport.stop()
    }

    @Test(
        "ends the connection of a peer whose requests cannot be read, and of no other",
        arguments: [[], [0xff], [0x0a, 2, 0x08, 9]] as [[UInt8]])
    func malformedRequests(bytes: [UInt8]) async throws {
        let bystander = try await connect()
        _ = try await bystander.call(PeerService.hello(.peer), hello(2), timeout: .seconds(20))
        let connection = try await connect()
        _ = try await connection.call(PeerService.hello(.peer), hello(2), timeout: .seconds(20))
        let recorder = StreamRecorder()
        let stream = connection.open(PeerService.link(.peer), recorder)
        #expect(stream.send(bytes))
        #expect(await end(recorder) == .unavailable)
        #expect(!connection.isOpen)
        #expect(counter.count.withLock { $0 } == 0)
        _ = try await bystander.call(PeerService.hello(.peer), hello(2), timeout: .seconds(20))
        await bystander.close()
        transport.stop()
    }
}
