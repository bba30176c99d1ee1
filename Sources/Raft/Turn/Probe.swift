/// What a simulation sees of the code from inside, and where it disturbs it: injected with the node's settings, nil in
/// every other program.
package protocol Probe: AnyObject, Sendable {
    /// The code has come to a place that every large enough batch of runs must reach.
    func reached(_ mark: Mark)
    /// Whether something legal but unusual is to happen here, this time.
    func disturbs(_ point: Disturbance) -> Bool
    /// A node has applied a command of a session, or answered it without that.
    func applied(_ event: SessionEvent, on node: NodeID)
    /// The node's sessions after everything through `index`, as one number.
    func sessions(_ digest: UInt64, through index: LogIndex, on node: NodeID)
    /// A session has ended by this entry, for it had not been heard of behind `index`.
    func expired(_ session: SessionID, unheardSince index: LogIndex, by id: LogID, on node: NodeID)
}

extension Probe {
    package func applied(_ event: SessionEvent, on node: NodeID) {}
    package func sessions(_ digest: UInt64, through index: LogIndex, on node: NodeID) {}
    package func expired(_ session: SessionID, unheardSince index: LogIndex, by id: LogID, on node: NodeID) {}
}

/// What became of one entry with a session's command.
package struct SessionEvent: Sendable {
    package enum Outcome: Sendable { case applied, repeated, refused }
    package var request: SessionRequest
    /// The entry that brought it.
    package var id: LogID
    package var outcome: Outcome
    /// Nil when there is none, or none any more.
    package var reply: [UInt8]?
}

extension Configuration {
    func reached(_ mark: Mark) { probe?.reached(mark) }
    func disturbs(_ point: Disturbance) -> Bool { probe?.disturbs(point) ?? false }
}

/// A place where a simulation may make something happen that is legal at any time and rare by itself.
///
/// Each point is armed in some runs only, and fires now and then in those.
package enum Disturbance: UInt8, CaseIterable, Sendable {
    /// The leader sends fewer entries than would fit.
    case shortAppend
    /// A probe asks where the logs agree and brings nothing.
    case emptyProbe
    /// Everything durable is let go of in memory, so that peers and the machine are served from the disk.
    case emptyTail
    /// A follower campaigns although its time has not come.
    case earlyCampaign
    /// The log writer waits for one more turn before it gives a group to the disk.
    case lateFlush
    /// A replication stream ends as if its link had broken.
    case brokenStream
    /// A leader sends its heartbeats a whole interval early.
    case earlyHeartbeat
    /// A turn ends with messages still in its hands, and goes on in the next one.
    case shortTurn
    /// What is committed is applied one run at a time, the rest with a later turn.
    case lateApply
    /// The leader asks again where the logs agree, although nothing is wrong.
    case earlyProbe
    /// A leader's status tells of every turn what it knows of its peers, not of one in a heartbeat interval.
    case freshStatus
}

/// A "sometimes" mark: a situation that tests must meet. A batch of runs that never comes to one of them does not test
/// what lies behind it.
package enum Mark: UInt8, CaseIterable, Sendable {
    // MARK: Elections
    case splitVote
    case preVoteRefusedForLeader
    case preVoteRefusedForLog
    case voteRefusedForLog
    case voteRefusedForAnother
    case voteRepeated
    case leaderRefusedVote
    case quorumLost
    case candidateYielded
    case termLearnedFromRequest
    case termLearnedFromReply
    case twoCandidatesInOneTerm
    case timeoutNowObeyed
    case timeoutNowIgnored
    case transferSucceeded
    case transferFailed
    case transferTimedOut
    case timeoutNowRepeated
    case leaverPassedOn
    case changeRedirected
    case neverLeaderLed
    case leaderFoundGone
    case suspicionDropped
    case refusedForTheLiving
    case neverLeaderHandedOver
    case leadershipMovedToPreferred
    case learnerPromotedItself
    case selfPromotionRefused
    case soleVoterCampaigned
    case lateVoteReply
    case leaderOverslept
    case followerOverslept
    case campaignHeldBack
    case leaderDiskStalled
    case twoLeaders

    // MARK: The log
    case cutOneTerm
    case cutManyTerms
    case previousBelowCommit
    case appendRepeated
    case replyOfOldStream
    case replyNotAnswer
    case lateRefusal
    case commitByHeartbeat
    case oldTermNotCounted
    case windowFull
    case emptyProbe
    case backUpOverTerms
    case readForPeer
    case readForMachine
    case probedAgain
    case applyHeldBack
    case replyHeld
    case writesGathered
    case installedOverWrites

    // MARK: The disk
    case crashDuringAppend
    case crashDuringVote
    case crashDuringNameChange
    case tornTailPassed
    case syncFailed
    case writeFailed
    case diskFull
    case logOutOfSpace
    case logRoomAgain
    case proposalRefusedWhenFull
    case rotRefused
    case rotSurvived
    case segmentRolled
    case recoveredNothing
    case recoveredOneSegment
    case recoveredManySegments
    case powerLostEverywhere
    case diskLost
    case machineFailed
    case snapshotBuiltAgain
    case crashBeforeInstall
    case memberBeganAnew

    // MARK: The network
    case linkRefused
    case linkBroken
    case messageLost
    case messageRepeated
    case messageVeryLate
    case messageClogged

    // MARK: Callers
    case leaseReadServed
    case leaseReadByRound
    case leaseLostInPause
    case leaseEndedForTransfer
    case followerReadServed
    case followerReadAborted
    case followerReadsShared
    case staleReadServed
    case staleReadRefused
    case indexReadServed
    case indexReadGivenUp
    case readWaitedForOpening
    case readLost
    case readsSharedRound
    case proposalLost
    case proposalRefusedInTransfer
    case overloaded
    case hintFollowed
    case unknownApplied
    case unknownNeverApplied
    case swapped
    case notSwapped
    case callerGaveUp
    case writeForwarded
    case forwardedWriteApplied
    case forwardedToOldLeader
    case forwardOutcomeLost

    // MARK: Sessions
    case retryRepeated
    case retryInNewTerm
    case retryAfterSnapshot
    case retryAfterRestore
    case retryInSameRun
    case retryAcknowledged
    case sessionExpired
    case sessionMadeRoom
    case sessionFull
    case sessionReplyDropped
}
