import ArgumentParser
import Raft
import RaftClient
import Testing

@testable import RaftCommand

@Suite("raft bench")
struct BenchTests {
    private func parse(_ arguments: String...) throws -> Bench {
        try #require(try RaftCommand.parseAsRoot(["bench"] + arguments) as? Bench)
    }

    @Test("It parses what its help shows")
    func parsing() throws {
        let plain = try parse("mixed").plan(tag: "")
        #expect(plain.limit == .time(.seconds(10)))
        #expect(plain.clientCount == 16)
        #expect(plain.rate == nil)
        let bench = try parse(
            "mixed", "--clients", "3", "--total", "50", "--keys", "7", "--key-size", "20", "--value-size", "12",
            "--read-ratio", "0.25", "--cas-ratio", "1", "--rate", "0.5", "-o", "json", "--history", "h.jsonl",
            "--timeout", "2s")
        let plan = bench.plan(tag: "x-")
        #expect(plan.limit == .total(50))
        #expect((plan.clientCount, plan.keyCount, plan.keySize, plan.valueSize) == (3, 7, 20, 12))
        #expect((plan.readRatio, plan.casRatio, plan.rate) == (0.25, 1, 0.5))
        #expect(bench.connections == 1 && bench.plot == nil)
        let wide = try parse("put", "--clients", "64", "--connections", "4", "--plot", "p.svg")
        #expect(wide.connections == 4 && wide.plot == "p.svg")
        #expect(bench.options.output == .json && !bench.spreadReads && plan.reads == .linearizable)
        let local = try parse("get", "--local", "--spread-reads")
        #expect(local.plan(tag: "").reads == .local && local.spreadReads)
        #expect(try parse("mixed", "--lease", "--history", "h").plan(tag: "").reads == .lease)
        #expect(try parse("put", "--seconds", "0.5").plan(tag: "").limit == .time(.milliseconds(500)))
    }

    @Test(
        "What cannot be is refused with its flag and its range",
        arguments: [
            (["get", "--total", "1", "--seconds", "1"], "--total and --seconds exclude each other"),
            (["get", "--read-ratio", "0.5"], "are for mixed only, not for get"),
            (["put", "--cas-ratio", "0.5"], "are for mixed only, not for put"),
            (["mixed", "--read-ratio", "1.5"], "--read-ratio 1.5: 0 to 1"),
            (["mixed", "--cas-ratio", "nan"], "--cas-ratio nan: 0 to 1"),
            (["put", "--spread-reads"], "put reads nothing"), (["put", "--local"], "put reads nothing"),
            (["get", "--local", "--lease"], "--local and --lease exclude each other"),
            (["mixed", "--local", "--history", "h"], "with --history every read must be linearizable"),
            (["put", "--clients", "0"], "--clients 0: 1 to 10000"), (["put", "--total", "0"], "--total 0: at least 1"),
            (["put", "--seconds", "nan"], "--seconds nan: above 0"),
            (["put", "--seconds", "0"], "--seconds 0.0: above"),
            (["put", "--keys", "0"], "--keys 0: 1 to"),
            (["put", "--key-size", "2"], "--key-size 2: 1000 keys need 3 to 511 bytes"),
            (
                ["put", "--key-size", "11", "--history", "h"],
                "1000 keys need 12 to 511 bytes, with the 9 that mark the run"
            ),
            (["put", "--key-size", "512"], "3 to 511"),
            (["put", "--value-size", "11"], "--value-size 11: from 12 bytes"),
            (["put", "--rate", "0"], "--rate 0.0: 0.001 to"), (["put", "--rate", "nan"], "--rate nan: 0.001 to"),
            (["put", "--connections", "0"], "--connections 0: 1 to 1000"),
            (
                ["put", "--clients", "2", "--connections", "3"],
                "--connections 3: 1 to 1000, and no more than --clients, 2"
            ),
            (["delete"], "put, get or mixed"),
        ])
    func refusals(_ arguments: [String], _ part: String) {
        let error = #expect(throws: (any Error).self) { try RaftCommand.parseAsRoot(["bench"] + arguments) }
        #expect(error.map { RaftCommand.exitCode(for: $0) } == .validationFailure)
        let message = error.map { RaftCommand.fullMessage(for: $0) } ?? ""
        #expect(message.contains(part), "\(message)")
    }

