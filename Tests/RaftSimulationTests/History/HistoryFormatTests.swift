import Foundation
import Raft
import RaftSimulation
import TestTraits
import Testing

@Suite("The file of a history", .heavy)
struct HistoryFormatTests {
    private func message(_ text: String) -> String? {
        do throws(HistoryFormatError) {
            _ = try HistoryFormat.operations(from: Array(text.utf8))
            return nil
        } catch {
            return error.description
        }
    }

    private let line = #"{"client":1,"key":"k","op":"put","in":"a","out":"ok","call_ns":3,"return_ns":9}"#

    @Test("Each kind of call has its line, with and without an answer")
    func lines() {
        func line(_ kind: HistoryOperation.Kind, _ result: HistoryOperation.Result?) -> String {
            var operation = HistoryOperation(client: 7, key: "k\"", kind: kind, callNanoseconds: 3)
            if let result { operation.finish(result, at: 4) }
            return HistoryFormat.line(operation)
        }
        #expect(
            line(.put("a\nb"), .done)
                == #"{"client":7,"key":"k\"","op":"put","in":"a\nb","out":"ok","call_ns":3,"return_ns":4}"#)
        #expect(line(.get, .value("a")).contains(#""op":"get","in":null,"out":"a","#))
        #expect(line(.get, .value(nil)).contains(#""out":null,"call_ns":3,"return_ns":4}"#))
        #expect(
            line(.compareAndSwap(expected: nil, new: "n"), .swapped(false)).contains(#""in":[null,"n"],"out":false"#))
        #expect(line(.compareAndSwap(expected: "e", new: "n"), .swapped(true)).contains(#"["e","n"],"out":true"#))
        #expect(
            line(.append("a"), nil)
                == #"{"client":7,"key":"k\"","op":"append","in":"a","out":null,"call_ns":3,"return_ns":null}"#)
    }

    @Test("What was written is read back, and every line is JSON to others too")
    func roundTrip() throws {
        var random = RandomSource(seed: 3)
        var operations: [HistoryOperation] = []
        for _ in 0..<50 {
            var generator = GeneratedHistory()
            generator.keys = ["", "k", "\"\\/\n\r\t\u{0}\u{1F}\u{7F}ü€\u{1F600}"]
            operations += generator.make(&random)!
        }
        operations.append(
            HistoryOperation(client: .max, key: "k", kind: .get, callNanoseconds: .max).finished(.value(""), at: .max))
        let text = HistoryFormat.text(operations)
        #expect(try HistoryFormat.operations(from: Array(text.utf8)) == operations)
        for line in text.split(separator: "\n") {
            #expect(try JSONSerialization.jsonObject(with: Data(line.utf8)) is [String: Any])
        }
        #expect(try HistoryFormat.operations(from: []) == [])
    }

    @Test("Fields come in any order, with spaces, escapes and without the last line's end")
    func freedom() throws {
        let text = """
            \(line)\r
             { "return_ns" : 9 , "call_ns":3,"in":"\\u0061","out":"\\u006F\\u006b", "op":"p\\u0075t","key":"k","client":1 }
            """
        let operations = try HistoryFormat.operations(from: Array(text.utf8))
        #expect(operations.count == 2)
        #expect(operations[0] == operations[1])
        let pair = line.replacingOccurrences(of: #""a""#, with: #""\ud83d\ude00\/\b\f""#)
        #expect(try HistoryFormat.operations(from: Array(pair.utf8))[0].kind == .put("\u{1F600}/\u{8}\u{C}"))
    }

    @Test(
        "What is wrong is told with its line, its value and what it should be",
        arguments: [
            ("\n", "column 1: an object begins with {"),
            ("[]", "column 1: an object begins with {"),
            ("{}", "\"client\" is missing"),
            (#"{"client":1,"client":2}"#, "column 13: \"client\" is there twice"),
            (
                #"{"client":1,"time":2}"#,
                "column 13: there is no field \"time\"; the fields are client, key, op, in, out,"
            ),
            (#"{"client" 1}"#, "column 11: a field's value follows after :"),
            (#"{"client":1 "key":2}"#, "column 13: a comma or } must stand here"),
            (#"{client:1}"#, "column 2: a field's name in quotes must stand here"),
            (#"{"client":-1}"#, "column 11: -1 is not a whole number from 0"),
            (#"{"client":1.5}"#, "column 11: 1.5 is not"), (#"{"client":1e3}"#, "column 11: 1e3 is not"),
            (#"{"client":01}"#, "column 11: 01 is not"),
            (#"{"client":18446744073709551616}"#, "is not a whole number from 0 to 18446744073709551615"),
            (#"{"client":nil}"#, "column 11: text, a whole number, true, false, null or a list must stand here"),
            (#"{"client":[[1]]}"#, "column 12: a list within a list"), (#"{"client":[1 2]}"#, "a comma or ]"),
            (#"{"key":"a}"#, "column 8: the text that begins here does not end"),
            (#"{"key":"\x"}"#, "after \\ one of"), (#"{"key":"\u12"}"#, "four hexadecimal digits"),
            (#"{"key":"\ud800"}"#, "half of a surrogate pair"), (#"{"key":"\udc00"}"#, "half of a surrogate pair"),
            (#"{"key":"\ud800\u0041"}"#, "half of a surrogate pair"),
            ("{\"key\":\"\t\"}", "column 9: a control character in text; write it as \\u00XX"),
        ])
    func notJSON(_ text: String, _ part: String) {
        let found = message("\(line)\n\(text)\n")
        #expect(found?.hasPrefix("line 2: \(part)") == true || found?.contains(part) == true, "\(found ?? "accepted")")
        #expect(found?.hasPrefix("line 2: ") == true)
    }

    @Test(
        "A line that is JSON but no call is told with the field that is wrong",
        arguments: [
            (#""client":1"#, #""client":"1""#, #""client" is "1"; write a number from 0 on"#),
            (#""key":"k""#, #""key":null"#, #""key" is null; write text"#),
            (#""op":"put""#, #""op":"inc""#, #""op" is "inc"; write "put", "get", "cas" or "append""#),
            (#""in":"a""#, #""in":null"#, #""in" is null; write text for "put""#),
            (#""op":"put""#, #""op":"get""#, #""in" is "a"; write null for "get""#),
            (#""op":"put""#, #""op":"cas""#, #""in" is "a"; write [expected, new] for "cas": text or null, and text"#),
            (#""op":"put","in":"a""#, #""op":"cas","in":["a"]"#, #""in" is ["a"]; write [expected, new]"#),
            (#""op":"put","in":"a""#, #""op":"cas","in":["a",null]"#, #""in" is ["a", null]; write"#),
            (#""op":"put","in":"a""#, #""op":"cas","in":[1,"a"]"#, #""in" is [1, "a"]; write"#),
            (#""op":"put","in":"a""#, #""op":"cas","in":["a","b"]"#, #""out" is "ok"; write true or false for "cas""#),
            (#""out":"ok""#, #""out":true"#, #""out" is true; write "ok" for "put""#),
            (
                #""op":"put","in":"a","out":"ok""#, #""op":"get","in":null,"out":false"#,
                #""out" is false; write text or"#
            ),
            (#""call_ns":3"#, #""call_ns":null"#, #""call_ns" is null; write nanoseconds: a whole number from 0 to"#),
            (#""call_ns":3"#, #""call_ns":9223372036854775808"#, #""call_ns" is 9223372036854775808; write nano"#),
            (#""return_ns":9"#, #""return_ns":2"#, #""return_ns" 2 is before "call_ns" 3"#),
            (#""return_ns":9"#, #""return_ns":null"#, #"the outcome is unknown, but "out" is "ok""#),
            (#""return_ns":9}"#, #""return_ns":9} x"#, "something follows behind the object"),
        ])
    func notCalls(_ part: String, _ replacement: String, _ expected: String) {
        let found = message(line.replacingOccurrences(of: part, with: replacement))
        #expect(found?.hasPrefix("line 1: ") == true && found?.contains(expected) == true, "\(found ?? "accepted")")
    }

    @Test("Bytes that are not UTF-8 are refused")
    func notText() {
        let bytes = Array(#"{"key":""#.utf8) + [0xFF] + Array("\"}".utf8)
        #expect(throws: HistoryFormatError.self) { try HistoryFormat.operations(from: bytes) }
    }
}
