internal import Raft

/// A story of a cluster, as text: one sentence a line, run over the production nodes in the simulated world.
///
/// The article Scenarios of `Raft` has the language. Every promise is checked after every event, whatever the text
/// asks for, and the same text always runs the same way.
public struct Scenario: Sendable {
    /// The file's name.
    public let name: String
    /// The first line: what the scenario shows.
    public let title: String
    /// The second line: where it comes from.
    public let source: String
    private let settings: ScenarioSettings
    private let lines: [ScenarioLine]
    /// The text is no story but a run of the simulation, kept.
    private let saved: SavedRun?

    /// - Throws: when a line cannot be read; nothing has run then.
    public init(name: String, text: String) throws(ScenarioFailure) {
        self.name = name
        let raw = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        func comment(_ at: Int) -> String {
            guard raw.indices.contains(at), raw[at].hasPrefix("# ") else { return "" }
            return String(raw[at].dropFirst(2))
        }
        title = comment(0)
        source = comment(1)
        saved = SavedRun.isOne(raw) ? try SavedRun(name: name, lines: raw) : nil
        var settings = ScenarioSettings()
        /// The open blocks, innermost last.
        var blocks: [(line: ScenarioLine, body: [ScenarioLine])] = []
        var body: [ScenarioLine] = []
        for (position, text) in raw.enumerated() where saved == nil {
            func refuse(_ reason: String) -> ScenarioFailure {
                ScenarioFailure(name: name, line: position + 1, text: text, reason: reason, nodes: [])
            }
            var parser = StatementParser(text)
            if parser.isEmpty { continue }
            let statement: Statement
            do { statement = try parser.parse() } catch { throw refuse(error.reason) }
            let line = ScenarioLine(number: position + 1, text: text, statement: statement)
            switch statement {
            case .setting(let change):
                guard body.isEmpty, blocks.isEmpty else { throw refuse("settings come before anything happens") }
                settings.make(change)
            case .repeatBlock:
                blocks.append((line, body))
                body = []
            case .endRepeat:
                guard var (opening, outer) = blocks.popLast(), case .repeatBlock(let times, _) = opening.statement
                else {
                    throw refuse("nothing is being repeated")
                }
                opening.statement = .repeatBlock(times, body)
                outer.append(opening)
                body = outer
            default: body.append(line)
            }
        }
        if let open = blocks.last?.line {
            throw ScenarioFailure(
                name: name, line: open.number, text: open.text, reason: "the repetition has no end", nodes: [])
        }
        self.settings = settings
        lines = body
    }

    /// Whether the last thing that it does is to heal everything and to see that the cluster moves on.
    public var endsInLivenessCheck: Bool {
        // Every run of the simulation does.
        if case .finally = lines.last?.statement { true } else { saved != nil }
    }

    /// Runs it from the beginning.
    ///
    /// - Parameters:
    ///   - seed: of chance, in place of what the text says: timeouts, delays, what a crash loses.
    ///   - make: makes a run of the simulation that was kept; the simulation's own refuses one of the key-value service.
    /// - Throws: the first line that did not come true, or the first promise that was broken, and while which line.
    public func run(
        seed: UInt64? = nil, making make: SimulationMaker = Simulation.again
    ) throws(ScenarioFailure) -> ScenarioReport {
        if let saved { return try run(saved, seed: seed, make) }
        let run: ScenarioRun
        var settings = settings
        if let seed { settings.seed = seed }
        do { run = try ScenarioRun(name: name, settings: settings) } catch {
            throw ScenarioFailure(name: name, line: 1, text: title, reason: "no world can be made: \(error)", nodes: [])
        }
        try run.perform(lines)
        return ScenarioReport(events: run.world.scheduler.eventCount, virtualTime: run.world.scheduler.now)
    }

    private func run(
        _ saved: SavedRun, seed: UInt64?, _ make: SimulationMaker
    ) throws(ScenarioFailure) -> ScenarioReport {
        let seed = seed ?? saved.seed
        func failed(_ reason: String, _ nodes: [String] = []) -> ScenarioFailure {
            ScenarioFailure(
                name: name, line: 1, text: "\(SavedRun.opening)\(seed), \(saved.events) events", reason: reason,
                nodes: nodes)
        }
        let simulation: Simulation
        do { simulation = try make(seed, saved.profile, saved.faults, nil) } catch {
            throw failed("no world can be made: \(error)")
        }
        do throws(Violation) {
            let report = try simulation.run(events: saved.events)
            return ScenarioReport(events: report.events, virtualTime: report.virtualTime)
        } catch { throw failed("\(error)", simulation.nodeLines) }
    }
}

/// What a scenario that came true took.
public struct ScenarioReport: Sendable, Hashable {
    public var events: Int
    public var virtualTime: Duration
}

/// The line of a scenario that did not come true.
public struct ScenarioFailure: Error, Sendable, CustomStringConvertible {
    public let name: String
    public let line: Int
    /// The line itself.
    public let text: String
    public let reason: String
    /// One line for each node.
    public let nodes: [String]

    public var description: String {
        ["\(name):\(line): \(text)", "    \(reason)"].joined(separator: "\n")
            + nodes.map { "\n    \($0)" }.joined()
    }
}
