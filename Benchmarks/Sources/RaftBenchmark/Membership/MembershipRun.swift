internal import Benchmarking
internal import Raft
internal import RaftClient

/// Runs the steps one after another under load.
struct MembershipRun {
    private let cluster: ServerCluster
    private let command: MembershipCommand

    init(_ cluster: ServerCluster, _ command: MembershipCommand) {
        self.cluster = cluster
        self.command = command
    }

    /// When a step began, and when the next one did.
    private struct Window {
        var step: MembershipStep
        var start: Int64
        /// When the change was through and the leader was one of the new voters.
        var changed: Int64
        var end: Int64
    }

    func report() async throws -> MembershipReport {
        Output.note("measuring what this machine does at best")
        let floors = try cluster.floors()
        let port = try cluster.takePort()
        let first = try await cluster.start(1, .bootstrap([1: port]), port: port)
        // Status is asked of nodes by name; the endpoints are never used.
        let watchClient = try cluster.admin([first.address])
        try await cluster.waitForLeader(watchClient)

        let load = PutLoad(
            try client([first.address]), rate: command.load.rate, valueBytes: command.load.valueSize,
            timeout: command.load.timeout)
        let watch = LeaderWatch()
        let (windows, begun, ended) = try await withThrowingTaskGroup(of: Void.self) { group in
            let begun = load.now
            group.addTask { await load.run() }
            group.addTask { await watch.run(cluster, watchClient, now: { load.now }) }
            var clients: [KeyValueClient] = []
            var windows: [Window] = []
            do {
                for step in MembershipStep.all { windows.append(try await run(step, load, &clients)) }
            } catch {
                load.stop()
                group.cancelAll()
                throw error
            }
            load.stop()
            try await group.next()  // the load: every put has its outcome
            let ended = load.now
            group.cancelAll()
            for client in clients { await client.close() }
            return (windows, begun, ended)
        }
        Output.note("reading everything back")
        let last = cluster.running.map(\.address)
        let reader = try client(last)
        let ledger = load.ledger
        let verdict = ledger.verdict(found: try await load.readBack(reader))
        await reader.close()
        await watchClient.close()
        return make(floors, ledger, verdict, watch.leaderships.moves, windows, begun, ended)
    }

    private func client(_ endpoints: [String]) throws -> KeyValueClient {
        try cluster.client(endpoints, usesSessions: command.sessions)
    }

    // MARK: One step

    private func run(
        _ step: MembershipStep, _ load: PutLoad, _ clients: inout [KeyValueClient]
    ) async throws -> Window {
        Output.note("\(step.name)")
        let voters = step.voters.map { NodeID($0) }
        let before = cluster.running
        let start = load.now
        for id in step.newcomers { try await cluster.start(NodeID(id), .join) }
        // Clients, like operators, know the old members and the new ones while one becomes the other.
        let during = try client(addresses(before.map(\.id) + voters))
        clients.append(load.use(during))
        let admin = try cluster.admin(addresses(before.map(\.id) + voters))
        for id in step.newcomers {
            guard let node = cluster.node(NodeID(id)) else { continue }
            try await change(.add(node.id, address: node.address), waiting: true, admin)
        }
        if before.map(\.id) != voters {
            try await change(.replaceVoters(voters, keepingOthers: false), waiting: false, admin)
        }
        try await eventually("one of \(voters) leads, and nobody else is a member", within: .seconds(30)) {
            for id in voters {
                guard let node = cluster.node(id),
                    let status = try? await admin.status(of: "127.0.0.1:\(node.port)", timeout: .seconds(1))
                else { continue }
                if status.role == "leader", !status.isJoint, status.members.map(\.id).sorted() == voters,
                    status.commit >= status.configuration.index
                {
                    return true
                }
            }
            return false
        }
        let changed = load.now
        clients.append(load.use(try client(addresses(voters))))
        await admin.close()
        for node in cluster.running where !voters.contains(node.id) { try await cluster.stop(node.id) }
        try await Task.sleep(for: .seconds(1) * command.settle)
        return Window(step: step, start: start, changed: changed, end: load.now)
    }

    private func addresses(_ ids: [NodeID]) -> [String] {
        var seen: Set<NodeID> = []
        return ids.filter { seen.insert($0).inserted }.compactMap { cluster.node($0)?.address }
    }

    /// Asks for a change until it is known to be made: each is harmless to ask for again.
    private func change(_ request: MembershipRequest, waiting: Bool, _ admin: KeyValueClient) async throws {
        for attempt in 0... {
            do throws(RaftClientError) {
                return try await admin.changeMembership(request, waiting: waiting, timeout: .seconds(30))
            } catch {
                Output.note("  \(request): \(error)")
                if attempt >= 3 { throw BenchmarkError("\(request): \(error)") }
            }
        }
    }

    // MARK: What it came to

    private func make(
        _ floors: Floors, _ ledger: WriteLedger, _ verdict: WriteLedger.Verdict, _ moves: [Leaderships.Move],
        _ windows: [Window], _ begun: Int64, _ ended: Int64
    ) -> MembershipReport {
        let timeout = command.cluster.electionTimeoutNanoseconds
        let acknowledged = Acknowledgements(ledger.acknowledgedMoments, from: begun, to: ended)
        let steps = windows.map { window in
            MembershipReport.Step(
                name: window.step.name, voters: window.step.voters.count,
                changeMilliseconds: milliseconds(window.changed - window.start),
                longestPauseMilliseconds: acknowledged.longest(from: window.start, to: window.end).map {
                    milliseconds($0.length)
                },
                puts: ledger.latencies(from: window.start, to: window.end).summary,
                errors: ledger.errors(from: window.start, to: window.end),
                leadershipMoves: moves.filter { $0.firstSeen >= window.start && $0.firstSeen < window.end }.count)
        }
        let shownMoves = moves.map { move in
            let (start, end) = (move.lastSeen - timeout, move.firstSeen + timeout)
            let total = acknowledged.total(from: start, to: end, ofAtLeast: timeout / 10)
            let longest = acknowledged.longest(from: start, to: end)?.length ?? 0
            return MembershipReport.Move(
                from: move.from, to: move.to, term: move.term,
                step: windows.last { $0.start <= move.firstSeen }?.step.name ?? "before the first step",
                longestPauseMilliseconds: milliseconds(longest), pausesInAllMilliseconds: milliseconds(total),
                pausesInAllElectionTimeouts: Double(total) / Double(timeout))
        }
        return MembershipReport(
            floors: floors, electionTimeoutMilliseconds: milliseconds(timeout), rate: command.load.rate,
            valueBytes: command.load.valueSize, usesSessions: command.sessions,
            seconds: Double(ended - begun) / 1e9, puts: ledger.latencies().summary,
            putsPerFloor: MembershipReport.ratio(ledger.latencies().summary, floors), verdict: verdict,
            errors: ledger.errors(), steps: steps, moves: shownMoves)
    }
}
