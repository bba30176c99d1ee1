internal import Benchmarking
internal import Foundation
internal import Raft
internal import RaftClient

/// Fills a state, and moves it to one new node after another.
struct SnapshotMoveRun {
    private let cluster: ServerCluster
    private let command: SnapshotMoveCommand
    /// Whose snapshots are throttled when it leads, and whose are not.
    private static let throttled: NodeID = 1
    private static let unthrottled: NodeID = 2
    private static let voters: [NodeID] = [1, 2, 3]

    init(_ cluster: ServerCluster, _ command: SnapshotMoveCommand) {
        self.cluster = cluster
        self.command = command
    }

    func report(_ kinds: [SnapshotMoveReport.Kind]) async throws -> SnapshotMoveReport {
        Output.note("measuring what this machine does at best")
        let floors = try cluster.floors()
        try await cluster.bootstrap(Self.voters) {
            $0 == Self.throttled ? ["--snapshot-rate", "\(command.throttle << 20)"] : []
        }
        let endpoints = Self.voters.compactMap { cluster.node($0)?.address }
        let client = try cluster.client(endpoints)
        let admin = try cluster.admin(endpoints)
        try await cluster.waitForLeader(admin)
        Output.note("filling \(command.mebibytes) MiB")
        let start = ContinuousClock.now
        try await fill(client)
        let fillSeconds = (ContinuousClock.now - start).inSeconds

        var moves: [SnapshotMoveReport.Move] = []
        for (number, kind) in kinds.enumerated() {
            let leader = kind == .throttled ? Self.throttled : Self.unthrottled
            moves.append(try await move(kind, to: NodeID(UInt64(11 + number)), leader, client, admin))
        }
        let after = try cluster.floors()
        await client.close()
        await admin.close()
        finish(&moves, SnapshotMoveReport.tlsFloor(floors, after))
        return SnapshotMoveReport(
            floors: floors, floorsAfter: after,
            electionTimeoutMilliseconds: milliseconds(command.cluster.electionTimeoutNanoseconds),
            rate: command.load.rate, valueBytes: command.load.valueSize, mebibytes: command.mebibytes,
            throttleMebibytesPerSecond: command.throttle, fillSeconds: fillSeconds, moves: moves)
    }

    private func finish(_ moves: inout [SnapshotMoveReport.Move], _ tls: Double) {
        let uncut = moves.first { $0.kind == .proxied }?.snapshotBytes?.forward
        for at in moves.indices {
            moves[at].shareOfTLS = moves[at].mebibytesPerSecond / tls
            if moves[at].kind == .cut, let uncut, let bytes = moves[at].snapshotBytes?.forward {
                moves[at].extraShare = Double(bytes - uncut) / Double(uncut)
            }
        }
    }

    // MARK: The state

