internal import Raft

/// A run of the simulation as text: the seed, everything that its profile says, and its faults, one a line. What a
/// failing run is cut down to, kept in a file, and run again from there.
///
/// The first line that is no comment is `simulation of seed 46, 900 events`; behind it one line for each setting, and
/// `at …: …` lines. A text without one of the settings is refused: nothing is left to be guessed.
public struct SavedRun: Sendable {
    public var seed: UInt64
    public var events: Int
    public var profile: SimulationProfile
    public var faults: [TimedFault]

    public init(seed: UInt64, events: Int, profile: SimulationProfile, faults: [TimedFault]) {
        self.seed = seed
        self.events = events
        self.profile = profile
        self.faults = faults
    }

    static let opening = "simulation of seed "

    /// What ``init(name:lines:)`` reads.
    public var text: String {
        let settings = ProfileField.all.map { "\($0.name) \($0.write(profile))" }
        return (["\(Self.opening)\(seed), \(events) events"] + settings + faults.map(\.description))
            .joined(separator: "\n") + "\n"
    }

    /// - Parameter lines: of the file that is called `name`.
    /// - Throws: for a line that is neither setting nor fault, a setting that comes twice, or one that is missing.
    init(name: String, lines: [String]) throws(ScenarioFailure) {
        func refuse(_ position: Int, _ reason: String) -> ScenarioFailure {
            ScenarioFailure(name: name, line: position + 1, text: lines[position], reason: reason, nodes: [])
        }
        var opening: (at: Int, seed: UInt64, events: Int)?
        var profile = SimulationProfile(seed: 0)
        var faults: [TimedFault] = []
        var missing = ProfileField.all
        for (position, line) in lines.enumerated() {
            let content = Self.withoutComment(line)
            if content.isEmpty { continue }
            if content.hasPrefix(Self.opening) {
                let words = content.dropFirst(Self.opening.count).split { $0 == " " || $0 == "," }
                guard opening == nil, words.count == 3, words[2] == "events", let seed = UInt64(words[0]),
                    let events = Int(words[1]), events > 0
                else { throw refuse(position, "\"\(Self.opening)46, 900 events\" expected, once") }
                opening = (position, seed, events)
            } else if content.hasPrefix("at ") {
                guard let fault = TimedFault(parsing: content) else { throw refuse(position, "this is no fault") }
                faults.append(fault)
            } else {
                guard let at = missing.firstIndex(where: { content.hasPrefix("\($0.name) ") }) else {
                    throw refuse(position, "this is no setting of a simulation, or is said twice")
                }
                let field = missing.remove(at: at)
                guard field.read(String(content.dropFirst(field.name.count + 1)), &profile) else {
                    throw refuse(position, "this is no value for \(field.name)")
                }
            }
        }
        guard let opening else { throw refuse(0, "there is no line \"\(Self.opening)…\"") }
        guard missing.isEmpty else {
            throw refuse(opening.at, "not said: \(missing.map(\.name).joined(separator: ", "))")
        }
        self.init(seed: opening.seed, events: opening.events, profile: profile, faults: faults)
    }

    /// Whether these lines are a run of the simulation, not a story.
    static func isOne(_ lines: [String]) -> Bool {
        lines.first { !withoutComment($0).isEmpty }?.hasPrefix(opening) ?? false
    }

    private static func withoutComment(_ line: String) -> String {
        var content = line.prefix { $0 != "#" }
        while content.last == " " { content.removeLast() }
        return String(content)
    }
}

/// One setting of a profile, as a line of text.
private struct ProfileField: Sendable {
    let name: String
    let write: @Sendable (SimulationProfile) -> String
    /// False when the text is no value of it.
    let read: @Sendable (String, inout SimulationProfile) -> Bool

    private typealias Path<Value> = WritableKeyPath<SimulationProfile, Value> & Sendable

    private static func field<Value>(
        _ name: String, _ path: any Path<Value>, _ write: @escaping @Sendable (Value) -> String,
        _ read: @escaping @Sendable (String) -> Value?
    ) -> ProfileField {
        ProfileField(name: name) {
            write($0[keyPath: path])
        } read: { text, profile in
            guard let value = read(text) else { return false }
            profile[keyPath: path] = value
            return true
        }
    }

    private static func number(_ name: String, _ path: any Path<Int>, from least: Int = 0) -> ProfileField {
        field(name, path, { "\($0)" }, { Int($0).flatMap { $0 >= least ? $0 : nil } })
    }

    private static func flag(_ name: String, _ path: any Path<Bool>) -> ProfileField {
        field(name, path, { $0 ? "yes" : "no" }, { $0 == "yes" ? true : $0 == "no" ? false : nil })
    }

    private static func time(_ name: String, _ path: any Path<Int64>) -> ProfileField {
        field(name, path, { Fault.text($0) }, nanoseconds)
    }

    private static func duration(_ name: String, _ path: any Path<Duration>) -> ProfileField {
        field(name, path, { Fault.text($0.nanoseconds) }, { nanoseconds($0).map { .nanoseconds($0) } })
    }

    private static func times(_ name: String, _ path: any Path<ClosedRange<Int64>>) -> ProfileField {
        field(name, path, { "\(Fault.text($0.lowerBound)) .. \(Fault.text($0.upperBound))" }, range)
    }

    private static func nanoseconds(_ text: some StringProtocol) -> Int64? {
        guard case .pause(_, let time) = Fault(parsing: "pause 1 for \(text)") else { return nil }
        return time
    }

