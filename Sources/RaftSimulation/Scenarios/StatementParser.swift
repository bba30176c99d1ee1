internal import Raft

/// Reads one line of a scenario. Commas, colons and articles are for the reader only.
struct StatementParser {
    var words: ArraySlice<String>
    /// Without the comment behind it.
    let text: String

    struct Failure: Error {
        var reason: String
    }

    init(_ line: String) {
        text = String(line.prefix { $0 != "#" }).trimmed
        let plain = text.split { $0 == " " || $0 == "," || $0 == ":" || $0 == "\t" }.map(String.init)
        words = plain.filter { !["a", "an", "the"].contains($0) }[...]
    }

    var isEmpty: Bool { words.isEmpty }

    // MARK: Words

    var next: String? { words.first }

    mutating func take(_ word: String) -> Bool {
        guard words.first == word else { return false }
        words.removeFirst()
        return true
    }

    /// Takes all of a phrase, or nothing.
    mutating func takePhrase(_ phrase: String) -> Bool {
        let parts = phrase.split(separator: " ").map(String.init)
        guard words.prefix(parts.count).elementsEqual(parts) else { return false }
        words.removeFirst(parts.count)
        return true
    }

    mutating func require(_ phrase: String) throws(Failure) {
        guard takePhrase(phrase) else { throw expected("\"\(phrase)\"") }
    }

