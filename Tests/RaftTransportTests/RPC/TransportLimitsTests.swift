import NIOCore
import Raft
import Testing

@testable import RaftTransport

@Suite("Transport limits")
struct TransportLimitsTests {
    private func refusal(_ change: (inout TransportLimits) -> Void) -> String? {
        var limits = TransportLimits()
        change(&limits)
        do throws(RaftError) {
            try limits.validate()
            return nil
        } catch {
            return error.message
        }
    }

    @Test("Those that nobody has changed can be")
    func defaults() { #expect(refusal { _ in } == nil) }

    @Test("Each count must be above zero, and each time")
    func counts() {
        let counts: [(String, WritableKeyPath<TransportLimits, Int>)] = [
            ("maximumConnections", \.maximumConnections), ("maximumHandshakes", \.maximumHandshakes),
            ("maximumConnectionsPerAddress", \.maximumConnectionsPerAddress),
            ("maximumHandshakesPerAddress", \.maximumHandshakesPerAddress),
            ("maximumFailedHandshakesPerAddress", \.maximumFailedHandshakesPerAddress),
            ("maximumCallsInFlight", \.maximumCallsInFlight),
            ("maximumCallsInFlightPerCaller", \.maximumCallsInFlightPerCaller),
            ("maximumMessageBytes", \.maximumMessageBytes),
            ("maximumPartialBytes", \.maximumPartialBytes), ("maximumQueuedBytes", \.maximumQueuedBytes),
            ("maximumQueuedBytesInAll", \.maximumQueuedBytesInAll), ("streamCredit", \.streamCredit),
        ]
        for (name, path) in counts {
            #expect(refusal { $0[keyPath: path] = 0 }?.hasPrefix("\(name) 0 ") == true)
            if path != \.maximumConnections { #expect(refusal { $0[keyPath: path] = 1 } == nil) }
        }
        let times: [(String, WritableKeyPath<TransportLimits, Duration>)] = [
            ("handshakeTimeout", \.handshakeTimeout), ("keepaliveInterval", \.keepaliveInterval),
            ("keepaliveTimeout", \.keepaliveTimeout), ("stallTimeout", \.stallTimeout),
            ("idleTimeout", \.idleTimeout),
        ]
        for (name, path) in times { #expect(refusal { $0[keyPath: path] = .zero }?.hasPrefix("\(name) ") == true) }
    }

    @Test("Limits that contradict each other are told with both values", arguments: [-1, 0, 1])
    func contradictions(_ over: Int) {
        let reserved = refusal {
            $0.maximumConnections = 10
            $0.reservedPeerConnections = 10 + over
        }
        #expect((reserved == nil) == (over < 0))
        let keepalive = refusal { $0.keepaliveInterval = $0.keepaliveTimeout + .milliseconds(over) }
        #expect((keepalive == nil) == (over < 0))
        let message = refusal { $0.maximumMessageBytes = (4 << 20) + over }
        #expect((message == nil) == (over <= 0))
    }

    @Test("Addresses are the same from any port; of IPv6 the first half counts, and IPv4 within IPv6 is IPv4")
    func addresses() throws {
        func address(_ text: String, _ port: Int = 1) throws -> RemoteAddress? {
            RemoteAddress(try SocketAddress(ipAddress: text, port: port))
        }
        #expect(try address("10.0.0.1", 1) == address("10.0.0.1", 2))
        #expect(try address("10.0.0.1") != address("10.0.0.2"))
        #expect(try address("2001:db8::1") == address("2001:db8::ffff:1"))
        #expect(try address("2001:db8::1") != address("2001:db8:0:1::1"))
        #expect(try address("::ffff:10.0.0.1") == address("10.0.0.1"))
        #expect(RemoteAddress(nil) == nil)
        #expect(RemoteAddress(try SocketAddress(unixDomainSocketPath: "/tmp/x")) == nil)
    }
}
