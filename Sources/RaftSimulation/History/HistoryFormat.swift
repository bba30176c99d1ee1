/// The file format of a history: one JSON object a line, as ``HistoryOperation`` describes it.
///
/// Written by hand because this library does without Foundation; strict because a checker that guesses what a line
/// means proves nothing.
public enum HistoryFormat {
    /// One line, without its end.
    public static func line(_ operation: HistoryOperation) -> String {
        let (name, given) =
            switch operation.kind {
            case .put(let value): ("put", quoted(value))
            case .get: ("get", "null")
            case .compareAndSwap(let expected, let new): ("cas", "[\(quotedOrNull(expected)),\(quoted(new))]")
            case .append(let text): ("append", quoted(text))
            }
        let told =
            switch operation.result {
            case nil: "null"
            case .done: "\"ok\""
            case .value(let value): quotedOrNull(value)
            case .swapped(let isSwapped): isSwapped ? "true" : "false"
            }
        let end = operation.returnNanoseconds.map { "\($0)" } ?? "null"
        return "{\"client\":\(operation.client),\"key\":\(quoted(operation.key)),\"op\":\"\(name)\",\"in\":\(given),"
            + "\"out\":\(told),\"call_ns\":\(operation.callNanoseconds),\"return_ns\":\(end)}"
    }

    /// A whole file.
    public static func text(_ operations: some Sequence<HistoryOperation>) -> String {
        var text = ""
        for operation in operations {
            text += line(operation)
            text += "\n"
        }
        return text
    }

    /// Reads a whole file. An empty one is an empty history; the last line may lack its end.
    ///
    /// - Throws: ``HistoryFormatError`` for the first line that is wrong: that is not UTF-8, not JSON, lacks a field or
    ///   has one that is unknown or of the wrong kind, or whose answer does not fit its call.
    public static func operations(from bytes: [UInt8]) throws(HistoryFormatError) -> [HistoryOperation] {
        var operations: [HistoryOperation] = []
        var number = 0
        var start = bytes.startIndex
        while start < bytes.endIndex {
            let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.endIndex
            number += 1
            do throws(HistoryLineProblem) {
                operations.append(try operation(from: bytes[start..<end]))
            } catch {
                throw HistoryFormatError(line: number, message: error.text)
            }
            start = end < bytes.endIndex ? end + 1 : end
        }
        return operations
    }

    private static func operation(from line: ArraySlice<UInt8>) throws(HistoryLineProblem) -> HistoryOperation {
        var parser = HistoryLineParser(line)
        let fields = try parser.object(["client", "key", "op", "in", "out", "call_ns", "return_ns"])
        guard case .number(let client) = fields[0] else { throw .wrong("client", fields[0], "a number from 0 on") }
        guard case .text(let key) = fields[1] else { throw .wrong("key", fields[1], "text") }
        let kind = try kind(fields[2], fields[3])
        let call = try nanoseconds("call_ns", fields[5])
        let operation = HistoryOperation(client: client, key: key, kind: kind, callNanoseconds: call)
        guard fields[6] != .null else {
            guard fields[4] == .null else {
                throw .init("\"return_ns\" is null, the outcome is unknown, but \"out\" is \(fields[4].shown)")
            }
            return operation
        }
        let end = try nanoseconds("return_ns", fields[6])
        guard end >= call else { throw .init("\"return_ns\" \(end) is before \"call_ns\" \(call)") }
        return operation.finished(try result(fields[4], of: kind), at: end)
    }

    private static func kind(
        _ name: HistoryValue, _ given: HistoryValue
    ) throws(HistoryLineProblem) -> HistoryOperation.Kind {
        switch (name, given) {
        case (.text("put"), .text(let value)): return .put(value)
        case (.text("append"), .text(let text)): return .append(text)
        case (.text("get"), .null): return .get
        case (.text("cas"), .list(let pair)):
            guard pair.count == 2, case .text(let new) = pair[1] else { break }
            switch pair[0] {
            case .text(let expected): return .compareAndSwap(expected: expected, new: new)
            case .null: return .compareAndSwap(expected: nil, new: new)
            default: break
            }
        default: break
        }
        switch name {
        case .text("put"), .text("append"): throw .wrong("in", given, "text for \(name.shown)")
        case .text("get"): throw .wrong("in", given, "null for \"get\"")
        case .text("cas"): throw .wrong("in", given, "[expected, new] for \"cas\": text or null, and text")
        default: throw .wrong("op", name, "\"put\", \"get\", \"cas\" or \"append\"")
        }
    }

    private static func result(
        _ told: HistoryValue, of kind: HistoryOperation.Kind
    ) throws(HistoryLineProblem) -> HistoryOperation.Result {
        switch (kind, told) {
        case (.put, .text("ok")), (.append, .text("ok")): return .done
        case (.get, .text(let value)): return .value(value)
        case (.get, .null): return .value(nil)
        case (.compareAndSwap, .bool(let isSwapped)): return .swapped(isSwapped)
        case (.put, _): throw .wrong("out", told, "\"ok\" for \"put\"")
        case (.append, _): throw .wrong("out", told, "\"ok\" for \"append\"")
        case (.get, _): throw .wrong("out", told, "text or null for \"get\"")
        case (.compareAndSwap, _): throw .wrong("out", told, "true or false for \"cas\"")
        }
    }

    private static func nanoseconds(_ name: String, _ value: HistoryValue) throws(HistoryLineProblem) -> Int64 {
        guard case .number(let number) = value, let nanoseconds = Int64(exactly: number) else {
            throw .wrong(name, value, "nanoseconds: a whole number from 0 to \(Int64.max)")
        }
        return nanoseconds
    }

    private static func quotedOrNull(_ text: String?) -> String { text.map(quoted) ?? "null" }

    /// A JSON string: on one line, and nothing in it that moves a terminal's cursor.
    static func quoted(_ text: String) -> String {
        var result: [UInt8] = [0x22]
        for byte in text.utf8 {
            switch byte {
            case 0x22: result += [0x5C, 0x22]
            case 0x5C: result += [0x5C, 0x5C]
            case 0x0A: result += [0x5C, 0x6E]
            case 0..<0x20, 0x7F:
                let hex = String(byte, radix: 16)
                result += Array("\\u00\(hex.count == 1 ? "0" : "")\(hex)".utf8)
            default: result.append(byte)
            }
        }
        result.append(0x22)
        return String(decoding: result, as: UTF8.self)
    }
}

/// A line that is not an operation.
public struct HistoryFormatError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Counted from 1.
    public let line: Int
    /// What is wrong with it, and what it should be.
    public let message: String
    public var description: String { "line \(line): \(message)" }
}
