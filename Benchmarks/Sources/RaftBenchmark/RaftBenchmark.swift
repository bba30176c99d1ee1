internal import ArgumentParser
internal import Benchmarking
internal import Foundation

/// One command for each claim. A new one is a folder beside the others, and a line in `subcommands` and in README.md.
@main
struct RaftBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "raft-benchmark",
        abstract: "Measure what swift-raft claims, beside what this machine does at best.",
        subcommands: [
            ApplyCommand.self, ClusterCommand.self, CodecCommand.self, CountedCommand.self, CountsCommand.self,
            DurableCommand.self, FailoverCommand.self, FloodCommand.self, LogCommand.self, MailboxCommand.self,
            MembershipCommand.self, ReportCommand.self, ServiceCommand.self, SnapshotCommand.self,
            SnapshotMoveCommand.self, TLSCommand.self, WatchCommand.self,
        ])

    static func main() async {
        // Whoever goes away while something is written to it is noticed by the write.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand { try await command.run() } else { try command.run() }
        } catch {
            exit(withError: error)
        }
    }
}

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table, json

    func print(_ report: some Encodable, _ text: String) throws {
        switch self {
        case .table: Output.print(text)
        case .json: Output.print(try Output.json(report))
        }
    }
}

/// The numbers of a list such as "1,64,1024": at least one, each from 1 to `limit`.
func numbers(_ list: String, of option: String, through limit: Int) throws -> [Int] {
    let numbers = try list.split(separator: ",").map { text in
        guard let number = Int(text), (1...limit).contains(number) else {
            throw ValidationError("\(option) \(list): \"\(text)\" is not 1 to \(limit)")
        }
        return number
    }
    guard !numbers.isEmpty else { throw ValidationError("\(option) names none") }
    return numbers
}

/// What every command takes that starts real processes.
struct ClusterOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The program `raft`, built for release.", valueName: "path"))
    var raft = "../.build/release/raft"
    @Option(
        help: ArgumentHelp(
            "Make the directory of certificates and data in this one; it should be on a real disk. Default: the temporary directory.",
            valueName: "dir"))
    var data: String?
    @Flag(help: "Leave certificates, data and logs there.") var keep = false
    @Option(
        help: ArgumentHelp(
            "The nodes' least election timeout, in milliseconds; a heartbeat is a tenth of it.", valueName: "ms"))
    var electionTimeout = 1000
    @Option(name: [.customShort("o"), .customLong("output")], help: "How to print: table or json.")
    var output = OutputFormat.table

    func validate() throws {
        guard (50...60_000).contains(electionTimeout) else {
            throw ValidationError("--election-timeout \(electionTimeout): 50 to 60000 ms")
        }
    }

    /// In nanoseconds.
    var electionTimeoutNanoseconds: Int64 { Int64(electionTimeout) * 1_000_000 }

    func cluster() throws -> ServerCluster {
        try ServerCluster(
            raft: raft, in: data, keeps: keep,
            settings: ["--election-timeout", "\(electionTimeout)ms", "--heartbeat", "\(electionTimeout / 10)ms"])
    }

    /// Runs `body` with a cluster that is gone afterwards, whatever happens.
    func withCluster<Result: Sendable>(_ body: (ServerCluster) async throws -> Result) async throws -> Result {
        let cluster = try cluster()
        do {
            let result = try await body(cluster)
            await cluster.close()
            return result
        } catch {
            await cluster.close()
            throw error
        }
    }

    func print(_ report: some Encodable, _ text: String) throws { try output.print(report, text) }
}

/// What every command takes that puts at a fixed rate.
struct LoadOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Puts a second, made whether or not the earlier ones were answered.", valueName: "n"))
    var rate = 500.0
    @Option(help: ArgumentHelp("How long each value is.", valueName: "bytes")) var valueSize = 256
    @Option(help: ArgumentHelp("How long one put may take.", valueName: "seconds")) var putTimeout = 10.0

    func validate() throws {
        guard rate >= 1, rate <= 100_000 else { throw ValidationError("--rate \(rate): 1 to 100000 puts a second") }
        guard (12...1_000_000).contains(valueSize) else {
            throw ValidationError("--value-size \(valueSize): 12 to 1000000 bytes")
        }
        guard putTimeout >= 0.1, putTimeout <= 600 else {
            throw ValidationError("--put-timeout \(putTimeout): 0.1 to 600 seconds")
        }
        // More could not even wait.
        guard rate * putTimeout <= 500_000 else {
            throw ValidationError("--rate \(rate) × --put-timeout \(putTimeout): at most 500000 puts may be under way")
        }
    }

    var timeout: Duration { .seconds(1) * putTimeout }
}

/// What every command takes that measures one part of the system in this process.
struct PassOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("How often each is measured, its floor right after it; the medians count.", valueName: "n"))
    var passes = 5
    @Option(name: [.customShort("o"), .customLong("output")], help: "How to print: table or json.")
    var output = OutputFormat.table

    func validate() throws {
        guard (1...1000).contains(passes) else { throw ValidationError("--passes \(passes): 1 to 1000") }
    }

    func print(_ report: some Encodable, _ text: String) throws { try output.print(report, text) }
}

/// What those take that need files.
struct DirectoryOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Make the directory of certificates and data in this one; it should be on a real disk. Default: the temporary directory.",
            valueName: "dir"))
    var data: String?

    /// Runs `body` with a directory that is gone afterwards, whatever happens.
    func withDirectory<Result>(_ body: (String) async throws -> Result) async throws -> Result {
        let parent = data ?? NSTemporaryDirectory()
        let directory = (parent.hasSuffix("/") ? parent : parent + "/") + "raft-benchmark-part-\(getpid())"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        return try await body(directory)
    }

    /// As ``withDirectory(_:)``, with two members in it and a connection between them.
    func withPair<Result>(_ body: (TransportPair) async throws -> Result) async throws -> Result {
        try await withDirectory { directory in
            let pair = try await TransportPair(in: directory)
            do {
                let result = try await body(pair)
                await pair.close()
                return result
            } catch {
                await pair.close()
                throw error
            }
        }
    }
}
