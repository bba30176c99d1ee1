import Raft
import RaftTransport
import Testing

@testable import RaftClient

@Suite("Client protocol")
struct ClientProtocolTests {
    static let status = MemberStatus(
        id: 2, cluster: "dev", role: "leader", term: 9, leader: LeaderHint(id: 2, address: "b:1"),
        last: LogID(term: 9, index: 40), commit: 39, applied: 38, snapshot: 0,
        members: [
            .init(id: 1, address: "a:1", isVoter: true, incarnation: Incarnation(rawValue: .max)),
            .init(id: 2, address: "b:1", isVoter: true, preference: .preferred),
            .init(id: 3, address: "c:1", isVoter: true, preference: .never),
            .init(id: 4, address: "d:1", isVoter: false, isPromotedWhenReady: true),
        ],
        configuration: LogID(term: 8, index: 31), isJoint: true, isRemoved: true,
        peers: [
            .init(
                id: 1, matchIndex: 39, isReachable: true, heardBefore: .milliseconds(70), steadyFor: .milliseconds(4500)
            ),
            .init(id: 4, matchIndex: 0, isReachable: false),
        ],
        failureTolerance: -1, transfer: .init(target: 1, isTold: true, lag: 1), stopReason: nil)

    static let certificates = MemberStatus.Certificates(
        identity: "raft://dev/peer/2", notAfter: 2_000_000_000, daysLeft: -3, authorityNotAfter: 2_100_000_000,
        listNextUpdate: 1_900_000_000, revokedCount: 4, reloadCount: 5, failureCount: 6, droppedCount: 7,
        problem: "its certificate expired")

