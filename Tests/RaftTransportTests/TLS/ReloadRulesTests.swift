import Glibc
import Testing

@testable import RaftTransport

@Suite("When certificates are read anew, and when their end is told")
struct ReloadRulesTests {
    // Two stamps that differ.
    private let one = FileStamp("/")
    private let two = FileStamp("/dev/null")

    @Test("Once they have stopped changing, and once for each change")
    func settles() {
        var rules = ReloadRules(read: [one, one])
        let looks = [[one, one], [one, two], [two, two], [two, two], [two, two], [one, two], [one, two]]
        #expect(looks.map { rules.look($0) } == [false, false, false, true, false, false, true])
    }

    @Test("Again after a minute when they could not be used, though they are the same")
    func retries() {
        var rules = ReloadRules(read: [one])
        rules.finished([two], isGood: false)
        let looks = (1...ReloadRules.looksUntilRetry).map { _ in rules.look([two]) }
        #expect(looks.count { $0 } == 1 && looks.last == true)
        rules.finished([two], isGood: true)
        let isLast = rules.look([two])
        #expect(!isLast)
    }

    @Test("A file that is gone is a change")
    func gone() {
        var rules = ReloadRules(read: [one])
        let looks = [rules.look([nil]), rules.look([nil])]
        #expect(looks == [false, true])
        #expect(FileStamp("/no/such/file") == nil)
    }

    @Test("At 30, 7 and 1 days before the end, and at the end: once each")
    func levels() {
        var rules = ExpiryRules(levels: [30, 7, 1, 0])
        let day: Int64 = 86_400
        var told: [Int] = []
        for hour in stride(from: Int64(0), through: 101 * 24, by: 1) {
            if let days = rules.look(from: 0, until: 100 * day, now: hour * 3600) { told.append(days) }
        }
        #expect(told == [30, 7, 1, 0])
        // A new one begins anew.
        let early = rules.look(from: 100 * day, until: 200 * day, now: 101 * day)
        let late = rules.look(from: 100 * day, until: 200 * day, now: 171 * day)
        #expect(early == nil && late == 29)
        // Also one that has little left itself.
        let hasty = rules.look(from: 0, until: 201 * day, now: 200 * day)
        let again = rules.look(from: 0, until: 202 * day, now: 201 * day)
        #expect(hasty == 1 && again == 1)
    }

    @Test("A certificate for a day is not said to have only 30 days")
    func short() {
        var rules = ExpiryRules(levels: [30, 7, 1, 0])
        let hour: Int64 = 3600
        let told = [1, 24 * hour, 24 * hour + 1].map { rules.look(from: 0, until: 24 * hour, now: $0) }
        #expect(told == [nil, 0, nil])
    }

    @Test(
        "Days left are whole days, and below zero afterwards",
        arguments: [(86_400, 1), (86_399, 0), (0, 0), (-1, -1), (-86_400, -1), (-86_401, -2)])
    func days(left: Int64, days: Int) { #expect(TLSStatus.days(until: 1_000_000 + left, from: 1_000_000) == days) }
}
