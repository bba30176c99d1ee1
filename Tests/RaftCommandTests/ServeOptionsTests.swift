import ArgumentParser
import Raft
import RaftServer
import RaftTransport
import Testing

@testable import RaftCommand

@Suite("ServeOptions")
struct ServeOptionsTests {
    static let complete = [
        "--id", "2", "--listen", "127.0.0.1:7002", "--data", "d", "--cert", "c.pem", "--key", "k.pem", "--ca", "ca.pem",
        "--cluster", "prod",
    ]
    static let members = ["--members", "1=127.0.0.1:7001,2=127.0.0.1:7002"]

    private func configuration(
        _ arguments: [String], environment: [String: String] = [:]
    ) throws -> ServerConfiguration {
        let serve = try #require(try RaftCommand.parseAsRoot(["serve"] + arguments) as? Serve)
        return try serve.options.configuration { environment[$0] }
    }

    private func failure(_ arguments: [String], environment: [String: String] = [:]) -> Failure? {
        #expect(throws: Failure.self) { try configuration(arguments, environment: environment) }
    }

    @Test("Flags make the settings")
    func flags() throws {
        let configuration = try configuration(
            Self.complete + Self.members + [
                "--bootstrap", "--election-timeout", "300ms", "--heartbeat", "50ms", "--max-value-bytes", "1000",
                "--promote-learners", "--steady-after", "3s", "--preference-interval", "2m",
                "--clock-drift", "200",
            ])
        #expect(configuration.maximumClockDrift == 200)
        #expect(configuration.promotesLearners)
        #expect(configuration.steadyInterval == .seconds(3) && configuration.preferenceInterval == .seconds(120))
        #expect(configuration.id == 2)
        #expect(configuration.cluster == "prod")
        #expect(configuration.firstStart == .bootstrap)
        #expect(configuration.members?.voters == [1, 2])
        #expect(configuration.electionTimeout == .milliseconds(300)...(.milliseconds(600)))
        #expect(configuration.heartbeatInterval == .milliseconds(50))
        #expect(configuration.maximumValueBytes == 1000)
    }

    @Test("Revocation lists are refused without when they are missing, unless told otherwise")
    func lists() throws {
        #expect(try configuration(Self.complete).crl == nil)
        let closed = try configuration(Self.complete + ["--crl", "l.pem"])
        #expect(closed.crl == "l.pem" && closed.revocation == .failClosed)
        let open = try configuration(
            Self.complete, environment: ["RAFT_CRL": "l.pem", "RAFT_CRL_POLICY": "fail-open"])
        #expect(open.crl == "l.pem" && open.revocation == .failOpen)
    }

    @Test("Fewer connections leave a part for members all the same")
    func connections() throws {
        let few = try configuration(
            Self.complete + ["--max-connections", "16"], environment: ["RAFT_MAX_CONNECTIONS_PER_ADDRESS": "5"])
        #expect(few.limits.maximumConnections == 16 && few.limits.reservedPeerConnections == 4)
        #expect(few.limits.maximumConnectionsPerAddress == 5 && few.limits.maximumHandshakes == 8)
        try few.limits.validate()
    }

    @Test("TLS 1.2 is accepted only where somebody says so")
    func oldTLS() throws {
        #expect(try !configuration(Self.complete).acceptsTLS12)
        #expect(try !configuration(Self.complete + ["--tls-min", "1.3"]).acceptsTLS12)
        #expect(try configuration(Self.complete + ["--tls-min", "1.2"]).acceptsTLS12)
        #expect(try configuration(Self.complete, environment: ["RAFT_TLS_MIN": "1.2"]).acceptsTLS12)
    }

    @Test("Metrics are shown where somebody says so, and nowhere else")
    func metrics() throws {
        #expect(try configuration(Self.complete).metrics == nil)
        #expect(try configuration(Self.complete + ["--metrics", "127.0.0.1:0"]).metrics == "127.0.0.1:0")
        #expect(try configuration(Self.complete, environment: ["RAFT_METRICS": "a:7101"]).metrics == "a:7101")
    }

    @Test("The largest snapshot taken is 1 TiB, or as told")
    func snapshots() throws {
        #expect(try configuration(Self.complete).maximumSnapshotBytes == 1 << 40)
        let told = try configuration(Self.complete, environment: ["RAFT_MAX_SNAPSHOT_BYTES": "1000000"])
        #expect(told.maximumSnapshotBytes == 1_000_000)
    }

    @Test("Left alone, the times are those of the manual, and an empty directory is refused")
    func defaults() throws {
        let configuration = try configuration(Self.complete)
        #expect(configuration.electionTimeout == .seconds(1)...(.seconds(2)))
        #expect(configuration.heartbeatInterval == .milliseconds(100))
        #expect(configuration.maximumValueBytes == 1_572_864)
        #expect(configuration.maximumClockDrift == 1000)
        #expect(configuration.firstStart == .refuse)
        #expect(configuration.members == nil)
    }

