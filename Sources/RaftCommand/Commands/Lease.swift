internal import ArgumentParser
internal import RaftClient
internal import RaftKeyValueModel
internal import RaftTransport

struct Lease: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let keys go by themselves when nobody keeps them alive.",
        discussion: """
            A lease lives for its time, and again for its time whenever it is kept alive. When it ends, all keys that \
            were put with it (`raft put --lease`) are removed at once. Its time is counted by the leader; a new leader \
            begins anew, so a lease may live longer than its time, never less.
            """,
        subcommands: [LeaseGrant.self, LeaseKeepAlive.self, LeaseRevoke.self, LeaseListing.self])
}

struct LeaseGrant: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grant", abstract: "Make a lease, and print its id.", discussion: Failure.exitCodeHelp)

    @Argument(
        help: ArgumentHelp("How long it lives without being kept alive, such as 30s.", valueName: "time"),
        transform: { try TimeArgument(parsing: $0) })
    var time: TimeArgument
    @OptionGroup var write: WriteOptions
    @OptionGroup var options: ClientOptions

    func run() async throws {
        let lease = try await options.withClient(.client, writing: write) { client, _ in
            try await client.grantLease(for: time.duration)
        }
        switch options.output {
        case .table: try Console.out("\(lease)\n", orLeaveWith: .unwritten)
        case .json:
            try Console.out(JSON.object([.init("lease", .number(lease))]).text + "\n", orLeaveWith: .unwritten)
        }
    }
}

struct LeaseKeepAlive: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keep-alive",
        abstract: "Keep a lease alive until this program is stopped.",
        discussion: """
            Asks three times in the lease's time. Leaves with 3 when the lease is gone.

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "Its id.") var lease: UInt64
    @Flag(help: "Once, and leave.") var once = false
    @OptionGroup var options: ClientOptions

    func run() async throws {
        try await options.withClient(.client, saysWaiting: false) { client, _ in
            while true {
                guard let time = try await client.keepLeaseAlive(lease) else {
                    throw Failure(.absent, "there is no lease \(lease)")
                }
                if once { return try Console.out("\(time.formatted)\n", orLeaveWith: .unwritten) }
                try await Task.sleep(for: time / 3)
            }
        }
    }
}

struct LeaseRevoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "End a lease now, and remove its keys.",
        discussion: Failure.exitCodeHelp)

    @Argument(help: "Its id.") var lease: UInt64
    @OptionGroup var write: WriteOptions
    @OptionGroup var options: ClientOptions

    func run() async throws {
        let count = try await options.withClient(.client, writing: write) { client, _ in
            try await client.revokeLease(lease)
        }
        guard let count else { throw Failure(.absent, "there is no lease \(lease)") }
        switch options.output {
        case .table: try Console.out("\(count) removed\n", orLeaveWith: .unwritten)
        case .json:
            try Console.out(JSON.object([.init("deleted", .number(count))]).text + "\n", orLeaveWith: .unwritten)
        }
    }
}

struct LeaseListing: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Print every lease.", discussion: Failure.exitCodeHelp)

    @OptionGroup var options: ClientOptions

    func run() async throws {
        let leases = try await options.withClient(.client) { client, _ in try await client.leases() }
        switch options.output {
        case .table: try Console.out(Self.table(leases).text(color: Console.usesColor))
        case .json: try Console.out(Self.json(leases).text + "\n")
        }
    }

    static func table(_ leases: [LeaseSummary]) -> Table {
        var table = Table(["LEASE", "TIME", "KEYS"])
        for lease in leases {
            let time = Duration.milliseconds(Int64(clamping: lease.milliseconds)).formatted
            table.add([.init("\(lease.id)"), .init(time), .init("\(lease.keyCount)")])
        }
        return table
    }

    static func json(_ leases: [LeaseSummary]) -> JSON {
        .array(
            leases.map {
                .object([
                    .init("lease", .number($0.id)), .init("milliseconds", .number($0.milliseconds)),
                    .init("keys", .number($0.keyCount)),
                ])
            })
    }
}
