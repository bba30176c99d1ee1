/// A value of a history's line.
enum HistoryValue: Hashable {
    case null
    case bool(Bool)
    case number(UInt64)
    case text(String)
    case list([HistoryValue])

    /// As it stands in the file.
    var shown: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .number(let value): "\(value)"
        case .text(let value): HistoryFormat.quoted(value)
        case .list(let values): "[\(values.map(\.shown).joined(separator: ", "))]"
        }
    }
}

/// What is wrong with a line.
struct HistoryLineProblem: Error {
    let text: String
    init(_ text: String) { self.text = text }

    static func wrong(_ field: String, _ value: HistoryValue, _ expected: String) -> HistoryLineProblem {
        HistoryLineProblem("\"\(field)\" is \(value.shown); write \(expected)")
    }
}

/// Reads the part of JSON (RFC 8259) that a history needs: objects of known fields, lists, text, whole numbers, true,
/// false and null. Refuses everything else, with the column at which it stands.
struct HistoryLineParser {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
    }

    /// The line as one object with exactly these fields, in any order.
    ///
    /// - Returns: the fields' values in the order of `names`.
    mutating func object(_ names: [String]) throws(HistoryLineProblem) -> [HistoryValue] {
        var values = [HistoryValue?](repeating: nil, count: names.count)
        try expect("{", "an object begins with {")
        if !take("}") {
            repeat {
                skipSpace()
                let column = column
                guard peek == UInt8(ascii: "\"") else { throw problem("a field's name in quotes must stand here") }
                let name = try text()
                guard let place = names.firstIndex(of: name) else {
                    throw HistoryLineProblem(
                        "column \(column): there is no field \(HistoryFormat.quoted(name)); the fields are "
                            + names.joined(separator: ", "))
                }
                guard values[place] == nil else {
                    throw HistoryLineProblem("column \(column): \"\(name)\" is there twice")
                }
                try expect(":", "a field's value follows after :")
                values[place] = try value(depth: 0)
            } while take(",")
            try expect("}", "a comma or } must stand here")
        }
        skipSpace()
        guard position == bytes.endIndex else { throw problem("something follows behind the object") }
        var found: [HistoryValue] = []
        for (name, value) in zip(names, values) {
            guard let value else { throw HistoryLineProblem("\"\(name)\" is missing") }
            found.append(value)
        }
        return found
    }

    // MARK: Values

    private mutating func value(depth: Int) throws(HistoryLineProblem) -> HistoryValue {
        skipSpace()
        switch peek {
        case UInt8(ascii: "\""): return .text(try text())
        case UInt8(ascii: "["):
            guard depth == 0 else { throw problem("a list within a list") }
            position += 1
            if take("]") { return .list([]) }
            var values: [HistoryValue] = []
            repeat { values.append(try value(depth: depth + 1)) } while take(",")
            try expect("]", "a comma or ] must stand here")
            return .list(values)
        case .some(let byte) where byte == UInt8(ascii: "-") || isDigit(byte): return .number(try number())
        default:
            for (word, value) in [("null", HistoryValue.null), ("true", .bool(true)), ("false", .bool(false))]
            where bytes[position...].starts(with: word.utf8) {
                position += word.utf8.count
                return value
            }
            throw problem("text, a whole number, true, false, null or a list must stand here")
        }
    }

    private mutating func number() throws(HistoryLineProblem) -> UInt64 {
        let start = position
        while let byte = peek, isDigit(byte) || "+-.eE".utf8.contains(byte) { position += 1 }
        let digits = String(decoding: bytes[start..<position], as: UTF8.self)
        let isPlain = digits.utf8.allSatisfy(isDigit) && (digits == "0" || !digits.hasPrefix("0"))
        guard isPlain, let number = UInt64(digits) else {
            position = start
            throw problem("\(digits) is not a whole number from 0 to \(UInt64.max)")
        }
        return number
    }

    private mutating func text() throws(HistoryLineProblem) -> String {
        let start = position
        position += 1
        var content: [UInt8] = []
        while let byte = peek, byte != UInt8(ascii: "\"") {
            guard byte >= 0x20 else { throw problem("a control character in text; write it as \\u00XX") }
            position += 1
            if byte == UInt8(ascii: "\\") {
                content += Array(String(Character(try escaped())).utf8)
            } else {
                content.append(byte)
            }
        }
        guard peek != nil else {
            position = start
            throw problem("the text that begins here does not end")
        }
        position += 1
        guard let text = String(validating: content, as: UTF8.self) else {
            position = start
            throw problem("the text that begins here is not UTF-8")
        }
        return text
    }

    /// What follows after a backslash.
    private mutating func escaped() throws(HistoryLineProblem) -> Unicode.Scalar {
        let letter = peek
        position += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(letter!)
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "u"):
            let first = try unit()
            if let scalar = Unicode.Scalar(first) { return scalar }
            guard first < 0xDC00, bytes[position...].starts(with: "\\u".utf8) else {
                throw problem("half of a surrogate pair")
            }
            position += 2
            let second = try unit()
            guard (0xDC00...0xDFFF).contains(second),
                let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
            else { throw problem("half of a surrogate pair") }
            return scalar
        default:
            position -= 1
            throw problem("after \\ one of \" \\ / b f n r t u must stand")
        }
    }

    private mutating func unit() throws(HistoryLineProblem) -> UInt32 {
        let digits = bytes[position...].prefix(4)
        let isHex = digits.allSatisfy { isDigit($0) || (0x61...0x66).contains($0 | 0x20) }
        guard digits.count == 4, isHex, let unit = UInt32(String(decoding: digits, as: UTF8.self), radix: 16) else {
            throw problem("after \\u four hexadecimal digits must stand")
        }
        position += 4
        return unit
    }

    // MARK: Bytes

    private var peek: UInt8? { position < bytes.endIndex ? bytes[position] : nil }
    private var column: Int { position - bytes.startIndex + 1 }
    private func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private func problem(_ text: String) -> HistoryLineProblem { HistoryLineProblem("column \(column): \(text)") }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0D { position += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard peek == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar, _ rule: String) throws(HistoryLineProblem) {
        guard take(character) else { throw problem(rule) }
    }
}
