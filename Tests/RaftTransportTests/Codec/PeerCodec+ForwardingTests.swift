import Raft
import Testing

@testable import RaftTransport

@Suite("Forwarded writes as bytes")
struct PeerCodecForwardingTests {
    private func across(_ reply: ForwardReply) throws -> ForwardReply? {
        guard case .forward(let got) = try PeerCodec.decodeReply(PeerCodec.encode(.forward(reply))) else { return nil }
        return got
    }

    @Test("A result comes across as it is, however long")
    func results() throws {
        for count in [0, 1, 40_000, 3 << 20] {
            let reply = ForwardReply(id: UInt64(count), result: .success(Array(repeating: 7, count: count)))
            #expect(try across(reply) == reply)
        }
    }

    @Test("Every error that a write can end with comes across: what, its outcome, and who leads")
    func errors() throws {
        for code in RaftError.Code.ofWrites {
            for outcome in [RaftError.Outcome.nothingHappened, .unknown] {
                for leader in [nil, LeaderHint(id: 3, address: nil), LeaderHint(id: 3, address: "c.example:7001")] {
                    let reply = ForwardReply(
                        id: 9, result: .failure(RaftError(code, "what and why", outcome: outcome, leader: leader)))
                    #expect(try across(reply) == reply)
                }
            }
        }
    }

    @Test("An error that no write ends with is not known to have done nothing")
    func unknownCode() throws {
        let reply = ForwardReply(id: 9, result: .failure(RaftError(.alreadyInitialized, "odd")))
        guard case .failure(let error)? = try across(reply)?.result else {
            Issue.record("no error")
            return
        }
        #expect(error.code == .outcomeUnknown && error.outcome == .unknown)
    }

    @Test("A text is cut, and what was cut once stays as it is")
    func longText() throws {
        let long = String(repeating: "ä", count: 4000)
        let reply = ForwardReply(id: 9, result: .failure(RaftError(.overloaded, long)))
        let once = try #require(try across(reply))
        guard case .failure(let error) = once.result else {
            Issue.record("no error")
            return
        }
        #expect(error.message.utf8.count == 2048 && long.hasPrefix(error.message))
        #expect(try across(once) == once)
    }

    @Test("A hint that no configuration can hold is refused: it would go on to clients")
    func longAddress() throws {
        let reply = ForwardReply(
            id: 9,
            result: .failure(
                RaftError(.notLeader, "", leader: LeaderHint(id: 3, address: String(repeating: "a", count: 1025)))))
        let error = #expect(throws: RPCStatus.self) { _ = try across(reply) }
        #expect(error?.code == .invalidArgument)
    }

    @Test("A time is rounded up to milliseconds, and nobody waits for longer than a year")
    func timeouts() throws {
        for (timeout, expected) in [
            (.nanoseconds(1), .milliseconds(1)), (.milliseconds(5), .milliseconds(5)), (.seconds(-3), .zero),
            (.seconds(Int64.max), .seconds(366 * 86_400)),
        ] as [(Duration, Duration)] {
            let request = ForwardRequest(sender: 2, id: 1, kind: .command, timeout: timeout, payload: [1])
            guard case .forward(let got) = try PeerCodec.decodeRequest(PeerCodec.encode(.forward(request))) else {
                Issue.record("no forward")
                return
            }
            #expect(got.timeout == expected)
        }
    }
}