    private static func range(_ text: String) -> ClosedRange<Int64>? {
        guard case .slowDisk(_, let range) = Fault(parsing: "slow disk of 1 to \(text)") else { return nil }
        return range
    }

    static let all: [ProfileField] = [
        field("drawn from", \.name, { $0.rawValue }, { SimulationProfile.Name(rawValue: $0) }),
        number("nodes", \.nodeCount, from: 1),
        number("spare nodes", \.spareCount),
        field("faults", \.faults, { $0.description }, { SimulationProfile.Kinds(parsing: $0) }),
        time("time between faults", \.faultPause),
        flag("disturbed", \.isDisturbed),
        flag("quiet at the end", \.isQuietAtEnd),
        flag("heals a quorum only", \.healsCoreOnly),
        flag("long windows", \.hasLongWindows),
        flag("one comes back", \.hasReturn),
        times("network takes", \.network.delay),
        number("network loses of 1000", \.network.lossPerMille),
        number("network repeats of 1000", \.network.duplicatePerMille),
        number("network delays of 1000", \.network.strayPerMille),
        times("network delays by", \.network.strayDelay),
        flag("network keeps order", \.network.isOrdered),
        flag("replies slip through", \.network.letsRepliesSlip),
        time("network keepalive", \.network.keepalive),
        times("disks take", \.diskLatency),
        times("slow machines take", \.applyLatency),
        number("slow machines", \.slowMachines),
        number("segment bytes", \.segmentBytes, from: 4096),
        flag("segments ahead", \.preparesSegments),
        flag("snapshots", \.makesSnapshots),
        field(
            "preferences", \.preferences, { $0.isEmpty ? "none" : $0.map { "\($0)" }.joined(separator: ", ") },
            { text in
                if text == "none" { return [] }
                let words = text.split(separator: ",").map { String($0.drop { $0 == " " }) }
                let preferences = words.compactMap { word in
                    [LeadershipPreference.ordinary, .preferred, .never].first { "\($0)" == word }
                }
                return preferences.count == words.count ? preferences : nil
            }),
        duration("preference interval", \.configuration.preferenceInterval),
        duration("steady interval", \.configuration.steadyInterval),
        flag("learners are promoted", \.configuration.promotesLearners),
        field(
            "lease window", \.leaseWindow, { $0.map { Fault.text($0.nanoseconds) } ?? "none" },
            { text in text == "none" ? .some(nil) : nanoseconds(text).map { .nanoseconds($0) } }),
        number("clock drift ppm", \.configuration.maximumClockDrift),
        number("clients", \.workload.clientCount),
        number("clients with sessions", \.workload.sessionClientCount),
        number("sessions at most", \.configuration.maximumSessions, from: 1),
        number("replies of a session", \.configuration.maximumSessionReplies, from: 1),
        number("reply bytes of a session", \.configuration.maximumSessionReplyBytes, from: 1),
        duration("session timeout", \.configuration.sessionTimeout),
        times("clients think", \.workload.pause),
        time("clients wait", \.workload.patience),
        time("sessions fall silent for", \.workload.silence),
        number("keys", \.workload.keyCount, from: 1),
        number("padding", \.workload.padding),
        field(
            "election timeout", \.configuration.electionTimeout,
            { "\(Fault.text($0.lowerBound.nanoseconds)) .. \(Fault.text($0.upperBound.nanoseconds))" },
            { range($0).map { .nanoseconds($0.lowerBound)...(.nanoseconds($0.upperBound)) } }),
        duration("heartbeat", \.configuration.heartbeatInterval),
        number("append bytes", \.configuration.maximumAppendBytes, from: 1),
        number("appends in flight", \.configuration.maximumInflightAppends, from: 1),
        number("bytes in flight", \.configuration.maximumInflightBytes, from: 1),
        number("tail bytes", \.configuration.maximumTailBytes),
        number("apply bytes", \.configuration.maximumApplyBytes, from: 1),
        number("uncommitted bytes", \.configuration.maximumUncommittedBytes, from: 1),
        number("waiting calls", \.configuration.maximumWaitingCalls, from: 1),
        number("replication lag", \.configuration.maximumReplicationLag),
        field(
            "snapshot after entries", \.configuration.snapshotPolicy,
            { $0.entryCount.map { "\($0)" } ?? "never" },
            { text in
                let count = Int(text)
                guard text == "never" || (count ?? 0) > 0 else { return nil }
                return SnapshotPolicy(entryCount: count, logBytes: nil)
            }),
        number("kept entries", \.configuration.maximumKeptEntries),
        number("held bytes", \.configuration.maximumHeldBytes),
        number("snapshot piece bytes", \.configuration.snapshotPieceBytes, from: 1),
        number("snapshot pieces in flight", \.configuration.maximumInflightSnapshotPieces, from: 1),
    ]
}

extension SimulationProfile.Kinds {
    /// Reads what ``description`` writes. Nil for anything else.
    init?(parsing text: String) {
        self = []
        if text == Self().description { return }
        var rest = text[...]
        while !rest.isEmpty {
            let end = rest.firstIndex(of: ",") ?? rest.endIndex
            guard let kind = Self.named(rest[..<end].drop { $0 == " " }) else { return nil }
            insert(kind)
            rest = rest[end...].dropFirst()
        }
    }
}
