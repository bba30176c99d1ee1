internal import Raft
internal import RaftTransport

@testable internal import RaftClient
@testable internal import RaftKeyValue
@testable internal import RaftKeyValueModel

/// What clients, operators and nodes tell each other of the key-value service, and what a node keeps of it.
enum ClientTargets {
    static let all: [Target] = [client, changes]

    /// Everything that a client or an operator may send, and everything that a node may answer. The first byte says which
    /// kind of message the others are.
    private static let client = Target(
        name: "client",
        seeds: {
            kinds.enumerated().flatMap { number, kind in ([[]] + kind.examples).map { [UInt8(number)] + $0 } }
        },
        run: { input in
            guard let number = input.first, number < kinds.count else { return }
            kinds[Int(number)].look(Array(input.dropFirst()))
        })

    /// A kind of message: some examples, and what is done with bytes that may be another.
    private struct Kind: Sendable {
        let examples: [[UInt8]]
        let look: @Sendable ([UInt8]) -> Void

        init<Message: ClientMessage>(_ type: Message.Type, _ examples: Message...) {
            self.examples = examples.map { $0.encoded() }
            look = { again("\(Message.self)", $0, { try Message(decoding: $0) }, { $0.encoded() }) }
        }
    }

    private static let entry = KeyValue(key: [1], value: [2, 3], revision: 7, created: 5, version: 2, lease: 4)
    private static let session = SessionRequest(session: SessionID(3), sequence: 5, lowestUnanswered: 4)
    private static let transaction = KeyValueTransaction(
        if: [.absent([1]), .init(key: [2], property: .value([3]), relation: .equal)],
        then: [.put(key: [1], value: [2], returnsPrevious: true, lease: 4), .delete(KeyRange(prefix: [1]))],
        else: [.get([1]), .range(KeyRange(from: [1], upTo: [9]), limit: 3)])
    private static let result = TransactionResult(
        succeeded: true, revision: 9,
        results: [
            .put(previous: entry), .put(previous: nil), .deleted(count: 2, previous: [entry]),
            .range(KeyValuePage(entries: [entry], hasMore: true)),
        ])

    /// In an order that stays: kept corpora go by it.
    private static let kinds: [Kind] = [
        Kind(PutRequest.self, PutRequest(key: [1], value: [2, 3])),
        Kind(DeleteRequest.self),
        Kind(CompareAndSwapRequest.self, CompareAndSwapRequest(key: [1], expectation: .revision(7), value: [2])),
        Kind(GetRequest.self),
        Kind(RangeRequest.self, RangeRequest(from: [1], upTo: [9], limit: 17, consistency: .linearizable)),
        Kind(ChangeMembershipRequest.self),
        Kind(TransferLeadershipRequest.self),
        Kind(KeepSessionRequest.self),
        Kind(CloseSessionRequest.self),
        Kind(PushSnapshotRequest.self),
        Kind(ReadSnapshotRequest.self),
        Kind(StatusRequest.self),
        Kind(RegisterSessionRequest.self),
        Kind(ListSessionsRequest.self),
        Kind(TriggerSnapshotRequest.self),
        Kind(PutResult.self),
        Kind(DeleteResult.self),
        Kind(SwapResult.self),
        Kind(MemberStatus.self),
        Kind(GetResponse.self, GetResponse(found: entry)),
        Kind(KeyValuePage.self, KeyValuePage(entries: [entry], hasMore: true)),
        Kind(SessionList.self),
        Kind(SnapshotSummary.self),
        Kind(
            ErrorDetail.self,
            ErrorDetail(code: "notLeader", outcome: .nothingHappened, leader: LeaderHint(id: 3, address: "c:1"))),
        Kind(RegisterSessionResponse.self),
        Kind(SessionResponse.self),
        Kind(ChangeMembershipResponse.self),
        Kind(TransferLeadershipResponse.self),
        Kind(ReloadCertificatesRequest.self),
        Kind(ReloadCertificatesResponse.self),
        Kind(TxnRequest.self, TxnRequest(transaction), TxnRequest(transaction, session: session, forwards: true)),
        Kind(TransactionResult.self, result),
        Kind(SnapshotPiece.self),
        Kind(
            WatchRequest.self, WatchRequest(KeyRange(), after: nil),
            WatchRequest(KeyRange(from: [1], upTo: [9]), after: ChangePosition(revision: 7, ordinal: 2))),
        Kind(WatchProgress.self, WatchProgress(takenBytes: 70_000)),
        Kind(WatchResponse.self, WatchResponse(changes: packed([]), position: ChangePosition(revision: 7))),
        Kind(CompactRequest.self, CompactRequest(revision: 7, session: session)),
        Kind(CompactResponse.self, CompactResponse(revision: 7)),
        Kind(GrantLeaseRequest.self, GrantLeaseRequest(milliseconds: 5000, session: session, forwards: true)),
        Kind(LeaseRequest.self, LeaseRequest(lease: 4, session: session, forwards: true)),
        Kind(LeaseResponse.self, LeaseResponse(lease: 4, milliseconds: 5000, keyCount: 2)),
        Kind(
            ListLeasesResponse.self,
            ListLeasesResponse(leases: [LeaseSummary(id: 4, milliseconds: 5000, keyCount: 2)])),
    ]

