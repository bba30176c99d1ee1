internal import Benchmarking
internal import Raft

/// All series of `durable`: in each round every one, on a cluster of its own.
struct DurableRun {
    let counts: [Int]
    let callers: [Callers]
    let seconds: Double
    let valueSize: Int
    let directory: String

    private struct Key: Hashable {
        var work: DurableReport.Work
        var callers: Callers
        var clients: Int
    }
    private struct Rates {
        var perSecond: [Double] = []
        var cpu: [Double] = []
        var syncs: [Double] = []
    }

    func report(rounds: Int) async throws -> DurableReport {
        let certificates = try DurableCluster.certificates(in: directory)
        var floors: [Floors] = []
        var rates: [Key: Rates] = [:]
        let keys = DurableReport.Work.allCases.flatMap { work in
            callers.flatMap { callers in counts.map { Key(work: work, callers: callers, clients: $0) } }
        }
        for round in 1...rounds {
            floors.append(
                try Floors.measure(
                    in: directory, certificate: certificates[0].certificate, key: certificates[0].key,
                    authority: certificates[0].authority))
            Output.note("round \(round) of \(rounds)")
            let cluster = try await DurableCluster(certificates, in: "\(directory)/\(round)")
            do {
                for key in keys { try await measure(key, of: cluster, into: &rates[key, default: Rates()]) }
            } catch {
                await cluster.stop()
                throw error
            }
            await cluster.stop()
        }
        // The one in the middle, whole.
        func least(_ floors: Floors) -> Double {
            ((floors.fdatasync.p50Milliseconds ?? 0) + (floors.tlsRoundTrip.p50Milliseconds ?? 0)) / 1000
        }
        floors.sort { least($0) < least($1) }
        let floor = floors[floors.count / 2]
        return DurableReport(
            valueSize: valueSize, floors: floor,
            series: keys.map { key in
                let found = rates[key]!
                let rate = median(found.perSecond)
                return DurableReport.Series(
                    work: key.work, clients: key.clients, callers: key.callers, callsPerSecond: rate,
                    cpuMicrosecondsPerCall: median(found.cpu), syncsPerCall: median(found.syncs),
                    floorRatio: key.clients == 1 && key.work == .write ? least(floor) * rate : nil)
            })
    }

    /// First as many calls as tell how long they take, which nobody counts.
    private func measure(_ key: Key, of cluster: DurableCluster, into rates: inout Rates) async throws {
        let crowd = Crowd(clients: key.clients, callers: key.callers)
        var calls = Calls(
            count: max(200 / key.clients, 20), command: Noted.Command(size: valueSize), reads: key.work == .read)
        let probe = try await crowd.time(calls, of: cluster.leader, on: cluster.loop)
        calls.count = max(Int(seconds / probe.inSeconds * Double(calls.count)), 20)
        let (before, syncs) = (Program.processorTime(), cluster.leaderSyncs)
        let time = try await crowd.time(calls, of: cluster.leader, on: cluster.loop)
        let count = Double(key.clients * calls.count)
        rates.cpu.append((Program.processorTime() - before) * 1e6 / count)
        rates.syncs.append(Double(cluster.leaderSyncs - syncs) / count)
        rates.perSecond.append(count / time.inSeconds)
    }
}
