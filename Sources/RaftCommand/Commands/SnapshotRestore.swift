internal import ArgumentParser
internal import Raft
internal import RaftServer
internal import RaftStorage

struct SnapshotRestore: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Make the data directory of a member of a new cluster out of a saved snapshot.",
        discussion: """
            Once on each member, with the same file, cluster and members, then start each with raft serve, without \
            --bootstrap and --join. The new cluster has the state and the clients' sessions of the file, the members \
            of the list, and its own birth mark: members that were restored from another file or list refuse each \
            other, and so do members of the cluster that the file is of. Give it another name while that one still \
            runs, so that no client takes the one for the other.

            Works on no network. Broken off at any moment it leaves no data directory, or all of it; the same command \
            again begins anew.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "A file that `raft snapshot save` has written, or one of a data directory's snapshots.")
    var file: String

    @Option(help: ArgumentHelp("The member's id.", valueName: "n")) var id: UInt64

    @Option(help: ArgumentHelp("The new cluster's name, as in its certificates.", valueName: "name"))
    var cluster: String

    @Option(help: ArgumentHelp("The new data directory: absent or empty.", valueName: "dir")) var data: String

    @Option(
        help: ArgumentHelp(
            "The members of the new cluster, the same on each: 1=host:port,2=host:port,…", valueName: "list"))
    var members: String

    func validate() throws {
        if id == 0 { throw ValidationError("--id 0; ids begin at 1") }
    }

    func run() throws {
        let members = try MembersArgument.parse(members)
        guard members.contains(NodeID(id)) else {
            throw Failure(.usage, "--members does not name node \(id), this one; it names \(members)")
        }
        var generator = SystemRandomNumberGenerator()
        let progress = ProgressLine()
        let plan: RestorePlan
        do throws(RaftError) {
            let restore = try OfflineRestore(
                file, cluster: cluster, node: NodeID(id), members: members, using: &generator)
            plan = restore.plan
            try KeyValueRecovery.apply(restore, into: data) { step in
                switch step {
                case .checking(let count, let all): progress.show("checked \(count) of \(all) bytes")
                case .writing(let count, let all): progress.show("wrote \(count) of \(all) bytes")
                }
            }
        } catch {
            throw Failure(error)
        }
        progress.end()
        let mark = String(plan.mark, radix: 16)
        try Console.out(
            """
            node \(id) of cluster \(cluster), restored in \(data) through \(plan.source.last) (\(plan.source.byteCount) bytes); birth mark \(mark), which must be the same on each member: \(members)
            then, on each: raft serve --id \(id) --cluster \(cluster) --data \(data) --listen \(members.address(of: NodeID(id)) ?? "") …

            """, orLeaveWith: .unwritten)
    }
}
