internal import Foundation
internal import Glibc
internal import NIOPosix
public import Raft
public import RaftClient
internal import RaftTransport
internal import Synchronization

/// Real `raft serve` processes on this machine, with certificates of an authority of their own, in one directory that
/// goes with them. They end with this process, however it ends.
public final class ServerCluster: Sendable {
    public static let name = "benchmark"

    public struct Node: Sendable {
        public let id: NodeID
        public let port: UInt16
        /// Where others reach it: its own port, or that of something in between.
        public let address: String
        public let data: String
        public let log: String
        fileprivate let arguments: [String]
        fileprivate let process: Process
        /// What keeps it alive: its standard input.
        fileprivate let lifeline: Pipe
        public var pid: Int32 { process.processIdentifier }
        public var isRunning: Bool { process.isRunning }
    }

    public let directory: String
    /// The program.
    public let raft: String
    private let keeps: Bool
    private let authority: CertificateAuthority
    private let settings: [String]
    private let nodes = Mutex<[NodeID: Node]>([:])
    /// The ports handed out and not used yet.
    private let ports: Mutex<[UInt16]>

    /// - Parameters:
    ///   - raft: the program `raft`.
    ///   - parent: where the directory is made; nil for the temporary directory.
    ///   - keeps: leave the directory there at the end.
    ///   - settings: flags that every node is started with.
    public init(raft: String, in parent: String?, keeps: Bool, settings: [String] = []) throws {
        let path = URL(fileURLWithPath: raft).standardizedFileURL.path
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw BenchmarkError(
                "no program at \(path); build it with `swift build -c release --static-swift-stdlib --product raft` in the folder above, or name it with --raft"
            )
        }
        self.raft = path
        self.keeps = keeps
        self.settings = settings
        let parent = parent ?? FileManager.default.temporaryDirectory.path
        directory = URL(fileURLWithPath: parent).standardizedFileURL.path + "/raft-benchmark-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        authority = try CertificateAuthority(name: "raft benchmark")
        ports = Mutex(try Loopback.freePorts(40))
        try authority.write(certificate: directory + "/ca.pem", key: directory + "/ca-key.pem")
        for role in [Role.client, .admin] { try issue(role, "benchmark", role.rawValue) }
        try issue(.peer, "999", "floor")
    }

    private func issue(_ role: Role, _ holder: String, _ file: String) throws {
        let issued = try authority.issue(
            try Principal(cluster: Self.name, role: role, name: holder),
            hosts: role == .peer ? ["127.0.0.1", "localhost"] : [])
        try issued.write(certificate: certificate(file), key: key(file))
    }

    private func certificate(_ name: String) -> String { "\(directory)/\(name).pem" }
    private func key(_ name: String) -> String { "\(directory)/\(name)-key.pem" }

    /// What this machine does at best, with a certificate like the nodes' own.
    public func floors(streamBytes: Int = 512 << 20) throws -> Floors {
        try Floors.measure(
            in: directory, certificate: certificate("floor"), key: key("floor"), authority: certificate("ca"),
            streamBytes: streamBytes)
    }

    /// A certificate that every purpose on this machine accepts: that of a member which is never started.
    public var credentials: EtcdCluster.Credentials {
        .init(certificate: certificate("floor"), key: key("floor"), authority: certificate("ca"))
    }

    /// What the command line needs to find the cluster: the environment of `raft`.
    public func environment() throws -> [String: String] {
        let path = directory + "/context.json"
        let context = Context(
            cluster: Self.name, endpoints: running.map { "127.0.0.1:\($0.port)" }, ca: "ca.pem",
            client: .init(certificate: "client.pem", key: "client-key.pem"),
            admin: .init(certificate: "admin.pem", key: "admin-key.pem"))
        try JSONEncoder().encode(context).write(to: URL(fileURLWithPath: path))
        return ["RAFT_CONTEXT": path]
    }

    private struct Context: Encodable {
        struct Pair: Encodable {
            var certificate: String
            var key: String
        }
        var cluster: String
        var endpoints: [String]
        var ca: String
        var client: Pair
        var admin: Pair
    }

    /// All running nodes, so far.
    public func usage() throws -> Program.Usage { try Program.usage(ofAll: running.map(\.pid)) }

    // MARK: Nodes

    public enum Start: Sendable {
        /// An initial member of a cluster of these ids, each at the port that it was given.
        case bootstrap([NodeID: UInt16])
        case join
    }

    /// A port for a node to come.
    public func takePort() throws -> UInt16 {
        let port = ports.withLock { $0.popLast() }
        guard let port else { throw BenchmarkError("no port is left") }
        return port
    }

    /// Starts a node, and returns once it listens.
    ///
    /// - Parameters:
    ///   - advertised: the port at which others reach it; nil for its own.
    ///   - flags: further settings of this node alone.
    @discardableResult
    public func start(
        _ id: NodeID, _ start: Start, port: UInt16? = nil, advertised: UInt16? = nil, flags: [String] = []
    ) async throws -> Node {
        let port = try port ?? takePort()
        let name = "node-\(id)"
        try issue(.peer, "\(id)", name)
        let address = "127.0.0.1:\(advertised ?? port)"
        let (data, log) = ("\(directory)/\(name)", "\(directory)/\(name).log")
        var arguments = [
            "serve", "--id", "\(id)", "--cluster", Self.name, "--listen", "127.0.0.1:\(port)", "--data", data, "--cert",
            certificate(name), "--key", key(name), "--ca", certificate("ca"), "--stop-on-eof",
        ]
        switch start {
        case .bootstrap(let members):
            let list = members.sorted { $0.key < $1.key }.map { "\($0.key)=127.0.0.1:\($0.value)" }
            arguments += ["--bootstrap", "--members", list.joined(separator: ",")]
        case .join: arguments += ["--join", "--advertise", address]
        }
        return try await launch(
            id, port: port, address: address, data: data, log: log, arguments: arguments + settings + flags)
    }

    @discardableResult
    private func launch(
        _ id: NodeID, port: UInt16, address: String, data: String, log: String, arguments: [String]
    ) async throws -> Node {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: raft)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("RAFT_") }
        let lifeline = Pipe()
        process.standardInput = lifeline
        _ = FileManager.default.createFile(atPath: log, contents: nil)
        let errors = try FileHandle(forWritingTo: URL(fileURLWithPath: log))
        process.standardOutput = errors
        process.standardError = errors
        try process.run()
        try? errors.close()
        let node = Node(
            id: id, port: port, address: address, data: data, log: log, arguments: arguments, process: process,
            lifeline: lifeline)
        nodes.withLock { $0[id] = node }
        try await eventually("node \(id) listens", within: .seconds(20)) {
            guard process.isRunning else { throw BenchmarkError("node \(id) ended: \(self.lastLine(of: node))") }
            return try String(contentsOfFile: log, encoding: .utf8).contains(" listens on ")
        }
        return node
    }

    /// Starts the initial members of a cluster, each at a port of its own.
    ///
    /// - Parameter flags: further settings of each.
    public func bootstrap(_ ids: [NodeID], flags: (NodeID) -> [String] = { _ in [] }) async throws {
        let ports = try Dictionary(uniqueKeysWithValues: ids.map { ($0, try takePort()) })
        for id in ids { try await start(id, .bootstrap(ports), port: ports[id], flags: flags(id)) }
    }

    private func lastLine(of node: Node) -> String {
        let text = (try? String(contentsOfFile: node.log, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").last.map(String.init) ?? "it said nothing"
    }

    public func node(_ id: NodeID) -> Node? { nodes.withLock { $0[id] } }

    public var running: [Node] {
        nodes.withLock { $0.values.filter(\.isRunning).sorted { $0.id < $1.id } }
    }

    /// Asks a node to end in good order, waits for it, and removes its data.
    public func stop(_ id: NodeID) async throws {
        guard let node = nodes.withLock({ $0.removeValue(forKey: id) }) else { return }
        node.process.terminate()
        let deadline = ContinuousClock.now + .seconds(20)
        while node.isRunning, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(10)) }
        if node.isRunning { Glibc.kill(node.pid, SIGKILL) }
        if !keeps { try? FileManager.default.removeItem(atPath: node.data) }
    }

    /// Kills a node, and returns once it is gone. Its data stay.
    public func kill(_ id: NodeID) async throws {
        guard let node = node(id) else { throw BenchmarkError("there is no node \(id)") }
        Glibc.kill(node.pid, SIGKILL)
        while node.isRunning { try await Task.sleep(for: .milliseconds(1)) }
    }

    /// Starts a node that was killed, at its port, with its data.
    public func restart(_ id: NodeID) async throws {
        guard let node = node(id) else { throw BenchmarkError("there is no node \(id)") }
        // The log of its new life is a new file: `launch` waits for a line in it.
        try await launch(
            id, port: node.port, address: node.address, data: node.data, log: node.log, arguments: node.arguments)
    }

    /// Ends every node and removes the directory.
    public func close() async {
        let left = nodes.withLock { nodes in
            defer { nodes = [:] }
            return Array(nodes.values)
        }
        for node in left { Glibc.kill(node.pid, SIGKILL) }
        for node in left {
            while node.isRunning { try? await Task.sleep(for: .milliseconds(5)) }
        }
        if keeps {
            Output.note("everything is kept in \(directory)")
        } else {
            try? FileManager.default.removeItem(atPath: directory)
        }
    }

    // MARK: Clients

    /// A client of role `client`, which may ask these endpoints first.
    ///
    /// - Parameter maximumPause: how long it waits at most before it asks again; nil for what clients do by default.
    public func client(
        _ endpoints: [String], usesSessions: Bool = false, maximumPause: Duration? = nil
    ) throws -> KeyValueClient {
        var options = KeyValueClient.Options()
        options.usesSessions = usesSessions
        if let maximumPause {
            options.maximumPause = maximumPause
            options.minimumPause = min(options.minimumPause, maximumPause)
        }
        return try client(endpoints, .client, options)
    }

    /// A client with a name, and a certificate, of its own.
    public func client(_ endpoints: [String], named name: String) throws -> KeyValueClient {
        try issue(.client, name, name)
        return try client(endpoints, certified: name, .init())
    }

    /// Files of what somebody has whom no node lets in: a certificate by an authority of his own.
    public func stranger() throws -> (certificate: String, key: String) {
        try CertificateAuthority(name: "stranger").issue(
            try Principal(cluster: Self.name, role: .client, name: "stranger")
        ).write(certificate: certificate("stranger"), key: key("stranger"))
        return (certificate("stranger"), key("stranger"))
    }

    public func admin(_ endpoints: [String]) throws -> KeyValueClient { try client(endpoints, .admin, .init()) }

    private func client(
        _ endpoints: [String], _ role: Role, _ options: KeyValueClient.Options
    ) throws -> KeyValueClient { try client(endpoints, certified: role.rawValue, options) }

    private func client(
        _ endpoints: [String], certified file: String, _ options: KeyValueClient.Options
    ) throws -> KeyValueClient {
        let tls = try TLSContext(certificate: certificate(file), key: key(file), ca: certificate("ca"))
        return KeyValueClient(
            endpoints: endpoints, tls: tls, group: MultiThreadedEventLoopGroup.singleton, options: options)
    }

    /// Waits until one of the running nodes leads and has committed in its term, and returns it.
    @discardableResult
    public func waitForLeader(_ admin: KeyValueClient) async throws -> NodeID {
        var leader: NodeID?
        try await eventually("somebody leads", within: .seconds(30)) {
            for node in self.running {
                guard let status = try? await admin.status(of: "127.0.0.1:\(node.port)", timeout: .seconds(1)) else {
                    continue
                }
                if status.role == "leader", status.commit == status.last.index { leader = node.id }
            }
            return leader != nil
        }
        guard let leader else { throw BenchmarkError("nobody leads") }
        return leader
    }
}

/// Waits until something is so.
///
/// - Throws: ``BenchmarkError`` when it is not in time; whatever `isSo` throws.
public func eventually(
    _ what: String, within limit: Duration, every pause: Duration = .milliseconds(10), _ isSo: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !isSo() {
        guard ContinuousClock.now < deadline else { throw BenchmarkError("not within \(limit): \(what)") }
        try await Task.sleep(for: pause)
    }
}
