import Raft
import Testing

@testable import RaftTransport

@Suite("The peer codec")
struct PeerCodecTests {
    static func batch(_ first: LogIndex, term: Term, _ payloads: [[UInt8]]) -> EntryBatch {
        var builder = EntryBatch.Builder(first: first, term: term)
        for payload in payloads { builder.append(.command, payload) }
        return builder.finish()!
    }

    static let requests: [PeerRequest] = {
        let batches = [
            batch(8, term: 3, [[1, 2, 3], []]), batch(10, term: 4, [[UInt8](repeating: 7, count: 100_000)]),
        ]
        var requests: [PeerRequest] = []
        for value in [1, 300, UInt64.max] {
            for phase in [VoteRequest.Phase.preVote, .vote] {
                for isTransfer in [false, true] {
                    requests.append(
                        .vote(
                            VoteRequest(
                                phase: phase, term: Term(value), candidate: NodeID(value),
                                lastLog: LogID(term: Term(value), index: LogIndex(value)), round: value,
                                isTransfer: isTransfer)))
                }
            }
            requests.append(
                .heartbeat(
                    HeartbeatRequest(
                        term: Term(value), leader: NodeID(value), stream: StreamID(rawValue: value), round: value,
                        commit: LogIndex(value), leaderCommit: LogIndex(value))))
            requests.append(
                .timeoutNow(
                    TimeoutNowRequest(
                        term: Term(value), leader: NodeID(value),
                        lastLog: LogID(term: Term(value), index: LogIndex(value)))))
            requests.append(
                .append(
                    AppendRequest(
                        term: Term(value), leader: NodeID(value), stream: StreamID(rawValue: value), sequence: 9,
                        previous: LogID(term: Term(value), index: LogIndex(value)), leaderCommit: LogIndex(value),
                        entries: [])))
        }
        requests.append(
            .append(
                AppendRequest(
                    term: 4, leader: 1, stream: StreamID(rawValue: 9), sequence: 9, previous: LogID(term: 3, index: 7),
                    leaderCommit: 5, entries: batches)))
        for (kind, timeout) in [
            (ForwardRequest.Kind.command, Duration?.none), (.sessionCommand, .zero), (.session, .milliseconds(1500)),
        ] {
            requests.append(
                .forward(
                    ForwardRequest(
                        sender: 2, id: .max, kind: kind, onlyInTerm: timeout == nil ? nil : 0, timeout: timeout,
                        caller: kind == .session
                            ? nil
                            : ForwardedCaller(
                                identity: "raft://test/client/app", method: "raft.client.v1.KeyValue/Put"),
                        payload: kind == .command ? [] : Array(0...255))))
        }
        // All fields at zero: an empty body is not a missing one.
        requests.append(
            .vote(VoteRequest(phase: .preVote, term: 0, candidate: 1, lastLog: .zero, round: 0)))
        return requests
    }()

    static let replies: [PeerReply] = [0, 1, 300, UInt64.max].flatMap { value -> [PeerReply] in
        let id = LogID(term: Term(value), index: LogIndex(value))
        let outcomes: [AppendReply.Outcome] = [
            .accepted(through: LogIndex(value)), .conflict(previous: LogIndex(value), hint: id), .rejected,
        ]
        return outcomes.map {
            .append(AppendReply(term: Term(value), stream: StreamID(rawValue: value), sequence: 9, outcome: $0))
        }
            + [false, true].flatMap { flag -> [PeerReply] in
                [
                    .vote(VoteReply(phase: .vote, round: value, term: Term(value), isGranted: flag)),
                    .vote(VoteReply(phase: .preVote, round: value, term: Term(value), isGranted: flag)),
                    .heartbeat(
                        HeartbeatReply(
                            term: Term(value), stream: StreamID(rawValue: value), round: value, isRejected: flag)),
                ]
            }
    }

    @Test("brings every request across")
    func requestsRoundTrip() throws {
        for request in Self.requests {
            #expect(try PeerCodec.decodeRequest(PeerCodec.encode(request)) == request)
        }
    }

