/// Keys and values between the shell, which has text, and the cluster, which has bytes.
enum ByteText {
    /// An argument's own bytes. Swift repairs arguments that are not UTF-8; the repaired text is looked up among the
    /// arguments as the system gave them.
    static func bytes(ofArgument argument: String, in raw: [[UInt8]] = rawArguments) -> [UInt8] {
        guard argument.unicodeScalars.contains("\u{FFFD}") else { return Array(argument.utf8) }
        return raw.first { String(decoding: $0, as: UTF8.self) == argument } ?? Array(argument.utf8)
    }

    static var rawArguments: [[UInt8]] {
        (0..<Int(CommandLine.argc)).compactMap { position in
            CommandLine.unsafeArgv[position].map { argument in
                var bytes: [UInt8] = []
                var next = argument
                while next.pointee != 0 {
                    bytes.append(UInt8(bitPattern: next.pointee))
                    next += 1
                }
                return bytes
            }
        }
    }

    /// The value that an argument means: its own bytes, or with `-` all of standard input.
    static func value(ofArgument argument: String) throws(Failure) -> [UInt8] {
        argument == "-" ? try Console.readAll() : bytes(ofArgument: argument)
    }

    /// Bytes in one line for people: what is not printable is written as `\xNN`, a backslash as `\\`.
    ///
    /// - Parameter keepingBackslash: for text that nobody reads back, such as a line of the log.
    static func shown(_ bytes: [UInt8], keepingBackslash: Bool = false) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            return bytes.map { (0x20..<0x7F).contains($0) && $0 != 0x5C ? String(UnicodeScalar($0)) : escaped($0) }
                .joined()
        }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse:
                result += String(scalar).utf8.map(escaped).joined()
            default: result += scalar == "\\" && !keepingBackslash ? "\\\\" : String(scalar)
            }
        }
        return result
    }

    private static func escaped(_ byte: UInt8) -> String {
        if byte == 0x5C { return "\\\\" }
        let hex = String(byte, radix: 16)
        return "\\x" + (hex.count < 2 ? "0" : "") + hex
    }
}
