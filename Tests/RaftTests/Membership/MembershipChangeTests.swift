import Testing

@testable import Raft

@Suite("From one configuration to the next")
struct MembershipChangeTests {
    typealias Member = ClusterConfiguration.Member

    static func life(_ id: NodeID) -> Incarnation { Incarnation(rawValue: 100 + id.rawValue) }
    /// Voters 1, 2 and 3, and learner 4, all of them bound.
    static let start = Desk<FollowerRules>.configuration([1, 2, 3], nil, [4]).binding(life)

    static func outcome(
        _ request: MembershipRequest, in configuration: ClusterConfiguration = start,
        unfit: [NodeID] = []
    ) -> MembershipChange.Outcome {
        MembershipChange.outcome(of: request, in: configuration) { id in
            unfit.contains(id) ? RaftError(.learnerLags, "node \(id) lags") : nil
        }
    }

    static func next(_ request: MembershipRequest, in configuration: ClusterConfiguration = start) throws
        -> ClusterConfiguration
    {
        guard case .next(let next) = outcome(request, in: configuration) else {
            throw RaftError(.invalidConfiguration, "no next configuration")
        }
        return next
    }

    static func refusal(
        _ request: MembershipRequest, in configuration: ClusterConfiguration = start, unfit: [NodeID] = []
    ) -> RaftError.Code? {
        if case .refused(let error) = outcome(request, in: configuration, unfit: unfit) { error.code } else { nil }
    }

    static func isUnchanged(_ request: MembershipRequest, in configuration: ClusterConfiguration = start) -> Bool {
        if case .unchanged = outcome(request, in: configuration) { true } else { false }
    }

    @Test("A node is added as a learner in one step, bound to no life yet; adding a member again does nothing")
    func adds() throws {
        let next = try Self.next(.add(5, address: "e:1"))
        #expect(next.voterSets == [[1, 2, 3]] && next.learners == [4, 5])
        #expect(next.member(5) == Member(id: 5, address: "e:1") && next.member(4)?.incarnation == Self.life(4))
        #expect(Self.isUnchanged(.add(4, address: "node-4")) && Self.isUnchanged(.add(1, address: "node-1")))
        #expect(Self.refusal(.add(4, address: "elsewhere:1")) == .invalidConfiguration)
        #expect(Self.refusal(.add(5, address: "")) == .invalidConfiguration)
        #expect(Self.refusal(.add(0, address: "x:1")) == .invalidConfiguration)
    }

    @Test("A learner gets its vote through a joint configuration, and only if it is fit")
    func promotes() throws {
        let joint = try Self.next(.promote(4))
        #expect(joint.voterSets == [[1, 2, 3], [1, 2, 3, 4]] && joint.leaving.isEmpty)
        let end = MembershipChange.end(of: joint, wish: nil)
        #expect(end?.voterSets == [[1, 2, 3, 4]] && end?.removed.isEmpty == true)
        #expect(Self.refusal(.promote(4), unfit: [4]) == .learnerLags)
        #expect(Self.refusal(.promote(1)) == .notALearner)
        #expect(Self.refusal(.promote(9)) == .unknownNode)
    }

    @Test("A voter that loses its vote stays as a learner, or goes once the joint configuration is left")
    func demotesAndRemoves() throws {
        let demoting = try Self.next(.demote(3))
        #expect(demoting.voterSets == [[1, 2, 3], [1, 2]] && demoting.leaving.isEmpty)
        #expect(MembershipChange.end(of: demoting, wish: nil)?.learners == [3, 4])
        #expect(Self.refusal(.demote(4)) == .notAVoter)

        let removing = try Self.next(.remove(3))
        #expect(removing.leaving == [3] && removing.contains(3) && removing.removed.isEmpty)
        let end = try #require(MembershipChange.end(of: removing, wish: nil))
        #expect(end.voterSets == [[1, 2]] && !end.contains(3))
        #expect(end.removed == [.init(id: 3, incarnation: Self.life(3))])
        #expect(end.isRemoved(3, Self.life(3)) && !end.isRemoved(3, Self.life(9)))

        let learner = try Self.next(.remove(4))
        #expect(!learner.isJoint && learner.members.map(\.id) == [1, 2, 3] && learner.isRemoved(4, Self.life(4)))
        #expect(Self.refusal(.remove(9)) == .unknownNode && Self.refusal(.demote(9)) == .unknownNode)
    }

    @Test("The last voter stays")
    func lastVoter() {
        let alone = Desk<FollowerRules>.configuration([1], nil, [2])
        for request in [MembershipRequest.remove(1), .demote(1), .replaceVoters([], keepingOthers: false)] {
            #expect(Self.refusal(request, in: alone) == .emptyMembership)
        }
    }