    func expected(_ what: String) -> Failure {
        Failure(reason: "\(what) expected \(words.first.map { "before \"\($0)\"" } ?? "at the end of the line")")
    }

    mutating func word(_ what: String) throws(Failure) -> String {
        guard let word = words.popFirst() else { throw expected(what) }
        return word
    }

    mutating func number() throws(Failure) -> UInt64 {
        guard let next, let value = UInt64(next) else { throw expected("a number") }
        words.removeFirst()
        return value
    }

    mutating func count() throws(Failure) -> Int { Int(clamping: try number()) }
    mutating func term() throws(Failure) -> Term { Term(try number()) }
    mutating func index() throws(Failure) -> LogIndex { LogIndex(try number()) }

    mutating func unit() throws(Failure) -> Int64 {
        switch words.popFirst() {
        case "us": return 1_000
        case "ms": return 1_000_000
        case "s": return 1_000_000_000
        default: throw Failure(reason: "a time ends with us, ms or s")
        }
    }

    /// A thousand days, in nanoseconds: sums of such times are far from what a number holds.
    private static let longest: Int64 = 1000 * 86_400 * 1_000_000_000
    private static let tooLong = "a time is from 0 s to 86400000 s"

    mutating func duration() throws(Failure) -> Duration {
        guard let next, let value = Double(next) else { throw expected("a time") }
        words.removeFirst()
        let time = value * Double(try unit())
        guard (0...Double(Self.longest)).contains(time) else { throw Failure(reason: Self.tooLong) }
        return .nanoseconds(Int64(time))
    }

    /// `150..300 ms`
    mutating func nanoseconds() throws(Failure) -> ClosedRange<Int64> {
        let parts = try word("a range of times").split(separator: ".").compactMap { Int64($0) }
        guard parts.count == 2, parts[0] <= parts[1] else { throw Failure(reason: "a range is written 150..300 ms") }
        let unit = try unit()
        guard parts[0] >= 0, parts[1] <= Self.longest / unit else { throw Failure(reason: Self.tooLong) }
        return (parts[0] * unit)...(parts[1] * unit)
    }

    mutating func durations() throws(Failure) -> ClosedRange<Duration> {
        let range = try nanoseconds()
        return .nanoseconds(range.lowerBound)...(.nanoseconds(range.upperBound))
    }

    static func id(_ word: some StringProtocol) -> LogID? {
        let parts = word.split(separator: "@")
        guard parts.count == 2, let index = UInt64(parts[0]), let term = UInt64(parts[1]) else { return nil }
        return LogID(term: Term(term), index: LogIndex(index))
    }

    mutating func id() throws(Failure) -> LogID {
        guard let next, let id = Self.id(next) else { throw expected("an entry, such as 3@2 (index 3, term 2)") }
        words.removeFirst()
        return id
    }

    /// Far more than a scenario needs, and few enough to be made at once.
    private static let maximumRun: UInt64 = 100_000

    /// `2@1 3@1`, `2..4@1 5@3`, or nothing.
    mutating func ids() throws(Failure) -> [LogID] {
        var ids: [LogID] = []
        while let next {
            if let id = Self.id(next) {
                ids.append(id)
            } else if next.contains("@") {
                let parts = next.split { $0 == "." || $0 == "@" }.compactMap { UInt64($0) }
                guard parts.count == 3, parts[0] <= parts[1] else {
                    throw Failure(reason: "a run of entries is written 2..4@1, not \(next)")
                }
                guard parts[1] - parts[0] < Self.maximumRun else {
                    throw Failure(reason: "\(next) has more than \(Self.maximumRun) entries")
                }
                ids += (parts[0]...parts[1]).map { LogID(term: Term(parts[2]), index: LogIndex($0)) }
            } else {
                break
            }
            words.removeFirst()
        }
        return ids
    }

    // MARK: Nodes

    func name(_ word: String) -> NodeName? {
        if let value = UInt64(word) { return .id(NodeID(value)) }
        if word == "leader" { return .leader }
        // A name given by `call`: one capital word.
        if let first = word.first, first.isUppercase { return .named(word) }
        return nil
    }

    mutating func node() throws(Failure) -> NodeName {
        guard let next, let name = name(next) else { throw expected("a node") }
        words.removeFirst()
        return name
    }

    /// `1's`
    mutating func owner() throws(Failure) -> NodeName {
        guard let next, next.hasSuffix("'s"), let name = name(String(next.dropLast(2))) else {
            throw expected("whose, such as 1's,")
        }
        words.removeFirst()
        return name
    }

    mutating func nodes() throws(Failure) -> NodeSet {
        if take("all") { return .all }
        if take("others") { return .others }
        var names: [NodeName] = []
        while let next, let name = name(next) {
            names.append(name)
            words.removeFirst()
            _ = take("and")
        }
        guard !names.isEmpty else { throw expected("nodes") }
        return .names(names)
    }

    mutating func plainIDs() throws(Failure) -> [NodeID] {
        var ids: [NodeID] = []
        while let next, let value = UInt64(next) {
            ids.append(NodeID(value))
            words.removeFirst()
        }
        guard !ids.isEmpty else { throw expected("node numbers") }
        return ids
    }

    mutating func route() throws(Failure) -> (from: NodeSet, to: NodeSet) {
        let from = try nodes()
        try require("->")
        return (from, try nodes())
    }

    mutating func kinds() throws(Failure) -> Set<Traffic.Kind> {
        if take("messages") { return Set(Traffic.Kind.allCases) }
        if take("elections") { return [.preVotes, .votes] }
        // The longer names first: "append replies" begins like none of the others, "pre-vote replies" like none either.
        for kind in Traffic.Kind.allCases where takePhrase(kind.rawValue) { return [kind] }
        // One alone: "append 1 -> 3".
        for kind in Traffic.Kind.allCases where take(String(kind.rawValue.dropLast())) { return [kind] }
        throw expected("a kind of message: \(Traffic.Kind.allCases.map(\.rawValue)), elections or messages,")
    }

    mutating func callName() throws(Failure) -> String {
        guard let next, next.first?.isUppercase == true else { throw expected("a name with a capital letter") }
        words.removeFirst()
        return next
    }

    var beginsWithCallName: Bool { next?.first?.isUppercase == true }

    mutating func parse() throws(Failure) -> Statement {
        let statement = try statement()
        if let next { throw Failure(reason: "what is \"\(next)\"?") }
        return statement
    }
}

extension String {
    /// Without blanks at either end.
    fileprivate var trimmed: String {
        let inner = drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()
        return String(inner)
    }
}