    /// Large values, many at a time, and no two the same.
    private func fill(_ client: KeyValueClient) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<command.mebibytes {
                if number >= 16 { try await group.next() }
                group.addTask {
                    var value = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 1 << 20)
                    withUnsafeBytes(of: number.littleEndian) { value.replaceSubrange(0..<8, with: $0) }
                    _ = try await client.put(Array("fill-\(number)".utf8), value, timeout: .seconds(60))
                }
            }
            try await group.waitForAll()
        }
    }

    // MARK: One move

    private func move(
        _ kind: SnapshotMoveReport.Kind, to id: NodeID, _ leader: NodeID, _ client: KeyValueClient,
        _ admin: KeyValueClient
    ) async throws -> SnapshotMoveReport.Move {
        Output.note("\(kind.rawValue): to node \(id)")
        try await lead(leader, admin)
        // The snapshot that will be sent is there before: what it costs to build is not measured here.
        guard let source = cluster.node(leader) else { throw BenchmarkError("node \(leader) is gone") }
        let snapshot = try await admin.triggerSnapshot(of: source.address, timeout: .seconds(300))

        let port = try cluster.takePort()
        let proxy = kind.isThroughProxy ? try CuttingProxy(to: port) : nil
        if kind == .cut {
            let bytes = Int(snapshot.byteCount)
            proxy?.cut("raft-snapshot/1", at: [bytes / 4, bytes / 2, bytes / 4 * 3])
        }
        let node = try await cluster.start(id, .join, port: port, advertised: proxy?.port)
        let load = PutLoad(
            client, rate: command.load.rate, valueBytes: command.load.valueSize, timeout: command.load.timeout)
        let (added, caughtUp, received) = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await load.run() }
            do {
                try await Task.sleep(for: .seconds(1) * command.before)
                let added = load.now
                async let received = Self.watch(node.data + "/snapshots/leader.tmp", load)
                try await admin.changeMembership(
                    .add(id, address: node.address), waiting: true, timeout: .seconds(600))
                let caughtUp = load.now
                load.stop()
                try await group.waitForAll()
                return (added, caughtUp, await received)
            } catch {
                load.stop()
                throw error
            }
        }
        let status = try await admin.status(of: "127.0.0.1:\(port)")
        guard status.snapshot >= snapshot.last.index, let received else {
            throw BenchmarkError("node \(id) did not get the state by snapshot; it has entries up to \(status.last)")
        }
        let now = try await admin.status(of: source.address)
        guard now.role == "leader" else { throw BenchmarkError("node \(leader) leads no longer; run it again") }
        let move = make(kind, load.ledger, snapshot, added: added, caughtUp: caughtUp, received, proxy)
        try await admin.changeMembership(.remove(id), timeout: .seconds(30))
        try await cluster.stop(id)
        proxy?.stop()
        return move
    }

    private func make(
        _ kind: SnapshotMoveReport.Kind, _ ledger: WriteLedger, _ snapshot: SnapshotSummary, added: Int64,
        caughtUp: Int64, _ received: Receipt, _ proxy: CuttingProxy?
    ) -> SnapshotMoveReport.Move {
        let (before, during) = (
            ledger.latencies(to: added).summary, ledger.latencies(from: added, to: caughtUp).summary
        )
        let seconds = Double(received.end - received.start) / 1e9
        let mebibytes = Double(snapshot.byteCount) / Double(1 << 20)
        var ratio: Double?
        if let p99 = during.p99Milliseconds, let base = before.p99Milliseconds, base > 0 { ratio = p99 / base }
        return SnapshotMoveReport.Move(
            kind: kind, before: before, during: during, p99Ratio: ratio, transferSeconds: seconds,
            caughtUpSeconds: Double(caughtUp - added) / 1e9, stateMebibytes: mebibytes,
            mebibytesPerSecond: mebibytes / seconds, shareOfTLS: 0,
            shareOfThrottle: kind == .throttled ? mebibytes / seconds / Double(command.throttle) : nil,
            snapshotBytes: proxy?.count(of: "raft-snapshot/1"), cuts: proxy?.cutCount, extraShare: nil,
            errors: ledger.errors())
    }

    private func lead(_ wanted: NodeID, _ admin: KeyValueClient) async throws {
        if try await cluster.waitForLeader(admin) == wanted { return }
        try await eventually("node \(wanted) leads", within: .seconds(60), every: .milliseconds(200)) {
            do throws(RaftClientError) {
                try await admin.transferLeadership(to: wanted, timeout: .seconds(10))
                return true
            } catch {
                Output.note("  \(error)")
                return false
            }
        }
        try await cluster.waitForLeader(admin)
    }

    // MARK: How far the new node is

    /// When the first and the last byte of a snapshot came.
    private struct Receipt: Sendable {
        var start: Int64
        var end: Int64
    }

    /// Looks at the file that the node receives into, until that has its final name.
    @concurrent private static func watch(_ file: String, _ load: PutLoad) async -> Receipt? {
        var start: Int64?
        var end: Int64 = 0
        var largest: off_t = 0
        var information = stat()
        let deadline = load.now + 600_000_000_000
        while load.now < deadline {
            let isThere = stat(file, &information) == 0
            if let start, !isThere { return Receipt(start: start, end: end) }
            if isThere, information.st_size > largest {
                if start == nil { start = load.now }
                largest = information.st_size
                end = load.now
            }
            try? await Task.sleep(for: .milliseconds(2))
        }
        return nil
    }
}
