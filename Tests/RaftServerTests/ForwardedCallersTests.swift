import RaftClient
import RaftServer
import RaftTransport
import Testing

@Suite("For whom a write is taken that a member passes on")
struct ForwardedCallersTests {
    private let callers = ForwardedCallers(cluster: "test")

    @Test("Every method that is passed on, for every role: exactly those that may call it themselves")
    func matrix() throws {
        for method in ClientMethods.forwarded {
            #expect(method.purpose == .client)
            for role in Role.allCases {
                let name = role == .peer ? "2" : "somebody"
                let caller = try Principal(cluster: "test", role: role, name: name)
                let refusal = callers.refusal(identity: caller.uri, method: method.name)
                #expect((refusal == nil) == method.roles.contains(role), "\(method.name) for \(role)")
                // As the rule that AuthorisationTests write down a second time.
                #expect((refusal == nil) == AuthorisationTests.rules[method.name]?.contains(role))
            }
        }
    }

    @Test("Only writes are passed on: nothing else, by no name, for nobody")
    func otherMethods() {
        let forwarded = Set(ClientMethods.forwarded.map(\.name))
        for name in AuthorisationTests.rules.keys where !forwarded.contains(name) {
            for role in Role.allCases {
                let identity = "raft://test/\(role)/\(role == .peer ? "2" : "somebody")"
                #expect(callers.refusal(identity: identity, method: name) != nil, "\(name)")
            }
        }
        for name in ["", "put", "raft.client.v1.KeyValue/put", "raft.client.v1.KeyValue/Put "] {
            #expect(callers.refusal(identity: "raft://test/client/app", method: name) != nil)
        }
    }

    @Test("An identity is read as strictly as a certificate's, and only this cluster's counts")
    func identities() {
        let method = ClientMethods.put.name
        #expect(callers.refusal(identity: "raft://test/client/app", method: method) == nil)
        for identity in [
            "", "app", "raft://other/client/app", "raft://Test/client/app", "raft://test/Client/app",
            "raft://test/client/", "raft://test/client/app/", "raft://test/client/app\0", " raft://test/client/app",
            "raft://test/client/%61pp", "raft://test/superuser/app",
        ] {
            #expect(callers.refusal(identity: identity, method: method) != nil, "\(identity)")
        }
    }
}
