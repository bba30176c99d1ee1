import NIOCore
import Raft
import RaftTransport
import Testing

@Suite("A call over TLS")
struct CallTests {
    let authority: TestAuthority
    init() throws { authority = try TestAuthority() }

    @Test(
        "brings request and answer across unchanged, at every size",
        arguments: [0, 1, 16_384, 16_385, 65_536, 1 << 20, 4 << 20])
    func echo(count: Int) async throws {
        let server = try TestServer(authority)
        let connection = try await server.connect()
        let request = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let answer = try await connection.call(Methods.echo, request, timeout: .seconds(30))
        #expect(answer == request)
        #expect(connection.server.node == 1)
        await connection.close()
        #expect(!connection.isOpen)
        await server.server.stop()
    }

    @Test("ten thousand at once on one connection are all answered, each with its own")
    func tenThousand() async throws {
        let server = try TestServer(authority)
        let connection = try await server.connect()
        let wrong = Lock(0)
        await withTaskGroup(of: Void.self) { tasks in
            for number in 0..<10_000 {
                tasks.addTask {
                    let request = Array("call \(number)".utf8)
                    let answer = try? await connection.call(Methods.echo, request, timeout: .seconds(60))
                    if answer != request { wrong.withLock { $0 += 1 } }
                }
            }
        }
        #expect(wrong.withLock { $0 } == 0)
        await connection.close()
        await server.server.stop()
    }

    @Test("carries status, text and details of a refusal")
    func refusal() async throws {
        let server = try TestServer(authority)
        let connection = try await server.connect()
        let failure = await status { try await connection.call(Methods.fails, [], timeout: .seconds(20)) }
        #expect(failure?.code == .failedPrecondition)
        #expect(failure?.message == "not the leader; ask node 3")
        #expect(failure?.details == [7, 8, 9])
        await server.server.stop()
    }

    @Test("is answered by the first answer only")
    func answeredOnce() async throws {
        let server = try TestServer(authority)
        let connection = try await server.connect()
        for _ in 0..<10 {
            #expect(try await connection.call(Methods.twice, [], timeout: .seconds(20)) == [1])
        }
        await server.server.stop()
    }

    @Test("to a method that is not served says so")
    func unknownMethod() async throws {
        let server = try TestServer(authority)
        let connection = try await server.connect()
        let failure = await status { try await connection.call(Methods.unknown, [], timeout: .seconds(20)) }
        #expect(failure?.code == .unimplemented)
        await server.server.stop()
    }

    @Test("is refused when the caller's role may not make it, and the handler never sees it")
    func permission() async throws {
        let server = try TestServer(authority)
        let connection = try await server.connect()
        let failure = await status { try await connection.call(Methods.adminOnly, [], timeout: .seconds(20)) }
        #expect(failure?.code == .permissionDenied)
        let admin = try await server.connect(.admin, "root")
        #expect(try await admin.call(Methods.adminOnly, [], timeout: .seconds(20)) == [1])
        let other = await status { try await admin.call(Methods.echo, [], timeout: .seconds(20)) }
        #expect(other?.code == .permissionDenied)
        await server.server.stop()
    }

    @Test("that is not answered in time fails, and the server learns that nobody waits")
    func deadline() async throws {
        let server = try TestServer(authority)
        let connection = try await server.connect()
        // On a slow machine a short deadline passes before the call is sent: then a longer one is tried.
        var failure: RPCStatus?
        var timeout = Duration.milliseconds(50)
        repeat {
            timeout *= 2
            failure = await status { [timeout] in try await connection.call(Methods.never, [1], timeout: timeout) }
            #expect(failure?.code == .deadlineExceeded)
        } while failure?.wasSent != true && timeout < .seconds(20)
        try #require(failure?.wasSent == true)
        let call = await server.arrivals.next()
        #expect(call.timeout.map { $0 <= timeout } == true)
        #expect(call.isCancelled)
        // A late answer disturbs nobody.
        call.respond([9])
        #expect(try await connection.call(Methods.echo, [5], timeout: .seconds(20)) == [5])
        await server.server.stop()
    }