    @Test("Keys have their length and differ; a value is known by its number, and a damaged one is not")
    func texts() {
        var plan = BenchPlan()
        plan.tag = "run-"
        plan.keyCount = 200
        #expect(plan.key(0) == "run-000000000000")
        #expect(plan.key(199) == "run-000000000199")
        #expect([0, 7, 199].allSatisfy { plan.keyBytes($0) == Array(plan.key($0).utf8) })
        for serial in [1, 42, 999_999_999_999] as [UInt64] {
            let value = plan.value(serial)
            #expect(value.count == plan.valueSize)
            #expect(plan.serial(of: value) == serial)
            var damaged = value
            damaged[100] = 65
            #expect(plan.serial(of: damaged) == nil)
            #expect(plan.serial(of: value.dropLast()) == nil)
        }
        #expect(plan.serial(of: Array("short".utf8)) == nil)
    }

    @Test("The shares of the calls are those asked for, and calls are due at an even pace")
    func shares() {
        var plan = BenchPlan()
        (plan.readRatio, plan.casRatio, plan.rate) = (0.6, 0.25, 4)
        var random = RandomSource(seed: 9)
        var counts: [BenchCall: Int] = [:]
        for _ in 0..<10_000 { counts[plan.nextCall(&random), default: 0] += 1 }
        #expect((5800...6200).contains(counts[.get]!))
        #expect((2800...3200).contains(counts[.put]!))
        #expect((850...1150).contains(counts[.cas]!))
        #expect(
            (0...3).map { plan.dueTime($0)! } == [.zero, .milliseconds(250), .milliseconds(500), .milliseconds(750)])
        plan.workload = .get
        #expect((0..<100).allSatisfy { _ in plan.nextCall(&random) == .get })
        plan.workload = .put
        #expect((0..<100).allSatisfy { _ in plan.nextCall(&random) == .put })
    }

    @Test("The report says what was done, how long it took, and what the failures mean")
    func report() {
        var tally = BenchTally()
        for milliseconds in 1...100 { tally.done(.get, .milliseconds(milliseconds)) }
        var other = BenchTally()
        other.done(.cas, .seconds(2))
        other.failedSwapCount = 1
        other.failed(RaftClientError(.outcomeUnknown, "lost the connection"))
        other.failed(RaftClientError(.unavailable, "no leader"))
        other.failed(RaftClientError(.unavailable, "still no leader"))
        tally.add(other)
        let report = BenchReport(plan: BenchPlan(), tally: tally, elapsed: .seconds(4), overdueCount: 6)
        let text = report.text(color: false)
        for part in [
            "101 done in 4.00 s, 25.3 a second\n", "\ncas   1", "\nall   101", "2.00 s\n",
            "1 of the cas calls found another value", "6 calls were due and were never made",
            "1 failed, outcomeUnknown (may have been applied), such as: lost the connection\n",
            "2 failed, unavailable (nothing happened), such as: no leader\n",
        ] { #expect(text.contains(part), "\(part) is not in:\n\(text)") }
        let json = report.json.text
        for part in [
            #""donePerSecond":25,"all":{"done":101,"#, #""maximumNanoseconds":2000000000}"#, #""failedSwaps":1"#,
            #""overdue":6,"unknown":1,"nothingHappened":2,"errors":{"outcomeUnknown":1,"unavailable":2}}"#,
        ] { #expect(json.contains(part), "\(part) is not in \(json)") }
        #expect(
            BenchReport(plan: BenchPlan(), tally: BenchTally(), elapsed: .zero, overdueCount: 0).text(color: false)
                .contains("0 done"))
    }

    @Test(
        "Times have three digits that count",
        arguments: [
            (nil, "-"), (0, "0 ns"), (999, "999 ns"), (1000, "1.00 µs"), (12_345, "12.3 µs"), (999_400, "999 µs"),
            (4_560_000, "4.56 ms"), (9_996_000, "10.0 ms"), (1_200_000_000, "1.20 s"), (120_000_000_000, "120 s"),
        ] as [(UInt64?, String)])
    func times(_ nanoseconds: UInt64?, _ text: String) {
        #expect(BenchReport.shown(nanoseconds) == text)
    }
}
