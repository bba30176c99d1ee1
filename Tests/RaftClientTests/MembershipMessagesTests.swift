import Raft
import RaftTransport
import Testing

@testable import RaftClient

@Suite("What administrators send about members")
struct MembershipMessagesTests {
    @Test(
        "The window of leases comes back as it was, as far as it can be said",
        arguments: [
            (nil, nil), (.milliseconds(200), .milliseconds(200)), (.zero, .nanoseconds(1)),
            (.seconds(-1), .nanoseconds(1)), (.seconds(Int64.max), .nanoseconds(Int64.max)),
        ] as [(Duration?, Duration?)])
    func window(sent: Duration?, read: Duration?) throws {
        let bytes = ChangeMembershipRequest(.allowLeases(sent)).encoded()
        #expect(try ChangeMembershipRequest(decoding: bytes) == ChangeMembershipRequest(.allowLeases(read)))
    }

    @Test("A preference that a later version has is refused, not taken for another")
    func preference() throws {
        var bytes = ChangeMembershipRequest(.prefer(4, .never)).encoded()
        let other = ChangeMembershipRequest(.prefer(4, .preferred)).encoded()
        let place = try #require(zip(bytes, other).enumerated().first { $1.0 != $1.1 }?.offset)
        bytes[place] = 99
        let status = #expect(throws: RPCStatus.self) { try ChangeMembershipRequest(decoding: bytes) }
        #expect(status?.code == .invalidArgument)
        #expect(status?.message == "preference 99 is none that this node knows")
    }

    @Test("An order to send a snapshot names its member, or nobody")
    func push() throws {
        for peer in [nil, 3] as [NodeID?] {
            let request = PushSnapshotRequest(peer: peer)
            #expect(try PushSnapshotRequest(decoding: request.encoded()) == request)
        }
    }
}
