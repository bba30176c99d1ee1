internal import ArgumentParser
internal import Benchmarking
internal import Foundation

struct ReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Run every benchmark within a budget, and write a page with tables and plots.",
        discussion: """
            Each command runs as a process of its own, one after the other, as often and as long as its share of \
            --minutes allows. The page, report.md, has the machine, the commit, and for each its command line, what it \
            printed, and plots as SVG files beside it. A command that fails is shown with what it said, the others \
            run all the same, and this one leaves with 1 at the end.
            """)

    @Option(help: ArgumentHelp("Where the page and its plots go; made if it is not there.", valueName: "dir"))
    var into = "report"
    @Option(help: ArgumentHelp("How long all of it may take, about; at least 5.", valueName: "minutes"))
    var minutes = 30.0
    @Option(
        help: ArgumentHelp(
            "Only these, of counts, codec, tls, mailbox, log, apply, snapshot, cluster, durable, service, failover, watch, membership, snapshot-move, flood."
        ))
    var only: String?
    @Option(help: ArgumentHelp("The program `raft`, built for release.", valueName: "path"))
    var raft = "../.build/release/raft"
    @Option(
        help: ArgumentHelp(
            "Make the directories of data in this one; it should be on a real disk. Default: the temporary directory.",
            valueName: "dir"))
    var data: String?
    @Option(help: ArgumentHelp("The program etcd; without it only ours is measured.", valueName: "path"))
    var etcd: String?
    @Option(help: ArgumentHelp("The program benchmark of etcd's source tree.", valueName: "path"))
    var etcdBenchmark: String?

    var sections: [ReportSection] {
        get throws {
            guard let only else { return ReportSection.allCases }
            return try only.split(separator: ",").map { name in
                guard let section = ReportSection(rawValue: String(name)) else {
                    throw ValidationError(
                        "--only \(only): \"\(name)\" is none of \(ReportSection.allCases.map(\.rawValue).joined(separator: ", "))"
                    )
                }
                return section
            }
        }
    }

    func validate() throws {
        guard minutes >= 5, minutes <= 24 * 60 else { throw ValidationError("--minutes \(minutes): 5 to 1440") }
        guard (etcd == nil) == (etcdBenchmark == nil) else {
            throw ValidationError("--etcd and --etcd-benchmark belong together")
        }
        guard try !sections.isEmpty else { throw ValidationError("--only names none") }
    }

    func run() async throws {
        let sections = try sections
        try FileManager.default.createDirectory(atPath: into, withIntermediateDirectories: true)
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        var text = "# swift-raft, measured\n\n" + Machine.text() + "\n"
        var failed: [String] = []
        let shares = sections.map(\.share).reduce(0, +)
        for section in sections {
            let seconds = minutes * 60 * section.share / shares
            let arguments = section.arguments(seconds: seconds, self)
            Output.note("\(section.rawValue): about \(Int(seconds)) s")
            text += "## \(section.title)\n\n`raft-benchmark \(arguments.joined(separator: " "))`\n\n"
            do {
                let run = try Program.run(own, arguments + ["-o", "json"])
                let result = try section.result(Data(run.output.utf8))
                text += "```\n\(result.text)```\n\n"
                for (place, chart) in result.charts.enumerated() {
                    let file = "\(section.rawValue)-\(place + 1).svg"
                    try chart.svg.write(toFile: "\(into)/\(file)", atomically: true, encoding: .utf8)
                    text += "![\(chart.title)](\(file))\n\n"
                }
            } catch {
                failed.append(section.rawValue)
                text += "It failed:\n\n```\n\(error)\n```\n\n"
            }
            // What is there is worth having, however this ends.
            try text.write(toFile: into + "/report.md", atomically: true, encoding: .utf8)
        }
        Output.print("\(into)/report.md\n")
        guard failed.isEmpty else {
            Output.note("failed: \(failed.joined(separator: ", "))")
            throw ExitCode(1)
        }
    }
}

/// What the figures were measured on.
enum Machine {
    static func text() -> String {
        let processors = lines("/proc/cpuinfo").filter { $0.hasPrefix("model name") }
        let model = processors.first?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
        let memory = lines("/proc/meminfo").first { $0.hasPrefix("MemTotal") }?
            .split(whereSeparator: { $0 == " " }).dropFirst().first.flatMap { Double($0) }
        let kernel = lines("/proc/sys/kernel/osrelease").first ?? "unknown"
        let commit = (try? Program.run("/usr/bin/env", ["git", "describe", "--always", "--dirty", "--abbrev=12"]))?
            .output
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let date = Date().formatted(.iso8601.year().month().day())
        return """
            | | |
            |---|---|
            | date | \(date) |
            | commit | \(commit ?? "not in a repository") |
            | processors | \(processors.count) × \(model ?? "unknown") |
            | memory | \(memory.map { String(format: "%.1f GiB", $0 / 1_048_576) } ?? "unknown") |
            | kernel | \(kernel) |

            Figures of one machine with its own noise: what counts are the ratios to the floors and to others in the same run.

            """
    }

    private static func lines(_ path: String) -> [String] {
        ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
    }
}
