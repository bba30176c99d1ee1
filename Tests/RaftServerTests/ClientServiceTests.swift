import NIOPosix
import Raft
import RaftClient
import Testing

@testable import RaftServer
@testable import RaftTransport

@Suite("A client's write, as the node gets it")
struct ClientServiceTests {
    private func rim(milliseconds: UInt32, forwards: Bool) throws -> ClientService.Rim {
        let call = ServerCall(
            ClientMethods.put, principal: try Principal(cluster: "test", role: .client, name: "app"), request: [],
            timeoutMilliseconds: milliseconds, stream: 1,
            outbox: Outbox(eventLoop: MultiThreadedEventLoopGroup.singleton.next()))
        return ClientService.Rim(call, nil, forwards)
    }

    @Test("Its deadline goes to the node, which ends it then; passed on, it always has one")
    func deadline() throws {
        #expect(try rim(milliseconds: 250, forwards: false).timeout == .milliseconds(250))
        #expect(try rim(milliseconds: 250, forwards: true).timeout == .milliseconds(250))
        #expect(try rim(milliseconds: 0, forwards: false).timeout == nil)
        #expect(try rim(milliseconds: 0, forwards: true).timeout == ClientService.longestRead)
    }

    @Test("It is passed on only when the client asks for that, in the name that its certificate says")
    func caller() throws {
        #expect(try rim(milliseconds: 0, forwards: false).forwarding == .never)
        #expect(
            try rim(milliseconds: 0, forwards: true).forwarding
                == .toLeader(
                    for: ForwardedCaller(identity: "raft://test/client/app", method: "raft.client.v1.KeyValue/Put")))
    }
}
