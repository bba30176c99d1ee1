import Testing

@testable import Raft

@Suite("What a leader knows of one peer")
struct ProgressTests {
    let settings = Configuration(id: 1)

    func replicating(match: LogIndex, next: LogIndex) -> Progress {
        var progress = Progress(peer: 2, nextIndex: next, now: .zero)
        progress.streamStarted(StreamID(1), nextIndex: match.next, now: .zero)
        progress.sent(last: match, bytes: 0, now: .zero)
        _ = progress.accepted(sequence: 1, through: match, now: .zero)
        return progress
    }

    @Test("A probe sends one append at a time; an accepted one opens the window")
    func probe() {
        var progress = Progress(peer: 2, nextIndex: 5, now: .zero)
        progress.streamStarted(StreamID(1), nextIndex: 5, now: .zero)
        #expect(progress.window(settings) == 16 << 10)
        progress.sent(last: 7, bytes: 300, now: .zero)
        #expect(progress.window(settings) == nil)
        #expect(progress.nextIndex == 5, "a probe does not move on before it is accepted")
        let isNews = progress.accepted(sequence: 1, through: 7, now: .ms(1))
        #expect(isNews)
        #expect(progress.state == .replicate)
        #expect(progress.matchIndex == 7 && progress.nextIndex == 8)
        #expect(progress.inflight.isEmpty && progress.inflightBytes == 0)
    }

    @Test("In replication appends follow each other, within a limit of messages and one of bytes")
    func window() {
        var settings = settings
        settings.maximumInflightAppends = 3
        settings.maximumInflightBytes = 1000
        settings.maximumAppendBytes = 600
        var progress = replicating(match: 4, next: 5)
        #expect(progress.window(settings) == 600)
        progress.sent(last: 5, bytes: 600, now: .zero)
        #expect(progress.window(settings) == 400)
        progress.sent(last: 6, bytes: 100, now: .zero)
        #expect(progress.nextIndex == 7)
        progress.sent(last: 7, bytes: 100, now: .zero)
        #expect(progress.window(settings) == nil, "three messages are out")
        _ = progress.accepted(sequence: 2, through: 5, now: .zero)
        #expect(progress.window(settings) == 600)
        progress.sent(last: 8, bytes: 900, now: .zero)
        _ = progress.accepted(sequence: 3, through: 6, now: .zero)
        #expect(progress.window(settings) == nil, "a thousand bytes are out")
    }

    @Test("An append read from the disk is answered by what it brings, not by an older answer")
    func diskRead() {
        var progress = replicating(match: 4, next: 5)
        progress.sent(last: 6, bytes: 10, now: .zero)
        progress.sent(last: nil, bytes: 500, now: .zero)  // from 7 on
        #expect(progress.window(settings) == nil, "where it ends is not known yet")
        _ = progress.accepted(sequence: 2, through: 6, now: .zero)
        #expect(progress.inflight.count == 1, "the read is still under way; a second would send it all twice")
        #expect(progress.window(settings) == nil)
        _ = progress.accepted(sequence: 3, through: 9, now: .zero)
        #expect(progress.inflight.isEmpty)
        #expect(progress.nextIndex == 10)
    }

    @Test("A refusal moves back to where both logs can agree, and always below what was asked")
    func refused() {
        var progress = Progress(peer: 2, nextIndex: 10, now: .zero)
        progress.streamStarted(StreamID(1), nextIndex: 10, now: .zero)
        progress.sent(last: 9, bytes: 0, now: .zero)
        progress.refused(sequence: 1, previous: 9, agreeable: 4, now: .zero)
        #expect(progress.nextIndex == 5)
        #expect(progress.inflight.isEmpty)
        progress.sent(last: 4, bytes: 0, now: .zero)
        progress.refused(sequence: 2, previous: 4, agreeable: 4, now: .zero)
        #expect(progress.nextIndex == 4, "a hint that does not help still moves on")
        progress.sent(last: 3, bytes: 0, now: .zero)
        progress.refused(sequence: 3, previous: 3, agreeable: 99, now: .zero)
        #expect(progress.nextIndex == 3)
    }

    @Test("A late refusal of a superseded question moves nothing back (R46, R47)")
    func lateRefusal() {
        var probing = Progress(peer: 2, nextIndex: 10, now: .zero)
        probing.streamStarted(StreamID(1), nextIndex: 10, now: .zero)
        probing.sent(last: 9, bytes: 0, now: .zero)
        probing.refused(sequence: 1, previous: 9, agreeable: 4, now: .zero)
        probing.refused(sequence: 1, previous: 9, agreeable: 1, now: .zero)
        #expect(probing.nextIndex == 5, "the first refusal was the answer; this is a copy of it")

        var replicating = replicating(match: 7, next: 8)
        replicating.refused(sequence: 1, previous: 6, agreeable: 2, now: .zero)
        #expect(replicating.state == .replicate)
        #expect(replicating.matchIndex == 7 && replicating.nextIndex == 8)
    }

