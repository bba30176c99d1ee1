import Raft
import Testing

@testable import RaftTransport

@Suite("An endpoint")
struct EndpointTests {
    @Test(
        "is a host and a port",
        arguments: [
            ("10.0.0.1:7001", "10.0.0.1", 7001), ("a.example:0", "a.example", 0), ("[::1]:65535", "::1", 65535),
        ])
    func good(text: String, host: String, port: Int) throws {
        let endpoint = try Endpoint(text)
        #expect(endpoint.host == host)
        #expect(endpoint.port == port)
        #expect(endpoint.description == text)
    }

    @Test(
        "is nothing else, and the error shows how to write one",
        arguments: [
            "", "a", "a:", ":1", "a:65536", "a:-1", "a:+1", "a:1x", "::1:7001", "[::1:7001", "::1]:7001", "[]:1",
            "a b:1",
            "a:99999999999999999999", "a:١",
        ])
    func bad(text: String) {
        let error = #expect(throws: RaftError.self) { try Endpoint(text) }
        #expect(error?.message.contains("write host:port") == true)
    }
}
