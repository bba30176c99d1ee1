import ArgumentParser
import Raft
import RaftClient
import RaftTransport
import Testing

@testable import RaftCommand

@Suite("Arguments")
struct ArgumentTests {
    @Test(
        "A time is a number with a unit",
        arguments: [
            ("5s", 5000), ("500ms", 500), ("2m", 120_000), ("0.5s", 500), ("86400s", 86_400_000),
            ("1440m", 86_400_000),
        ])
    func times(_ text: String, _ milliseconds: Int) throws {
        #expect(try TimeArgument(parsing: text).duration == .milliseconds(milliseconds))
    }

    @Test(
        "What is no time, or no time to wait, is refused with the range and the units",
        arguments: ["", "s", "-1s", "0", "0s", "x", "1h", "nan", "nans", "1e99s", "86401s", "5 s"])
    func badTimes(_ text: String) {
        let problem = #expect(throws: ArgumentProblem.self) { try TimeArgument(parsing: text) }
        #expect(problem?.description.contains("is no time from 1ms to 1440m; write a number and ms, s or m") == true)
    }

    @Test("A number without a unit is no time: it could mean either", arguments: ["600", "1.5", "-1", "1e3"])
    func timesWithoutUnit(_ text: String) throws {
        let problem = ArgumentProblem("\"\(text)\" has no unit; write \(text)ms or \(text)s")
        #expect(throws: problem) { try TimeArgument(parsing: text) }
        let error = #expect(throws: (any Error).self) {
            try RaftCommand.parseAsRoot(["get", "k", "--timeout=\(text)"])
        }
        #expect(error.map { RaftCommand.message(for: $0).contains(problem.description) } == true)
    }

    @Test("A member list is ids with addresses")
    func members() throws {
        let members = try MembersArgument.parse("2=b.example:7001,1=127.0.0.1:80,3=[::1]:9")
        #expect(members.members.map(\.address) == ["127.0.0.1:80", "b.example:7001", "[::1]:9"])
        #expect(members.voters == [1, 2, 3])
    }

    @Test(
        "A member list that cannot be one is refused with the part that is wrong",
        arguments: [
            ("", "\"\" is not ID=HOST:PORT"), ("1", "\"1\" is not"), ("a=b:1", "\"a=b:1\" is not"),
            ("1=a:1,", "\"\" is not"), ("1=a", "\"a\" is not HOST:PORT"), ("1=a:0", "not HOST:PORT"),
            ("1=a:65536", "not HOST:PORT"), ("1=:5", "not HOST:PORT"), ("1=::1:5", "more than one colon"),
            ("1=a:1,1=b:1", "node 1 is named twice"), ("0=a:1", "node id 0"),
        ])
    func badMembers(_ text: String, _ part: String) {
        let failure = #expect(throws: Failure.self) { try MembersArgument.parse(text) }
        #expect(failure?.code == .usage)
        #expect(failure?.message.contains(part) == true, "\(failure?.message ?? "")")
    }

    @Test("Every command parses what the manual shows, and says what it means")
    func commands() throws {
        let put = try #require(try RaftCommand.parseAsRoot(["put", "k", "-", "-o", "json", "--timeout", "2s"]) as? Put)
        #expect(put.value == "-")
        #expect(put.options.output == .json)
        #expect(put.options.timeout.duration == .seconds(2))
        let get = try #require(try RaftCommand.parseAsRoot(["get", "k", "--local"]) as? Get)
        #expect(get.read.local)
        #expect(get.options.timeout.duration == .seconds(5))
        #expect(try RaftCommand.parseAsRoot(["delete", "k", "--context", "x"]) is Delete)
        #expect(try RaftCommand.parseAsRoot(["status", "-o", "table"]) is Status)
        #expect(try RaftCommand.parseAsRoot(["dev", "--nodes", "5", "--base-port", "0", "--no-restart"]) is Dev)
        #expect(try RaftCommand.parseAsRoot(["cert", "ca"]) is CertCA)
        #expect(try RaftCommand.parseAsRoot(["cert", "inspect", "x.pem"]) is CertInspect)
        #expect(try RaftCommand.parseAsRoot(["cert", "revoke"]) is CertRevoke)
        #expect(try RaftCommand.parseAsRoot(["cert", "revoke", "x.pem", "y.pem", "--days", "3"]) is CertRevoke)
        #expect(try RaftCommand.parseAsRoot(["cert", "rotate", "--cert", "x.pem", "--key", "k.pem"]) is CertRotate)
        #expect(
            try RaftCommand.parseAsRoot(["cert", "verify", "x.pem", "--cluster", "c", "--node", "2"]) is CertVerify)
        #expect(try RaftCommand.parseAsRoot(["cert", "reload"]) is CertReload)
        let issue = try #require(
            try RaftCommand.parseAsRoot(["cert", "issue", "--cluster", "c", "--role", "admin", "--name", "ops"])
                as? CertIssue)
        #expect(issue.role.role == .admin)
    }

    @Test("A compare-and-swap takes exactly one expectation, before the new value or behind it")
    func expectations() throws {
        func parse(_ arguments: String...) throws -> CompareAndSwap? {
            try RaftCommand.parseAsRoot(["cas"] + arguments) as? CompareAndSwap
        }
        #expect(try parse("k", "--expect", "old", "new")?.expectation == .value(Array("old".utf8)))
        #expect(try parse("k", "new", "--expect", "")?.expectation == .value([]))
        #expect(try parse("k", "--expect-revision", "7", "new")?.expectation == .revision(7))
        #expect(try parse("k", "--expect-absent", "new")?.value == "new")
        #expect(try parse("k", "--expect-absent", "new")?.expectation == .absent)
        #expect(throws: (any Error).self) { try parse("k", "new") }
        #expect(throws: (any Error).self) { try parse("k", "new", "--expect", "a", "--expect-absent") }
        #expect(throws: (any Error).self) { try parse("k", "new", "--expect-revision", "-1") }
    }

    @Test("A range is everything, a prefix, or an interval")
    func ranges() throws {
        func bounds(_ arguments: String...) throws -> (from: [UInt8], upTo: [UInt8]?)? {
            (try RaftCommand.parseAsRoot(["range"] + arguments) as? RangeCommand)?.bounds
        }
        #expect(try bounds()! == ([], nil))
        #expect(try bounds("ab")! == ([97, 98], [97, 99]))
        #expect(try bounds("--from", "a", "--to", "b")! == ([97], [98]))
        #expect(throws: (any Error).self) { try bounds("a", "--from", "b") }
        #expect(throws: (any Error).self) { try bounds("--limit", "0") }
    }

    @Test(
        "Wrong usage leaves with the code for it",
        arguments: [
            ["bogus"], ["put", "k"], ["put"], ["get", "k", "--nope"], ["status", "-o", "xml"], ["dev", "--nodes", "0"],
            ["dev", "--nodes", "10"], ["dev", "--base-port", "65536"], ["put", "k", "v", "--timeout", "soon"],
            ["cert", "issue", "--cluster", "c", "--role", "king", "--name", "x"], ["cert", "ca", "--days", "0"],
        ])
    func wrongUsage(_ arguments: [String]) {
        let error = #expect(throws: (any Error).self) { try RaftCommand.parseAsRoot(arguments) }
        #expect(error.map { RaftCommand.exitCode(for: $0) } == .validationFailure)
    }

    @Test("Help tells every exit code, also in each client command")
    func help() {
        for code in Failure.Code.allCases { #expect(RaftCommand.helpMessage().contains("\(code.rawValue) ")) }
        for command in ["put", "get", "delete", "range", "cas", "status", "bench"] {
            let type = RaftCommand.configuration.subcommands.first { $0._commandName == command }
            #expect(type.map { RaftCommand.helpMessage(for: $0).contains("5 the outcome is unknown") } == true)
        }
    }
}

@Suite("Exit codes")
struct FailureTests {
    @Test("Each way in which a call fails has its code")
    func codes() {
        #expect(Failure(RaftClientError(.refused, "x")) == Failure(.refused, "x"))
        #expect(Failure(RaftClientError(.unavailable, "x")).code.rawValue == 4)
        #expect(Failure(RaftClientError(.cancelled, "x")).code.rawValue == 4)
        #expect(Failure(RaftClientError(.outcomeUnknown, "x")).code.rawValue == 5)
        #expect(Failure(RaftClientError(.notAuthorized, "x")).code.rawValue == 6)
        #expect(Failure(RaftError(.wrongDirectory, "x")).code.rawValue == 1)
    }
}
