import RaftSimulation
import TestTraits
import Testing

/// What becomes of a scenario that is wrong: it must fail, at its line, with the reason.
@Suite("The language of scenarios", .heavy)
struct LanguageTests {
    /// The failure of a text below `nodes 3`; nil when it comes true.
    private func failure(_ text: String, settings: String = "nodes 3") -> ScenarioFailure? {
        do throws(ScenarioFailure) {
            _ = try Scenario(name: "test", text: "# A title.\n# A source.\n\(settings)\n\(text)").run()
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "A line that is no statement is refused, with its number and what was expected",
        arguments: [
            ("crsh 2", "no statement"), ("crash", "nodes"), ("wait 3 parsecs", "us, ms or s"),
            ("start all now", "what is \"now\""), ("expect node 1: tall", "a role"), ("drop frogs 1 -> 2", "a kind"),
            ("put x=1 at", "a node"), ("nodes 5", ""), ("end repeat", "nothing is being repeated"),
            ("repeat 3 times", "no end"), ("ghost 2 grants 1 vote", "whose"), ("expect A fine", "ok, refused"),
            ("node 1 begins log 1..x@2", "a run of entries"), ("at 3 s: dance 2", "a fault at a moment"),
            ("put x at 1", "put x=5"), ("ask 1 to dance", "a change of the members"), ("ask 1 add 2", "\"to\""),
            ("now: dance 2", "a fault is written"), ("builds of 1 go", "go on"), ("push snapshot 3", "\"at\""),
            ("crash 1 after 2 losing power", "changes"),
            ("nodes 0", "1 to 100 nodes"), ("nodes 18446744073709551615", "1 to 100 nodes"),
            ("wait 1e300 s", "a time is from"), ("wait nan s", "a time is from"), ("wait -1 s", "a time is from"),
            ("disk of 1 takes 1..3333333333333300 ms", "a time is from"),
            ("disk of 1 takes -1..3 ms", "a time is from"),
            ("nodes 1 2 begin term 1, log 0..18446744073709551615@1", "more than 100000 entries"),
        ])
    func unreadable(line: String, reason: String) {
        let failure = failure("\(line)")
        if line == "nodes 5" {
            // A setting where settings are allowed.
            #expect(failure == nil)
        } else {
            #expect(failure?.line == 4 && failure?.reason.contains(reason) == true, "\(String(describing: failure))")
        }
    }

    @Test("A failure is shown with its file, its line as a whole, the reason, and what each node was")
    func shown() {
        let lines = failure("start all\nexpect A ok")?.description.split(separator: "\n") ?? []
        #expect(lines.prefix(2) == ["test:5: expect A ok", "    there is no call A"])
        #expect(lines.count == 5 && lines.dropFirst(2).allSatisfy { $0.hasPrefix("    ") })
    }

    @Test("Settings come before anything happens")
    func settingsFirst() {
        #expect(failure("start all\nnodes 5")?.reason == "settings come before anything happens")
    }

    static let untruths: [(lines: String, reason: String)] = [
        ("start all\nwait until a leader\nexpect no leader", "leads"),
        ("start all\nwithin 100 ms a leader", "nobody leads"),
        ("start all\nwait until a leader\nexpect a leader for 1 s\nexpect no leader for 1 s", "leads"),
        ("start all\nwait until one leader\nexpect node 1: term 9", "term 1"),
        ("start all\nwait 1 s\nexpect node 1: log 2@7", "its disk holds [2@1]"),
        ("start all\nwait 1 s\nexpect node 1: vote none", "its vote is"),
        ("start all\nwait 1 s\nexpect node 1: commit at least 3", "commit 2"),
        ("start 1 2\nwait 1 s\nexpect all agree", "node 3 is down"),
        ("start all\nwait 1 s\nexpect entry 3@1 committed", "committed: [1@0, 2@1]"),
        ("start all\nwait 1 s\nexpect entry 2@1 not committed", "committed: [1@0, 2@1]"),
        ("mark M\nstart all\nwait 1 s\nexpect no votes all -> all since M", "were sent"),
        ("start all\nwait 1 s\nmark M\ncrash the leader\nwait 1 s\nexpect same leader since M", "now"),
        ("start all\nwait 1 s\nmark M\ncrash the leader\nwait 1 s\nexpect terms of all unchanged since M", "2 now"),
        ("start 1\nput x=1 at 1 as A\nexpect A ok", "A is refused"),
        ("start all\nwait 1 s\nput x=1 at the leader as A\nexpect A refused", "A is ok"),
        ("start all\nwait 1 s\nput x=1 at the leader as A\nwait 1 s\nexpect A pending", "A is ok"),
        ("start all\nexpect A ok", "there is no call A"),
        ("start all\nwait 1 s\nexpect node 1: voters 1 2", "voters [1, 2, 3]"),
        ("start all\nwait 1 s\nexpect node 1: learners 3", "learners []"),
        ("start all\nwait 1 s\nexpect node 1: joint", "voters 1, 2, 3"),
        ("start all\nwait 1 s\nexpect node 1: removed", "is not removed"),
        ("start all\nwait 1 s\nexpect node 1: snapshot at least 1", "snapshot 0"),
        ("start all\nwait 1 s\nexpect node 1: purged at least 1", "purged 0"),
        ("start all\nwait 1 s\nask the leader to remove 9 as A\nexpect A ok", "A is refused"),
        (
            "snapshots by hand\nstart all\nwait 1 s\nbuilds of the leader hang\nsnapshot at the leader as S\nexpect S ok",
            "S is pending"
        ),
        (
            "start all\nwait 1 s\nput x=1 at the leader as A\nexpect A ok\nread at the leader as R\nexpect R ok\nexpect R does not see A",
            "saw"
        ),
        (
            "start all\nwait 1 s\nput x=1 at the leader as A\nexpect A ok\nread x at the leader as R\nexpect R ok\nexpect R reads 2",
            "R read 1"
        ),
        ("start all\nwait 1 s\nread y at the leader as R\nexpect R ok\nexpect R reads 2", "R read nothing"),
        ("start all\nwait 1 s\nat 1500 ms: start 1", "that moment is over"),
        ("start all\nat 2 s: pause 1 for 1 s\nat 2001 ms: crash 2\nexpect node 2: follower", "is down"),
        ("expect node Old is down", "no node is called Old"),
        ("start 9", "there is no node 9"),
        ("release held", "nothing is held"),
        ("ghost 2 follows", "no ghost"),
        ("expect granted", "no ghost has asked anything"),
        ("start 1\nfinally converge without 2 3", "does not come together"),
    ]

    @Test("What is not so is said, with what is so instead", arguments: untruths)
    func untrue(lines: String, reason: String) {
        let failure = failure(lines)
        #expect(failure?.line == 3 + lines.split(separator: "\n").count)
        #expect(failure?.reason.contains(reason) == true, "\(String(describing: failure))")
        #expect(failure?.nodes.count == 3)
    }

    static let ghosts = "nodes 3\nreal 1\nelection timeout 5..10 s\nnodes 1 2 begin term 1, log 2@1"

    @Test(
        "What a node answers to a ghost is compared in every part",
        arguments: [
            ("ghost 2 asks 1 for its vote in term 2, last 2@1\nexpect refused", "isGranted: true"),
            ("ghost 2 asks 1 for its vote in term 2, last 1@0\nexpect granted", "isGranted: false"),
            ("ghost 2 asks 1 for its vote in term 2, last 1@0\nexpect refused in term 3", "isGranted: false"),
            ("ghost 2 asks 1 for its vote in term 2, last 2@1\nexpect no answer", "the answer is"),
            ("ghost 2 appends to 1 in term 1: previous 2@1, entries 3@1\nexpect accepted through 4", "accepted"),
            ("ghost 2 appends to 1 in term 1: previous 9@1\nexpect conflict at 9, hint 1@0", "conflict"),
            ("ghost 2 appends to 1 in term 0: previous 1@0\nexpect rejected in term 2", "rejected"),
            ("ghost 2 sends a heartbeat to 1 in term 0\nexpect confirmed", "isRejected: true"),
            ("ghost 2 grants 1's vote", "no vote of node 1 has come"),
            ("disk of 1 hangs\nghost 2 asks 1 for its vote in term 2, last 2@1\nexpect granted", "no answer has come"),
        ])
    func answers(lines: String, reason: String) {
        let failure = failure("start 1\nwait 100 ms\n\(lines)", settings: Self.ghosts)
        #expect(failure?.reason.contains(reason) == true, "\(String(describing: failure))")
    }

    @Test("A ghost that makes a node break a promise is found out: the checker watches every scenario")
    func checked() {
        // Its entry 2 is on two disks: a majority of three, and not of five.
        let lines = """
            start 1
            wait 100 ms
            ghost 2 appends to 1 in term 2: previous 2@1, entries 3@2, commit 2
            expect accepted through 3
            """
        #expect(failure(lines, settings: Self.ghosts) == nil)
        let five = Self.ghosts.replacing("nodes 3", with: "nodes 5")
        #expect(failure(lines, settings: five)?.reason.hasPrefix("I6") == true)
    }
}