    @Test("brings every reply across")
    func repliesRoundTrip() throws {
        for reply in Self.replies { #expect(try PeerCodec.decodeReply(PeerCodec.encode(reply)) == reply) }
    }

    @Test("brings a hello across, with and without what a new node lacks")
    func helloRoundTrip() throws {
        for bootstrap in [nil, 0, UInt64.max] {
            let hello = Hello(
                cluster: "prod", node: 3, incarnation: Incarnation(rawValue: 7), bootstrap: bootstrap,
                configuration: LogID(term: 4, index: 99))
            #expect(try PeerCodec.decodeHello(PeerCodec.encode(hello)) == hello)
        }
    }

    @Test("gives an append's entries as the bytes that were sent, and several batches as one")
    func entries() throws {
        let batches = [Self.batch(1, term: 1, [[1], [2, 3]]), Self.batch(3, term: 2, [[4]])]
        let request = AppendRequest(
            term: 2, leader: 1, stream: StreamID(rawValue: 1), sequence: 9, previous: .zero, leaderCommit: 0,
            entries: batches)
        guard case .append(let got) = try PeerCodec.decodeRequest(PeerCodec.encode(.append(request))) else {
            Issue.record("not an append")
            return
        }
        #expect(got.entries.count == 1)
        #expect(Array(got.entries[0].bytes) == batches.flatMap { Array($0.bytes) })
    }

    @Test("never traps on bytes that were cut off or changed, and either refuses them or finds a request")
    func hostile() {
        var generator = SplitMix(state: 4711)
        for request in Self.requests {
            let good = Array(PeerCodec.encode(request).prefix(300))
            for length in 0..<good.count { _ = try? PeerCodec.decodeRequest(Array(good[..<length])) }
            for _ in 0..<300 {
                var bytes = good
                for _ in 0..<Int.random(in: 1...4, using: &generator) {
                    bytes[Int.random(in: bytes.indices, using: &generator)] = .random(in: 0 ... .max, using: &generator)
                }
                _ = try? PeerCodec.decodeRequest(bytes)
                _ = try? PeerCodec.decodeReply(bytes)
                _ = try? PeerCodec.decodeHello(bytes)
            }
        }
        for _ in 0..<3000 {
            let bytes = (0..<Int.random(in: 0...80, using: &generator)).map { _ in
                UInt8.random(in: 0 ... .max, using: &generator)
            }
            _ = try? PeerCodec.decodeRequest(bytes)
            _ = try? PeerCodec.decodeReply(bytes)
            _ = try? PeerCodec.decodeHello(bytes)
        }
    }

    /// An append of one entry with some of its bytes replaced at the end, where the entry is.
    private func append(_ change: (inout AppendRequest) -> Void) -> [UInt8] {
        var request = AppendRequest(
            term: 4, leader: 1, stream: StreamID(rawValue: 9), sequence: 9, previous: LogID(term: 3, index: 7),
            leaderCommit: 5,
            entries: [Self.batch(8, term: 4, [[1, 2, 3]])])
        change(&request)
        return PeerCodec.encode(.append(request))
    }

    private func reason(_ bytes: [UInt8]) -> String {
        do throws(RPCStatus) {
            return "accepted: \(try PeerCodec.decodeRequest(bytes))"
        } catch {
            return error.message
        }
    }

    @Test("refuses entries that do not fit, and says why")
    func entriesThatDoNotFit() {
        var flipped = append { _ in }
        flipped[flipped.count - 1] ^= 1
        #expect(reason(flipped).contains("checksum"))
        #expect(reason(append { $0.previous = LogID(term: 3, index: 6) }).contains("after 6@3"))
        #expect(reason(append { $0.previous = LogID(term: 5, index: 7) }).contains("after 7@5"))
        #expect(reason(append { $0.term = 3 }).contains("append of term 3"))
        #expect(reason(append { $0.leader = NodeID(0) }).contains("node id 0"))
        #expect(reason(append { _ in } + [0x78, 1]).contains("not the last field"))
    }

    @Test("refuses a message without a body, one of an unknown kind, and an unknown enumeration value")
    func unknown() {
        #expect(reason([]).contains("unknown kind"))
        #expect(reason([0x52, 0]).contains("unknown kind"))  // field 10
        #expect(reason([0x0a, 4, 0x08, 9, 0x18, 1]).contains("vote phase 9"))
        #expect(reason([0x0a, 2, 0x18, 1, 0x7a, 1, 0]).contains("entries without an append"))
        #expect(throws: RPCStatus.self) { try PeerCodec.decodeReply([0x12, 2, 0x18, 9]) }  // outcome 9
        #expect(throws: RPCStatus.self) { try PeerCodec.decodeReply([0x0a, 2, 0x08, 9]) }  // phase 9
    }

    @Test("keeps to its budget however many fields a message claims")
    func budget() {
        // Thousands of unknown fields: the unpacker keeps each of them.
        let many = (0..<4000).flatMap { _ in [0x50, 1] as [UInt8] }
        #expect(reason(many) == "the message needs more than 16384 bytes of memory")
        let long = [0x0a, 0x80, 0x80, 0x08] + [UInt8](repeating: 65, count: 131_072)  // a cluster of 128 KiB
        #expect(throws: RPCStatus.self) { try PeerCodec.decodeHello(long) }
    }
}

/// A small seeded generator: the same bytes at every run.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