    @Test("Every setting can come from the environment, and a flag wins over it")
    func environment() throws {
        let environment = [
            "RAFT_ID": "2", "RAFT_LISTEN": "0.0.0.0:7002", "RAFT_ADVERTISE": "b.example:7002", "RAFT_DATA": "d",
            "RAFT_CERT": "c", "RAFT_KEY": "k", "RAFT_CA": "a", "RAFT_CLUSTER": "prod", "RAFT_JOIN": "true",
            "RAFT_ELECTION_TIMEOUT": "2s", "RAFT_HEARTBEAT": "200ms", "RAFT_MAX_VALUE_BYTES": "5",
            "RAFT_SNAPSHOT_RATE": "1000000",
            "RAFT_MEMBERS": "2=b.example:7002",
        ]
        let fromEnvironment = try configuration([], environment: environment)
        #expect(fromEnvironment.listen == "0.0.0.0:7002")
        #expect(fromEnvironment.advertise == "b.example:7002")
        #expect(fromEnvironment.firstStart == .join)
        #expect(fromEnvironment.electionTimeout == .seconds(2)...(.seconds(4)))
        #expect(fromEnvironment.maximumValueBytes == 5)
        #expect(fromEnvironment.maximumSnapshotBytesPerSecond == 1_000_000)
        #expect(fromEnvironment.members?.voters == [2])
        let both = try configuration(["--listen", "127.0.0.1:0", "--data", "other"], environment: environment)
        #expect(both.listen == "127.0.0.1:0")
        #expect(both.data == "other")
        var bootstrap = environment
        bootstrap["RAFT_JOIN"] = "0"
        bootstrap["RAFT_BOOTSTRAP"] = "1"
        #expect(try configuration([], environment: bootstrap).firstStart == .bootstrap)
    }

    @Test(
        "A missing setting is named with its flag and its variable",
        arguments: ["id", "listen", "data", "cert", "key", "ca", "cluster"])
    func missing(_ name: String) throws {
        let position = try #require(Self.complete.firstIndex(of: "--\(name)"))
        var arguments = Self.complete
        arguments.removeSubrange(position...(position + 1))
        let failure = failure(arguments)
        #expect(failure == Failure(.usage, "--\(name) is missing; give it, or set RAFT_\(name.uppercased())"))
    }

    @Test(
        "Settings that cannot be are refused with the value and what to do",
        arguments: [
            (["--id", "0"], "--id \"0\""), (["--id", "x"], "--id \"x\""), (["--listen", "here"], "--listen: \"here\""),
            (["--advertise", "b:0"], "--advertise: \"b:0\""), (["--heartbeat", "often"], "--heartbeat: \"often\""),
            (["--election-timeout", "0"], "--election-timeout: \"0\""),
            (["--election-timeout", "1500"], "--election-timeout: \"1500\" has no unit; write 1500ms or 1500s"),
            (
                ["--election-timeout", "150ms"],
                "--election-timeout 150 ms is not above twice --heartbeat 100 ms; raise the one or lower the other"
            ),
            (["--heartbeat", "500ms"], "--election-timeout 1 s is not above twice --heartbeat 500 ms"),
            (["--clock-drift", "500001"], "--clock-drift \"500001\": 0 to 500000 millionths"),
            (["--max-value-bytes", "4000000"], "--max-value-bytes \"4000000\": 1 to 3145728"),
            (
                ["--snapshot-rate", "64MiB"],
                "--snapshot-rate \"64MiB\": 65536 to 1099511627776 bytes a second"
            ),
            (["--snapshot-rate", "65535"], "--snapshot-rate \"65535\""),
            (["--metrics", "nowhere"], "--metrics"),
            (["--tls-min", "1.1"], "--tls-min \"1.1\": write 1.3 or 1.2"),
            (["--tls-min", "1.2", "--tls-min", "3"], "--tls-min \"3\""),
            (["--max-snapshot-bytes", "0"], "--max-snapshot-bytes \"0\": 1 to 9223372036854775807 bytes"),
            (["--crl-policy", "fail-open"], "--crl-policy fail-open means nothing without --crl"),
            (["--crl", "l.pem", "--crl-policy", "open"], "--crl-policy \"open\": write fail-closed or fail-open"),
            (["--max-connections", "15"], "--max-connections \"15\": 16 to 65536"),
            (["--max-connections-per-address", "0"], "--max-connections-per-address \"0\": 1 to 65536"),
            (["--bootstrap"], "--bootstrap needs --members"),
            (["--bootstrap", "--join"] + members, "exclude each other"),
            (["--members", "1=a:1"], "does not name node 2, this one; it names 1=a:1"),
            (["--advertise", "b:1"] + members, "--advertise b:1, but --members says that node 2 is at 127.0.0.1:7002"),
        ])
    func refused(_ arguments: [String], _ part: String) {
        let failure = failure(Self.complete + arguments)
        #expect(failure?.code == .usage)
        #expect(failure?.message.contains(part) == true, "\(failure?.message ?? "")")
    }

    @Test("A time without a unit is refused from the environment, too, under its variable's name")
    func badTimeVariable() {
        let failure = failure(Self.complete, environment: ["RAFT_ELECTION_TIMEOUT": "1500"])
        #expect(failure == Failure(.usage, "RAFT_ELECTION_TIMEOUT: \"1500\" has no unit; write 1500ms or 1500s"))
    }

    @Test("The line that says a node is at work names its address once, and its times")
    func startLine() throws {
        var configuration = try configuration(Self.complete)
        #expect(
            Serve.startLine(configuration, port: 7002)
                == "node 2 of cluster prod listens on 127.0.0.1:7002; election timeout 1 s to 2 s, heartbeat 100 ms")
        configuration.listen = "[::1]:0"
        #expect(Serve.startLine(configuration, port: 9).contains("listens on [::1]:9;"))
    }

    @Test("A variable that is neither yes nor no is refused")
    func badFlagVariable() {
        let failure = failure(Self.complete, environment: ["RAFT_JOIN": "maybe"])
        #expect(failure == Failure(.usage, "RAFT_JOIN=maybe: write 1 or 0"))
    }
}
