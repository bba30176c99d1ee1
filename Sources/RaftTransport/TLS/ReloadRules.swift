/// When files that change one after another are read: once they have stopped changing, and once for each change.
struct ReloadRules {
    /// What the files were when they were last read.
    private var read: [FileStamp?]
    /// What they were at the last look.
    private var seen: [FileStamp?]
    private var failedLooks: Int?
    /// After so many looks, files that could not be used are read again, though they did not change: what was wrong may
    /// have been the time.
    static let looksUntilRetry = 120

    init(read: [FileStamp?]) {
        self.read = read
        seen = read
    }

    /// - Returns: whether to read them now.
    mutating func look(_ now: [FileStamp?]) -> Bool {
        defer { seen = now }
        if now != read {
            // A certificate is there before its key: wait until a whole interval has brought nothing new.
            guard now == seen else { return false }
            read = now
            failedLooks = nil
            return true
        }
        guard let failed = failedLooks else { return false }
        failedLooks = failed + 1
        return failed + 1 >= Self.looksUntilRetry
    }

    /// Notes that the files, as they were then, were read, and whether they could be used.
    mutating func finished(_ stamps: [FileStamp?], isGood: Bool) {
        read = stamps
        failedLooks = isGood ? nil : 0
    }
}

/// When to say that something comes to its end: once for each level that is reached.
struct ExpiryRules {
    static let certificateLevels = [30, 7, 1, 0]
    /// Lists are renewed often; one that is a day from its end was forgotten.
    static let listLevels = [1, 0]

    /// Days left, the most first.
    let levels: [Int]
    private var told: Int?
    /// Of what it was told.
    private var end: Int64 = 0

    init(levels: [Int]) { self.levels = levels }

    /// - Parameters: moments in seconds since 1970; `begin` and `end` are those of the thing itself: a level that is
    ///   longer than all of its life says nothing.
    /// - Returns: the days left, when a further level has been reached.
    mutating func look(from begin: Int64, until end: Int64, now: Int64) -> Int? {
        if end != self.end {
            // Another one.
            self.end = end
            told = nil
        }
        let left = end - now
        let reached = levels.last { level in left <= Int64(level) * 86_400 && Int64(level) * 86_400 < end - begin }
        guard let reached else {
            told = nil
            return nil
        }
        guard told.map({ reached < $0 }) ?? true else { return nil }
        told = reached
        return TLSStatus.days(until: end, from: now)
    }
}
