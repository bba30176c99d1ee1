internal import Foundation
internal import Raft
internal import RaftClient
internal import RaftTransport

/// Starts the nodes of a `raft dev` cluster, starts them again when they die, and stops them all.
///
/// One loop over one stream of events owns everything; nothing else touches the children.
final class DevSupervisor {
    private enum Event {
        case signal(Signals.Signal)
        case startAgain(Int)
        case ready(ClusterStatus)
        /// The node is at work again; with what the cluster says of itself.
        case back(Int, ClusterStatus)
        case noLeaderYet
        case tooLong
    }

    private let layout: DevLayout
    private let executable: String
    private let restarts: Bool
    private var children: [Int: ChildProcess] = [:]
    private var isReady = false
    /// Who led when we last asked.
    private var leader: Int?
    /// Waits for the node that was started again last.
    private var returning: Task<Void, any Error>?
    /// How often each node has ended by itself before all of them were at work.
    private var earlyEndings: [Int: Int] = [:]
    private let events: AsyncStream<Event>
    private let post: AsyncStream<Event>.Continuation

    init(_ layout: DevLayout, executable: String, restarts: Bool) {
        self.layout = layout
        self.executable = executable
        self.restarts = restarts
        (events, post) = AsyncStream.makeStream(of: Event.self)
    }

    /// Runs until Ctrl-C.
    ///
    /// - Throws: when a node does not start; every other one has been stopped then.
    func run() async throws {
        // Before the first child: none may end unseen.
        let signals = Signals([.interrupt, .terminate, .childEnded])
        let forward = Task { [post] in
            for await signal in signals.events { post.yield(.signal(signal)) }
        }
        defer { forward.cancel() }
        let watch = Task { [post, layout] in
            guard let status = try? await DevSupervisor.waitUntilReady(layout) else { return }
            post.yield(.ready(status))
        }
        let impatience = Task { [post] in
            try await Task.sleep(for: .seconds(5))
            post.yield(.noLeaderYet)
        }
        defer {
            watch.cancel()
            impatience.cancel()
            returning?.cancel()
        }
        do {
            for id in 1...layout.addresses.count { try start(id) }
            try await serve(signals)
        } catch {
            await stopAll()
            throw error
        }
        await stopAll()
    }

    private func serve(_ signals: Signals) async throws {
        for await event in events {
            switch event {
            case .signal(.childEnded): try reap()
            case .signal(let signal): return Console.error("\(signal): stopping the nodes", prefix: "")
            case .startAgain(let id):
                try start(id)
                returning?.cancel()
                returning = Task { [post, layout] in
                    guard let status = try? await DevSupervisor.waitUntilReady(layout, node: id) else { return }
                    post.yield(.back(id, status))
                }
            case .back(let id, let status):
                leader = status.leader.map(Int.init)
                // It may have ended once more meanwhile.
                guard isReady, let child = children[id] else { break }
                Console.error(DevReport.back(node: id, process: child.pid, leader: leader), prefix: "")
            case .noLeaderYet where !isReady:
                Console.error(
                    "no leader after 5 s, or not every node at work; still waiting. See \(DevReport.shown(layout.directory))/node-*.log",
                    prefix: "")
            case .noLeaderYet: break
            case .ready(let status):
                isReady = true
                leader = status.leader.map(Int.init)
                try Console.out(
                    DevReport(layout: layout, status: status, processes: children.mapValues(\.pid), restarts: restarts)
                        .text)
            case .tooLong: break
            }
        }
    }

    private func start(_ id: Int) throws(Failure) {
        // What the flags do not say must not come from a variable that was meant for another node.
        children[id] = try ChildProcess.spawn(
            executable, layout.serveArguments(id), log: layout.log(id), hiding: ["RAFT_ADVERTISE", "RAFT_JOIN"])
    }

    private func reap() throws {
        for (id, child) in children.sorted(by: { $0.key < $1.key }) {
            guard let ending = child.reap() else { continue }
            children[id] = nil
            if !isReady {
                let reason = lastLine(layout.log(id))
                // What the node itself gives as the reason does not mend by itself.
                if case .exit(let code) = ending, let code = Failure.Code(rawValue: code), !Self.isTransient(reason) {
                    throw Failure(
                        code, "node \(id) does not start (\(ending)): \(reason); see \(layout.log(id))")
                }
                earlyEndings[id, default: 0] += 1
                // A node of an earlier run may still be ending: it gets time to.
                guard earlyEndings[id, default: 0] < 5 else {
                    throw Failure(
                        .refused,
                        "node \(id) does not start (\(ending)): \(reason); see \(layout.log(id))")
                }
            }
            var what = "node \(id) (process \(child.pid)) ended: \(ending)"
            // One that ended by itself has said why.
            if case .exit(let code) = ending, code != 0 { what += ", \(lastLine(layout.log(id)))" }
            guard restarts else {
                Console.error("\(what); it stays down (--no-restart)", prefix: "")
                continue
            }
            Console.error("\(what); starting it again in 1 s", prefix: "")
            Task { [post] in
                try await Task.sleep(for: .seconds(1))
                post.yield(.startAgain(id))
            }
        }
    }

    /// Asks every node to end, waits, and ends those that do not.
    private func stopAll() async {
        // The leader last: it passes its office on, and would wait for one that is ending itself.
        let last = children.count > 1 ? await DevSupervisor.currentLeader(layout) ?? leader : nil
        for (id, child) in children where id != last { child.terminate() }
        func endLast() {
            guard let last, let child = children[last], children.count == 1 else { return }
            child.terminate()
        }
        let timer = Task { [post] in
            try await Task.sleep(for: .seconds(10))
            post.yield(.tooLong)
        }
        defer { timer.cancel() }
        removeEnded()
        if children.isEmpty { return }
        endLast()
        for await event in events {
            switch event {
            case .signal(.interrupt), .tooLong: for child in children.values { child.kill() }
            default: break
            }
            removeEnded()
            if children.isEmpty { return }
            endLast()
        }
    }

    /// Who leads now; nil when nobody says so at once.
    private static func currentLeader(_ layout: DevLayout) async -> Int? {
        guard let context = try? ClusterContext.load(layout.contextFile),
            let client = try? ClientOptions.client(context, .admin, timeout: .milliseconds(500))
        else { return nil }
        let status = try? await Status.gather(client, context)
        await client.close()
        return (status?.leader).map(Int.init)
    }

    private func removeEnded() {
        for (id, child) in children where child.reap() != nil { children[id] = nil }
    }

    /// - Parameter node: the only one that must answer; nil for all.
    private static func waitUntilReady(_ layout: DevLayout, node: Int? = nil) async throws -> ClusterStatus {
        let context = try ClusterContext.load(layout.contextFile)
        let client = try ClientOptions.client(context, .admin, timeout: .seconds(1))
        while true {
            // All of them: a node that cannot start would else be noticed by nobody.
            if let status = try? await Status.gather(client, context), status.leader != nil,
                status.nodes.allSatisfy({ $0.status != nil || (node != nil && $0.id != node.map(UInt64.init)) })
            {
                await client.close()
                return status
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Whether a node of an earlier run that is still ending may be the reason: it holds its port and its directory.
    static func isTransient(_ reason: String) -> Bool { reason.contains("in use") }

    private func lastLine(_ path: String) -> String {
        let bytes = FileManager.default.contents(atPath: path) ?? Data()
        return String(decoding: bytes.suffix(4096), as: UTF8.self).split(separator: "\n").last.map(String.init)
            .map { $0.hasPrefix("raft: ") ? String($0.dropFirst("raft: ".count)) : $0 } ?? "it said nothing"
    }
}
