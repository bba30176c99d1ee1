import Foundation
import TestTraits
import Testing

/// The programs of Sources/Examples, as whoever tries them runs them.
@Suite("The examples run", .processes, .serialized, .timeLimit(.minutes(10)))
struct ExampleProgramsTests {
    /// What each of them shows: the lines of its output that matter.
    private func run(_ program: String, _ arguments: [String] = [], shows lines: [String]) async throws {
        let directory = try TemporaryDirectory()
        let ending = try await RaftProgram.run(
            arguments, program: program, environment: ["TMPDIR": directory.path], in: directory.path)
        #expect(ending.code == 0, "\(program): \(ending.errors)")
        for line in lines { #expect(ending.text.contains(line), "\(program): \(ending.text)\(ending.errors)") }
        // It leaves nothing behind. (The input and output of the program are of this test.)
        let left = try FileManager.default.contentsOfDirectory(atPath: directory.path).filter { $0.hasPrefix("raft-") }
        #expect(left == [], "\(program)")
    }

    @Test("The counter, the lock, the ledger, and the counter on disk and over TLS")
    func machines() async throws {
        try await run("CounterExample", shows: ["total 5, read 5"])
        try await run("LockExample", shows: ["his write is taken: true", "her write is taken: false"])
        try await run("LedgerExample", shows: ["run 2: the ledger shows entry", "ann: balance(10)"])
        try await run("DurableExample", shows: ["run 1: total 5", "run 2: total 10"])
    }

    @Test("SQL is replicated, and is there after a restart; what would part the members is refused by name")
    func sqlite() async throws {
        let refused = [
            "INSERT INTO visits (name) VALUES ('cid'): refused(\"current_timestamp", "refused(\"datetime ",
            "refused(\"random ", "refused(\"PRAGMA synchronous ", "refused(\"ATTACH elsewhere.db ",
            "refused(\"UNIQUE constraint failed: visits.name",
        ]
        let members = (1...3).map { "member \($0): [[ann, 12], [bob, 11]]" }
        try await run("SQLiteExample", shows: refused + members + ["the third began with a snapshot: true"])
    }

    private static let discovery = [
        "one at 10.0.0.7:8001",
        "the consumer knows: [\"three at 10.0.0.7:8003\", \"two at 10.0.0.7:8002\"]", "two is dead",
        // It ends only after this came once more.
        "the consumer knows: [\"three at 10.0.0.7:8003\"]",
    ]
    private static let election = [
        "bob leads, with a higher token: true", "the leader is still bob", "ann goes on: refused",
        "in the cluster itself: refused", "the resource holds: by bob", "cid leads at once, with a higher token: true",
        "the leader is nobody",
    ]

    @Test("Instances are found while they live, and leaders are elected with tokens")
    func services() async throws {
        try await run("DiscoveryExample", shows: Self.discovery)
        try await run("ElectionExample", shows: Self.election)
    }

    @Test("The same at a cluster of processes")
    func servicesOfProcesses() async throws {
        let cluster = try await DevCluster()
        try await run("DiscoveryExample", [cluster.context], shows: Self.discovery)
        try await run("ElectionExample", [cluster.context], shows: Self.election)
    }
}
