internal import ArgumentParser
internal import Foundation

#if canImport(Glibc)
    internal import Glibc
#endif

struct Dev: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a cluster on this machine: certificates, nodes, everything.",
        discussion: """
            Each node is a process of its own, `raft serve`, and may be killed; it is started again after a second. \
            Their logs go to DIR/node-N.log, and DIR/context.json tells the other commands where the cluster is. \
            Started again on the same directory, the cluster finds its data. Ctrl-C stops it.

            RAFT_ELECTION_TIMEOUT, RAFT_HEARTBEAT and RAFT_MAX_VALUE_BYTES reach the nodes; see `raft help serve`.

            \(Failure.exitCodeHelp)
            """)

    @Option(help: "How many nodes, 1 to 9. Default: 3, or as many as the directory has.") var nodes: Int?
    @Option(help: ArgumentHelp("Where everything is kept.", valueName: "dir")) var data = "./raft-dev"
    @Option(help: "The first node's port; the others follow. 0 takes free ones. Default: 7001, or as before.")
    var basePort: Int?
    @Flag(name: .customLong("no-restart"), help: "Leave a node that died down.") var noRestart = false

    func validate() throws {
        if let nodes, !(1...9).contains(nodes) { throw ValidationError("--nodes \(nodes): 1 to 9") }
        if let basePort, !(0...65535).contains(basePort) {
            throw ValidationError("--base-port \(basePort): 0 to 65535")
        }
    }

    func run() async throws {
        guard let executable = Bundle.main.executablePath else {
            throw Failure(.refused, "cannot find the file of this program; is /proc mounted?")
        }
        try Self.checkInherited()
        let layout = try DevLayout.open(data, count: nodes, basePort: basePort)
        // Held until this process ends, however it ends.
        let lock = open(layout.directory + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw Failure.system("open", layout.directory + "/lock") }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            throw Failure(.refused, "another `raft dev` runs in \(layout.directory); stop it, or choose another --data")
        }
        // Nodes of an earlier run whose `raft dev` was killed end by themselves; their ports come free soon.
        for attempt in 0... {
            do throws(Failure) {
                try layout.checkPorts()
                break
            } catch {
                guard attempt < 30 else { throw error }
                try await Task.sleep(for: .milliseconds(100))
            }
        }
        let count = layout.addresses.count
        Console.error(
            "starting \(count) \(count == 1 ? "node" : "nodes") in \(DevReport.shown(layout.directory))", prefix: "")
        try await DevSupervisor(layout, executable: executable, restarts: !noRestart).run()
    }

    /// Checks the variables that reach the nodes: a mistake in one is told here, once, and not by each of them.
    static func checkInherited(_ environment: @escaping (String) -> String? = Console.environment) throws(Failure) {
        // The flags stand for what each node is given; they are in order, so only the variables can be wrong.
        let flags = ["--id", "1", "--listen", "127.0.0.1:1", "--data", ".", "--cert", ".", "--key", ".", "--ca", "."]
        guard let options = try? ServeOptions.parse(flags + ["--cluster", DevLayout.cluster]) else { return }
        _ = try options.configuration { inheritedVariables.contains($0) ? environment($0) : nil }
    }

    static let inheritedVariables = ["RAFT_ELECTION_TIMEOUT", "RAFT_HEARTBEAT", "RAFT_MAX_VALUE_BYTES"]
}