    /// What a watch brings, what a session's command gave, and the records of a snapshot, which come in pieces: the same
    /// ones, or the same refusal, wherever they are cut.
    private static let changes = Target(
        name: "changes",
        seeds: {
            let outputs: [KeyValueOutput] = [
                .done(revision: 7, previous: 5), .unchanged(current: nil), .transaction(result), .compacted(through: 7),
                .granted(lease: 4), .revoked(wasThere: true, keyCount: 2), .refused("too long"),
            ]
            var records: [UInt8] = []
            KeyValueRecord.append(compacted: 4, to: &records)
            KeyValueRecord.append(lease: 4, milliseconds: 5000, to: &records)
            records += [1, 1, 0, 0, 0, 2, 0, 0, 0] + Array(repeating: 0, count: 32) + [1, 2, 3]
            KeyValueRecord.append(change: packed([exampleChanges[0]])[...], to: &records)
            return [[0] + packed(exampleChanges), [2, 9] + KeyValueRecord.header + records]
                + outputs.map { [1] + bytes(of: $0) }
        },
        run: { input in
            guard let kind = input.first else { return }
            let rest = Array(input.dropFirst())
            switch kind % 3 {
            case 0: again("list of changes", rest, { try KeyChange.all(decoding: $0[...]) }, packed)
            case 1: again("output", rest, { try KeyValueOutput(decoding: $0[...]) }, bytes)
            default:
                guard let size = rest.first else { return }
                let whole = records(Array(rest.dropFirst()), pieces: rest.count)
                let cut = records(Array(rest.dropFirst()), pieces: Int(size) + 1)
                require(cut == whole, "\(cut) in pieces of \(Int(size) + 1), \(whole) as a whole")
            }
        })

    private static let exampleChanges = [
        KeyChange(revision: 7, ordinal: 0, key: [1], entry: entry),
        KeyChange(revision: 7, ordinal: 1, key: [2], entry: nil),
    ]

    private static func packed(_ changes: [KeyChange]) -> [UInt8] {
        var bytes: [UInt8] = []
        for change in changes { change.encode(into: &bytes) }
        return bytes
    }

    private static func bytes(of output: KeyValueOutput) -> [UInt8] {
        var bytes: [UInt8] = []
        output.encode(into: &bytes)
        return bytes
    }

    /// What is read of a snapshot that comes in pieces of so many bytes, as texts; the last says how it ended.
    private static func records(_ input: [UInt8], pieces size: Int) -> [String] {
        var texts: [String] = []
        var waiting: [UInt8] = []
        var hasBegun = false
        do {
            for start in stride(from: 0, to: input.count, by: size) {
                waiting += input[start..<min(start + size, input.count)]
                if !hasBegun {
                    guard waiting.count >= KeyValueRecord.header.count else { continue }
                    try KeyValueRecord.takeHeader(from: &waiting)
                    hasBegun = true
                }
                try KeyValueRecord.takeAll(from: &waiting) { texts.append("\($0)") }
            }
            return texts + ["\(waiting.count) bytes are left"]
        } catch { return texts + ["\(error)"] }
    }
}

/// A message of a client or an operator, or the answer to one.
private protocol ClientMessage: Sendable {
    init(decoding bytes: [UInt8]) throws(RPCStatus)
    func encoded() -> [UInt8]
}

extension PutRequest: ClientMessage {}
extension DeleteRequest: ClientMessage {}
extension CompareAndSwapRequest: ClientMessage {}
extension GetRequest: ClientMessage {}
extension RangeRequest: ClientMessage {}
extension ChangeMembershipRequest: ClientMessage {}
extension TransferLeadershipRequest: ClientMessage {}
extension KeepSessionRequest: ClientMessage {}
extension CloseSessionRequest: ClientMessage {}
extension PushSnapshotRequest: ClientMessage {}
extension ReadSnapshotRequest: ClientMessage {}
extension StatusRequest: ClientMessage {}
extension RegisterSessionRequest: ClientMessage {}
extension ListSessionsRequest: ClientMessage {}
extension TriggerSnapshotRequest: ClientMessage {}
extension PutResult: ClientMessage {}
extension DeleteResult: ClientMessage {}
extension SwapResult: ClientMessage {}
extension MemberStatus: ClientMessage {}
extension GetResponse: ClientMessage {
    init(decoding bytes: [UInt8]) throws(RPCStatus) { try self.init(decoding: bytes, key: []) }
}
extension KeyValuePage: ClientMessage {}
extension SessionList: ClientMessage {}
extension SnapshotSummary: ClientMessage {}
extension ErrorDetail: ClientMessage {}
extension RegisterSessionResponse: ClientMessage {}
extension SessionResponse: ClientMessage {}
extension ChangeMembershipResponse: ClientMessage {}
extension TransferLeadershipResponse: ClientMessage {}
extension ReloadCertificatesRequest: ClientMessage {}
extension ReloadCertificatesResponse: ClientMessage {}
extension TxnRequest: ClientMessage {}
extension TransactionResult: ClientMessage {}
extension SnapshotPiece: ClientMessage {
    init(decoding bytes: [UInt8]) throws(RPCStatus) { try self.init(decoding: bytes, at: 0) }
}
extension WatchRequest: ClientMessage {}
extension WatchProgress: ClientMessage {}
extension WatchResponse: ClientMessage {}
extension CompactRequest: ClientMessage {}
extension CompactResponse: ClientMessage {}
extension GrantLeaseRequest: ClientMessage {}
extension LeaseRequest: ClientMessage {}
extension LeaseResponse: ClientMessage {}
extension ListLeasesResponse: ClientMessage {}
