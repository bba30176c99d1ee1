internal import ArgumentParser
internal import Raft

/// Which faults a campaign is made of.
enum ChaosMode: String, ExpressibleByArgument, CaseIterable {
    case kill, power, pause, partition, mixed

    /// One list for each stream of faults; streams go on beside each other.
    var streams: [[ChaosFault.Kind]] {
        switch self {
        case .kill: [[.kill]]
        // A kill between two cuts: what the second process took for written, the first one may never have synced.
        case .power: [[.power, .kill, .power]]
        case .pause: [[.pause]]
        case .partition: [[.partition]]
        case .mixed: [[.power, .kill, .kill], [.pause], [.partition]]
        }
    }

    /// Every kind that must have been there for a run to count.
    var kinds: Set<ChaosFault.Kind> { Set(streams.joined()) }
}

/// One fault, with its end.
struct ChaosFault: Hashable, Sendable {
    enum Kind: String, CaseIterable, Sendable {
        /// `kill -9`, and a new start.
        case kill
        /// The same, with everything gone that was not synced.
        case power
        /// SIGSTOP, and SIGCONT.
        case pause
        /// Packets from one node to another are lost.
        case partition
    }

    /// Packets that one node sends to another.
    struct Way: Hashable, Sendable {
        var from: Int
        var to: Int
    }

    var kind: Kind
    /// Ascending. Of a partition none.
    var nodes: [Int] = []
    var ways: [Way] = []
    /// Of a power cut: of how many of the sectors that were not synced the disk has the new bytes all the same, 0 to 1.
    var keptShare = 0.0
    /// Of a kill: how long after its new start a node is hit once more, perhaps in the midst of its recovery.
    var again: Duration?
    /// Since the fault before it in its stream was over.
    var wait: Duration
    var length: Duration
}

/// Draws one fault after another from a seed. Pure.
struct FaultSchedule: Sendable {
    private let kinds: [ChaosFault.Kind]
    private let nodeCount: Int
    private let electionTimeout: Duration
    private var random: RandomSource
    private var count = 0

    /// - Parameter electionTimeout: the least.
    init(_ kinds: [ChaosFault.Kind], nodeCount: Int, electionTimeout: Duration, seed: UInt64) {
        self.kinds = kinds
        self.nodeCount = nodeCount
        self.electionTimeout = electionTimeout
        random = RandomSource(seed: seed)
    }

    private mutating func isHit(percent: UInt64) -> Bool { random.next() % 100 < percent }

    /// - Parameter leader: who leads, if anybody knows: hit more often than others.
    mutating func next(leader: Int?) -> ChaosFault {
        defer { count += 1 }
        let kind = kinds[count % kinds.count]
        let wait = random.duration(in: .zero...(electionTimeout * 4))
        switch kind {
        case .kill, .power:
            // Sometimes at once, sometimes after the others have elected somebody.
            let length = isHit(percent: 50) ? .zero : random.duration(in: .zero...(electionTimeout * 5))
            let some = isHit(percent: 15) ? nodeCount : isHit(percent: 15) ? min(2, nodeCount) : 1
            var fault = ChaosFault(kind: kind, nodes: victims(some, leader: leader), wait: wait, length: length)
            if isHit(percent: 30) { fault.again = random.duration(in: .zero...(.milliseconds(150))) }
            if kind == .power { fault.keptShare = [0, 0.5, 0.9][Int(random.next() % 3)] }
            return fault
        case .pause:
            let length = electionTimeout * pauseLength()
            let some = isHit(percent: 10) ? min(2, nodeCount) : 1
            return .init(kind: kind, nodes: victims(some, leader: leader), wait: wait, length: length)
        case .partition:
            let length = random.duration(in: electionTimeout...(electionTimeout * 15))
            return .init(kind: kind, ways: ways(leader: leader), wait: wait, length: length)
        }
    }

    /// Half an election timeout to 20; as many below 3 as above.
    private mutating func pauseLength() -> Double {
        let share = Double(random.next() >> 11) / Double(1 << 53)
        return isHit(percent: 50) ? 0.5 + share * 2.5 : 3 + share * 17
    }

    private mutating func victims(_ count: Int, leader: Int?) -> [Int] {
        var left = Array(1...nodeCount)
        var chosen: [Int] = []
        if let leader, left.contains(leader), isHit(percent: 60) {
            chosen.append(leader)
            left.removeAll { $0 == leader }
        }
        while chosen.count < count { chosen.append(left.remove(at: Int(random.next() % UInt64(left.count)))) }
        return chosen.sorted()
    }

    private mutating func ways(leader: Int?) -> [ChaosFault.Way] {
        guard nodeCount > 1 else { return [] }
        let one = victims(1, leader: leader)[0]
        let others = (1...nodeCount).filter { $0 != one }
        let sends = others.map { ChaosFault.Way(from: one, to: $0) }
        let hears = others.map { ChaosFault.Way(from: $0, to: one) }
        switch random.next() % 5 {
        case 0: return sends
        case 1: return hears
        case 2:
            let other = others[Int(random.next() % UInt64(others.count))]
            return [.init(from: one, to: other), .init(from: other, to: one)]
        case 3 where nodeCount > 2:
            return (1...nodeCount).flatMap { from in
                (1...nodeCount).filter { $0 != from }.map { .init(from: from, to: $0) }
            }
        default: return sends + hears
        }
    }
}
