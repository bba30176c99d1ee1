internal import NIOCore
internal import RaftKeyValue

@testable internal import Raft
@testable internal import RaftClient
@testable internal import RaftTransport

/// What may come over a connection: from a stranger, a client, or a member that is not what it should be.
enum WireTargets {
    static let all: [Target] = [frames, peer, client, entries]

    /// A stream of bytes, cut at two different places each time: the same frames, and then the same messages, or the same
    /// refusal.
    private static let frames = Target(
        name: "frames",
        seeds: {
            var bytes: [UInt8] = [3, 7]
            for (type, stream, length) in [(1, 0, 8), (2, 1, 40), (5, 1, 3), (6, 1, 9), (9, 1, 4)] {
                bytes += [UInt8(length), 0, 0, 0, UInt8(type), 0, 0, 0, 0, 0, 0, 0, UInt8(stream), 0, 0, 0]
                bytes += Array(repeating: 1, count: length)
            }
            return [bytes]
        },
        run: { input in
            guard input.count > 2 else { return }
            let bytes = Array(input.dropFirst(2))
            let whole = read(bytes, pieces: bytes.count)
            for pieces in [1, Int(input[0]) + 1, Int(input[1]) * 16 + 1] {
                let cut = read(bytes, pieces: pieces)
                require(cut.frames == whole.frames, "\(cut.frames) in pieces of \(pieces), \(whole.frames) as a whole")
                require(cut.isRefused == whole.isRefused, "refused only in pieces of \(pieces), or only as a whole")
            }
        })

