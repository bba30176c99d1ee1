import ArgumentParser
import Foundation
import RaftKeyValueSimulation
import RaftSimulation

/// One seed, with everything else that decides what the run is.
struct SeedRun: Hashable, Sendable {
    var seed: UInt64
    var nodes: Int?
    var events: Int
    var profile: SimulationProfile.Name

    init(_ seed: UInt64, nodes: Int? = nil, events: Int = 10_000, profile: SimulationProfile.Name = .swarm) {
        self.seed = seed
        self.nodes = nodes
        self.events = events
        self.profile = profile
    }

    func simulation(onLine: (@Sendable (String) -> Void)? = nil) throws -> Simulation {
        if profile == .keyvalue { return try KeyValueSimulation.make(seed: seed, nodeCount: nodes, onLine: onLine) }
        return try Simulation(seed: seed, nodeCount: nodes, name: profile, onLine: onLine)
    }

    /// Makes a run of what it is made of, whatever its profile is.
    static func again(
        seed: UInt64, profile: SimulationProfile, faults: [TimedFault], onLine: (@Sendable (String) -> Void)?
    ) throws -> Simulation {
        guard profile.name == .keyvalue else {
            return try Simulation.again(seed: seed, profile: profile, faults: faults, onLine: onLine)
        }
        return try KeyValueSimulation.make(seed: seed, profile: profile, faults: faults, onLine: onLine)
    }

    /// A long or an idle run is half an hour of virtual time, however many events that takes.
    var virtualTime: Duration? { profile == .long || profile == .idle ? .seconds(1800) : nil }

    func run() throws -> SimulationReport { try simulation().run(events: events, virtualTime: virtualTime) }

    /// The command line's options for this run.
    var options: String {
        var text = "--seed \(seed)"
        if let nodes { text += " --nodes \(nodes)" }
        if events != 10_000 { text += " --events \(events)" }
        if profile != .swarm { text += " --profile \(profile.rawValue)" }
        return text
    }

    /// As a line of a file of kept seeds.
    var line: String {
        var text = "\(seed)"
        if let nodes { text += " nodes=\(nodes)" }
        if events != 10_000 { text += " events=\(events)" }
        if profile != .swarm { text += " profile=\(profile.rawValue)" }
        return text
    }

    init(parsing line: Substring, _ place: String) throws {
        let words = line.split(separator: " ")
        guard let first = words.first, let seed = UInt64(first) else {
            throw ValidationError("\(place): \(line) does not begin with a seed")
        }
        self.init(seed)
        for word in words.dropFirst() {
            let parts = word.split(separator: "=", omittingEmptySubsequences: false)
            switch parts.first {
            case "nodes" where parts.count == 2:
                guard let count = Int(parts[1]), (1...7).contains(count) else {
                    throw ValidationError("\(place): \(word) is not within 1 to 7")
                }
                nodes = count
            case "events" where parts.count == 2:
                guard let count = Int(parts[1]), count > 0 else {
                    throw ValidationError("\(place): \(word) is not a number above zero")
                }
                events = count
            case "profile" where parts.count == 2:
                guard let name = SimulationProfile.Name(rawValue: String(parts[1])) else {
                    throw ValidationError("\(place): there is no \(word)")
                }
                profile = name
            default: throw ValidationError("\(place): \(word) is none of nodes=, events=, profile=")
            }
        }
    }

    static func list(in path: String) throws -> [SeedRun] {
        let text: String
        do { text = try String(contentsOfFile: path, encoding: .utf8) } catch {
            throw ValidationError("\(path) cannot be read: \(error.localizedDescription)")
        }
        return try text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().compactMap {
            number, line in
            let content = line.prefix { $0 != "#" }
            guard content.contains(where: { $0 != " " }) else { return nil }
            return try SeedRun(parsing: content, "\(path), line \(number + 1)")
        }
    }
}