    @Test("A refusal that an acceptance has overtaken still means that the refused entries must be sent again")
    func overtakenRefusal() {
        var progress = replicating(match: 4, next: 5)
        progress.sent(last: 5, bytes: 10, now: .zero)
        progress.sent(last: 6, bytes: 10, now: .zero)
        _ = progress.accepted(sequence: 2, through: 5, now: .zero)
        progress.refused(sequence: 3, previous: 5, agreeable: 4, now: .zero)
        #expect(progress.state == .probe && progress.nextIndex == 6 && progress.inflight.isEmpty)
    }

    @Test("A refusal while replicating goes back to a probe, never below what the peer has acknowledged")
    func refusedWhileReplicating() {
        var progress = replicating(match: 7, next: 8)
        progress.sent(last: 9, bytes: 10, now: .zero)
        progress.sent(last: 12, bytes: 10, now: .zero)
        progress.refused(sequence: 2, previous: 9, agreeable: 2, now: .zero)
        #expect(progress.state == .probe)
        #expect(progress.nextIndex == 8 && progress.matchIndex == 7)
    }

    @Test("Acknowledgements out of order and repeated never move back (R44)")
    func reordered() {
        var progress = replicating(match: 4, next: 5)
        for last in [5, 6, 7] as [LogIndex] { progress.sent(last: last, bytes: 10, now: .zero) }
        let news = [(4, 7), (2, 5), (4, 7)].map { progress.accepted(sequence: $0.0, through: $0.1, now: .zero) }
        #expect(news == [true, false, false])
        #expect(progress.matchIndex == 7 && progress.nextIndex == 8 && progress.inflightBytes == 0)
    }

    @Test("An answer that comes twice, or to what is no longer under way, tells of the log and opens nothing")
    func answeredTwice() {
        var progress = replicating(match: 4, next: 5)
        progress.sent(last: 6, bytes: 10, now: .zero)
        progress.becomeProbe(now: .zero)
        progress.sent(last: 6, bytes: 10, now: .zero)
        let isNews = progress.accepted(sequence: 2, through: 6, now: .zero)
        #expect(isNews && progress.matchIndex == 6)
        #expect(progress.state == .probe, "the probe is still out; another append would be one more for each copy")
        #expect(progress.inflight.count == 1 && progress.window(settings) == nil)
        progress.refused(sequence: 2, previous: 9, agreeable: 8, now: .zero)
        #expect(progress.inflight.count == 1)
    }

    @Test("What was acknowledged is known within one life of the stream only (D10)")
    func newLife() {
        var progress = replicating(match: 7, next: 8)
        progress.sent(last: 9, bytes: 10, now: .zero)
        progress.streamEnded("test")
        #expect(progress.stream == nil && progress.matchIndex == 0 && progress.inflight.isEmpty)
        progress.streamStarted(StreamID(2), nextIndex: 12, now: .zero)
        #expect(progress.state == .probe && progress.nextIndex == 12 && progress.matchIndex == 0)
    }

    @Test("Asking again begins where the logs are known to agree")
    func again() {
        var progress = replicating(match: 7, next: 8)
        progress.sent(last: 20, bytes: 10, now: .zero)
        progress.becomeProbe(now: .ms(5))
        #expect(progress.state == .probe && progress.nextIndex == 8 && progress.movedAt == .ms(5))
        var fresh = Progress(peer: 2, nextIndex: 10, now: .zero)
        fresh.streamStarted(StreamID(1), nextIndex: 10, now: .zero)
        fresh.sent(last: 9, bytes: 0, now: .zero)
        fresh.becomeProbe(now: .ms(5))
        #expect(fresh.nextIndex == 10, "nothing is known: the question stays the same")
    }

    @Test("A third append waits until it is worth a message of its own")
    func worthSending() {
        var progress = replicating(match: 4, next: 5)
        #expect(progress.isWorthSending(bytes: 1))
        progress.sent(last: 5, bytes: 10, now: .zero)
        #expect(progress.isWorthSending(bytes: 1))
        progress.sent(last: 6, bytes: 10, now: .zero)
        #expect(!progress.isWorthSending(bytes: 1))
        #expect(progress.isWorthSending(bytes: 64 << 10))
    }

    @Test("A read round that was confirmed stays confirmed")
    func rounds() {
        var progress = replicating(match: 4, next: 5)
        progress.confirm(round: 5)
        progress.confirm(round: 3)
        #expect(progress.confirmedRound == 5)
    }
}
