internal import ArgumentParser
internal import RaftClient

/// What a read of the command line must show. At most one of them; none for every write acknowledged before.
struct ReadOptions: ParsableArguments {
    @Flag(help: "Ask the first node that answers for what it has applied: needs no leader, and may lag behind.")
    var local = false
    @Flag(help: "Trust the nodes' clocks: the leader answers by its lease, if the cluster allows leases.")
    var lease = false
    @Option(
        help: ArgumentHelp(
            "Be content with what was acknowledged so long ago, such as 200ms: any node that can show it answers.",
            valueName: "time"), transform: { try TimeArgument(parsing: $0) })
    var noOlderThan: TimeArgument?
    @Option(
        help: ArgumentHelp(
            "Wait until the node that answers has come to this revision, such as that of an earlier put.",
            valueName: "revision"))
    var atLeast: UInt64?

    func validate() throws {
        let given = [
            local ? "--local" : nil, lease ? "--lease" : nil, noOlderThan.map { _ in "--no-older-than" },
            atLeast.map { _ in "--at-least" },
        ].compactMap { $0 }
        if given.count > 1 {
            throw ValidationError("\(given.joined(separator: " and ")) exclude each other; give one of them")
        }
    }

    var consistency: Consistency {
        if local { return .local }
        if lease { return .lease }
        if let noOlderThan { return .noOlderThan(noOlderThan.duration) }
        return atLeast.map { .atLeast(revision: $0) } ?? .linearizable
    }
}
