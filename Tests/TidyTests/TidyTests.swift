import Foundation
import TestTraits
import Testing

@Suite("The house rules", .heavy)
struct TidyTests {
    static let core = SourceFile.all(under: "Sources/Raft")
    static let sources = SourceFile.all(under: "Sources")

    /// Whether `text` holds `word` as a word of its own.
    static func holds(_ text: String, _ word: String) -> Bool {
        var rest = text[...]
        while let found = rest.range(of: word) {
            let before = text[..<found.lowerBound].last
            let isWhole = word.first?.isLetter != true || !(before?.isLetter ?? false || before == "_")
            let after = rest[found.upperBound...].first
            if isWhole, word.last?.isLetter != true || !(after?.isLetter ?? false || after == "_") { return true }
            rest = rest[found.upperBound...]
        }
        return false
    }

    @Test("The sources are found")
    func found() {
        #expect(Self.core.count > 50)
        #expect(Self.core.contains { $0.path == "Sources/Raft/Leader/LeaderRules.swift" })
    }

    @Test("Rules decide: they import nothing but DequeModule, wait for nothing, and know no clock and no chance")
    func pureRules() {
        let rules = Self.core.filter {
            $0.path.contains("/Rules/") || $0.name.hasSuffix("Rules.swift") || $0.name.contains("Rules+")
        }
        #expect(rules.count >= 10)
        let banned = [
            "await", "async", "Task", "throws", "throw", "Clock", "ContinuousClock", "SuspendingClock", "Date",
            "Thread",
            "SystemRandomNumberGenerator", "UUID", "shuffled", "randomElement", "Lock", "Mailbox",
        ]
        for file in rules {
            for (number, text) in file.code {
                if Self.holds(text, "import"), !text.contains("import DequeModule") {
                    breach(
                        file.path, number, "a rules file imports something",
                        cure: "Move what needs it to a device; rules import at most DequeModule.")
                }
                for word in banned where Self.holds(text, word) {
                    breach(
                        file.path, number, "`\(word)` in a rules file",
                        cure:
                            "Decide from the message, the baton and its `now` and `random`; act in Effect+Perform.swift."
                    )
                }
            }
        }
    }

    @Test(
        "The library makes no loose tasks, reads no wall clock, draws no unseeded numbers, and never traps on purpose")
    func bannedCalls() {
        let banned = [
            ("fatalError(", "Throw, or stop the node with the reason: the program that embeds us goes on."),
            ("try!", "Handle the error, or say in its type that there is none."),
            ("Task {", "Post to a mailbox; structured concurrency at the rim only."),
            ("Task.detached", "Post to a mailbox; structured concurrency at the rim only."),
            ("Task.sleep", "Use `Loop.after`: the simulator must be able to move the clock."),
            ("ContinuousClock", "Use `Loop.now`: the simulator must be able to move the clock."),
            ("SuspendingClock", "Use `Loop.now`: the simulator must be able to move the clock."),
            ("Date()", "Use `Loop.now`: no wall clock decides anything."),
            ("SystemRandomNumberGenerator", "Use the node's `RandomSource`, so that a run can be repeated."),
            ("UUID()", "Use the node's `RandomSource`, so that a run can be repeated."),
        ]
        for file in Self.core {
            for (number, text) in file.code {
                for (call, cure) in banned where Self.holds(text, call) {
                    breach(file.path, number, "`\(call)` in the library", cure: cure)
                }
            }
        }
    }

    @Test("No library links Foundation; executables may")
    func noFoundation() {
        let executables = ["Sources/RaftCommand/", "Sources/RaftSimulateCommand/", "Sources/Examples/"]
        for file in Self.sources where !executables.contains(where: file.path.hasPrefix) {
            for (number, text) in file.code where Self.holds(text, "import") && text.contains("Foundation") {
                breach(
                    file.path, number, "a library target imports Foundation",
                    cure: "Use the standard library, swift-system or a small function of our own; only executables may."
                )
            }
        }
    }

    @Test("Every unchecked promise to the compiler has its reason beside it")
    func reasons() {
        for file in Self.sources {
            for (number, text) in file.code
            where text.contains("@unchecked Sendable") || text.contains("nonisolated(unsafe)") {
                let around = [number - 2, number - 1, number].filter(file.lines.indices.contains).map { file.lines[$0] }
                if !around.contains(where: { $0.contains("//") }) {
                    breach(
                        file.path, number, "an unchecked promise without its reason",
                        cure: "Say on the line above or below why no two threads touch it at once.")
                }
            }
        }
    }

    @Test("What OpenSSL reads out of memory stays there until it is done")
    func memorySources() {
        let home = "Sources/RaftTransport/Certificates/X509Certificate.swift"
        for file in Self.sources where file.path != home {
            for (number, text) in file.code where text.contains("BIO_new_mem_buf") {
                breach(
                    file.path, number, "`BIO_new_mem_buf`, which keeps a pointer to what it is given",
                    cure: "Use X509Certificate.reading: an array given to a C function may be gone once that returns.")
            }
        }
    }

