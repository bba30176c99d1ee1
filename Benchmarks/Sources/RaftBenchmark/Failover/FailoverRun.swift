internal import Benchmarking
internal import Glibc
internal import Raft
internal import RaftClient

/// One cluster that does nothing, then loses its leader again and again, then is started anew.
struct FailoverRun {
    private let cluster: ServerCluster
    private let command: FailoverCommand

    init(_ cluster: ServerCluster, _ command: FailoverCommand) {
        self.cluster = cluster
        self.command = command
    }

    private enum Harm {
        case kill, stop
    }

    func report() async throws -> FailoverReport {
        Output.note("measuring what this machine does at best")
        let floors = try cluster.floors()
        try await cluster.bootstrap([1, 2, 3])
        let endpoints = cluster.running.map(\.address)
        let admin = try cluster.admin(endpoints)
        try await cluster.waitForLeader(admin)
        let idle = try await idle()
        let client = try cluster.client(endpoints)
        let load = PutLoad(
            client, rate: command.load.rate, valueBytes: command.load.valueSize, timeout: command.load.timeout)
        let (killed, stopped) = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await load.run() }
            do {
                let killed = try await times(command.kills, .kill, load, admin)
                let stopped = try await times(command.stops, .stop, load, admin)
                load.stop()
                try await group.next()  // the load: every put has its outcome
                return (killed, stopped)
            } catch {
                load.stop()
                throw error
            }
        }
        Output.note("reading everything back")
        let verdict = load.ledger.verdict(found: try await load.readBack(client))
        await client.close()
        await admin.close()
        let started = try await coldStarts(endpoints)
        return FailoverReport(
            floors: floors, electionTimeoutMilliseconds: milliseconds(command.cluster.electionTimeoutNanoseconds),
            rate: command.load.rate, idle: idle, killed: killed.summary, stopped: stopped.summary,
            started: started.summary, verdict: verdict, errors: load.ledger.errors())
    }

    private func idle() async throws -> FailoverReport.Idle {
        Output.note("asking nothing of them for \(shown(command.idle)) s")
        try await Task.sleep(for: .seconds(2))
        let (clock, nodes) = (ContinuousClock(), cluster.running)
        let (start, before) = (clock.now, try nodes.map { try Program.usage(of: $0.pid) })
        try await Task.sleep(for: .seconds(1) * command.idle)
        let (length, after) = ((clock.now - start).inSeconds, try nodes.map { try Program.usage(of: $0.pid) })
        return FailoverReport.Idle(
            processorShare: median(zip(before, after).map { ($1.processorTime - $0.processorTime) / length }),
            residentMebibytes: mebibytes(after.map(\.residentBytes).max() ?? 0),
            anonymousMebibytes: mebibytes(after.map(\.anonymousBytes).max() ?? 0))
    }

    private func times(_ count: Int, _ harm: Harm, _ load: PutLoad, _ admin: KeyValueClient) async throws -> Times {
        var times: [Int64] = []
        for turn in 0..<count {
            if turn % 10 == 0 { Output.note("\(harm) \(turn + 1) of \(count)") }
            let leader = try await settled(admin)
            guard let node = cluster.node(leader) else { throw BenchmarkError("node \(leader) is none of ours") }
            let start = load.now
            switch harm {
            case .kill: try await cluster.kill(leader)
            case .stop: Glibc.kill(node.pid, SIGSTOP)
            }
            try await eventually("a put is acknowledged again", within: .seconds(60), every: .milliseconds(20)) {
                guard let first = load.ledger.firstAcknowledgement(dueFrom: start) else { return false }
                times.append(first - start)
                return true
            }
            switch harm {
            case .kill: try await cluster.restart(leader)
            case .stop: Glibc.kill(node.pid, SIGCONT)
            }
        }
        return Times(times)
    }

    /// Waits until all three have what the leader has committed, or nearly: the next turn begins with a whole cluster.
    private func settled(_ admin: KeyValueClient) async throws -> NodeID {
        var leader: NodeID = 0
        try await eventually("all three follow one leader", within: .seconds(60), every: .milliseconds(100)) {
            var statuses: [MemberStatus] = []
            for node in self.cluster.running {
                guard let status = try? await admin.status(of: node.address, timeout: .seconds(1)) else { return false }
                statuses.append(status)
            }
            guard statuses.count == 3, let first = statuses.first(where: { $0.role == "leader" }) else { return false }
            leader = first.id
            return statuses.allSatisfy {
                $0.term == first.term && $0.commit.rawValue + 1000 > first.commit.rawValue
            }
        }
        return leader
    }

    private func coldStarts(_ endpoints: [String]) async throws -> Times {
        var times: [Int64] = []
        for turn in 0..<command.starts {
            if turn % 10 == 0 { Output.note("cold start \(turn + 1) of \(command.starts)") }
            let nodes = cluster.running.map(\.id)
            for id in nodes { try await cluster.kill(id) }
            let (clock, cluster) = (ContinuousClock(), cluster)
            // One that looks again at once: how soon the cluster serves is the question.
            let client = try cluster.client(endpoints, maximumPause: .milliseconds(5))
            let start = clock.now
            try await withThrowingTaskGroup(of: Void.self) { group in
                for id in nodes { group.addTask { try await cluster.restart(id) } }
                _ = try await client.put(Array("cold".utf8), Array("\(turn)".utf8), timeout: .seconds(60))
                times.append((clock.now - start).nanoseconds)
                try await group.waitForAll()
            }
            await client.close()
        }
        return Times(times)
    }
}
