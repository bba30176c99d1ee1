import Raft
import RaftTransport
import Testing

@Suite("A principal")
struct PrincipalTests {
    @Test(
        "is read from an identity URI",
        arguments: [
            ("raft://prod/peer/1", "prod", Role.peer, "1"),
            ("raft://prod/peer/18446744073709551615", "prod", .peer, "18446744073709551615"),
            ("raft://Prod-2.eu_west/client/alice", "Prod-2.eu_west", .client, "alice"),
            ("raft://c/admin/0", "c", .admin, "0"),
            ("raft://c/metrics/prometheus", "c", .metrics, "prometheus"),
        ])
    func good(uri: String, cluster: String, role: Role, name: String) throws {
        let principal = try Principal(uri: uri)
        #expect(principal.cluster == cluster)
        #expect(principal.role == role)
        #expect(principal.name == name)
        #expect(principal.uri == uri)
        #expect(principal.node == (role == .peer ? UInt64(name).map { NodeID($0) } : nil))
    }

    @Test(
        "is read from nothing else",
        arguments: [
            "", "raft://", "raft:///peer/1", "raft://c/peer/", "raft://c/peer", "raft://c//1", "raft://c/peer/1/",
            "raft://c/peer/1/2", "Raft://c/peer/1", "raft://c/Peer/1", "raft://c/peer/01", "raft://c/peer/0",
            "raft://c/peer/+1", "raft://c/peer/-1", "raft://c/peer/1 ", " raft://c/peer/1", "raft://c/peer/x",
            "raft://c/peer/18446744073709551616", "raft://c/voter/1", "raft://c%2Fx/peer/1", "raft://c/peer/%31",
            "raft://c/client/a?b", "raft://c/client/a#b", "raft://c/client/a\n", "raft://c/client/a\u{0}b",
            "raft://c/client/ä", "raft://user@c/peer/1", "raft://c:1/peer/1", "https://raft://c/peer/1",
            "raft://c/peer/\u{FF11}", "raft://*/peer/1", "raft://c/client/*",
            "raft://c/client/" + String(repeating: "a", count: 64),
            "raft://" + String(repeating: "c", count: 64) + "/client/a",
        ])
    func bad(uri: String) {
        #expect(throws: RaftError.self) { try Principal(uri: uri) }
    }

    @Test("that cannot be read says what it must look like, and shows no control characters")
    func message() {
        let error = #expect(throws: RaftError.self) { try Principal(uri: "raft://c/peer/1\u{1b}[2J") }
        #expect(error?.message.contains("raft://<cluster>/<role>/<name>") == true)
        #expect(error?.message.contains("\u{1b}") == false)
    }
}
