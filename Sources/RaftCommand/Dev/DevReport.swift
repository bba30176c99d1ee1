internal import Foundation
internal import RaftClient

/// What `raft dev` prints when there is a leader: the nodes, and what to try.
struct DevReport {
    let layout: DevLayout
    let status: ClusterStatus
    let processes: [Int: Int32]
    /// Whether a node that died is started again.
    let restarts: Bool
    /// How `raft` was called, for commands that can be pasted.
    var program = shown(CommandLine.arguments.first ?? "raft")
    var color = Console.usesColor

    var text: String {
        var table = Table(["NODE", "ADDRESS", "PROCESS", "ROLE", "LOG"])
        for (position, address) in layout.addresses.enumerated() {
            let id = position + 1
            let role = status.nodes.first { $0.id == UInt64(id) }?.status?.role ?? "starting"
            table.add([
                .init("\(id)"), .init(address), .init(processes[id].map(String.init) ?? "-"),
                .init(role, role == "leader" ? .green : .plain), .init(Self.shown(layout.log(id))),
            ])
        }
        let file = Self.shown(layout.contextFile)
        let context = file == "raft-dev/context.json" ? "" : " --context \(file)"
        let leader = status.leader.flatMap { processes[Int($0)] }
        let kill =
            leader.map { "  kill -9 \($0)    # the leader; \(consequence)\n" } ?? ""
        return """
            \(table.text(color: color))
            Try, in another terminal in the same directory:
              \(program) put a 1\(context) && \(program) get a\(context)
              \(program) status\(context)
            \(kill)
            Ctrl-C stops the nodes; the same command starts them again with their data.

            """
    }

    /// What is said when a node that died is at work again.
    static func back(node: Int, process: Int32, leader: Int?) -> String {
        let who = leader.map { $0 == node ? "it leads" : "node \($0) leads" } ?? "nobody leads yet"
        return "node \(node) is back (process \(process)); \(who)"
    }

    /// What happens when the leader is killed.
    private var consequence: String {
        switch (layout.addresses.count > 2, restarts) {
        case (true, true): "a new one takes over, and this one comes back"
        case (true, false): "a new one takes over, and this one stays down (--no-restart)"
        case (false, true): "nothing is served until it comes back"
        case (false, false): "nothing is served any more (--no-restart)"
        }
    }

    /// A path below the working directory as one would type it.
    static func shown(_ path: String) -> String {
        let here = FileManager.default.currentDirectoryPath + "/"
        return path.hasPrefix(here) ? String(path.dropFirst(here.count)) : path
    }
}
