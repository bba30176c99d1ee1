public import Raft

/// One ordered pair of nodes: the way from one to the other.
public struct NodePair: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var from: NodeID
    public var to: NodeID
    public init(from: NodeID, to: NodeID) {
        self.from = from
        self.to = to
    }
    public var description: String { "\(from) -> \(to)" }
    public static func < (a: NodePair, b: NodePair) -> Bool { (a.from, a.to) < (b.from, b.to) }
}

/// One thing that goes wrong, or is made good again, at one moment of a simulated run.
///
/// A run is its seed and a list of these, each with its time. Written one a line, in words that
/// ``init(parsing:)`` reads back: so a failing run can be cut down, kept, and read.
public enum Fault: Hashable, Sendable {
    /// The process ends. With `losingPower` its disk loses any part of what was not synced. With `afterChanges` it
    /// ends in the middle of the write that waits for the disk, after so many changes of files.
    case crash(NodeID, losingPower: Bool, afterChanges: Int?)
    /// The process ends as soon as it has made or renamed so many files, and before the directory is synced, and is
    /// started again; then, after this time, the power fails, and comes back.
    case crashAtName(NodeID, count: Int, powerAfter: Int64)
    /// Power fails everywhere at one moment.
    case blackout
    case start(NodeID)
    /// The process is stopped (SIGSTOP) and goes on later: its clock runs meanwhile.
    case pause(NodeID, nanoseconds: Int64)
    /// These ways carry nothing; every other way does. With none: the network is whole.
    case cut([NodePair])
    /// The same, as soon as this leader begins the last step of a change of voters: in the turn that appends it.
    case cutAtEndOfChange(NodeID, [NodePair])
    /// What is sent on these ways arrives only after a while.
    case clog([NodePair], nanoseconds: Int64)
    case transfer(from: NodeID, to: NodeID?)
    /// The next write to a file fails.
    case failWrite(NodeID)
    /// The next sync fails, and what it would have synced never reaches the disk (Rebello et al., USENIX ATC '20).
    case failSync(NodeID)
    /// So many bytes are left on the disk.
    case fillDisk(NodeID, leaving: Int)
    case freeDisk(NodeID)
    /// Each write takes this long.
    case slowDisk(NodeID, nanoseconds: ClosedRange<Int64>)
    /// The disk answers nothing for a while.
    case hangDisk(NodeID, nanoseconds: Int64)
    /// Nothing is read from the disk, or written of what is received of snapshots, for a while.
    case hangReads(NodeID, nanoseconds: Int64)
    /// The state machine takes nothing for a while.
    case hangMachine(NodeID, nanoseconds: Int64)
    /// One bit of one file turns over. The place is given in thousandths of the file.
    case rot(NodeID, file: String, perMille: Int, bit: Int)
    /// The node's disk is lost: it comes back, under its own id, with an empty one.
    case loseDisk(NodeID)
    /// The state machine fails at the next command, once.
    case failMachine(NodeID)
    /// The node's clock runs faster by this many millionths, or slower.
    case drift(NodeID, partsPerMillion: Int)
    /// Somebody asks a node to change the members; guarded: only if they are still what somebody has seen.
    case changeMembers(at: NodeID, MembershipRequest, guardedBy: MemberGuard = .nothing)
    /// A node whose removal is committed begins anew with an empty directory, and this one is asked to add it.
    case addAnew(NodeID, at: NodeID)
    /// The process ends as soon as a snapshot that it receives is durable and its log does not begin behind that yet; one
    /// bit of the snapshot turns over, and the process is started again.
    case crashAtInstall(NodeID, perMille: Int, bit: Int)
    /// A snapshot is asked for.
    case snapshot(NodeID)
    /// The node is told to send its members a snapshot, if it leads.
    case pushSnapshot(NodeID)
}

/// Which members a change is made for.
public enum MemberGuard: String, CaseIterable, Sendable {
    /// For any.
    case nothing = ""
    /// For those that the node knows which is asked.
    case present = " guardedly"
    /// For those that it knew before them.
    case past = " belatedly"
}

// MARK: - Text