    @Test("is cancelled with its task")
    func cancellation() async throws {
        let server = try TestServer(authority)
        let connection = try await server.connect()
        let task = Task { await status { try await connection.call(Methods.never, [1], timeout: .seconds(60)) } }
        let call = await server.arrivals.next()
        #expect(!call.isCancelled)
        task.cancel()
        #expect(await task.value?.code == .cancelled)
        // The cancel frame is in front of this call's request.
        #expect(try await connection.call(Methods.echo, [5], timeout: .seconds(20)) == [5])
        #expect(call.isCancelled)
        await server.server.stop()
    }

    @Test("of a task that is cancelled already is never sent")
    func cancelledBefore() async throws {
        let server = try TestServer(authority)
        let connection = try await server.connect()
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await status { try await connection.call(Methods.never, [1], timeout: .seconds(60)) }
        }
        let failure = try #require(await task.value)
        #expect(failure.code == .cancelled && !failure.wasSent)
        #expect(try await connection.call(Methods.echo, [5], timeout: .seconds(20)) == [5])
        await server.server.stop()
    }

    @Test("that was cancelled keeps its place until its handler has answered: cancelling is no way around the limit")
    func cancelledKeepsPlace() async throws {
        var limits = TransportLimits()
        limits.maximumCallsInFlight = 1
        let server = try TestServer(authority, limits: limits)
        let connection = try await server.connect()
        let task = Task { await status { try await connection.call(Methods.never, [1], timeout: .seconds(60)) } }
        let call = await server.arrivals.next()
        task.cancel()
        #expect(await task.value?.code == .cancelled)
        let refused = await status { try await connection.call(Methods.echo, [5], timeout: .seconds(20)) }
        #expect(refused?.code == .resourceExhausted)
        call.respond([9])
        // The answer and what is asked next come to the server's loop by different ways, in any order.
        var late: RPCStatus?
        repeat {
            late = await status { try await connection.call(Methods.echo, [5], timeout: .seconds(20)) }
        } while late?.code == .resourceExhausted
        #expect(late == nil)
        await server.server.stop()
    }

    @Test("whose connection breaks may have arrived; one that had no place yet certainly did not")
    func brokenConnection() async throws {
        var limits = TransportLimits()
        limits.maximumCallsInFlight = 1
        let server = try TestServer(authority, limits: limits)
        let connection = try await server.connect()
        async let sent = status { try await connection.call(Methods.never, [1], timeout: .seconds(60)) }
        _ = await server.arrivals.next()
        async let waiting = status { try await connection.call(Methods.never, [2], timeout: .milliseconds(40)) }
        let unsent = await waiting
        #expect(unsent?.code == .deadlineExceeded)
        #expect(unsent?.wasSent == false)
        await server.server.stop()
        let broken = await sent
        #expect(broken?.code == .unavailable)
        #expect(broken?.wasSent == true)
        let late = await status { try await connection.call(Methods.echo, [], timeout: .seconds(20)) }
        #expect(late?.code == .unavailable)
        #expect(late?.wasSent == false)
        #expect(!connection.isOpen)
    }

    @Test("larger than the limit is refused before it is sent")
    func tooLarge() async throws {
        let server = try TestServer(authority)
        let connection = try await server.connect()
        let request = [UInt8](repeating: 0, count: (4 << 20) + 1)
        let failure = await status { try await connection.call(Methods.echo, request, timeout: .seconds(20)) }
        #expect(failure?.code == .invalidArgument)
        #expect(failure?.wasSent == false)
        #expect(try await connection.call(Methods.echo, [5], timeout: .seconds(20)) == [5])
        await server.server.stop()
    }

    @Test("more calls than places wait their turn")
    func places() async throws {
        var limits = TransportLimits()
        limits.maximumCallsInFlight = 2
        let server = try TestServer(authority, limits: limits)
        let connection = try await server.connect()
        let answers = await withTaskGroup(of: Bool.self) { tasks in
            for number in 0..<100 {
                tasks.addTask {
                    (try? await connection.call(Methods.echo, [UInt8(number)], timeout: .seconds(60))) == [
                        UInt8(number)
                    ]
                }
            }
            return await tasks.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(answers == 100)
        await server.server.stop()
    }
}
