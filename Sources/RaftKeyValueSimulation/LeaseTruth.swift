internal import Raft

/// What holders of leases were told, and when leases ended (I29).
///
/// All moments are of true time. Clocks of nodes drift by no more than they are configured for, so a lease that was
/// granted or kept alive lives for its whole time from the moment of that call on.
struct LeaseTruth {
    private struct Course {
        var milliseconds: UInt64
        /// In which it was granted.
        var term: Term
        /// The latest moment of a call that was answered well, in nanoseconds.
        var keptAt: Int64?
        /// Its owner has asked for its end.
        var mayBeRevoked = false
        /// When its end was first durable on any node.
        var endedAt: Int64?
    }
    private var courses: [UInt64: Course] = [:]
    /// Clocks count in whole nanoseconds, the rules in microseconds.
    private static let rounding: Int64 = 10_000

    mutating func granted(_ id: UInt64, milliseconds: UInt64, in term: Term) {
        courses[id] = Course(milliseconds: milliseconds, term: term)
    }
    func term(_ id: UInt64) -> Term? { courses[id]?.term }

    /// Its owner is about to ask for its end.
    mutating func revokes(_ id: UInt64) { courses[id]?.mayBeRevoked = true }
    func wasRevoked(_ id: UInt64) -> Bool { courses[id]?.mayBeRevoked ?? false }

    private func life(_ course: Course) -> Int64? {
        course.keptAt.map { $0 + Int64(course.milliseconds) * 1_000_000 - Self.rounding }
    }

    private func complaint(_ id: UInt64) -> String? {
        guard let course = courses[id], !course.mayBeRevoked, let ended = course.endedAt, let life = life(course),
            ended < life
        else { return nil }
        return
            "lease \(id) of \(course.milliseconds) ms, granted or kept alive by a call at \(Self.text(course.keptAt!)), was ended at \(Self.text(ended)), \(Self.text(life - ended)) too early"
    }

    /// Its end is committed.
    mutating func ended(_ id: UInt64, at revision: UInt64, appendedAt: Int64) -> String? {
        courses[id]?.endedAt = appendedAt
        return complaint(id)
    }

    /// A grant or a keep-alive that was called at this moment was answered well.
    mutating func kept(_ id: UInt64, calledAt time: Int64) -> String? {
        guard let course = courses[id] else { return "lease \(id) was kept alive, and never granted" }
        courses[id]!.keptAt = max(course.keptAt ?? .min, time)
        return complaint(id)
    }

    /// A keep-alive was answered with: there is no such lease, or soon will be none.
    func denied(_ id: UInt64, at time: Int64) -> String? {
        guard let course = courses[id], !course.mayBeRevoked, course.endedAt == nil, let life = life(course),
            time < life
        else { return nil }
        return "lease \(id) is said to end \(Self.text(life - time)) before its time"
    }

    static func text(_ nanoseconds: Int64) -> String { "\(Double(nanoseconds / 1000) / 1000) ms" }
}
