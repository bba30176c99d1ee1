internal import Foundation
internal import Glibc

/// Three members of etcd on this machine, over mutual TLS, with the certificates of a cluster of ours: the same keys, the
/// same disk, its own defaults (heartbeat 100 ms, election 1000 ms, every entry synced).
public final class EtcdCluster {
    private let processes: [Process]
    private let endpoints: [String]
    private let tool: String
    private let directory: String
    private let credentials: Credentials

    /// Paths of PEM files.
    public struct Credentials: Sendable {
        public var certificate: String
        public var key: String
        public var authority: String
    }

    /// What etcd's own load generator found.
    public struct Figures: Sendable {
        public var perSecond: Double
        public var p50Milliseconds: Double
        public var p99Milliseconds: Double
    }

    /// - Parameters:
    ///   - etcd: the program `etcd`, of 3.5.18 or later.
    ///   - tool: the program `benchmark` of etcd's source tree.
    ///   - directory: where its data is to be; it must not be there yet.
    public init(etcd: String, tool: String, directory: String, _ credentials: Credentials) throws {
        self.tool = tool
        self.directory = directory
        self.credentials = credentials
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let ports = try Loopback.freePorts(9)
        let addresses = ports.map { "https://127.0.0.1:\($0)" }
        endpoints = Array(addresses[0..<3])
        let members = (0..<3).map { "m\($0)=\(addresses[3 + $0])" }.joined(separator: ",")
        let (certificate, key, authority) = (credentials.certificate, credentials.key, credentials.authority)
        processes = try (0..<3).map { member in
            let process = Process()
            process.executableURL = URL(fileURLWithPath: etcd)
            process.arguments = [
                "--name", "m\(member)", "--data-dir", "\(directory)/m\(member)", "--listen-client-urls",
                addresses[member], "--advertise-client-urls", addresses[member],
                // Without one of its own, HTTP shares the port with gRPC, at half the speed.
                "--listen-client-http-urls", addresses[6 + member], "--listen-peer-urls", addresses[3 + member],
                "--initial-advertise-peer-urls", addresses[3 + member], "--initial-cluster", members,
                "--client-cert-auth", "--trusted-ca-file", authority, "--cert-file", certificate, "--key-file", key,
                "--peer-client-cert-auth", "--peer-trusted-ca-file", authority, "--peer-cert-file", certificate,
                "--peer-key-file", key, "--quota-backend-bytes", "8589934592", "--log-level", "error",
            ]
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            process.standardInput = FileHandle.nullDevice
            try process.run()
            return process
        }
        let deadline = ContinuousClock.now + .seconds(30)
        while true {
            do {
                _ = try load(
                    ["put", "--key-size", "16", "--val-size", "16", "--total", "200"], connections: 1, clients: 1)
                return
            } catch {
                guard ContinuousClock.now < deadline, processes.allSatisfy(\.isRunning) else {
                    close()
                    throw BenchmarkError("etcd does not serve: \(error)")
                }
            }
            usleep(100_000)
        }
    }

    /// All members, so far.
    public func usage() throws -> Program.Usage { try Program.usage(ofAll: processes.map(\.processIdentifier)) }

    /// Runs its load generator, which calls the leader.
    public func load(
        _ arguments: [String], connections: Int, clients: Int
    ) throws -> (figures: Figures, processorTime: Double) {
        let run = try Program.run(
            tool,
            [
                "--endpoints", endpoints.joined(separator: ","), "--cacert", credentials.authority, "--cert",
                credentials.certificate, "--key", credentials.key, "--conns", "\(connections)", "--clients",
                "\(clients)", "--precise", "--target-leader",
            ] + arguments)
        guard let figures = Self.parse(run.output) else {
            throw BenchmarkError("etcd's benchmark said: \(run.output.suffix(500))")
        }
        return (figures, run.processorTime)
    }

    /// Nil also when a call failed.
    static func parse(_ text: String) -> Figures? {
        guard !text.contains("Error distribution") else { return nil }
        func number(behind label: String) -> Double? {
            guard let range = text.range(of: label) else { return nil }
            return text[range.upperBound...].split(whereSeparator: \.isWhitespace).first.flatMap { Double($0) }
        }
        guard let rate = number(behind: "Requests/sec:"), let median = number(behind: "50% in"),
            let late = number(behind: "99% in")
        else { return nil }
        return Figures(perSecond: rate, p50Milliseconds: median * 1000, p99Milliseconds: late * 1000)
    }

    /// Ends the members and removes their data.
    public func close() {
        for process in processes where process.isRunning { kill(process.processIdentifier, SIGKILL) }
        for process in processes { process.waitUntilExit() }
        try? FileManager.default.removeItem(atPath: directory)
    }
}
