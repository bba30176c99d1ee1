import Testing

@testable import Raft

func sessionRequest(_ session: UInt64, _ sequence: UInt64, lowest: UInt64 = 1) -> SessionRequest {
    SessionRequest(session: SessionID(session), sequence: sequence, lowestUnanswered: lowest)
}

func sessionLimits(_ sessions: UInt32 = 10, replies: UInt32 = 10, bytes: UInt32 = 100) -> SessionLimits {
    SessionLimits(sessions: sessions, replies: replies, replyBytes: bytes)
}

@Suite("The table of sessions")
struct SessionTableTests {
    /// One session, registered by entry 1.
    static func table(_ limits: SessionLimits = sessionLimits()) -> SessionTable {
        var table = SessionTable()
        _ = table.register(limits, at: 1)
        return table
    }

    @Test("A command is applied once, and a retry gets the first reply, in whatever order they come")
    func once() {
        var table = Self.table()
        for sequence: UInt64 in [3, 1, 2] {
            #expect(table.decide(sessionRequest(1, sequence), at: LogID(LogIndex(sequence + 1), 1)) == .apply)
            #expect(table.record([UInt8(sequence)], of: sequence, in: SessionID(1)) == 0)
        }
        for sequence: UInt64 in [2, 1, 3] {
            #expect(
                table.decide(sessionRequest(1, sequence), at: LogID(9, 2))
                    == .repeated(LogID(LogIndex(sequence + 1), 1), .kept([UInt8(sequence)])))
        }
        #expect(table.replyCount == 3 && table.replyBytes == 3)
    }

    @Test("The first reply stays, even if the machine would answer otherwise now")
    func firstReply() {
        var table = Self.table()
        _ = table.decide(sessionRequest(1, 1), at: LogID(2, 1))
        _ = table.record([1], of: 1, in: SessionID(1))
        _ = table.record([2], of: 1, in: SessionID(1))
        #expect(table.decide(sessionRequest(1, 1), at: LogID(3, 1)) == .repeated(LogID(2, 1), .kept([1])))
    }

    @Test("Acknowledged replies are dropped, and their numbers are refused from then on, also new ones below")
    func acknowledged() {
        var table = Self.table()
        for sequence: UInt64 in [1, 3] {
            _ = table.decide(sessionRequest(1, sequence), at: LogID(LogIndex(sequence + 1), 1))
            _ = table.record([9, 9], of: sequence, in: SessionID(1))
        }
        #expect(table.decide(sessionRequest(1, 4, lowest: 3), at: LogID(8, 1)) == .apply)
        #expect(table.replyCount == 2 && table.replyBytes == 2)
        #expect(table.decide(sessionRequest(1, 1), at: LogID(9, 1)) == .refuse(.acknowledged(below: 3)))
        #expect(table.decide(sessionRequest(1, 2), at: LogID(9, 1)) == .refuse(.acknowledged(below: 3)))
        // A late message with an older mark takes nothing back.
        #expect(
            table.decide(sessionRequest(1, 3, lowest: 1), at: LogID(10, 1)) == .repeated(LogID(4, 1), .kept([9, 9])))
        // Nobody can both have a reply and ask for it.
        #expect(table.decide(sessionRequest(1, 5, lowest: 6), at: LogID(11, 1)) == .refuse(.acknowledged(below: 6)))
        #expect(table.decide(sessionRequest(1, 0), at: LogID(12, 1)) == .refuse(.acknowledged(below: 6)))
    }

    @Test("A command of no session is refused, and changes nothing")
    func noSession() {
        var table = Self.table()
        let before = table
        #expect(table.decide(sessionRequest(2, 1), at: LogID(5, 1)) == .refuse(.expired))
        let isAlive = table.keepAlive(SessionID(2), lowestUnanswered: 1, at: 6)
        #expect(table == before && !isAlive)
    }

    @Test("So many replies are kept and no more: the next command waits until some are acknowledged")
    func full() {
        var table = Self.table(sessionLimits(replies: 2))
        for sequence: UInt64 in 1...2 {
            _ = table.decide(sessionRequest(1, sequence), at: LogID(LogIndex(sequence + 1), 1))
        }
        #expect(table.decide(sessionRequest(1, 3), at: LogID(4, 1)) == .refuse(.full(2)))
        #expect(table.decide(sessionRequest(1, 2), at: LogID(5, 1)) == .repeated(LogID(3, 1), .pending))
        #expect(table.decide(sessionRequest(1, 3, lowest: 2), at: LogID(6, 1)) == .apply)
    }

    @Test("Above so many bytes the replies of the lowest numbers go; what was applied stays known")
    func bytes() {
        var table = Self.table(sessionLimits(bytes: 10))
        for sequence: UInt64 in 1...3 {
            _ = table.decide(sessionRequest(1, sequence), at: LogID(LogIndex(sequence + 1), 1))
            let dropped = table.record([UInt8](repeating: 7, count: 4), of: sequence, in: SessionID(1))
            #expect(dropped == (sequence == 3 ? 1 : 0))
        }
        #expect(table.replyBytes == 8 && table.replyCount == 3)
        #expect(table.decide(sessionRequest(1, 1), at: LogID(9, 1)) == .repeated(LogID(2, 1), .dropped))
        _ = table.decide(sessionRequest(1, 4), at: LogID(10, 1))
        // One that does not fit at all takes its own place only after all others.
        #expect(table.record([UInt8](repeating: 7, count: 11), of: 4, in: SessionID(1)) == 3)
        #expect(table.replyBytes == 0)
        #expect(table.decide(sessionRequest(1, 4), at: LogID(11, 1)) == .repeated(LogID(10, 1), .dropped))
    }

    @Test("One session too many ends the one that was silent for longest")
    func room() {
        var table = SessionTable()
        #expect(table.register(sessionLimits(2), at: 1) == [])
        #expect(table.register(sessionLimits(2), at: 2) == [])
        #expect(table.keepAlive(SessionID(1), lowestUnanswered: 1, at: 3) == true)
        #expect(table.register(sessionLimits(2), at: 4) == [SessionID(2)])
        #expect(table.summaries.map(\.id) == [SessionID(1), SessionID(4)])
        // A leader with a lower limit ends as many as that takes.
        #expect(table.register(sessionLimits(1), at: 5) == [SessionID(1), SessionID(4)])
    }

    @Test("A session is ended for its silence only if nothing behind that entry has spoken of it")
    func expiry() {
        var table = Self.table()
        _ = table.decide(sessionRequest(1, 1), at: LogID(5, 1))
        #expect(table.expire(SessionID(1), unheardSince: 4) == false)
        #expect(table.expire(SessionID(1), unheardSince: 5) == true)
        #expect(table.isEmpty && table.replyCount == 0)
        #expect(table.expire(SessionID(1), unheardSince: 9) == false)
        #expect(table.record([1], of: 1, in: SessionID(1)) == 0)
    }

    @Test("Each refusal says what to do, and that an earlier attempt may have been applied")
    func errors() {
        let request = sessionRequest(4, 2)
        #expect(SessionRefusal.expired.error(request).code == .sessionExpired)
        #expect(SessionRefusal.expired.error(request).outcome == .unknown)
        #expect(SessionRefusal.acknowledged(below: 3).error(request).code == .replyDropped)
        #expect(SessionRefusal.dropped(LogID(3, 1)).error(request).outcome == .unknown)
        #expect(SessionRefusal.full(2).error(request).code == .overloaded)
        #expect(SessionRefusal.full(2).error(request).outcome == .nothingHappened)
        #expect(SessionRefusal.unsupported.error(request).code == .invalidConfiguration)
    }
}
