/// What there must be a scenario for, and where else it is shown.
enum ScenarioList {
    /// How a number is covered when no scenario has it.
    enum Cover {
        /// By a test with this title.
        case test(String)
    }

    /// The places on the list, in groups: elections, replication, snapshots, members, leadership, reads,
    /// storage.
    static let places = Array(1...64).map(twoDigits) + ["73", "74", "C1"]

    /// The lines of the article KnownBugs.
    static let bugs = (1...64).map { "R" + twoDigits($0) } + (1...16).map { "D\($0)" }

    private static func twoDigits(_ number: Int) -> String { (number < 10 ? "0" : "") + "\(number)" }

    static let covers: [String: Cover] = [
        "18": .test("A learner votes: its configuration may be old, and the candidate may know that it has a vote"),
        "R11": .test("A quorum is a majority of each set, for every set of voters and everyone's every opinion"),
        "R12": .test(
            "A sole voter: campaigns at once and leads in a new term; in a joint configuration only if both sets are it"
        ),
        "R19": .test("R19: a member that is removed and added again is another life, met on another stream"),
        "R20": .test(
            "Members that were appended and not committed are gone, though the snapshot's are older (openraft #1808)"),
        "R21": .test("Binding members to their lives is no other membership; a cut brings back the right one (R21)"),
        "R23": .test(
            "A snapshot that contradicts a committed entry, or ends in a later term than its sender's, is refused loudly"
        ),
        "R59": .test("A removed member hears that it is final, and then its stream ends; unrelated streams stay (R59)"),
        "R62": .test("The newest is in force, committed or not; a truncation brings back the one before"),
        "R64": .test(
            "R64: a blocking add ends when the learner is removed, when its time is over, and with the leadership"),
        "R28": .test("does not open a link to a node whose certificate names another"),
        "R51": .test(
            "Entries that cannot be read end the stream: an append without them would say something else (R51)"),
        "R52": .test("Reads give what fits, at least one entry, and refuse what is not there"),
        "R54": .test("A pristine node is a learner that refuses to lead, until it is initialised; then it is so once"),
        "R57": .test("A machine that throws is given nothing more; everyone who waits is told (R57)"),
        "R60": .test("R60: ids are ordered by term, then by index, and only equal ones are neither before nor after"),
        "R63": .test("Dropping a node stops it, a leader too: nothing of it stays open (D12)"),
        "D8": .test("D8: learners are in the log's configuration, so a new leader knows them"),
        "D12": .test("D12: a leader whose last handle is gone ends, and sends nothing any more"),
    ]
}