    /// Source files without a test file of their own, and why.
    static let withoutOwnTests: [String: String] = [
        "RaftError": "plain data; its messages are asserted where they are thrown",
        "Membership/PeerMemory": "a protocol and a dictionary; NodePortTests and PeerFileTests test both ends",
        "Actors/Block": "a closure; used by every test of a loop",
        "Actors/Loop": "a protocol; ThreadLoopTests tests the one that is here",
        "Candidate/Candidate": "a shell without code of its own; SupervisorTests seats it",
        "Follower/Follower": "a shell without code of its own; SupervisorTests seats it",
        "Leader/Leader": "a shell without code of its own; SupervisorTests seats it",
        "Learner/Learner": "a shell without code of its own; SupervisorTests seats it",
        "Leader/MembershipWork": "plain data; LeaderRules+MembershipTests",
        "Membership/MembershipOrder": "plain data; LeaderRules+MembershipTests",
        "Leader/LeadershipTransfer": "plain data; LeaderRules+TransferTests",
        "Membership/LeadershipPreference": "a list of three; ClusterConfigurationTests and LeaderRules+TransferTests",
        "Reads/ReadConsistency": "a list of promises; the tests beside it and the simulator hold reads to them",
        "Leader/LeaderRules+Peers": "LeaderRulesTests tests the leader as one",
        "Snapshots/SnapshotLedger": "part of the baton; SnapshottingTests assert what it leads to",
        "Snapshots/SnapshotStore": "protocols; MemorySnapshotStoreTests and RaftStorage's tests",
        "StateMachine/SnapshotBuilder": "SnapshotNodeTests build with it, beside real nodes",
        "Streams/SnapshotStream":
            "SnapshotNodeTests send with it; the simulator loses, repeats and reorders its pieces",
        "Supervisor/SnapshotKeeper": "SnapshotNodeTests send and receive with it; the simulator crashes in between",
        "Log/LogID": "LogIndexTests tests the three together",
        "Log/Term": "LogIndexTests tests the three together",
        "Log/LogStore": "a protocol; MemoryLogStoreTests and RaftStorage's tests",
        "Log/LogReader": "SupervisorTests and ApplierTests read through it",
        "Membership/Incarnation": "a number; printed by SupervisorTests' nodes",
        "Membership/NodeID": "a number",
        "Rules/Following": "FollowerRulesTests and LearnerRulesTests: the same rules in both",
        "Rules/Voting": "FollowerRulesTests, CandidateRulesTests and TermGateTests",
        "Rules/Housekeeping": "TableTests: the same cells in every role but the leader's",
        "StateMachine/StateMachine": "a protocol; ApplierTests",
        "Streams/ReplicationStream": "StreamKeeperTests: it lives in the keeper's hand",
        "Streams/VoteCaller": "VoteKeeperTests: it lives in the keeper's hand",
        "Supervisor/NodeLoops": "RaftNodeTests run on its threads",
        "Transport/LocalTransport": "RaftNodeTests run over it",
        "Transport/PeerMessages": "plain data; in every rules test",
        "Transport/Transport": "protocols and plain data",
        "Turn/Baton": "every rules test asserts all of it",
        "Turn/Effect": "every rules test asserts all of it",
        "Turn/Effect+Perform": "SupervisorTests perform every effect",
        "Turn/InPlace": "does nothing; the benchmark `counts` shows what it spares",
        "Turn/Message": "plain data; TableTests has a row for each",
        "Turn/Probe": "a protocol and two lists; the simulation counts every mark and arms every point",
        "Turn/Role": "SupervisorTests seat every role",
        "Turn/Verdict": "plain data; in every rules test",
    ]

    @Test("Every source file has its mirror among the tests, or a reason why not")
    func mirrored() {
        let tests = Set(SourceFile.all(under: "Tests/RaftTests").map(\.path))
        var excuses = Self.withoutOwnTests
        for file in Self.core {
            let short = String(file.path.dropFirst("Sources/Raft/".count).dropLast(".swift".count))
            let mirror = "Tests/RaftTests/\(short)Tests.swift"
            if tests.contains(mirror) {
                if excuses[short] != nil {
                    breach(file.path, nil, "has tests and an excuse", cure: "Take it out of TidyTests' list.")
                }
            } else if excuses[short] == nil {
                breach(
                    file.path, nil, "has no \(mirror)",
                    cure: "Write it, or add a line with the reason to `withoutOwnTests`.")
            }
            excuses[short] = nil
        }
        for gone in excuses.keys.sorted() {
            breach("Sources/Raft/\(gone).swift", nil, "is excused and does not exist", cure: "Take the line out.")
        }
    }

    @Test("A file is a type: none is above 500 lines")
    func lengths() {
        for file in Self.sources where file.lines.count > 500 {
            breach(
                file.path, nil, "\(file.lines.count) lines", cure: "It holds two types, or one that does two things.")
        }
    }

    @Test("Nothing is left unfinished")
    func unfinished() {
        let marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]
        for file in Self.sources + SourceFile.all(under: "Tests") {
            for (number, text) in file.lines.enumerated() {
                for mark in marks where Self.holds(text, mark) {
                    breach(file.path, number + 1, "`\(mark)`", cure: "Do it now, or take it out and open an issue.")
                }
            }
        }
    }

    @Test("The rules find what they are for")
    func selfTest() {
        #expect(Self.holds("let x = await y", "await"))
        #expect(!Self.holds("let awaiting = 1", "await"))
        #expect(!Self.holds("unawait", "await"))
        #expect(!Self.holds("raft-XX" + "XXXX", "XX" + "X"))
        #expect(Self.holds("Task { }", "Task"))
        #expect(!Self.holds("TaskLike", "Task"))
        #expect(Self.holds("_ = Task { run() }", "Task {") && !Self.holds("group.addTask { run() }", "Task {"))
        let file = SourceFile(path: "a/b.swift", lines: ["let a = 1  // await", "/// Task {"])
        #expect(file.code.map(\.text) == ["let a = 1  ", ""])
    }
}
