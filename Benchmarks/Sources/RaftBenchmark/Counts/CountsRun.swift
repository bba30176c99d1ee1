internal import Benchmarking
internal import Foundation

/// Runs each kind of work under the counters of this machine.
struct CountsRun {
    let operations: Int
    let directory: String

    /// How much more the second run has to do.
    private static let factor = 4

    func report(_ work: [CountedWork]) throws -> CountsReport {
        let program = try Self.ownProgram()
        // Valgrind does not read the debugger's data of newer compilers, but needs the names of functions.
        let plain = directory + "/raft-benchmark"
        var notes: [String] = []
        let hasPlain =
            attempt("instructions and allocations", &notes) {
                _ = try Program.run("/usr/bin/env", ["strip", "--strip-debug", "-o", plain, program])
                return true
            } ?? false
        var counts: [CountsReport.Counts] = []
        for work in work {
            Output.note(work.rawValue)
            var found = CountsReport.Counts(work: work, part: work.part.name)
            if hasPlain {
                let all = attempt("instructions", &notes) { try difference { try instructions(plain, work, $0) } }
                found.instructions = all?.first
                found.instructionsOfPart = all?.last
                found.allocations =
                    attempt("allocations", &notes) {
                        try difference { [try allocations(plain, work, $0)] }
                    }?[0]
            }
            found.systemCalls =
                attempt("system calls", &notes) {
                    try difference { [try systemCalls(program, work, $0)] }
                }?[0]
            counts.append(found)
        }
        return CountsReport(counts: counts, notes: notes)
    }

    private func attempt<Result>(_ what: String, _ notes: inout [String], _ body: () throws -> Result) -> Result? {
        do { return try body() } catch {
            let note = "\(what) could not be counted: \(error)"
            if !notes.contains(note) { notes.append(note) }
            return nil
        }
    }

    /// Of one operation.
    private func difference(_ count: (_ operations: Int) throws -> [Double]) throws -> [Double] {
        let (few, many) = (try count(operations), try count(operations * Self.factor))
        return zip(few, many).map { ($1 - $0) / Double(operations * (Self.factor - 1)) }
    }

    private func arguments(_ work: CountedWork, _ operations: Int) -> [String] {
        ["counted", work.rawValue, "--operations", "\(operations)", "--data", directory]
    }

    // MARK: Counters

    /// All, and those of the part.
    private func instructions(_ program: String, _ work: CountedWork, _ operations: Int) throws -> [Double] {
        let file = directory + "/callgrind.out"
        defer { try? FileManager.default.removeItem(atPath: file) }
        _ = try Program.run(
            "/usr/bin/env",
            ["valgrind", "--tool=callgrind", "--callgrind-out-file=\(file)", program] + arguments(work, operations))
        let lines = try Program.run(
            "/usr/bin/env", ["callgrind_annotate", "--inclusive=yes", "--threshold=100", "--show-percs=no", file]
        ).output.split(separator: "\n")
        guard let total = lines.lazy.filter({ $0.contains("PROGRAM TOTALS") }).compactMap(Self.leadingNumber).first
        else { throw BenchmarkError("callgrind_annotate printed no totals") }
        let part = lines.filter { line in work.part.symbols.contains { line.contains(":" + $0) } }
            .compactMap(Self.leadingNumber)
        guard !part.isEmpty else {
            throw BenchmarkError("no function of the \(work.part.name) was seen; their names may have changed")
        }
        return [total, part.reduce(0, +)]
    }

    private func allocations(_ program: String, _ work: CountedWork, _ operations: Int) throws -> Double {
        let file = directory + "/memcheck.out"
        defer { try? FileManager.default.removeItem(atPath: file) }
        _ = try Program.run(
            "/usr/bin/env",
            ["valgrind", "--tool=memcheck", "--undef-value-errors=no", "--log-file=\(file)", program]
                + arguments(work, operations))
        let text = try String(contentsOfFile: file, encoding: .utf8)
        guard let line = text.firstMatch(of: /total heap usage: ([0-9,]+) allocs/),
            let count = Double(line.1.replacing(",", with: ""))
        else { throw BenchmarkError("memcheck printed no heap usage") }
        return count
    }

    private func systemCalls(_ program: String, _ work: CountedWork, _ operations: Int) throws -> Double {
        let file = directory + "/perf.out"
        defer { try? FileManager.default.removeItem(atPath: file) }
        _ = try Program.run(
            "/usr/bin/env",
            ["perf", "stat", "-x", ";", "-o", file, "-e", "raw_syscalls:sys_enter", program]
                + arguments(work, operations))
        let text = try String(contentsOfFile: file, encoding: .utf8)
        guard let line = text.firstMatch(of: /(?m)^([0-9]+);/), let count = Double(line.1) else {
            throw BenchmarkError("perf printed no count")
        }
        return count
    }

    /// "1,234 (...) file:function" → 1234.
    private static func leadingNumber(_ line: Substring) -> Double? {
        line.split(separator: " ").first.flatMap { Double($0.replacing(",", with: "")) }
    }

    private static func ownProgram() throws -> String {
        do { return try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") } catch {
            throw BenchmarkError("this works on Linux only: there is no /proc/self/exe")
        }
    }
}
