internal import Foundation
internal import Raft
internal import RaftClient
internal import RaftTransport

/// The nodes of one run, as processes that can be killed, stopped and cut off.
final class ChaosCluster: Sendable {
    struct Settings: Sendable {
        var executable: String
        var nodeCount = 3
        /// The least; the most is twice as long.
        var electionTimeout = Duration.milliseconds(200)
        /// The library that notes what was not synced; nil when no power is cut.
        var shim: String?
        var usesNamespaces = false
    }

    private struct Running {
        var process: ChildProcess
        var isPaused = false
    }

    private struct State {
        var running: [Int: Running] = [:]
        var bootCounts: [Int: Int] = [:]
    }

    let layout: DevLayout
    private let settings: Settings
    private let namespaces: Namespaces?
    private let admin: KeyValueClient
    private let context: ClusterContext
    private let state = Lock(State())

    /// Makes certificates, and namespaces if there are to be any; starts nothing.
    init(_ directory: String, _ settings: Settings) async throws {
        self.settings = settings
        namespaces = settings.usesNamespaces ? try await Namespaces(settings.nodeCount) : nil
        do {
            let addresses: [String]
            if let namespaces {
                addresses = (1...settings.nodeCount).map { "\(namespaces.host($0)):7001" }
            } else {
                addresses = try Ports.free(settings.nodeCount).map { "127.0.0.1:\($0)" }
            }
            layout = try DevLayout.make(directory, addresses: addresses)
            context = try ClusterContext.load(layout.contextFile)
            admin = try ClientOptions.client(context, .admin, timeout: .milliseconds(500))
        } catch {
            await namespaces?.remove()
            throw error
        }
    }

    func client(timeout: Duration, usesSessions: Bool, forwardsWrites: Bool) throws(Failure) -> KeyValueClient {
        try ClientOptions.client(
            context, .client, timeout: timeout, usesSessions: usesSessions, forwardsWrites: forwardsWrites)
    }

    /// Ends every node, and takes the namespaces away. The directory stays.
    func close() async {
        for id in 1...settings.nodeCount { await kill(id) }
        await admin.close()
        await namespaces?.remove()
    }

    // MARK: Processes

    private func journal(_ id: Int) -> String { "\(layout.directory)/unsynced-\(id)" }
    private func bootID(_ id: Int) -> String { "\(layout.directory)/boot-id-\(id)" }

    /// Starts a node, and returns once it listens.
    ///
    /// - Throws: with the node's own words when it ends instead.
    func start(_ id: Int) async throws {
        let log = layout.log(id)
        let before = Self.size(log)
        try launch(id)
        let deadline = ContinuousClock.now + .seconds(60)
        while !Self.text(log, from: before).contains(" listens on ") {
            try check()
            guard ContinuousClock.now < deadline else { throw ChaosFailure("node \(id) does not listen after 60 s") }
            try await Task.sleep(for: .milliseconds(5))
        }
        guard settings.shim == nil || UnsyncedJournal.exists(in: journal(id)) else {
            throw Failure(
                .refused, "node \(id) keeps no journal in \(journal(id)): \(settings.shim ?? "") was not loaded")
        }
    }

    /// Starts a node, and returns at once.
    func launch(_ id: Int) throws {
        var (program, arguments) = (settings.executable, layout.serveArguments(id))
        arguments += [
            "--election-timeout", settings.electionTimeout.formatted.filter { $0 != " " }, "--heartbeat",
            (settings.electionTimeout / 8).formatted.filter { $0 != " " },
        ]
        if let namespaces {
            arguments = ["netns", "exec", namespaces.name(id), program] + arguments
            program = namespaces.ip
        }
        var variables: [String: String] = [:]
        if let shim = settings.shim {
            try makeJournal(id)
            variables = [
                "LD_PRELOAD": shim, "DROP_UNSYNCED_ROOT": layout.data(id), "DROP_UNSYNCED_JOURNAL": journal(id),
                "DROP_UNSYNCED_BOOT_ID": bootID(id),
            ]
        }
        let process = try ChildProcess.spawn(
            program, arguments, log: layout.log(id), hiding: ["RAFT_ADVERTISE", "RAFT_JOIN"], adding: variables)
        state.withLock { $0.running[id] = Running(process: process) }
    }

    private func makeJournal(_ id: Int) throws {
        if FileManager.default.fileExists(atPath: bootID(id)) { return }
        try FileManager.default.createDirectory(atPath: journal(id), withIntermediateDirectories: false)
        try writeBootID(id)
    }

    private func writeBootID(_ id: Int) throws {
        let count = state.withLock { state in
            state.bootCounts[id, default: 0] += 1
            return state.bootCounts[id]!
        }
        try Data("node-\(id)-boot-\(count)\n".utf8).write(to: URL(fileURLWithPath: bootID(id)))
    }

    /// `kill -9`; returns once the process is gone.
    ///
    /// - Returns: whether there was one.
    @discardableResult
    func kill(_ id: Int) async -> Bool {
        guard let process = state.withLock({ $0.running.removeValue(forKey: id)?.process }) else { return false }
        process.kill()
        while process.reap() == nil { try? await Task.sleep(for: .milliseconds(1)) }
        return true
    }

