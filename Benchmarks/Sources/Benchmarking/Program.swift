internal import Foundation
internal import Glibc

/// Other programs that this one runs, and the processor time that they take.
public enum Program {
    public struct Run: Sendable {
        public var output: String
        /// Seconds on processors, its own and the system's for it.
        public var processorTime: Double
    }

    /// Runs a program to its end. One at a time: its processor time is that of all children that ended meanwhile.
    ///
    /// - Throws: ``BenchmarkError`` with what it printed last, when it leaves with another code than 0.
    public static func run(
        _ path: String, _ arguments: [String], environment: [String: String] = [:]
    ) throws -> Run {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        let before = ofChildren()
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw BenchmarkError(
                "\(path) \(arguments.joined(separator: " ")) left with \(process.terminationStatus): \(text.suffix(300))"
            )
        }
        return Run(output: text, processorTime: ofChildren() - before)
    }

    /// What a running process has taken so far, in seconds on processors, and the most memory that it had, in bytes.
    public static func usage(of pid: Int32) throws -> (processorTime: Double, peakBytes: Int) {
        let stat = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        guard let usage = parse(stat: stat, status: status, ticksPerSecond: Double(sysconf(Int32(_SC_CLK_TCK)))) else {
            throw BenchmarkError("/proc/\(pid) is not as expected")
        }
        return usage
    }

    static func parse(
        stat: String, status: String, ticksPerSecond: Double
    ) -> (processorTime: Double, peakBytes: Int)? {
        // The second field, the program's name in parentheses, may hold blanks and parentheses.
        guard let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
            let kibibytes = line.split(whereSeparator: { " \t".contains($0) }).dropFirst().first.flatMap({ Int($0) })
        else { return nil }
        return ((user + system) / ticksPerSecond, kibibytes << 10)
    }

    private static func ofChildren() -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }
}
