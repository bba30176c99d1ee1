import Foundation
import TestTraits
import Testing

/// A backup of a real cluster, and a new cluster out of it.
@Suite("Snapshots that are saved and restored", .processes, .serialized, .timeLimit(.minutes(10)))
struct RestoreTests {
    @Test(
        "What was acknowledged before a backup is in the cluster that is restored from it; nothing of another mixes in")
    func savesAndRestores() async throws {
        let cluster = try await ServedCluster(3)
        try await cluster.bootstrap([1, 2, 3])
        try await cluster.putUntilDone("a", "1")
        try await cluster.putUntilDone("large", String(repeating: "x", count: 100_000))
        #expect(try await cluster.require("snapshot", "save", "backup").contains("saved through"))
        let kept = try await cluster.run("snapshot", "save", "backup", "--endpoint", cluster.addresses[1]!)
        #expect(kept.code == 1 && kept.errors.contains("there is a file backup already"), "\(kept.errors)")
        try await cluster.require("snapshot", "save", "backup", "--replace", "-o", "json")
        // One node alone, whatever its role.
        for id in 1...3 {
            try await cluster.require("snapshot", "save", "backup-\(id)", "--endpoint", cluster.addresses[id]!)
        }
        let nobody = try await cluster.run("snapshot", "save", "x", "--endpoint", "127.0.0.1:1", "--timeout", "300ms")
        #expect(nobody.code == 4 && !FileManager.default.fileExists(atPath: cluster.file("x")), "\(nobody.errors)")
        try await cluster.putUntilDone("later", "2")
        // One that is away keeps nobody else from building a snapshot.
        try await cluster.stop(1)
        let triggered = try await cluster.run("snapshot", "trigger", "-o", "json", "--timeout", "20s")
        #expect(triggered.code == 1 && triggered.text.matches(of: /"index":/).count == 2, "\(triggered.text)")
        #expect(triggered.errors.contains(cluster.addresses[1]!), "\(triggered.errors)")
        for id in 1...3 { try await cluster.stop(id) }

        func restore(_ id: Int, _ file: String, into data: String) async throws -> RaftProgram.Ending {
            try await cluster.run(
                "snapshot", "restore", file, "--id", "\(id)", "--cluster", "test", "--data", data, "--members",
                cluster.members)
        }
        // Bad files first.
        var bytes = try Data(contentsOf: URL(fileURLWithPath: cluster.file("backup")))
        bytes[50_000] ^= 1
        try bytes.write(to: URL(fileURLWithPath: cluster.file("damaged")))
        let damaged = try await restore(1, "damaged", into: "new-1")
        #expect(damaged.code == 1 && damaged.errors.contains("does not match"), "\(damaged.errors)")
        let foreign = try await restore(1, "ca.pem", into: "new-1")
        #expect(foreign.code == 1 && foreign.errors.contains("no saved snapshot"), "\(foreign.errors)")
        #expect(try await restore(9, "backup", into: "new-1").code == 2)
        #expect(try await restore(1, "backup", into: "data-1").code == 1, "it is not empty")

        var marks: Set<Substring> = []
        for id in 1...3 {
            let restored = try await restore(id, "backup", into: "new-\(id)")
            #expect(restored.code == 0, "\(restored.errors)")
            marks.insert(try #require(restored.text.firstMatch(of: /birth mark ([0-9a-f]+)/)).output.1)
        }
        #expect(marks.count == 1)
        for id in 1...3 { try await cluster.start(id, data: "new-\(id)") }
        try await cluster.putUntilDone("new", "3")
        #expect(try await cluster.run("get", "a").text == "1")
        #expect(try await cluster.run("get", "large").text.count == 100_000)
        #expect(try await cluster.run("get", "later").code == 3, "it was put after the backup")
        try await eventually("every member is bound to its new life") {
            let members = try await cluster.members()
            return members.voters == [1, 2, 3] && members.members.allSatisfy { $0.incarnation != nil }
        }

        // A member of the old cluster, and one that was restored from another file, belong to others.
        try await cluster.stop(3)
        for data in ["data-3", "other-3"] {
            if data == "other-3" {
                try await cluster.require("snapshot", "save", "another", "--replace")
                #expect(try await restore(3, "another", into: data).code == 0)
            }
            try await cluster.start(3, data: data)
            try await eventually("node 3 is refused") {
                (1...3).contains { cluster.log(of: $0).contains("belongs to another cluster of the name test") }
            }
            try await cluster.putUntilDone("still", data)
            try await cluster.stop(3)
        }
        try await cluster.start(3, data: "new-3")
        try await cluster.putUntilDone("end", "4")
    }
}
