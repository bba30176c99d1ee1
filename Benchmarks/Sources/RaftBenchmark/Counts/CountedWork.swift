internal import ArgumentParser
internal import Benchmarking
internal import Raft

/// A kind of work whose operations are counted.
enum CountedWork: String, ExpressibleByArgument, CaseIterable, Codable {
    /// Appends of one and of 16 entries, through a connection between two members of this process: encoded, sealed,
    /// sent, received, opened, decoded.
    case append1 = "append-1"
    case append16 = "append-16"
    /// Writes to three nodes in memory, on one thread, with so many calls under way.
    case memory1 = "memory-1"
    case memory64 = "memory-64"
    case memory1024 = "memory-1024"
    /// Linearizable reads there.
    case read64 = "read-64"
    /// Writes to three nodes on the disk, with mutual TLS between them.
    case durable1 = "durable-1"
    case durable64 = "durable-64"

    /// The part that is looked at, and how the names of its functions begin that callers from outside of it call.
    var part: (name: String, symbols: [String]) {
        switch self {
        case .append1, .append16:
            (
                "codec",
                [
                    "$s13RaftTransport9PeerCodecO6encodeySays5UInt8VG0A00C7RequestOFZ",
                    "$s13RaftTransport9PeerCodecO13decodeRequesty0A00cF0OSays5UInt8VGAA9RPCStatusVYKFZ",
                ]
            )
        default: ("rules", ["$s4Raft6TenureC4turn_3now"])
        }
    }

    func perform(_ operations: Int, _ directory: DirectoryOptions) async throws {
        switch self {
        case .append1: try await append(1, operations, directory)
        case .append16: try await append(16, operations, directory)
        case .memory1: try await memory(1, operations, reads: false)
        case .memory64: try await memory(64, operations, reads: false)
        case .memory1024: try await memory(1024, operations, reads: false)
        case .read64: try await memory(64, operations, reads: true)
        case .durable1: try await durable(1, operations, directory)
        case .durable64: try await durable(64, operations, directory)
        }
    }

    private func append(_ entries: Int, _ operations: Int, _ directory: DirectoryOptions) async throws {
        let (request, bytes) = SampleMessages().append(entries, of: 256)
        let burst = max(2, min(100, (1 << 20) / bytes))
        try await directory.withPair { pair in
            let link = try await pair.link()
            defer { link.close() }
            for _ in 0..<operations / burst { _ = try await pair.burst(request, on: link, count: burst) }
            if operations % burst > 1 { _ = try await pair.burst(request, on: link, count: operations % burst) }
        }
    }

    private func memory(_ clients: Int, _ operations: Int, reads: Bool) async throws {
        let cluster = try await MemoryCluster(.one, timing: .patient)
        let calls = Calls(count: max(1, operations / clients), reads: reads)
        _ = try await Crowd(clients: clients, callers: .completion).time(calls, of: cluster.leader, on: cluster.loop)
        await cluster.stop()
    }

    private func durable(_ clients: Int, _ operations: Int, _ directory: DirectoryOptions) async throws {
        try await directory.withDirectory { directory in
            let cluster = try await DurableCluster(
                try DurableCluster.certificates(in: directory), in: directory + "/cluster", timing: .patient)
            let calls = Calls(count: max(1, operations / clients), command: Noted.Command(size: 16))
            _ = try await Crowd(clients: clients, callers: .completion)
                .time(calls, of: cluster.leader, on: cluster.loop)
            await cluster.stop()
        }
    }
}
