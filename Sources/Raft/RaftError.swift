/// Everything that can go wrong in a call, and what it means for the command.
///
/// Look at ``outcome`` first: it says whether the command certainly had no effect, or may have one.
public struct RaftError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What went wrong. <doc:Errors> says of each what to do.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private let name: String
        private init(_ name: String) { self.name = name }
        public var description: String { name }

        /// What a write can end with at a leader, so what a member that has passed it on can be told.
        package static let ofWrites: [Code] = [
            .notLeader, .overloaded, .outcomeUnknown, .deadlineExceeded, .stopped, .leaderChanged, .notAuthorized,
            .tooLarge, .sessionExpired, .replyDropped, .corrupt, .outOfSpace, .stateMachine, .storage,
            .invariantViolated,
        ]

        /// This node does not lead; ``RaftError/leader`` says who does, if that is known. Nothing happened.
        public static let notLeader = Code("notLeader")
        /// A limit of ``Configuration`` is reached. Nothing happened; try again later.
        public static let overloaded = Code("overloaded")
        /// The command was handed to the cluster, and this node lost sight of it. It may be applied, now or later.
        public static let outcomeUnknown = Code("outcomeUnknown")
        /// The deadline passed. See ``RaftError/outcome``.
        public static let deadlineExceeded = Code("deadlineExceeded")
        /// The caller's task was cancelled. See ``RaftError/outcome``.
        public static let cancelled = Code("cancelled")
        /// The node has stopped, or is stopping. See ``RaftError/outcome``.
        public static let stopped = Code("stopped")
        /// It cannot be shown that this node's state is as recent as the read asks for. Nothing happened; the leader, or
        /// another node, may be able to.
        public static let tooStale = Code("tooStale")
        /// The command was for another term than the one in which this node leads. Nothing happened.
        public static let leaderChanged = Code("leaderChanged")
        /// Whoever the write was passed on for may not make it. Nothing happened.
        public static let notAuthorized = Code("notAuthorized")
        /// The command is larger than ``Configuration/maximumCommandBytes``. Nothing happened.
        public static let tooLarge = Code("tooLarge")
        /// The node already belongs to a cluster. Nothing happened.
        public static let alreadyInitialized = Code("alreadyInitialized")
        /// A configuration that cannot work. Nothing happened.
        public static let invalidConfiguration = Code("invalidConfiguration")
        /// Leadership was lost while it was being passed on, and not by that. See ``RaftError/outcome``.
        public static let transferFailed = Code("transferFailed")
        /// Leadership is with that node already. Nothing happened.
        public static let alreadyLeader = Code("alreadyLeader")
        /// The node is never to lead. Nothing happened.
        public static let mayNotLead = Code("mayNotLead")
        /// Leadership is being passed on already. Nothing happened; try again when that is through.
        public static let transferInProgress = Code("transferInProgress")
        /// The node is too far behind to lead soon. Nothing happened.
        public static let targetLags = Code("targetLags")
        /// The node cannot be reached, or has not answered lately. Nothing happened.
        public static let targetSilent = Code("targetSilent")
        /// There is no other voter that could lead now. Nothing happened.
        public static let noSuccessor = Code("noSuccessor")
        /// The other did not take office within an election timeout. The leader goes on; a late order may still let the
        /// other campaign.
        public static let transferTimedOut = Code("transferTimedOut")
        /// Another change of the membership is not through yet. Nothing happened.
        public static let changeInProgress = Code("changeInProgress")
        /// No change of voters is under way that could be redirected. Nothing happened.
        public static let notInProgress = Code("notInProgress")
        /// The leader has not committed an entry of its own term yet, and may not know the newest configuration before.
        /// Nothing happened; try again soon.
        public static let notCommittedInTerm = Code("notCommittedInTerm")
        /// The members are not those that the caller saw any more. Nothing happened.
        public static let membershipChanged = Code("membershipChanged")
        /// The change was taken over: it ends with other voters than its caller asked for.
        public static let changeRedirected = Code("changeRedirected")
        /// The node is not a member. Nothing happened.
        public static let unknownNode = Code("unknownNode")
        /// The node is not a learner: it votes. Nothing happened.
        public static let notALearner = Code("notALearner")
        /// The node is not a voter: it is a learner. Nothing happened.
        public static let notAVoter = Code("notAVoter")
        /// Nobody would vote any more. Nothing happened.
        public static let emptyMembership = Code("emptyMembership")
        /// The learner holds too little of the log to be given a vote. Nothing happened.
        public static let learnerLags = Code("learnerLags")
        /// There is no such session: it expired, was closed, or never was. This attempt had no effect; an earlier one
        /// of the same command may have had. Register another session.
        public static let sessionExpired = Code("sessionExpired")
        /// The session's command was acknowledged before, or was applied and its reply did not fit. It is not applied
        /// again.
        public static let replyDropped = Code("replyDropped")
        /// A snapshot could not be built or sent. The log is kept.
        public static let snapshotFailed = Code("snapshotFailed")
        /// What is on disk is not what was written.
        public static let corrupt = Code("corrupt")
        /// A data directory that is not this node's, or is in use.
        public static let wrongDirectory = Code("wrongDirectory")
        /// The disk failed.
        public static let storage = Code("storage")
        /// The disk is full. Nothing happened; the node goes on by itself once there is room again.
        public static let outOfSpace = Code("outOfSpace")
        /// The transport cannot listen, or a certificate or key cannot be used.
        public static let transport = Code("transport")
        /// The state machine threw.
        public static let stateMachine = Code("stateMachine")
        /// A rule of the node itself was broken: a bug. The node stops.
        public static let invariantViolated = Code("invariantViolated")
    }

    /// What became of the command.
    public enum Outcome: Hashable, Sendable {
        /// It certainly had, and will have, no effect.
        case nothingHappened
        /// It may have been applied, or may be later. Look before doing it again.
        case unknown
    }

    /// Behind one reference: messages, effects and the status may hold an error, seldom do, and are moved about a lot.
    private final class Contents: Sendable {
        let code: Code
        let message: String
        let outcome: Outcome
        let leader: LeaderHint?

        init(_ code: Code, _ message: String, _ outcome: Outcome, _ leader: LeaderHint?) {
            self.code = code
            self.message = message
            self.outcome = outcome
            self.leader = leader
        }
    }
    private let contents: Contents

    /// What went wrong.
    public var code: Code { contents.code }
    /// What, with which values, and what to do about it.
    public var message: String { contents.message }
    /// What became of the command.
    public var outcome: Outcome { contents.outcome }
    /// With ``Code/notLeader``: who leads, as far as this node knows.
    public var leader: LeaderHint? { contents.leader }

    /// For devices and state machines that throw it: a message says what, with which values, and what to do.
    public init(_ code: Code, _ message: String, outcome: Outcome = .nothingHappened, leader: LeaderHint? = nil) {
        contents = Contents(code, message, outcome, leader)
    }

    public static func == (a: RaftError, b: RaftError) -> Bool {
        a.contents === b.contents
            || (a.code == b.code && a.message == b.message && a.outcome == b.outcome && a.leader == b.leader)
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(code)
        hasher.combine(message)
        hasher.combine(outcome)
        hasher.combine(leader)
    }

    public var description: String { message }

    /// An error that a device or a machine threw: as it is, or by what it says.
    ///
    /// - Parameter text: what failed, before what it says.
    package init(_ thrown: any Error, or code: Code, _ text: String = "") {
        self = thrown as? RaftError ?? RaftError(code, "\(text)\(thrown)")
    }
}

/// Who leads, and where it listens.
public struct LeaderHint: Hashable, Sendable {
    public let id: NodeID
    public let address: String?
    public init(id: NodeID, address: String?) {
        self.id = id
        self.address = address
    }
}
