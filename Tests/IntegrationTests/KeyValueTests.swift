import Foundation
import TestTraits
import Testing

/// Transactions, watches and lines of keys, as whoever types them has them.
@Suite("The key-value service of a cluster of processes", .processes, .serialized, .timeLimit(.minutes(10)))
struct KeyValueTests {
    @Test("Transactions, deletes of ranges and what was there before, from the command line")
    func transactions() async throws {
        let cluster = try await DevCluster()
        let take = ["txn", "if absent lock", "then put lock me", "else get lock"]
        let first = try await cluster.run(take[0], take[1], take[2], take[3])
        #expect(first.code == 0 && first.text.hasPrefix("then, revision "), "\(first.errors)")
        let second = try await cluster.run(take[0], take[1], take[2], take[3])
        #expect(second.code == 3 && second.text.contains("lock") && second.text.hasSuffix("me\n"))
        let lines = Data("# two at once\nthen put a/1 \"x y\"\nthen put a/2 z\n".utf8)
        #expect(try await cluster.run("txn", "-", "--session", input: lines).code == 0)
        #expect(try await cluster.run("get", "a/1").text == "x y")
        let wrong = try await cluster.run("txn", "if version a/1 > one")
        #expect(wrong.code == 2 && wrong.errors.contains("no number"))
        let put = try await cluster.run("put", "a/1", "new", "--previous")
        #expect(put.code == 0 && put.text.hasSuffix("was x y\n"))
        let removed = try await cluster.run("delete", "a/", "--prefix", "--previous")
        #expect(removed.code == 0 && removed.text.contains("2 removed") && removed.text.contains("new"))
        #expect(try await cluster.run("delete", "a/", "--prefix").code == 3)
    }

    @Test("Keys go out as lines and come back, and as etcd writes them")
    func lines() async throws {
        let cluster = try await DevCluster()
        let etcd = (0..<300).map {
            #"{"key":"\#(Data("k\($0)".utf8).base64EncodedString())","version":3,"value":"AAE="}"#
        }
        let imported = try await cluster.run("kv", "import", "-", input: Data(etcd.joined(separator: "\n").utf8))
        #expect(imported.code == 0 && imported.errors.contains("imported 300 keys"), "\(imported.errors)")
        let exported = try await cluster.run("kv", "export", "k1")
        #expect(exported.code == 0 && exported.text.split(separator: "\n").count == 111)
        #expect(try await cluster.run("delete", "", "--prefix").code == 0)
        #expect(try await cluster.run("kv", "import", "-", input: exported.output).code == 0)
        #expect(try await cluster.run("kv", "export").output == exported.output)
        let bad = try await cluster.run("kv", "import", "-", input: Data("nonsense\n".utf8))
        #expect(bad.code == 1 && bad.errors.contains("line 1 "))
    }

    @Test("A watch is told every change once and in order, although its node and the leader are killed on the way")
    func watch() async throws {
        let cluster = try await DevCluster()
        let first = try await cluster.run("put", "w", "start", "-o", "json")
        struct Put: Decodable { let revision: Int }
        let revision = try JSONDecoder().decode(Put.self, from: first.output).revision
        let count = 30
        let (context, path) = (cluster.context, cluster.directory.path)
        async let watched = RaftProgram.run(
            ["watch", "w", "--from", "\(revision)", "--limit", "\(count + 1)", "--context", context], input: Data(),
            in: path)
        for number in 1...count {
            if number % 10 == 5 { kill(try #require(cluster.processID(of: try await cluster.leader())), SIGKILL) }
            // A value that is put twice, because an outcome got lost, would be told twice.
            try await cluster.swapUntilDone("w", from: number == 1 ? "start" : "\(number - 1)", to: "\(number)")
        }
        let ending = try await watched
        #expect(ending.code == 0, "\(ending.errors)")
        let values = ending.text.split(separator: "\n").compactMap { $0.split(separator: " ").last.map(String.init) }
        #expect(values == ["start"] + (1...count).map(String.init))
        let compacted = try await cluster.run("compact", "\(revision)")
        #expect(compacted.code == 0 && compacted.text.hasPrefix("compacted through "))
        // Each member compacts when it applies that; whoever is asked before then still has the history.
        try await eventually("no member has the history any more") {
            let gone = try await cluster.run("watch", "w", "--from", "\(revision)", "--limit", "1")
            guard gone.code != 0 else { return false }
            #expect(gone.code == 1 && gone.errors.contains("not kept any more"), "\(gone.errors)")
            return true
        }
    }
}

extension DevCluster {
    /// Changes a key from one value to another, once, however often it takes.
    fileprivate func swapUntilDone(_ key: String, from old: String, to new: String) async throws {
        try await eventually("\(key) is changed to \(new)") {
            let ending = try await self.run("cas", key, "--expect", old, new)
            if ending.code == 0 { return true }
            return try await self.run("get", key).text == new
        }
    }
}
