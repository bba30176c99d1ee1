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
        case tooLong
    }

    private let layout: DevLayout
    private let executable: String
    private let restarts: Bool
    private var children: [Int: ChildProcess] = [:]
    private var isReady = false
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
        defer { watch.cancel() }
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
            case .startAgain(let id): try start(id)
            case .ready(let status):
                isReady = true
                try Console.out(DevReport(layout: layout, status: status, processes: children.mapValues(\.pid)).text)
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
                earlyEndings[id, default: 0] += 1
                // A node of an earlier run may still be ending: it gets time to.
                guard earlyEndings[id, default: 0] < 5 else {
                    throw Failure(
                        .refused,
                        "node \(id) does not start (\(ending)): \(lastLine(layout.log(id))); see \(layout.log(id))")
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
        for child in children.values { child.terminate() }
        let timer = Task { [post] in
            try await Task.sleep(for: .seconds(10))
            post.yield(.tooLong)
        }
        defer { timer.cancel() }
        removeEnded()
        if children.isEmpty { return }
        for await event in events {
            switch event {
            case .signal(.interrupt), .tooLong: for child in children.values { child.kill() }
            default: break
            }
            removeEnded()
            if children.isEmpty { return }
        }
    }

    private func removeEnded() {
        for (id, child) in children where child.reap() != nil { children[id] = nil }
    }

    private static func waitUntilReady(_ layout: DevLayout) async throws -> ClusterStatus {
        let context = try ClusterContext.load(layout.contextFile)
        let client = try ClientOptions.client(context, .admin, timeout: .seconds(1))
        while true {
            // All of them: a node that cannot start would else be noticed by nobody.
            if let status = try? await Status.gather(client, context), status.leader != nil,
                status.nodes.allSatisfy({ $0.status != nil })
            {
                await client.close()
                return status
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    private func lastLine(_ path: String) -> String {
        let bytes = FileManager.default.contents(atPath: path) ?? Data()
        return String(decoding: bytes.suffix(4096), as: UTF8.self).split(separator: "\n").last.map(String.init)
            ?? "it said nothing"
    }
}