    private static func read(_ bytes: [UInt8], pieces size: Int) -> (frames: [String], isRefused: Bool) {
        var decoder = FrameDecoder()
        var assembler = MessageAssembler(limits: TransportLimits())
        var frames: [String] = []
        var start = 0
        do {
            while start < bytes.count {
                var buffer = ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)])
                start += size
                decoder.append(&buffer)
                while let frame = try decoder.next() {
                    frames.append("\(frame.header) \(frame.payload.readableBytes)")
                    if let message = try assembler.take(frame) { frames.append("\(message)") }
                }
            }
            return (frames, false)
        } catch { return (frames, true) }
    }

    /// A request, a reply or a hello of a peer: what is read is written as bytes that are read as the same.
    private static let peer = Target(
        name: "peer",
        seeds: {
            let requests: [PeerRequest] = [
                .vote(VoteRequest(phase: .preVote, term: 3, candidate: 2, lastLog: LogID(term: 2, index: 7), round: 5)),
                .readIndex(ReadIndexRequest(term: 3, asker: 2, id: 9)),
                .timeoutNow(TimeoutNowRequest(term: 3, leader: 1, lastLog: LogID(term: 2, index: 4))),
                .heartbeat(
                    HeartbeatRequest(
                        term: 5, leader: 2, stream: StreamID(rawValue: 9), round: 1, commit: 1, leaderCommit: 1)),
                .append(
                    AppendRequest(
                        term: 5, leader: 2, stream: StreamID(rawValue: 9), sequence: 1,
                        previous: LogID(term: 2, index: 4), leaderCommit: 2,
                        entries: [batch()])),
            ]
            let replies: [PeerReply] = [
                .vote(VoteReply(phase: .vote, round: 1, term: 5, isGranted: true)),
                .heartbeat(HeartbeatReply(term: 5, stream: StreamID(rawValue: 9), round: 0, isRejected: false)),
                .append(
                    AppendReply(term: 5, stream: StreamID(rawValue: 9), sequence: 1, outcome: .accepted(through: 3))),
            ]
            return requests.map { [0] + PeerCodec.encode($0) } + replies.map { [1] + PeerCodec.encode($0) }
        },
        run: { input in
            guard let kind = input.first else { return }
            let bytes = Array(input.dropFirst())
            switch kind % 3 {
            case 0: again("request", bytes, PeerCodec.decodeRequest, PeerCodec.encode)
            case 1: again("reply", bytes, PeerCodec.decodeReply, PeerCodec.encode)
            default: again("hello", bytes, PeerCodec.decodeHello, PeerCodec.encode)
            }
        })

    private static func again<Message>(
        _ what: String, _ bytes: [UInt8], _ decode: ([UInt8]) throws -> Message, _ encode: (Message) -> [UInt8]
    ) {
        guard let message = try? decode(bytes) else { return }
        let written = encode(message)
        guard let second = try? decode(written) else { fatalError("a \(what) cannot be read again: \(message)") }
        require(encode(second) == written, "a \(what) changes when it is passed on: \(message), \(second)")
    }

    private static func batch() -> EntryBatch {
        var builder = EntryBatch.Builder(first: 5, term: 2)
        builder.append(.command, [1, 2, 3])
        builder.append(.sessionCommand, Array(repeating: 1, count: 30))
        return builder.finish()!
    }

    /// Everything that a client or an operator may send, and everything that a node may answer.
    private static let client = Target(
        name: "client",
        seeds: {
            let put = PutRequest(key: [1], value: [2, 3]).encoded()
            let swap = CompareAndSwapRequest(key: [1], expectation: .revision(7), value: [2]).encoded()
            let range = RangeRequest(from: [1], upTo: [9], limit: 17, consistency: .linearizable).encoded()
            let get = GetResponse(found: KeyValue(key: [], value: [1, 2], revision: 3)).encoded()
            let page = KeyValuePage(entries: [KeyValue(key: [1], value: [2], revision: 3)], hasMore: true).encoded()
            let transaction = TxnRequest(
                KeyValueTransaction(if: [.absent([1])], then: [.put(key: [1], value: [2])], else: [.get([1])])
            ).encoded()
            let number = UInt8(messages.count - 2)
            return [[0] + put, [2] + swap, [4] + range, [19] + get, [20] + page, [number] + transaction]
        },
        run: { input in
            guard let kind = input.first else { return }
            let bytes = Array(input.dropFirst())
            let number = Int(kind) % (messages.count + 1)
            if number < messages.count {
                look(messages[number], bytes)
            } else {
                _ = try? SnapshotPiece(decoding: bytes, at: 0)
            }
        })

    private static let messages: [any ClientMessage.Type] = [
        PutRequest.self, DeleteRequest.self, CompareAndSwapRequest.self, GetRequest.self, RangeRequest.self,
        ChangeMembershipRequest.self, TransferLeadershipRequest.self, KeepSessionRequest.self,
        CloseSessionRequest.self, PushSnapshotRequest.self, ReadSnapshotRequest.self, StatusRequest.self,
        RegisterSessionRequest.self, ListSessionsRequest.self, TriggerSnapshotRequest.self, PutResult.self,
        DeleteResult.self, SwapResult.self, MemberStatus.self, GetResponse.self, KeyValuePage.self, SessionList.self,
        SnapshotSummary.self, ErrorDetail.self, RegisterSessionResponse.self, SessionResponse.self,
        ChangeMembershipResponse.self, TransferLeadershipResponse.self, ReloadCertificatesRequest.self,
        ReloadCertificatesResponse.self, TxnRequest.self, TransactionResult.self,
    ]

    private static func look<Message: ClientMessage>(_ type: Message.Type, _ bytes: [UInt8]) {
        again("\(type)", bytes, { try Message(decoding: $0) }, { $0.encoded() })
    }

    /// Entry records, and what the state machine and the sessions make of their payloads.
    private static let entries = Target(
        name: "entries",
        seeds: {
            var command: [UInt8] = []
            KeyValueCommand.put(key: [1], value: [2, 3]).encode(into: &command)
            return [
                [0] + batch().bytes, [1] + command,
                [2] + SessionOrder.keepAlive(SessionID(3), lowestUnanswered: 4).encoded,
            ]
        },
        run: { input in
            guard let kind = input.first else { return }
            let bytes = Array(input.dropFirst())
            switch kind % 4 {
            case 0:
                guard let batch = try? EntryBatch(parsing: repaired(bytes)) else { return }
                for position in 0..<batch.count { _ = try? EntryContent(batch[position]) }
                require(batch.byteCount == bytes.count, "\(batch.byteCount) of \(bytes.count) bytes were read")
                for maximum in [1, 40, bytes.count] {
                    let part = batch.prefix(maximumBytes: maximum)
                    require(part.first == batch.first && part.count >= 1, "a prefix begins elsewhere")
                }
            case 1: again("command", bytes, { try KeyValueCommand(decoding: $0[...]) }, encoded)
            case 2: again("session entry", bytes, { try SessionOrder(decoding: $0[...]) }, { $0.encoded })
            default: again("session table", bytes, { try SessionTable(decoding: $0) }, { $0.encoded })
            }
        })

    private static func encoded(_ command: KeyValueCommand) -> [UInt8] {
        var bytes: [UInt8] = []
        command.encode(into: &bytes)
        return bytes
    }

    /// The records' checksums made right, as far as their lengths make sense.
    private static func repaired(_ input: [UInt8]) -> [UInt8] {
        var rest = input[...]
        var bytes: [UInt8] = []
        while rest.count >= EntryRecord.headerSize {
            let length = rest.dropFirst(4).prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
            guard length <= rest.count - EntryRecord.headerSize else { break }
            let body = rest.dropFirst(4).prefix(EntryRecord.headerSize - 4 + length)
            let checksum = SnapshotChecksum.of(body, continuing: 0)
            withUnsafeBytes(of: checksum.littleEndian) { bytes += $0 }
            bytes += body
            rest = rest.dropFirst(EntryRecord.headerSize + length)
        }
        return bytes + rest
    }
}

/// A message of a client or an operator, or the answer to one.
private protocol ClientMessage {
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
extension TxnRequest: ClientMessage {}
extension TransactionResult: ClientMessage {}
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
