import NIOCore
import Testing

@testable import RaftTransport

@Suite("Handshakes that failed, by address")
struct FailedHandshakesTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private func address(_ number: Int) throws -> RemoteAddress {
        try #require(RemoteAddress(try SocketAddress(ipAddress: "10.0.\(number / 256).\(number % 256)", port: 1)))
    }

    @Test("As many as the limit says within a second are let fail, and not one more", arguments: [4, 5, 6])
    func limit(_ count: Int) throws {
        var failures = FailedHandshakes(perSecond: 5)
        let (bad, good) = (try address(1), try address(2))
        for _ in 0..<count { failures.note(bad, now: start) }
        #expect(failures.isSpent(bad, now: start) == (count >= 5))
        #expect(!failures.isSpent(good, now: start))
    }

    @Test("At the limit, one more may fail after its share of a second, and all of them after a second")
    func forgets() throws {
        var failures = FailedHandshakes(perSecond: 5)
        let bad = try address(1)
        for _ in 0..<1000 { failures.note(bad, now: start) }
        #expect(failures.isSpent(bad, now: start + .milliseconds(199)))
        #expect(!failures.isSpent(bad, now: start + .milliseconds(201)))
        failures.note(bad, now: start + .milliseconds(201))
        #expect(failures.isSpent(bad, now: start + .milliseconds(201)))
        let later = start + .milliseconds(1202)
        for _ in 0..<4 { failures.note(bad, now: later) }
        #expect(!failures.isSpent(bad, now: later))
    }

    @Test("Failures spread over time, fewer than the limit a second, never add up")
    func steady() throws {
        var failures = FailedHandshakes(perSecond: 5)
        let clumsy = try address(1)
        for number in 0..<1000 {
            let now = start + .milliseconds(Int64(number) * 250)
            #expect(!failures.isSpent(clumsy, now: now))
            failures.note(clumsy, now: now)
        }
    }

    @Test("No more addresses are kept than there may be; those long quiet make room")
    func bounded() throws {
        var failures = FailedHandshakes(perSecond: 1)
        for number in 0..<(FailedHandshakes.maximumAddresses + 100) { failures.note(try address(number), now: start) }
        #expect(failures.addressCount == FailedHandshakes.maximumAddresses)
        #expect(failures.isSpent(try address(0), now: start), "those that are kept are not pushed out by new ones")
        let late = try address(FailedHandshakes.maximumAddresses + 50)
        #expect(!failures.isSpent(late, now: start))
        failures.note(late, now: start + .seconds(2))
        #expect(failures.isSpent(late, now: start + .seconds(2)))
        #expect(failures.addressCount == 1)
    }
}
