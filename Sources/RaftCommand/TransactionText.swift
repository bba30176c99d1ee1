internal import RaftKeyValueModel

/// Transactions as people write them: one clause an argument, or a line.
///
///     if value KEY = VALUE          if revision KEY > 7      if absent KEY
///     then put KEY VALUE            then delete KEY          then get KEY --prefix --limit 10
///     else get KEY
///
/// Words stand apart by blanks. One in double quotes may have blanks in it; `\"`, `\\`, `\n`, `\t` and `\xNN` stand for
/// what they say, in quotes and outside.
enum TransactionText {
    /// - Throws: of code usage, with the clause and what is wrong with it.
    static func parse(_ clauses: [[UInt8]]) throws(Failure) -> KeyValueTransaction {
        var transaction = KeyValueTransaction()
        for clause in clauses {
            do throws(ArgumentProblem) {
                var words = Words(try words(of: clause))
                switch words.next()?.text {
                case "if": transaction.comparisons.append(try comparison(&words))
                case "then": transaction.then.append(try operation(&words))
                case "else": transaction.otherwise.append(try operation(&words))
                case let other:
                    throw ArgumentProblem("it begins with \"\(other ?? "")\"; begin it with if, then or else")
                }
                try words.end()
            } catch {
                throw Failure(.usage, "\"\(ByteText.shown(clause))\": \(error)")
            }
        }
        return transaction
    }

    /// The clauses of a text, one a line. Empty lines and those that begin with # say nothing.
    static func lines(_ text: [UInt8]) -> [[UInt8]] {
        text.split(separator: 10).map { Array($0.drop { $0 == 32 || $0 == 9 }) }
            .filter { !$0.isEmpty && $0.first != 35 && $0 != [13] }
    }

    private static func comparison(_ words: inout Words) throws(ArgumentProblem) -> KeyValueTransaction.Comparison {
        let what = try words.take("value, revision, created, version, absent or present").text
        let key = try words.take("a key").bytes
        switch what {
        case "absent": return .absent(key)
        case "present": return .present(key)
        case "value", "revision", "created", "version": break
        default:
            throw ArgumentProblem("\"\(what)\" is not value, revision, created, version, absent or present")
        }
        let relation: KeyValueTransaction.Comparison.Relation
        switch try words.take("=, !=, < or >").text {
        case "=": relation = .equal
        case "!=": relation = .notEqual
        case "<": relation = .less
        case ">": relation = .greater
        case let other: throw ArgumentProblem("\"\(other)\" is not =, !=, < or >")
        }
        let operand = try words.take("what to compare with")
        if what == "value" { return .init(key: key, property: .value(operand.bytes), relation: relation) }
        guard let number = UInt64(operand.text) else {
            throw ArgumentProblem("\"\(operand.text)\" is no number of 0 or more")
        }
        switch what {
        case "revision": return .init(key: key, property: .revision(number), relation: relation)
        case "created": return .init(key: key, property: .created(number), relation: relation)
        default: return .init(key: key, property: .version(number), relation: relation)
        }
    }

    private static func operation(_ words: inout Words) throws(ArgumentProblem) -> KeyValueTransaction.Operation {
        let what = try words.take("put, delete or get").text
        guard ["put", "delete", "get"].contains(what) else {
            throw ArgumentProblem("\"\(what)\" is not put, delete or get")
        }
        let key = try words.take("a key").bytes
        if what == "put" {
            let value = try words.take("a value").bytes
            let lease = try words.takeOption("--lease").map { word throws(ArgumentProblem) in
                guard let lease = UInt64(word.text) else { throw ArgumentProblem("\"\(word.text)\" is no lease's id") }
                return lease
            }
            return .put(key: key, value: value, returnsPrevious: words.takeFlag("--previous"), lease: lease)
        }
        var range = KeyRange(key: key)
        if words.takeFlag("--prefix") {
            range = KeyRange(prefix: key)
        } else if words.takeFlag("--onward") {
            range = KeyRange(from: key)
        } else if let end = try words.takeOption("--to") {
            range = KeyRange(from: key, upTo: end.bytes)
        }
        if what == "delete" { return .delete(range, returnsPrevious: words.takeFlag("--previous")) }
        guard let limit = try words.takeOption("--limit") else { return .range(range) }
        guard let count = UInt32(limit.text), count > 0 else {
            throw ArgumentProblem("--limit \"\(limit.text)\": a whole number from 1 on")
        }
        return .range(range, limit: count)
    }

    // MARK: The other way

    /// The clauses that mean this transaction.
    static func shown(_ transaction: KeyValueTransaction) -> [String] {
        transaction.comparisons.map { "if \(shown($0))" } + transaction.then.map { "then \(shown($0))" }
            + transaction.otherwise.map { "else \(shown($0))" }
    }

