import Raft
import RaftTransport
import Testing

@testable import RaftClient

@Suite("CallPolicy")
struct CallPolicyTests {
    private func judge(_ status: RPCStatus, isRead: Bool = false) -> CallPolicy.Decision {
        CallPolicy.judge(status, isRead: isRead, endpoint: "a")
    }

    private func code(_ decision: CallPolicy.Decision) -> RaftClientError.Code? {
        if case .give(up: let error) = decision { error.code } else { nil }
    }

    private static let codes = (UInt8(1)...16).map(RPCStatus.Code.init(rawValue:))

    @Test(
        "A write that may have been sent is never made again, unless the answer says that nothing happened",
        arguments: codes)
    func sentWrites(_ status: RPCStatus.Code) {
        let refusedBeforeTheNode: Set<RPCStatus.Code> = [
            .permissionDenied, .unauthenticated, .unimplemented, .invalidArgument, .resourceExhausted,
        ]
        let decision = judge(RPCStatus(status, "x"))
        if refusedBeforeTheNode.contains(status) {
            #expect(code(decision) != .outcomeUnknown)
        } else {
            #expect(code(decision) == .outcomeUnknown)
        }
    }

    @Test("What was never sent has no unknown outcome, whatever the code", arguments: codes)
    func neverSent(_ status: RPCStatus.Code) {
        #expect(code(judge(RPCStatus(status, "x", wasSent: false))) != .outcomeUnknown)
        #expect(code(judge(RPCStatus(status, "x"), isRead: true)) != .outcomeUnknown)
    }

    @Test("A node's detail decides: its unknown is unknown under every code", arguments: codes)
    func unknownDetail(_ status: RPCStatus.Code) {
        let detail = ErrorDetail(code: "stopped", outcome: .unknown, leader: nil)
        let decision = judge(RPCStatus(status, "x", details: detail.encoded()))
        #expect(code(decision) == (status == .permissionDenied ? .notAuthorized : .outcomeUnknown))
    }

    @Test("A node that stops before it took the write sends the client elsewhere")
    func stopped() {
        #expect(judge(RPCStatus(RaftError(.stopped, "stopping"))) == .elsewhere)
        #expect(code(judge(RPCStatus(RaftError(.stopped, "stopping", outcome: .unknown)))) == .outcomeUnknown)
    }

    @Test("A change of members waits for one that is under way; what the leader says of the members is final")
    func membership() {
        for busy in [RaftError.Code.changeInProgress, .notCommittedInTerm] {
            #expect(judge(RPCStatus(RaftError(busy, "x"))) == .later)
        }
        for final in [
            RaftError.Code.alreadyLeader, .mayNotLead, .targetLags, .targetSilent, .noSuccessor, .transferTimedOut,
            .transferFailed, .unknownNode, .notALearner, .notAVoter, .emptyMembership, .learnerLags, .membershipChanged,
            .notInProgress, .invalidConfiguration,
        ] {
            #expect(code(judge(RPCStatus(RaftError(final, "x")))) == .refused, "\(final)")
        }
        #expect(code(judge(RPCStatus(RaftError(.changeRedirected, "x", outcome: .unknown)))) == .outcomeUnknown)
    }

    @Test("Details that cannot be read are no promise")
    func unreadableDetail() {
        #expect(code(judge(RPCStatus(.failedPrecondition, "x", details: [0xFF]))) == .outcomeUnknown)
    }

    @Test("A hint is followed, except back to the node that gave it")
    func hints() {
        #expect(judge(.notLeader(2, at: "b")) == .follow("b"))
        #expect(judge(.notLeader(1, at: "a")) == .elsewhere)
        #expect(judge(.notLeader(2)) == .elsewhere)
        #expect(judge(.notLeader()) == .elsewhere)
    }

    @Test("A node is named once, whoever named it")
    func names() {
        #expect(RPCStatus(.unavailable, "a:1: refused").message(from: "a:1") == "a:1: refused")
        #expect(RPCStatus(.unavailable, "refused").message(from: "a:1") == "a:1: refused")
    }

    @Test("A read that came too late is asked of another node")
    func lateRead() {
        #expect(judge(RPCStatus(.deadlineExceeded, "x"), isRead: true) == .elsewhere)
    }
}

@Suite("Route")
struct RouteTests {
    @Test("A call begins at the leader, if it is known")
    func begins() {
        #expect(Route(endpoints: ["a", "b"], first: "b").endpoint == "b")
        #expect(Route(endpoints: ["a", "b"], first: nil).endpoint == "a")
        #expect(Route(endpoints: ["a", "b"], first: "z").endpoint == "z")
    }

    @Test("It asks everyone once before it pauses, and goes round")
    func rounds() {
        var route = Route(endpoints: ["a", "b", "c"], first: nil)
        var asked = [route.endpoint]
        while route.turn(isRefused: false) { asked.append(route.endpoint) }
        #expect(asked == ["a", "b", "c", "a"])
        #expect(route.endpoint == "b")
    }

    @Test("Refused everywhere is every endpoint, however often one refuses")
    func refused() {
        var route = Route(endpoints: ["a", "b"], first: nil)
        _ = route.turn(isRefused: true)
        #expect(!route.isRefusedEverywhere)
        _ = route.turn(isRefused: false)
        _ = route.turn(isRefused: true)
        #expect(!route.isRefusedEverywhere)
        _ = route.turn(isRefused: true)
        #expect(route.isRefusedEverywhere)
    }
}