    /// Takes from the files of a node that was killed all that it had not synced, and lets it find another start of the
    /// machine. Its key-value state, written through a map that nobody can watch, is made nonsense.
    ///
    /// - Parameters: as ``UnsyncedJournal/cutPower(keptShare:random:)`` has them.
    func cutPower(_ id: Int, keptShare: Double, random: inout RandomSource) throws -> UnsyncedJournal.Loss {
        // One that was hit at the very beginning of its start has written nothing.
        let loss =
            UnsyncedJournal.exists(in: journal(id))
            ? try UnsyncedJournal(journal(id)).cutPower(keptShare: keptShare, random: &random) : .init()
        try writeBootID(id)
        let state = layout.data(id) + "/state"
        let mark = (try? String(contentsOfFile: state + "/mark", encoding: .utf8)) ?? ""
        if !mark.contains(" clean "), let file = FileHandle(forWritingAtPath: state + "/data.mdb") {
            try file.write(contentsOf: Data(repeating: 0xA5, count: 1 << 16))
            try file.close()
        }
        return loss
    }

    /// - Returns: whether it stands still now.
    func pause(_ id: Int) async -> Bool {
        let process = state.withLock { state in
            state.running[id]?.isPaused = true
            return state.running[id]?.process
        }
        guard let process else { return false }
        process.send(SIGSTOP)
        let deadline = ContinuousClock.now + .seconds(1)
        while ContinuousClock.now < deadline {
            if Self.isStopped(process.pid) { return true }
            try? await Task.sleep(for: .milliseconds(1))
        }
        return false
    }

    func resume(_ id: Int) {
        state.withLock { state in
            guard state.running[id]?.isPaused == true else { return }
            state.running[id]?.isPaused = false
            state.running[id]?.process.send(SIGCONT)
        }
    }

    var runningNodes: Set<Int> { state.withLock { Set($0.running.keys) } }

    /// - Throws: when a node ended by itself.
    func check() throws(ChaosFailure) {
        let ended = state.withLock { state -> (Int, ChildProcess.Ending)? in
            for (id, running) in state.running.sorted(by: { $0.key < $1.key }) {
                guard let ending = running.process.reap() else { continue }
                state.running[id] = nil
                return (id, ending)
            }
            return nil
        }
        guard let (id, ending) = ended else { return }
        let said = Self.text(layout.log(id), from: 0).split(separator: "\n").last ?? "nothing"
        throw ChaosFailure("node \(id) ended by itself, \(ending); it said: \(said)")
    }

    // MARK: Network

    func cut(_ ways: [ChaosFault.Way]) async throws {
        for way in ways { try await namespaces?.cut(way) }
    }

    func heal(_ ways: [ChaosFault.Way]) async throws {
        for way in ways { try await namespaces?.heal(way) }
    }

    // MARK: What operators do

    enum Chore: CaseIterable, Sendable {
        /// A node builds a snapshot; the leader sends one to a node; the leader passes on its leadership.
        case build, send, transfer
    }

    /// - Returns: whether it was done: the node, or the leader, may be away.
    func perform(_ chore: Chore, on id: Int) async -> Bool {
        do throws(RaftClientError) {
            switch chore {
            case .build: _ = try await admin.triggerSnapshot(of: layout.addresses[id - 1], timeout: .seconds(3))
            case .send: _ = try await admin.pushSnapshot(to: NodeID(UInt64(id)), timeout: .seconds(3))
            case .transfer: try await admin.transferLeadership(to: NodeID(UInt64(id)), timeout: .seconds(3))
            }
            return true
        } catch {
            return false
        }
    }

    /// - Parameter window: nil for no leases.
    func allowLeases(_ window: Duration?) async throws(RaftClientError) {
        for attempt in 1... {
            do throws(RaftClientError) {
                return try await admin.changeMembership(.allowLeases(window), timeout: .seconds(10))
            } catch {
                // Harmless to ask for again, whatever came of it.
                guard attempt < 3 else { throw error }
            }
        }
    }

    // MARK: What the nodes say

    /// Nil when nobody answers.
    func status() async -> ClusterStatus? { try? await Status.gather(admin, context) }

    // MARK: Files

    private static func size(_ path: String) -> UInt64 {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        return (attributes?[.size] as? NSNumber)?.uint64Value ?? 0
    }

    private static func text(_ path: String, from offset: UInt64) -> String {
        guard let file = FileHandle(forReadingAtPath: path) else { return "" }
        defer { try? file.close() }
        try? file.seek(toOffset: offset)
        return String(decoding: (try? file.readToEnd()) ?? Data(), as: UTF8.self)
    }

    private static func isStopped(_ pid: Int32) -> Bool {
        guard let stat = FileManager.default.contents(atPath: "/proc/\(pid)/stat") else { return false }
        // The state follows the name, which is in brackets and may hold anything.
        let text = String(decoding: stat, as: UTF8.self)
        guard let end = text.lastIndex(of: ")") else { return false }
        return text[end...].dropFirst(2).first == "T"
    }
}

/// What the cluster must not do: the run has failed.
struct ChaosFailure: Error, Hashable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
