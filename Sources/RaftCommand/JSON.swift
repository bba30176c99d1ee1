/// A JSON document to print: its fields stay in the order given, and nulls are written.
indirect enum JSON: Hashable {
    case null
    case bool(Bool)
    case number(UInt64)
    case string(String)
    case array([JSON])
    case object([Field])

    struct Field: Hashable {
        let name: String
        let value: JSON
        init(_ name: String, _ value: JSON) {
            self.name = name
            self.value = value
        }
    }

    /// A null when there is none.
    static func number(_ value: UInt64?) -> JSON { value.map { JSON.number($0) } ?? .null }
    static func string(_ value: String?) -> JSON { value.map { JSON.string($0) } ?? .null }

    /// Bytes as text under `name`; bytes that are not UTF-8 as base64 under a name that says so.
    static func bytes(_ name: String, _ bytes: [UInt8]) -> Field {
        if let text = String(validating: bytes, as: UTF8.self) { return Field(name, .string(text)) }
        return Field("\(name)Base64", .string(base64(bytes)))
    }

    var text: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .number(let value): "\(value)"
        case .string(let value): Self.quoted(value)
        case .array(let values): "[\(values.map(\.text).joined(separator: ","))]"
        case .object(let fields):
            "{\(fields.map { "\(Self.quoted($0.name)):\($0.value.text)" }.joined(separator: ","))}"
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    static func base64(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | UInt32($1) } << (8 * UInt32(3 - group.count))
            for position in 0..<4 {
                let isPadding = position > group.count
                text.append(isPadding ? 61 : alphabet[Int(bits >> (18 - 6 * UInt32(position)) & 63)])
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
