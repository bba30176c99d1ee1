internal import Foundation
internal import Raft

/// A network namespace for each node, joined by a bridge: a node loses packets without any connection noticing.
///
/// Linux, root and the program `ip` are needed. The names carry this process's number; ``remove()`` takes all away.
struct Namespaces: Sendable {
    private static let count = Lock(0)

    private let tag: String
    private let subnet: String
    private let nodeCount: Int
    let ip: String

    private var bridge: String { "rc\(tag)" }
    func name(_ id: Int) -> String { "raft-chaos-\(tag)-\(id)" }
    func host(_ id: Int) -> String { "\(subnet).\(id)" }

    /// Makes them.
    ///
    /// - Throws: with what the system says, after everything made so far was removed.
    init(_ nodeCount: Int) async throws(Failure) {
        let number = Int(ProcessInfo.processInfo.processIdentifier)
        // The kernel takes its time to take the interfaces of a namespace away: those of the next run have other names.
        let run = Self.count.withLock { count in
            count += 1
            return count
        }
        tag = "\(number)\(["a", "b", "c", "d"][run % 4])"
        // One of 16384 networks out of 10.192.0.0/10; whoever uses it gets an error below.
        subnet = "10.\(192 + number / 256 % 64).\(number % 256)"
        self.nodeCount = nodeCount
        guard let ip = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"].first(where: FileManager.default.isExecutableFile)
        else { throw Failure(.refused, "no program `ip`; install iproute2, or choose a mode without partitions") }
        self.ip = ip
        do throws(Failure) { try await make() } catch {
            await remove()
            throw Failure(
                .refused, "\(error.message); partitions need network namespaces: run as root, or choose another mode")
        }
    }

    private func make() async throws(Failure) {
        try await run("link", "add", bridge, "type", "bridge")
        try await run("addr", "add", "\(subnet).254/24", "dev", bridge)
        try await run("link", "set", bridge, "up")
        for id in 1...nodeCount {
            let (outside, inside) = ("\(bridge)v\(id)", "\(bridge)i\(id)")
            try await run("netns", "add", name(id))
            try await run("link", "add", outside, "type", "veth", "peer", "name", inside)
            try await run("link", "set", inside, "netns", name(id))
            try await run("link", "set", outside, "master", bridge)
            try await run("link", "set", outside, "up")
            try await run("-n", name(id), "addr", "add", "\(host(id))/24", "dev", inside)
            try await run("-n", name(id), "link", "set", inside, "up")
            try await run("-n", name(id), "link", "set", "lo", "up")
        }
    }

    /// From now on everything is lost that is sent this way.
    func cut(_ way: ChaosFault.Way) async throws(Failure) {
        try await run("-n", name(way.from), "route", "add", "blackhole", "\(host(way.to))/32")
    }

    func heal(_ way: ChaosFault.Way) async throws(Failure) {
        try await run("-n", name(way.from), "route", "del", "blackhole", "\(host(way.to))/32")
    }

    func remove() async {
        for id in 1...nodeCount {
            try? await run("link", "del", "\(bridge)v\(id)")
            try? await run("netns", "del", name(id))
        }
        try? await run("link", "del", bridge)
    }

    private func run(_ arguments: String...) async throws(Failure) {
        let log = "\(FileManager.default.temporaryDirectory.path)/raft-chaos-ip-\(tag)"
        defer { try? FileManager.default.removeItem(atPath: log) }
        try? FileManager.default.removeItem(atPath: log)
        let child = try ChildProcess.spawn(ip, arguments, log: log, hiding: [])
        var ending = child.reap()
        while ending == nil {
            try? await Task.sleep(for: .milliseconds(1))
            ending = child.reap()
        }
        guard ending == .exit(0) else {
            let text = FileManager.default.contents(atPath: log).map { String(decoding: $0, as: UTF8.self) } ?? ""
            let reason = text.split(separator: "\n").first ?? "it ended with \(ending!)"
            throw Failure(.refused, "ip \(arguments.joined(separator: " ")): \(reason)")
        }
    }
}