    @Test("All voters can be replaced at once; the others go, or stay as learners")
    func replaces() throws {
        let joint = try Self.next(.replaceVoters([4], keepingOthers: false))
        #expect(joint.voterSets == [[1, 2, 3], [4]] && joint.leaving == [1, 2, 3])
        let end = try #require(MembershipChange.end(of: joint, wish: nil))
        #expect(end.members.map(\.id) == [4] && end.removed.map(\.id) == [1, 2, 3])
        let keeping = try Self.next(.replaceVoters([4, 1], keepingOthers: true))
        #expect(MembershipChange.end(of: keeping, wish: nil)?.learners == [2, 3])
        #expect(Self.isUnchanged(.replaceVoters([3, 1, 2], keepingOthers: false)))
        #expect(Self.refusal(.replaceVoters([1, 9], keepingOthers: false)) == .unknownNode)
        #expect(Self.refusal(.replaceVoters([1, 4], keepingOthers: false), unfit: [4]) == .learnerLags)
        #expect(Self.refusal(.replaceVoters([1, 1], keepingOthers: false)) == .invalidConfiguration)
    }

    @Test("While the voters change nothing else is begun; the change can be taken back or led on to a third set")
    func redirects() throws {
        let joint = try Self.next(.replaceVoters([3, 4], keepingOthers: false))
        for request in [
            MembershipRequest.add(9, address: "x:1"), .remove(4), .promote(4), .changeAddress(1, to: "y:1"),
        ] {
            #expect(Self.refusal(request, in: joint) == .changeInProgress)
        }
        #expect(Self.refusal(.redirect(to: [1])) == .notInProgress)
        #expect(Self.refusal(.redirect(to: []), in: joint) == .emptyMembership)
        #expect(Self.refusal(.redirect(to: [9]), in: joint) == .unknownNode)
        #expect(Self.isUnchanged(.redirect(to: [3, 2, 1]), in: joint), "a wish, until the joint one is committed")

        let back = try #require(MembershipChange.end(of: joint, wish: [1, 2, 3]))
        #expect(back.voterSets == [[1, 2, 3]] && back.learners == [4] && back.removed.isEmpty && back.leaving.isEmpty)
        let onward = try #require(MembershipChange.end(of: joint, wish: [2, 4]))
        #expect(onward.voterSets == [[3, 4], [2, 4]] && onward.members.map(\.id) == [2, 3, 4])
        #expect(onward.removed.map(\.id) == [1])
        #expect(MembershipChange.end(of: onward, wish: nil)?.learners == [3])
    }

    @Test("A member moves in one step")
    func moves() throws {
        let next = try Self.next(.changeAddress(2, to: "b:9"))
        #expect(next.address(of: 2) == "b:9" && next.voterSets == [[1, 2, 3]])
        #expect(next.member(2)?.incarnation == Self.life(2))
        #expect(Self.isUnchanged(.changeAddress(2, to: "node-2")))
        #expect(Self.refusal(.changeAddress(9, to: "b:9")) == .unknownNode)
    }

    @Test("Of the removed the newest are remembered; a cluster can go on changing for ever")
    func remembersNewest() throws {
        var configuration = Self.start
        for id in 10..<(UInt64(ClusterConfiguration.maximumRemovedCount) + 20) {
            configuration = try Self.next(.add(NodeID(id), address: "x:\(id)"), in: configuration)
            configuration = try Self.next(.remove(NodeID(id)), in: configuration)
        }
        #expect(configuration.removed.count == ClusterConfiguration.maximumRemovedCount)
        #expect(configuration.removed.last?.id.rawValue == UInt64(ClusterConfiguration.maximumRemovedCount) + 19)
    }

    @Test("Who should lead is one step, and stays when votes change; the last voter that may lead stays one")
    func preferences() throws {
        var next = try Self.next(.prefer(1, .never))
        #expect(next.voterSets == Self.start.voterSets && next.preference(of: 1) == .never)
        #expect(Self.isUnchanged(.prefer(1, .never), in: next) && Self.refusal(.prefer(9, .never)) == .unknownNode)
        next = try Self.next(.prefer(2, .never), in: next)
        #expect(Self.refusal(.prefer(3, .never), in: next) == .invalidConfiguration)
        #expect(Self.refusal(.demote(3), in: next) == .invalidConfiguration)
        let joint = try Self.next(.demote(2), in: next)
        #expect(try #require(MembershipChange.end(of: joint, wish: nil)).preference(of: 2) == .never)
    }

    @Test("A learner waits for a vote until it has one, or nobody wants that any more; a voter does not")
    func promotedWhenReady() throws {
        let waiting = try Self.next(.promoteWhenReady(4, true))
        #expect(waiting.member(4)?.isPromotedWhenReady == true)
        #expect(try Self.next(.promoteWhenReady(4, false), in: waiting) == Self.start)
        #expect(Self.isUnchanged(.promoteWhenReady(4, false)))
        #expect(Self.refusal(.promoteWhenReady(1, true)) == .notALearner)
        #expect(Self.refusal(.promoteWhenReady(9, true)) == .unknownNode)
        let joint = try Self.next(.promote(4), in: waiting)
        #expect(joint.member(4)?.isPromotedWhenReady == false)
        let back = try #require(MembershipChange.end(of: joint, wish: [1, 2, 3]))
        #expect(back.learners == [4] && back.member(4)?.isPromotedWhenReady == false)
        let added = try Self.next(.add(5, address: "e:1", promotedWhenReady: true))
        #expect(added.member(5)?.isPromotedWhenReady == true)
    }
}
