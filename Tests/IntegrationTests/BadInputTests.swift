import Foundation
import TestTraits
import Testing

/// Every mistake ends at once with one message that says what, with which values, and what to do; nothing is
/// half-started and no data is touched.
@Suite("Bad input", .processes, .serialized, .timeLimit(.minutes(10)))
struct BadInputTests {
    let directory: TemporaryDirectory

    init() async throws {
        directory = try TemporaryDirectory()
        try await certificate(["ca", "--cert", "ca.pem", "--key", "ca-key.pem"])
        for id in 1...2 {
            try await certificate([
                "issue", "--cluster", "c", "--role", "peer", "--name", "\(id)", "--cert", "\(id).pem", "--key",
                "\(id)-key.pem",
            ])
        }
    }

    private func certificate(_ arguments: [String]) async throws {
        let ending = try await RaftProgram.run(["cert"] + arguments, in: directory.path)
        guard ending.code == 0 else { throw Unexpected("cert \(arguments): \(ending.errors)") }
    }

    /// The arguments of a node that would start, with some replaced (or, nil, left out) and others added.
    private func arguments(_ changes: [String: String?] = [:], _ flags: String...) -> [String] {
        var settings: [String: String?] = [
            "id": "1", "listen": "127.0.0.1:0", "data": "data", "cert": "1.pem", "key": "1-key.pem", "ca": "ca.pem",
            "cluster": "c",
        ]
        settings.merge(changes) { $1 }
        let pairs = settings.sorted { $0.key < $1.key }.flatMap { name, value in value.map { ["--\(name)", $0] } ?? [] }
        return ["serve"] + pairs + flags
    }

    /// Everything below the directory with its content, but for what the test harness itself writes, and the lock's
    /// note of who held it last.
    private func tree() throws -> [String: Data?] {
        let names = try FileManager.default.subpathsOfDirectory(atPath: directory.path)
        let own = names.filter { !$0.hasPrefix("io-") && $0 != "data/lock" }
        return Dictionary(
            uniqueKeysWithValues: own.map { ($0, FileManager.default.contents(atPath: directory.file($0))) })
    }

