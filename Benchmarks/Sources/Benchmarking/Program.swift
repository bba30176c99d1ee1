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

    /// What processes have taken.
    public struct Usage: Hashable, Sendable {
        /// Seconds on processors so far.
        public var processorTime: Double
        /// Now, and the most so far.
        public var residentBytes: Int
        public var peakBytes: Int
        /// Now, without what is a view of files: the system drops that when it needs the room.
        public var anonymousBytes: Int
    }

    /// Of a running process.
    public static func usage(of pid: Int32) throws -> Usage {
        let stat = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        guard let usage = parse(stat: stat, status: status, ticksPerSecond: Double(sysconf(Int32(_SC_CLK_TCK)))) else {
            throw BenchmarkError("/proc/\(pid) is not as expected")
        }
        return usage
    }

    /// Of several running ones: processor time in all, and the memory of the largest.
    static func usage(ofAll pids: [Int32]) throws -> Usage {
        let usages = try pids.map { try usage(of: $0) }
        return Usage(
            processorTime: usages.map(\.processorTime).reduce(0, +),
            residentBytes: usages.map(\.residentBytes).max() ?? 0, peakBytes: usages.map(\.peakBytes).max() ?? 0,
            anonymousBytes: usages.map(\.anonymousBytes).max() ?? 0)
    }

    static func parse(stat: String, status: String, ticksPerSecond: Double) -> Usage? {
        // The second field, the program's name in parentheses, may hold blanks and parentheses.
        guard let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        func bytes(_ name: String) -> Int? {
            let line = status.split(separator: "\n").first { $0.hasPrefix(name + ":") }
            let number = line?.split(whereSeparator: { " \t".contains($0) }).dropFirst().first
            return number.flatMap { Int($0) }.map { $0 << 10 }
        }
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]),
            let resident = bytes("VmRSS"), let peak = bytes("VmHWM"), let anonymous = bytes("RssAnon")
        else { return nil }
        return Usage(
            processorTime: (user + system) / ticksPerSecond, residentBytes: resident, peakBytes: peak,
            anonymousBytes: anonymous)
    }

    private static func ofChildren() -> Double { processorTime(__rusage_who_t(RUSAGE_CHILDREN.rawValue)) }

    /// Of this process so far, in seconds.
    public static func processorTime() -> Double { processorTime(__rusage_who_t(RUSAGE_SELF.rawValue)) }

    private static func processorTime(_ who: __rusage_who_t) -> Double {
        var usage = rusage()
        getrusage(who, &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }
}
