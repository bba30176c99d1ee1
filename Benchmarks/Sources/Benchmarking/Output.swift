internal import Foundation

/// Printing what a command found.
public enum Output {
    /// Standard output, whole.
    public static func print(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }

    /// What goes on, for whoever waits; not part of the result.
    public static func note(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

    public static func json(_ report: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(report), as: UTF8.self) + "\n"
    }
}