extension Fault: CustomStringConvertible {
    public var description: String {
        switch self {
        case .crash(let node, let losingPower, let changes):
            "crash \(node)\(changes.map { " after \($0) changes" } ?? "")\(losingPower ? " losing power" : "")"
        case .crashAtName(let node, let count, let nanoseconds):
            "crash \(node) at name \(count) losing power after \(Self.text(nanoseconds))"
        case .blackout: "lose power everywhere"
        case .start(let node): "start \(node)"
        case .pause(let node, let nanoseconds): "pause \(node) for \(Self.text(nanoseconds))"
        case .cut(let pairs):
            pairs.isEmpty ? "heal network" : "cut \(pairs.map(\.description).joined(separator: ", "))"
        case .cutAtEndOfChange(let node, let pairs):
            "cut when \(node) ends a change \(pairs.map(\.description).joined(separator: ", "))"
        case .clog(let pairs, let nanoseconds):
            "clog \(pairs.map(\.description).joined(separator: ", ")) for \(Self.text(nanoseconds))"
        case .transfer(let node, let target): "transfer from \(node)\(target.map { " to \($0)" } ?? "")"
        case .failWrite(let node): "fail next write of \(node)"
        case .failSync(let node): "fail next sync of \(node)"
        case .fillDisk(let node, let bytes): "fill disk of \(node) leaving \(bytes) bytes"
        case .freeDisk(let node): "free disk of \(node)"
        case .slowDisk(let node, let range):
            "slow disk of \(node) to \(Self.text(range.lowerBound)) .. \(Self.text(range.upperBound))"
        case .hangDisk(let node, let nanoseconds): "hang disk of \(node) for \(Self.text(nanoseconds))"
        case .hangReads(let node, let nanoseconds): "hang reads of \(node) for \(Self.text(nanoseconds))"
        case .hangMachine(let node, let nanoseconds): "hang machine of \(node) for \(Self.text(nanoseconds))"
        case .rot(let node, let file, let perMille, let bit):
            "rot \(file) of \(node) at \(perMille) per mille bit \(bit)"
        case .loseDisk(let node): "lose disk of \(node)"
        case .failMachine(let node): "fail machine of \(node)"
        case .drift(let node, let millionths): "drift clock of \(node) by \(millionths) ppm"
        case .snapshot(let node): "snapshot \(node)"
        case .pushSnapshot(let node): "push \(node)"
        case .changeMembers(let node, let request, let guarding):
            "ask \(node)\(guarding.rawValue) to \(Self.text(request))"
        case .addAnew(let node, let asked): "add \(node) anew at \(asked)"
        case .crashAtInstall(let node, let perMille, let bit):
            "crash \(node) at install damaging \(perMille) per mille bit \(bit)"
        }
    }

    private static func text(_ request: MembershipRequest) -> String {
        func list(_ ids: [NodeID]) -> String { ids.map(\.description).joined(separator: ", ") }
        return switch request {
        case .add(let id, let address, let isPromoted):
            "add \(id) at \(address)\(isPromoted.map { $0 ? " promoted when ready" : " not promoted" } ?? "")"
        case .promoteWhenReady(let id, let isWanted): "promote \(id) \(isWanted ? "when ready" : "by hand")"
        case .prefer(let id, let preference): "let \(id) lead \(Self.word(preference))"
        case .promote(let id): "promote \(id)"
        case .demote(let id): "demote \(id)"
        case .remove(let id): "remove \(id)"
        case .replaceVoters(let ids, let isKeeping):
            "replace voters by \(list(ids))\(isKeeping ? " keeping others" : "")"
        case .changeAddress(let id, let address): "move \(id) to \(address)"
        case .redirect(let ids): "redirect to \(list(ids))"
        case .allowLeases(let window): "allow leases of \(text(window?.nanoseconds ?? 0))"
        }
    }

    private static func word(_ preference: LeadershipPreference) -> String {
        switch preference {
        case .ordinary: "perhaps"
        case .preferred: "gladly"
        case .never: "never"
        }
    }

    /// A time in the largest unit that keeps it whole, such as `350 ms`.
    public static func text(_ nanoseconds: Int64) -> String {
        for (unit, size) in units.reversed() where nanoseconds % size == 0 { return "\(nanoseconds / size) \(unit)" }
        return "\(nanoseconds) ns"
    }

