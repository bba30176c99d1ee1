import TestTraits
import Testing

@testable import RaftSimulation

@Suite("What a process that tries a mutant says", .heavy)
struct TrialProtocolTests {
    @Test(
        "Each line is read back as it was meant",
        arguments: [
            TrialLine.began(0), .ended(.max), .killed(7, invariant: "I9", text: "node 1 granted 2, its disk has 3"),
        ])
    func lines(_ line: TrialLine) {
        #expect(TrialLine(line.text) == line)
    }

    @Test("A text of several lines becomes one")
    func newlines() {
        #expect(TrialLine.killed(1, invariant: "I1", text: "a\nb\r\nc").text == "killed 1 I1 a b c")
    }

    @Test(
        "Anything else is no line of it",
        arguments: [
            "", "began", "began x", "began 1 2", "ended -1", "killed 1", "killed 1 I9",
            "Fatal error: index out of range",
        ])
    func noise(_ text: String) {
        #expect(TrialLine(text) == nil)
    }

    @Test("The lowest seed that noticed counts, and what has begun and not ended is known")
    func progress() {
        var progress = TrialProgress()
        for line in [
            TrialLine.began(5), .began(4), .ended(4), .began(6), .killed(6, invariant: "I1", text: "b"), .began(7),
            .killed(5, invariant: "I2", text: "a"),
        ] {
            progress.take(line)
        }
        #expect(progress.open == [7])
        #expect(progress.endedCount == 1)
        #expect(progress.kill?.seed == 5)
        #expect(progress.kill?.invariant == "I2")
    }

    @Test("A kept seed is a number, its name, and a seed")
    func kept() {
        let kept = KeptSeed("4.1\tvote-for-any-log\t26")
        #expect(kept == KeptSeed(number: "4.1", name: "vote-for-any-log", seed: 26))
        #expect(kept?.line == "4.1\tvote-for-any-log\t26")
        for bad in [
            "4.2\tvote-for-any-log\t26", "4.1\tvote-for-any-log", "4.1\tvote-for-any-log\tx", "4.1 vote-for-any-log 26",
        ] {
            #expect(KeptSeed(bad) == nil, "\(bad)")
        }
    }
}