    @Test("What a reload did comes back as it was, and an answer that tells nothing is none")
    func reloads() throws {
        #expect(
            try ReloadCertificatesRequest(decoding: ReloadCertificatesRequest().encoded())
                == ReloadCertificatesRequest())
        #expect(throws: RPCStatus.self) { try ReloadCertificatesRequest(decoding: [0xFF]) }
        var bare = Self.certificates
        bare.listNextUpdate = nil
        bare.problem = nil
        for certificates in [Self.certificates, bare] {
            let response = ReloadCertificatesResponse(certificates: certificates, droppedCount: 9)
            #expect(try ReloadCertificatesResponse(decoding: response.encoded()) == response)
        }
        #expect(throws: RPCStatus.self) { try ReloadCertificatesResponse(decoding: []) }
    }

    @Test("Requests come back as they were")
    func requests() throws {
        let big = [UInt8](repeating: 7, count: 1_572_864)
        for value in [[], [0, 255], big] {
            let put = PutRequest(key: [0, 1], value: value)
            #expect(try PutRequest(decoding: put.encoded()) == put)
        }
        let delete = DeleteRequest(key: [9])
        #expect(try DeleteRequest(decoding: delete.encoded()) == delete)
        for expectation in [.absent, .value([]), .value(big), .revision(0), .revision(.max)] as [KeyExpectation] {
            let swap = CompareAndSwapRequest(key: [1], expectation: expectation, value: [2])
            #expect(try CompareAndSwapRequest(decoding: swap.encoded()) == swap)
        }
        for consistency in [.linearizable, .local] as [Consistency] {
            let get = GetRequest(key: [1], consistency: consistency)
            #expect(try GetRequest(decoding: get.encoded()) == get)
            for upTo in [nil, [], [5, 0]] as [[UInt8]?] {
                let range = RangeRequest(from: [1], upTo: upTo, limit: 17, consistency: consistency)
                #expect(try RangeRequest(decoding: range.encoded()) == range)
            }
        }
        #expect(try StatusRequest(decoding: StatusRequest().encoded()) == StatusRequest())
    }

    @Test("Responses come back as they were")
    func responses() throws {
        for previous in [nil, 3] as [UInt64?] {
            let put = PutResult(revision: 4, previousRevision: previous)
            #expect(try PutResult(decoding: put.encoded()) == put)
            for revision in [nil, 5] as [UInt64?] {
                let delete = DeleteResult(revision: revision, previousRevision: previous)
                #expect(try DeleteResult(decoding: delete.encoded()) == delete)
                let swap = SwapResult(revision: revision, previousRevision: previous)
                #expect(try SwapResult(decoding: swap.encoded()) == swap)
            }
        }
        for found in [
            nil, KeyValue(key: [7], value: [], revision: 1),
            KeyValue(key: [7], value: [0, 255], revision: .max, created: 3, version: 9),
        ] {
            let get = GetResponse(found: found)
            #expect(try GetResponse(decoding: get.encoded(), key: [7]) == get)
        }
        let entries = (0..<1000).map {
            KeyValue(
                key: [1, UInt8($0 & 255)], value: [UInt8](repeating: 3, count: $0), revision: UInt64($0 + 1),
                created: 1, version: 7)
        }
        for page in [
            KeyValuePage(entries: [], hasMore: false), KeyValuePage(entries: entries, hasMore: true),
            KeyValuePage(entries: [KeyValue(key: [], value: [], revision: 0)], hasMore: false),
        ] {
            #expect(try KeyValuePage(decoding: page.encoded()) == page)
        }
    }

    @Test("A transaction and its result come back as they were, and one that cannot be read is refused")
    func transactions() throws {
        let transaction = KeyValueTransaction(
            if: [.absent([1])], then: [.put(key: [1], value: [2])], else: [.get([1]), .delete(KeyRange())])
        let session = SessionRequest(session: SessionID(4), sequence: 2, lowestUnanswered: 1)
        for request in [TxnRequest(transaction, forwards: true), TxnRequest(transaction, session: session)] {
            #expect(try TxnRequest(decoding: request.encoded()) == request)
        }
        let result = TransactionResult(succeeded: true, revision: 9, results: [.put(previous: nil)])
        #expect(try TransactionResult(decoding: result.encoded()) == result)
        for bytes in [[], [0xFF], [0x0A, 1, 2]] as [[UInt8]] {
            #expect(throws: RPCStatus.self) { try TxnRequest(decoding: bytes) }
            #expect(throws: RPCStatus.self) { try TransactionResult(decoding: bytes) as TransactionResult }
        }
    }

    @Test("A status comes back as it was")
    func statusRoundTrip() throws {
        #expect(try MemberStatus(decoding: Self.status.encoded()) == Self.status)
        var stopped = Self.status
        stopped.role = "stopped"
        stopped.leader = nil
        stopped.members = []
        stopped.peers = []
        stopped.failureTolerance = nil
        stopped.transfer = nil
        stopped.stopReason = "write failed: no space left on device"
        stopped.logShortage = "no space left on device"
        stopped.certificates = Self.certificates
        #expect(try MemberStatus(decoding: stopped.encoded()) == stopped)
    }

    @Test("A wish to pass leadership on comes back as it was, with a target or without")
    func transfers() throws {
        for target in [nil, 3] as [NodeID?] {
            let request = TransferLeadershipRequest(target: target)
            #expect(try TransferLeadershipRequest(decoding: request.encoded()) == request)
        }
        #expect(throws: RPCStatus.self) { try TransferLeadershipRequest(decoding: [0xFF]) }
        let response = TransferLeadershipResponse()
        #expect(try TransferLeadershipResponse(decoding: response.encoded()) == response)
    }

    @Test("A refusal comes back with its code, its outcome and the leader")
    func errorDetail() throws {
        let hint = LeaderHint(id: 3, address: "c.example:7001")
        let status = RPCStatus(RaftError(.notLeader, "ask node 3", leader: hint))
        #expect(status.code == .failedPrecondition)
        #expect(status.message == "ask node 3")
        #expect(status.detail == ErrorDetail(code: "notLeader", outcome: .nothingHappened, leader: hint))
        let unknown = RPCStatus(RaftError(.stopped, "x", outcome: .unknown, leader: nil))
        #expect(unknown.detail == ErrorDetail(code: "stopped", outcome: .unknown, leader: nil))
    }

    @Test("A refusal with the longest address that a configuration can hold still travels")
    func longAddress() {
        let hint = LeaderHint(id: 3, address: String(repeating: "x", count: 1024))
        #expect(RPCStatus(RaftError(.notLeader, "x", leader: hint)).detail?.leader == hint)
    }

    @Test("Every method is a client's or an administrator's, and no two share a number")
    func methods() {
        let client = [
            ClientMethods.put, ClientMethods.delete, ClientMethods.compareAndSwap, ClientMethods.get,
            ClientMethods.range, ClientMethods.txn, ClientMethods.compact, ClientMethods.grantLease,
            ClientMethods.keepLease, ClientMethods.revokeLease,
        ]
        #expect(client.allSatisfy { $0.roles.contains(.client) && $0.purpose == .client })
        #expect(Set(client.map(\.id)).count == client.count)
        let admin = [ClientMethods.status, ClientMethods.changeMembership]
        #expect(admin.allSatisfy { $0.roles == [.admin] && $0.purpose == .admin })
        #expect(Set(admin.map(\.id)).count == admin.count)
    }

    @Test("Bytes that are no request are refused as the caller's fault, and nothing traps")
    func hostile() {
        let good = RangeRequest(from: [1], upTo: [2], limit: 3, consistency: .local).encoded()
        for count in 0..<good.count { _ = try? RangeRequest(decoding: Array(good[..<count])) }
        for bytes in [[0xFF], [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x07]] as [[UInt8]] {
            #expect(throws: RPCStatus.self) { try PutRequest(decoding: bytes) }
            #expect(throws: RPCStatus.self) { try KeyValuePage(decoding: bytes) }
            #expect(throws: RPCStatus.self) { try MemberStatus(decoding: bytes) }
        }
        let swap = #expect(throws: RPCStatus.self) { try CompareAndSwapRequest(decoding: [0x0A, 1, 97]) }
        #expect(swap?.code == .invalidArgument)
        #expect(throws: RPCStatus.self) { try GetRequest(decoding: [0x0A, 1, 97, 0x10, 9]) }
    }

    @Test("Every change of the members comes back as it was; hostile bytes are refused")
    func changes() throws {
        let all: [MembershipRequest] = [
            .add(4, address: "d:1"), .add(4, address: String(repeating: "x", count: 100_000)), .promote(4), .demote(1),
            .prefer(4, .preferred), .prefer(4, .never), .prefer(4, .ordinary), .promoteWhenReady(4, true),
            .promoteWhenReady(4, false), .add(4, address: "d:1", promotedWhenReady: true),
            .add(4, address: "d:1", promotedWhenReady: false),
            .remove(9), .replaceVoters([4, 5, 6], keepingOthers: true), .replaceVoters([], keepingOthers: false),
            .changeAddress(2, to: "b:9"), .redirect(to: [1, 2]), .redirect(to: []),
        ]
        for request in all where !"\(request)".contains("xxxxx") {
            for seen in [nil, LogID(term: 3, index: 41)] {
                let change = ChangeMembershipRequest(request, ifUnchangedSince: seen)
                #expect(try ChangeMembershipRequest(decoding: change.encoded()) == change)
            }
        }
        let waiting = ChangeMembershipRequest(all[0], waiting: true)
        #expect(try ChangeMembershipRequest(decoding: waiting.encoded()) == waiting)
        #expect(try ChangeMembershipResponse(decoding: ChangeMembershipResponse().encoded()) == .init())
        // What no configuration can hold is refused by whoever reads it; whoever writes it does not trap.
        #expect(throws: RPCStatus.self) {
            try ChangeMembershipRequest(decoding: ChangeMembershipRequest(all[1]).encoded())
        }
        #expect(throws: RPCStatus.self) { try ChangeMembershipRequest(decoding: []) }
        for request in all {
            let good = ChangeMembershipRequest(request).encoded()
            for count in 0..<min(good.count, 64) { _ = try? ChangeMembershipRequest(decoding: Array(good[..<count])) }
        }
    }
}