    private static func shown(_ comparison: KeyValueTransaction.Comparison) -> String {
        let key = quoted(comparison.key)
        if comparison == .absent(comparison.key) { return "absent \(key)" }
        if comparison == .present(comparison.key) { return "present \(key)" }
        let relation =
            switch comparison.relation {
            case .equal: "="
            case .notEqual: "!="
            case .less: "<"
            case .greater: ">"
            }
        return switch comparison.property {
        case .value(let value): "value \(key) \(relation) \(quoted(value))"
        case .revision(let number): "revision \(key) \(relation) \(number)"
        case .created(let number): "created \(key) \(relation) \(number)"
        case .version(let number): "version \(key) \(relation) \(number)"
        }
    }

    private static func shown(_ operation: KeyValueTransaction.Operation) -> String {
        switch operation {
        case .put(let key, let value, let previous, let lease):
            "put \(quoted(key)) \(quoted(value))" + (previous ? " --previous" : "")
                + (lease.map { " --lease \($0)" } ?? "")
        case .delete(let range, let previous): "delete \(shown(range))" + (previous ? " --previous" : "")
        case .range(let range, let limit): "get \(shown(range))" + (limit == 0 ? "" : " --limit \(limit)")
        }
    }

    private static func shown(_ range: KeyRange) -> String {
        if let key = range.onlyKey { return quoted(key) }
        return quoted(range.from) + (range.upTo.map { " --to \(quoted($0))" } ?? " --onward")
    }

    /// A word as it may stand in a clause.
    private static func quoted(_ bytes: [UInt8]) -> String {
        let text = ByteText.shown(bytes).replacing("\"", with: "\\\"")
        let isPlain = !text.isEmpty && !text.contains(" ") && !text.hasPrefix("--")
        return isPlain ? text : "\"\(text)\""
    }

    /// The words of one clause.
    private struct Words {
        private var rest: ArraySlice<Word>
        init(_ words: [Word]) { rest = words[...] }

        mutating func next() -> Word? { rest.popFirst() }

        mutating func take(_ what: String) throws(ArgumentProblem) -> Word {
            guard let word = rest.popFirst() else { throw ArgumentProblem("it ends where \(what) must follow") }
            return word
        }

        mutating func takeFlag(_ name: String) -> Bool {
            guard let place = place(of: name) else { return false }
            rest.remove(at: place)
            return true
        }

        mutating func takeOption(_ name: String) throws(ArgumentProblem) -> Word? {
            guard let place = place(of: name) else { return nil }
            guard place + 1 < rest.endIndex else { throw ArgumentProblem("\(name) has no value") }
            defer { rest.removeSubrange(place...(place + 1)) }
            return rest[place + 1]
        }

        /// A quoted word is what it says, whatever it looks like.
        private func place(of name: String) -> Int? { rest.firstIndex { !$0.isQuoted && $0.text == name } }

        func end() throws(ArgumentProblem) {
            guard let word = rest.first else { return }
            throw ArgumentProblem("\"\(word.text)\" is too much; put a word with blanks into double quotes")
        }
    }

    struct Word: Hashable {
        var bytes: [UInt8] = []
        var isQuoted = false
        var text: String { String(decoding: bytes, as: UTF8.self) }
    }

    static func words(of clause: [UInt8]) throws(ArgumentProblem) -> [Word] {
        var words: [Word] = []
        var word: Word?
        var isOpen = false
        var rest = clause[...]
        while let byte = rest.popFirst() {
            switch byte {
            case 0x22:
                isOpen.toggle()
                word = word ?? Word()
                word?.isQuoted = true
            case 0x5C:
                word = word ?? Word()
                word?.bytes.append(try escaped(&rest))
            case 0x20, 0x09, 0x0D:
                if isOpen {
                    word?.bytes.append(byte)
                } else if let whole = word {
                    words.append(whole)
                    word = nil
                }
            default:
                word = word ?? Word()
                word?.bytes.append(byte)
            }
        }
        guard !isOpen else { throw ArgumentProblem("a double quote is not closed") }
        if let word { words.append(word) }
        return words
    }

    /// What a backslash and what follows it stand for.
    private static func escaped(_ rest: inout ArraySlice<UInt8>) throws(ArgumentProblem) -> UInt8 {
        switch rest.popFirst() {
        case 0x5C: return 0x5C
        case 0x22: return 0x22
        case UInt8(ascii: "n"): return 10
        case UInt8(ascii: "t"): return 9
        case UInt8(ascii: "x"):
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            guard digits.utf8.count == 2, digits.allSatisfy(\.isHexDigit), let byte = UInt8(digits, radix: 16) else {
                throw ArgumentProblem("\\x needs two hexadecimal digits")
            }
            rest = rest.dropFirst(2)
            return byte
        default: throw ArgumentProblem("a backslash stands before \\, \", n, t or xNN")
        }
    }
}
