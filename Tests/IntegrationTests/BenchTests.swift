import Foundation
import RaftSimulation
import TestTraits
import Testing

@Suite("raft bench", .processes, .serialized, .timeLimit(.minutes(10)))
struct BenchTests {
    private struct Report: Decodable {
        struct Call: Decodable { let done: Int }
        let all: Call
        let calls: [String: Call]
        let unknown: Int
    }

    private func history(_ file: String) throws -> [HistoryOperation] {
        try HistoryFormat.operations(from: Array(Data(contentsOf: URL(fileURLWithPath: file))))
    }

    @Test("What its clients see around kill -9 of the leader is linearizable")
    func killLeader() async throws {
        let cluster = try await DevCluster()
        let file = cluster.directory.file("history.jsonl")
        let bench = try RaftProgram.start(
            [
                "bench", "mixed", "--clients", "8", "--keys", "12", "--cas-ratio", "0.3", "--seconds", "600",
                "--history", file, "-o", "json", "--timeout", "10s", "--context", cluster.context,
            ], in: cluster.directory.path)
        // Three seconds of work, with the leader's end in their midst.
        try await Task.sleep(for: .milliseconds(1500))
        let leader = try await cluster.leader()
        kill(try #require(cluster.processID(of: leader)), SIGKILL)
        // On until the next leader has answered clients.
        try await cluster.putUntilDone("after-kill", "1")
        try await Task.sleep(for: .milliseconds(1500))
        bench.signal(SIGINT)
        let ending = try await bench.ending()
        #expect(ending.code == 0, "\(ending.errors)")

        let report = try JSONDecoder().decode(Report.self, from: ending.output)
        let operations = try history(file)
        let answered = operations.filter { $0.returnNanoseconds != nil }
        // Those of the figures, and the twelve keys' first values.
        #expect((report.all.done...report.all.done + 12).contains(answered.count))
        #expect(operations.count - answered.count >= report.unknown)
        for call in ["get", "put", "cas"] { #expect((report.calls[call]?.done ?? 0) > 10, "\(call)") }
        let verdict = LinearizabilityChecker().check(operations)
        #expect(verdict == .linearizable)
        // The same with one answer changed is not: the check has looked.
        let last = try #require(answered.last { $0.kind == .get && $0.result != .value(nil) })
        let lie = HistoryOperation(client: 999, key: last.key, kind: .get, callNanoseconds: last.returnNanoseconds! + 1)
            .finished(.value(nil), at: last.returnNanoseconds! + 2)
        guard case .notLinearizable(last.key, _) = LinearizabilityChecker().check(operations + [lie]) else {
            Issue.record("a value that vanished was accepted")
            return
        }
    }

    @Test("It ends after so many calls, at its rate, and leaves with the reason when nothing is done")
    func ends() async throws {
        let cluster = try await DevCluster()
        let file = cluster.directory.file("history.jsonl")
        let put = try await cluster.run("bench", "put", "--total", "40", "--clients", "3", "--history", file)
        #expect(put.code == 0, "\(put.errors)")
        #expect(put.text.contains("put: 3 clients, 1000 keys"), "\(put.text)")
        #expect(put.text.contains("\n40 done in "), "\(put.text)")
        let operations = try history(file)
        #expect(operations.count == 40)
        #expect(Set(operations.map(\.kind)).count == 40)
        #expect(LinearizabilityChecker().check(operations) == .linearizable)

        let get = try await cluster.run(
            "bench", "get", "--total", "5", "--keys", "3", "--rate", "20", "-o", "json")
        #expect(get.code == 0, "\(get.errors)")
        struct Elapsed: Decodable { let elapsedNanoseconds: Int, all: Report.Call }
        let report = try JSONDecoder().decode(Elapsed.self, from: get.output)
        #expect(report.all.done == 5)
        // The fifth is due after four pauses of 50 ms.
        #expect(report.elapsedNanoseconds >= 200_000_000)

        let nowhere = try await cluster.run("bench", "put", "--total", "1", "--history", "/nowhere/h.jsonl")
        #expect(nowhere.code == 1)
        #expect(nowhere.errors.contains("cannot write /nowhere/h.jsonl"), "\(nowhere.errors)")
        let refused = try await cluster.run("bench", "put", "--total", "3", "--value-size", "2000000")
        #expect(refused.code == 1)
        #expect(refused.errors.contains("not one call was done: "), "\(refused.errors)")
        #expect(try await cluster.stop().code == 0)
        let nobody = try await cluster.run("bench", "put", "--total", "1", "--timeout", "300ms")
        #expect(nobody.code == 4, "\(nobody.errors)")
    }
}