    /// The node does not start, says so, and leaves everything as it was.
    private func refuses(
        _ arguments: [String], code: Int32 = 1, _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let before = try tree()
        let ending = try await RaftProgram.run(arguments, in: directory.path)
        #expect(ending.code == code, "\(ending.errors)", sourceLocation: sourceLocation)
        for part in parts { #expect(ending.errors.contains(part), "\(ending.errors)", sourceLocation: sourceLocation) }
        #expect(ending.errors.split(separator: "\n").count == 1, "\(ending.errors)", sourceLocation: sourceLocation)
        #expect(ending.errors.hasPrefix("raft: "), sourceLocation: sourceLocation)
        #expect(try tree() == before, sourceLocation: sourceLocation)
    }

    private static let alone = "1=127.0.0.1:9"

    /// Starts a node, waits until it is at work, and stops it in good order.
    private func startAndStop(_ arguments: [String]) async throws {
        let program = try RaftProgram.start(arguments, in: directory.path)
        try await eventually("the node is at work") {
            guard program.isRunning else { throw Unexpected("it ended: \(program.errors)") }
            return program.errors.contains("listens on")
        }
        program.signal(SIGTERM)
        let ending = try await program.ending()
        #expect(ending.code == 0, "\(ending.errors)")
    }

    @Test("Wrong flags")
    func wrongFlags() async throws {
        try await refuses(arguments(["id": nil]), code: 2, "--id is missing")
        try await refuses(arguments(["id": "zero"]), code: 2, "--id \"zero\"")
        try await refuses(arguments(["listen": "here"]), code: 2, "--listen: \"here\" is not HOST:PORT")
        try await refuses(arguments([:], "--bootstrap"), code: 2, "--bootstrap needs --members")
        try await refuses(arguments(["members": "2=h:1"], "--bootstrap"), code: 2, "does not name node 1")
        try await refuses(
            arguments(["election-timeout": "100ms"], "--join"), code: 2, "--election-timeout 100 ms",
            "--heartbeat 100 ms")
    }

    @Test("A certificate or key that is missing, or is not one")
    func missingCertificate() async throws {
        try await refuses(arguments(["cert": "no.pem"], "--join"), "no.pem")
        try await refuses(arguments(["key": "no.pem"], "--join"), "no.pem")
        try await refuses(arguments(["ca": "no.pem"], "--join"), "no.pem")
        try Data("hello".utf8).write(to: URL(fileURLWithPath: directory.file("text.pem")))
        chmod(directory.file("text.pem"), 0o600)
        try await refuses(arguments(["cert": "text.pem"], "--join"), "text.pem")
        try await refuses(arguments(["key": "text.pem"], "--join"), "text.pem")
    }

    @Test("A key of another certificate")
    func mismatch() async throws {
        try await refuses(arguments(["key": "2-key.pem"], "--join"), "2-key.pem")
    }

    @Test("A key that others can read")
    func openKey() async throws {
        chmod(directory.file("1-key.pem"), 0o644)
        try await refuses(arguments([:], "--join"), "1-key.pem", "chmod")
    }

    @Test("A certificate of another node, another cluster, or of no node")
    func wrongIdentity() async throws {
        try await refuses(
            arguments(["cert": "2.pem", "key": "2-key.pem"], "--join"), "raft://c/peer/2", "this is node 1")
        try await refuses(arguments(["cluster": "d"], "--join"), "raft://c/peer/1", "the cluster is \"d\"")
        try await certificate([
            "issue", "--cluster", "c", "--role", "client", "--name", "1", "--cert", "x.pem", "--key", "x-key.pem",
        ])
        try await refuses(arguments(["cert": "x.pem", "key": "x-key.pem"], "--join"), "not a node's certificate")
    }

    @Test("A certificate of another authority")
    func otherAuthority() async throws {
        try await certificate(["ca", "--cert", "other.pem", "--key", "other-key.pem"])
        try await refuses(arguments(["ca": "other.pem"], "--join"), "1.pem", "other.pem")
    }

    @Test("An empty directory without --bootstrap or --join")
    func emptyDirectory() async throws {
        try await refuses(arguments(), "data is empty", "--bootstrap", "--join")
        try FileManager.default.createDirectory(atPath: directory.file("data"), withIntermediateDirectories: false)
        try await refuses(arguments(), "data is empty")
    }

    @Test("The data directory of another node, or of another cluster")
    func otherDirectory() async throws {
        try await startAndStop(arguments(["members": Self.alone], "--bootstrap"))
        try await refuses(
            arguments(["id": "2", "cert": "2.pem", "key": "2-key.pem"]), "belongs to node 1, not to node 2")
        try await certificate([
            "issue", "--cluster", "d", "--role", "peer", "--name", "1", "--cert", "d.pem", "--key", "d-key.pem",
        ])
        try await refuses(
            arguments(["cluster": "d", "cert": "d.pem", "key": "d-key.pem"]), "belongs to cluster \"c\", not to \"d\"")
        try await startAndStop(arguments())
    }

    @Test("A directory that holds something else")
    func foreignDirectory() async throws {
        try FileManager.default.createDirectory(atPath: directory.file("data"), withIntermediateDirectories: false)
        try Data("mine".utf8).write(to: URL(fileURLWithPath: directory.file("data/thesis.txt")))
        try await refuses(arguments([:], "--join"), "not a data directory")
    }

    @Test("A directory that is in use")
    func directoryInUse() async throws {
        let arguments = arguments(["members": Self.alone], "--bootstrap")
        let program = try RaftProgram.start(arguments, in: directory.path)
        try await eventually("the node is at work") {
            guard program.isRunning else { throw Unexpected("it ended: \(program.errors)") }
            return program.errors.contains("listens on")
        }
        let ending = try await RaftProgram.run(arguments, in: directory.path)
        #expect(ending.code == 1)
        #expect(ending.errors.contains("in use by process \(program.pid)"), "\(ending.errors)")
        program.signal(SIGTERM)
        #expect(try await program.ending().code == 0)
    }

    @Test("A port that somebody else has")
    func busyPort() async throws {
        let (socket, port) = try listeningSocket()
        defer { close(socket) }
        try await refuses(arguments(["listen": "127.0.0.1:\(port)"], "--join"), "127.0.0.1:\(port)")
    }

    @Test("A member list that contradicts what the log holds")
    func otherMembers() async throws {
        try await startAndStop(arguments(["members": Self.alone], "--bootstrap"))
        try await refuses(
            arguments(["members": "1=127.0.0.1:9,2=127.0.0.1:8"]), "--members says 1=127.0.0.1:9,2=127.0.0.1:8",
            "holds a cluster of 1=127.0.0.1:9", "correct the list, or leave it out")
        try await refuses(arguments(["members": "1=127.0.0.1:7"], "--bootstrap"), "--members says 1=127.0.0.1:7")
        try await startAndStop(arguments(["members": Self.alone], "--bootstrap"))
        try await startAndStop(arguments())
    }

    @Test("A context file that is missing or names certificates that are")
    func clientContext() async throws {
        try await refuses(["get", "a"], code: 2, "no context file at ./raft-dev/context.json", "raft dev")
        try Data(#"{"cluster":"c","endpoints":["127.0.0.1:1"],"ca":"ca.pem"}"#.utf8)
            .write(to: URL(fileURLWithPath: directory.file("c.json")))
        try await refuses(["get", "a", "--context", "c.json"], code: 2, "names no client certificate")
        try await refuses(["status", "--context", "c.json"], code: 2, "names no admin certificate")
    }

    @Test("Nobody there: nothing happened, and it says so in time")
    func nobodyThere() async throws {
        try await certificate([
            "issue", "--cluster", "c", "--role", "client", "--name", "x", "--cert", "x.pem", "--key", "x-key.pem",
        ])
        let (socket, port) = try listeningSocket()
        close(socket)
        try Data(
            #"{"cluster":"c","endpoints":["127.0.0.1:\#(port)"],"ca":"ca.pem","client":{"certificate":"x.pem","key":"x-key.pem"},"admin":{"certificate":"x.pem","key":"x-key.pem"}}"#
                .utf8
        ).write(to: URL(fileURLWithPath: directory.file("c.json")))
        for arguments in [["put", "a", "1"], ["get", "a"], ["get", "a", "--local"], ["status"]] {
            try await refuses(arguments + ["--context", "c.json", "--timeout", "300ms"], code: 4, "127.0.0.1:\(port)")
        }
    }

    @Test("An existing file is not overwritten by a new certificate or authority")
    func existingFiles() async throws {
        try await refuses(["cert", "ca", "--cert", "ca.pem", "--key", "new-key.pem"], "ca.pem")
        try await refuses(
            [
                "cert", "issue", "--cluster", "c", "--role", "admin", "--name", "x", "--cert", "new.pem", "--key",
                "1-key.pem",
            ],
            "1-key.pem")
        try await refuses(
            [
                "cert", "issue", "--cluster", "c/d", "--role", "admin", "--name", "x", "--cert", "n.pem", "--key",
                "n-key.pem",
            ],
            "c/d")
        try await refuses(["cert", "inspect", "1-key.pem"], "1-key.pem")
    }

    @Test("A certificate says who its holder is")
    func inspect() async throws {
        let ending = try await RaftProgram.run(["cert", "inspect", "1.pem", "-o", "json"], in: directory.path)
        #expect(ending.code == 0)
        #expect(ending.text.contains(#""uris":["raft://c/peer/1"]"#))
        #expect(ending.text.contains(#""isCA":false"#))
        let table = try await RaftProgram.run(["cert", "inspect", "ca.pem"], in: directory.path)
        #expect(table.text.contains("authority    yes"))
    }
}

/// A socket that listens on a port of 127.0.0.1 that the kernel chose.
private func listeningSocket() throws -> (socket: Int32, port: UInt16) {
    let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(file, $0, size) == 0 && listen(file, 8) == 0 && getsockname(file, $0, &size) == 0
        }
    }
    guard file >= 0, isBound else { throw Unexpected("no free port") }
    return (file, UInt16(bigEndian: address.sin_port))
}
