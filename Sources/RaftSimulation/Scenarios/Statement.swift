internal import Raft

/// One line of a scenario, as the article Scenarios of `Raft` describes it.
indirect enum Statement: Sendable {
    // Before anything happens.
    case setting(ScenarioSettings.Change)

    // Processes and disks.
    case start(NodeSet)
    case crash(NodeSet, losingPower: Bool, afterChanges: Int?)
    case stop(NodeSet)
    case pause(NodeSet)
    case resume(NodeSet)
    case disk(NodeSet, DiskFault)
    case recover(NodeName)
    case campaign(NodeName)
    case onlyCampaigns(NodeName)
    case allCampaign

    // The network.
    case cut(from: NodeSet, to: NodeSet, isOneWay: Bool)
    case split([NodeSet])
    case heal
    case filter(TrafficControl.Action, Set<Traffic.Kind>, from: NodeSet, to: NodeSet, count: Int?)
    case letPass(Set<Traffic.Kind>, from: NodeSet, to: NodeSet)
    case letAllPass
    case release(TrafficControl.Order)

    // Callers.
    case put(PutSpec, at: NodeName, session: String?, name: String?)
    case read(key: String, at: NodeName, ReadConsistency, name: String)
    case transfer(from: NodeName, to: NodeName?, name: String?)
    case ask(NodeName, MembershipRequest, isGuarded: Bool, name: String?)
    case snapshot(at: NodeName, name: String?)
    case push(to: NodeName?, at: NodeName, name: String?)
    case session(String, at: NodeName)
    case close(String, at: NodeName, name: String)
    case retry(String, at: NodeName, name: String)
    case acknowledge(String)

    // Ghosts.
    case ghost(NodeSet, GhostAction)

    // Time.
    case at(TimedFault)
    case now(Fault)
    case wait(Duration)
    case mark(String)
    case name(String, NodeName)
    case repeatBlock(Int, [ScenarioLine])
    case endRepeat

    // What must be so.
    case expect(Condition)
    case within(Duration, Condition)
    case throughout(Duration, Condition)
    case expectAnswer(ExpectedAnswer)
    case finally(without: NodeSet?)
}

/// One statement with where it stands.
struct ScenarioLine: Sendable {
    var number: Int
    var text: String
    var statement: Statement
}

/// How a scenario names one node.
enum NodeName {
    case id(NodeID)
    case leader
    case named(String)
}

enum NodeSet {
    case names([NodeName])
    case all
    /// Everyone who is not named at the other end.
    case others
}

enum DiskFault {
    case hangs
    case goesOn
    /// Only what writes a snapshot stands still.
    case buildsHang
    case buildsGoOn
    case fails
    case takes(ClosedRange<Int64>)
    /// Everything on it is gone.
    case isLost
}

enum PutSpec {
    case one(key: String, value: String)
    case many(Int)
}

enum GhostAction {
    case follow
    case confirmOnly
    case fallSilent
    case askVote(NodeName, VoteRequest.Phase, term: Term, last: LogID, isTransfer: Bool)
    case append(NodeName, term: Term, previous: LogID, entries: [LogID], commit: LogIndex)
    case heartbeat(NodeName, term: Term, commit: LogIndex)
    case timeoutNow(NodeName, term: Term, last: LogID)
    case grant(NodeName, VoteRequest.Phase, of: Term?)
    case refuse(NodeName, VoteRequest.Phase, of: Term?, being: Term?)
    case accept(NodeName, endingAt: LogIndex?)
    case conflict(NodeName, endingAt: LogIndex?, hint: LogID)
    case confirm(NodeName)
    case rejectAppend(NodeName, being: Term)
    case rejectHeartbeat(NodeName, being: Term)
    case repeatAnswer
}

enum ExpectedAnswer {
    case granted
    case refused(Term?)
    case accepted(LogIndex)
    case conflict(at: LogIndex?, hint: LogID?)
    case rejected(Term)
    case confirmed
    case none(for: Duration)
}

enum Comparison: String {
    case equal = "="
    case atLeast = ">="
    case atMost = "<="
    func holds(_ a: UInt64, _ b: UInt64) -> Bool {
        switch self {
        case .equal: a == b
        case .atLeast: a >= b
        case .atMost: a <= b
        }
    }
}

enum Attribute {
    case role(NodeRole)
    case isDown
    case term(Comparison, Term)
    case log([LogID])
    case last(LogID)
    case durable(Comparison, LogIndex)
    case commit(Comparison, LogIndex)
    case applied(Comparison, LogIndex)
    case vote(NodeID?)
    case leader(NodeID?)
    case voters([NodeID])
    case learners([NodeID])
    case joint(Bool)
    case removed
    case snapshot(Comparison, LogIndex)
    case purged(Comparison, LogIndex)
    case tolerance(Int)
}

enum CallState: String {
    case ok, refused, unknown, pending
    /// Anything but pending.
    case settled
}

indirect enum Condition {
    case aLeader
    case oneLeader
    case noLeader
    case leads(NodeSet, Bool, Term?)
    case node(NodeSet, [Attribute])
    case agree(NodeSet)
    case committed(LogID, Bool)
    case count(Comparison, Int, Set<Traffic.Kind>, from: NodeSet, to: NodeSet, since: String)
    case term(NodeSet, Comparison, above: UInt64, since: String)
    case sameLeader(since: String)
    case call(String, CallState)
    /// Two writes were answered alike.
    case answersAs(String, String)
    case fails(String, String)
    /// Refused, with an error of this name.
    case refused(String, code: String)
    case sees(String, String, Bool)
    /// Nil: there is no such key.
    case reads(String, String?)
}
