internal import ArgumentParser
internal import Raft
internal import RaftServer
internal import RaftStorage

struct Recover: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Go on after a quorum is lost for ever, with the data of one member.",
        discussion: """
            Unsafe, and only for when no majority of the voters will ever come back: what only the lost members held is \
            gone, though it was acknowledged. Works on the data directories of nodes that do not run.
            """,
        subcommands: [RecoverPlan.self, RecoverApply.self])
}

/// What both take.
struct RecoverOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The data directory of the member to go on from.", valueName: "dir")) var data: String

    @Option(
        help: ArgumentHelp(
            "The data directory of another member that is left; may be given more than once. Refused when one holds more.",
            valueName: "dir"))
    var compare: [String] = []

    @Option(help: ArgumentHelp("Where the node will be reached. Default: where it was.", valueName: "host:port"))
    var address: String?

    func load() throws(Failure) -> OfflineRecovery {
        if let address { try MembersArgument.checkAddress(address, "--address") }
        var generator = SystemRandomNumberGenerator()
        do throws(RaftError) {
            return try OfflineRecovery(data: data, comparing: compare, address: address, using: &generator)
        } catch {
            throw Failure(error)
        }
    }
}

struct RecoverPlan: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Say what a recovery would do; change nothing.",
        discussion: """
            The new life and entry are drawn anew each time.

            \(Failure.exitCodeHelp)
            """)

    @OptionGroup var options: RecoverOptions

    @Option(name: [.customShort("o"), .customLong("output")], help: "How to print: table or json.")
    var output = OutputFormat.table

    func run() throws {
        let recovery = try options.load()
        defer { recovery.close() }
        let view = RecoverView(plan: recovery.plan, data: options.data)
        switch output {
        case .table: try Console.out(view.text)
        case .json: try Console.out(view.json.text + "\n")
        }
    }
}

struct RecoverApply: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Make a new cluster of one member out of its data.",
        discussion: """
            Prints the plan, and asks for the cluster's name before it goes on. Writes a new data directory; the old one \
            stays as it is, and is marked so that no node starts on it. Broken off at any moment it leaves the one or the \
            other; the same command again finishes it. Then start the node on the new directory, with the certificate that \
            it had, and add the others to it with --join and empty directories.

            \(Failure.exitCodeHelp)
            """)

    @OptionGroup var options: RecoverOptions

    @Option(help: ArgumentHelp("The new data directory: absent or empty.", valueName: "dir")) var into: String

    @Flag(help: "Do not ask.") var yes = false

    func run() throws {
        let isFinished: Bool
        do throws(RaftError) { isFinished = try OfflineRecovery.finish(data: options.data, into: into) } catch {
            throw Failure(error)
        }
        if isFinished {
            return try Console.out(
                "\(into) was recovered from \(options.data) before; nothing is left to do\n", orLeaveWith: .unwritten)
        }
        let recovery = try options.load()
        defer { recovery.close() }
        let (plan, options) = (recovery.plan, options)
        try Console.out(RecoverView(plan: plan, data: options.data).text)
        try confirm(plan.survivor.cluster)
        let progress = ProgressLine()
        do throws(RaftError) {
            try KeyValueRecovery.apply(recovery, into: into) { step in
                switch step {
                case .applying(let index, let last): progress.show("applied entry \(index) of \(last)")
                case .writing(let count): progress.show("wrote \(count) bytes of state")
                }
            }
        } catch {
            throw Failure(error)
        }
        progress.end()
        let listen = plan.configuration.address(of: plan.survivor.node) ?? ""
        try Console.out(
            """
            done. Start it, alone: raft serve --id \(plan.survivor.node) --cluster \(plan.survivor.cluster) --data \(into) --listen \(listen) …
            then add the others, each with --join and an empty directory: raft member add ID HOST:PORT --promote

            """, orLeaveWith: .unwritten)
    }

    private func confirm(_ cluster: String) throws(Failure) {
        guard !yes else { return }
        Console.error("type the cluster's name to go on: ", prefix: "", ending: "")
        guard readLine() == cluster else {
            throw Failure(.refused, "that is not \"\(cluster)\"; nothing was changed")
        }
    }
}