    private static let units: [(name: String, size: Int64)] = [
        ("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000),
    ]

    /// Reads what ``description`` writes. Nil for anything else.
    public init?(parsing line: String) {
        var words = Words(line)
        guard let fault = Self.read(&words), words.isAtEnd else { return nil }
        self = fault
    }

    private static func read(_ words: inout Words) -> Fault? {
        switch words.next() {
        case "crash":
            guard let node = words.node() else { return nil }
            if words.skip("at") {
                if words.skip("install") {
                    guard words.skip("damaging"), let (place, bit) = words.bit() else { return nil }
                    return .crashAtInstall(node, perMille: place, bit: bit)
                }
                guard words.skip("name"), let count = words.number(), words.skip("losing"), words.skip("power"),
                    words.skip("after"), let time = words.time()
                else { return nil }
                return .crashAtName(node, count: count, powerAfter: time)
            }
            var changes: Int?
            if words.skip("after") {
                guard let count = words.number(), words.skip("changes") else { return nil }
                changes = count
            }
            let losingPower = words.skip("losing")
            guard !losingPower || words.skip("power") else { return nil }
            return .crash(node, losingPower: losingPower, afterChanges: changes)
        case "lose":
            if words.skip("power") { return words.skip("everywhere") ? .blackout : nil }
            return words.disk().map(Fault.loseDisk)
        case "start": return words.node().map(Fault.start)
        case "snapshot": return words.node().map(Fault.snapshot)
        case "push": return words.node().map(Fault.pushSnapshot)
        case "pause":
            guard let node = words.node(), let time = words.span() else { return nil }
            return .pause(node, nanoseconds: time)
        case "heal": return words.skip("network") ? .cut([]) : nil
        case "cut":
            guard words.skip("when") else { return words.pairs().map(Fault.cut) }
            guard let node = words.node(), words.skip("ends"), words.skip("a"), words.skip("change") else {
                return nil
            }
            return words.pairs().map { .cutAtEndOfChange(node, $0) }
        case "clog":
            guard let pairs = words.pairs(), let time = words.span() else { return nil }
            return .clog(pairs, nanoseconds: time)
        case "transfer":
            guard words.skip("from"), let node = words.node() else { return nil }
            guard words.skip("to") else { return .transfer(from: node, to: nil) }
            return words.node().map { .transfer(from: node, to: $0) }
        case "fail":
            if words.skip("machine") { return words.skip("of") ? words.node().map(Fault.failMachine) : nil }
            guard words.skip("next"), let what = words.next(), words.skip("of"), let node = words.node() else {
                return nil
            }
            return what == "write" ? .failWrite(node) : what == "sync" ? .failSync(node) : nil
        case "fill":
            guard let node = words.disk(), words.skip("leaving"), let bytes = words.number(), words.skip("bytes")
            else { return nil }
            return .fillDisk(node, leaving: bytes)
        case "free": return words.disk().map(Fault.freeDisk)
        case "slow":
            guard let node = words.disk(), words.skip("to"), let low = words.time(), words.skip(".."),
                let high = words.time(), low <= high
            else { return nil }
            return .slowDisk(node, nanoseconds: low...high)
        case "hang":
            let what = words.next()
            guard words.skip("of"), let node = words.node(), let time = words.span() else { return nil }
            return switch what {
            case "disk": .hangDisk(node, nanoseconds: time)
            case "reads": .hangReads(node, nanoseconds: time)
            case "machine": .hangMachine(node, nanoseconds: time)
            default: nil
            }
        case "rot":
            guard let file = words.next(), words.skip("of"), let node = words.node(), words.skip("at"),
                let (place, bit) = words.bit()
            else { return nil }
            return .rot(node, file: file, perMille: place, bit: bit)
        case "drift":
            guard words.skip("clock"), words.skip("of"), let node = words.node(), words.skip("by"),
                let millionths = words.number(), words.skip("ppm"), abs(millionths) < 1_000_000
            else { return nil }
            return .drift(node, partsPerMillion: millionths)
        case "add":
            guard let node = words.node(), words.skip("anew"), words.skip("at"), let asked = words.node() else {
                return nil
            }
            return .addAnew(node, at: asked)
        case "ask":
            guard let node = words.node() else { return nil }
            let guarding = MemberGuard.allCases.first { $0 != .nothing && words.skip(String($0.rawValue.dropFirst())) }
            guard words.skip("to"), let request = readRequest(&words) else { return nil }
            return .changeMembers(at: node, request, guardedBy: guarding ?? .nothing)
        default: return nil
        }
    }

    private static func readRequest(_ words: inout Words) -> MembershipRequest? {
        switch words.next() {
        case "add":
            guard let node = words.node(), words.skip("at"), let address = words.next() else { return nil }
            if words.skip("not") {
                return words.skip("promoted") ? .add(node, address: address, promotedWhenReady: false) : nil
            }
            guard words.skip("promoted") else { return .add(node, address: address) }
            return words.skip("when") && words.skip("ready")
                ? .add(node, address: address, promotedWhenReady: true) : nil
        case "promote":
            guard let node = words.node() else { return nil }
            if words.skip("when") { return words.skip("ready") ? .promoteWhenReady(node, true) : nil }
            if words.skip("by") { return words.skip("hand") ? .promoteWhenReady(node, false) : nil }
            return .promote(node)
        case "let":
            guard let node = words.node(), words.skip("lead"), let word = words.next(),
                let preference = LeadershipPreference.allCases.first(where: { Fault.word($0) == word })
            else { return nil }
            return .prefer(node, preference)
        case "demote": return words.node().map(MembershipRequest.demote)
        case "remove": return words.node().map(MembershipRequest.remove)
        case "replace":
            guard words.skip("voters"), words.skip("by"), let ids = words.nodes() else { return nil }
            let isKeeping = words.skip("keeping")
            guard !isKeeping || words.skip("others") else { return nil }
            return .replaceVoters(ids, keepingOthers: isKeeping)
        case "move":
            guard let node = words.node(), words.skip("to"), let address = words.next() else { return nil }
            return .changeAddress(node, to: address)
        case "redirect":
            guard words.skip("to"), let ids = words.nodes() else { return nil }
            return .redirect(to: ids)
        case "allow":
            guard words.skip("leases"), words.skip("of"), let window = words.time() else { return nil }
            return .allowLeases(window == 0 ? nil : .nanoseconds(window))
        default: return nil
        }
    }

    /// The words of a line, one after another.
    private struct Words {
        private var rest: ArraySlice<Substring>
        init(_ line: String) {
            var separated = ""
            for character in line { separated += character == "," ? " , " : String(character) }
            rest = separated.split(separator: " ")[...]
        }
        var isAtEnd: Bool { rest.isEmpty }
        mutating func next() -> String? { rest.popFirst().map(String.init) }
        mutating func skip(_ word: String) -> Bool {
            guard rest.first == word[...] else { return false }
            rest.removeFirst()
            return true
        }
        mutating func number() -> Int? { next().flatMap { Int($0) } }
        mutating func node() -> NodeID? { next().flatMap { UInt64($0) }.map { NodeID($0) } }
        mutating func disk() -> NodeID? { skip("disk") && skip("of") ? node() : nil }
        mutating func span() -> Int64? { skip("for") ? time() : nil }
        mutating func time() -> Int64? {
            guard let count = next().flatMap({ Int64($0) }), count >= 0, let name = next(),
                let unit = Fault.units.first(where: { $0.name == name })
            else { return nil }
            let (nanoseconds, overflow) = count.multipliedReportingOverflow(by: unit.size)
            return overflow ? nil : nanoseconds
        }
        /// Where in a file, and which bit there.
        mutating func bit() -> (perMille: Int, bit: Int)? {
            guard let place = number(), skip("per"), skip("mille"), skip("bit"), let bit = number(),
                (0..<1000).contains(place), (0..<8).contains(bit)
            else { return nil }
            return (place, bit)
        }
        mutating func nodes() -> [NodeID]? {
            var ids: [NodeID] = []
            repeat {
                guard let id = node() else { return nil }
                ids.append(id)
            } while skip(",")
            return ids
        }
        mutating func pairs() -> [NodePair]? {
            var pairs: [NodePair] = []
            repeat {
                guard let from = node(), skip("->"), let to = node() else { return nil }
                pairs.append(NodePair(from: from, to: to))
            } while skip(",")
            return pairs
        }
    }
}

/// A fault and the moment at which it happens, in nanoseconds since the world began.
public struct TimedFault: Hashable, Sendable, CustomStringConvertible {
    public var time: Int64
    public var fault: Fault
    /// - Parameter time: in nanoseconds from the beginning of the run.
    public init(at time: Int64, _ fault: Fault) {
        self.time = time
        self.fault = fault
    }
    /// Such as `at 1204317 us: start 2`.
    public var description: String { "at \(Fault.text(time)): \(fault)" }

    /// Reads what ``description`` writes. Nil for anything else.
    public init?(parsing line: String) {
        guard line.hasPrefix("at "), let colon = line.firstIndex(of: ":"),
            let fault = Fault(parsing: String(line[line.index(after: colon)...])),
            case .pause(_, let time) = Fault(parsing: "pause 1 for \(line[..<colon].dropFirst(3))")
        else { return nil }
        self.init(at: time, fault)
    }
}
