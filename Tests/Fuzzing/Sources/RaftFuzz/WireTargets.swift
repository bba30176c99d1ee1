internal import NIOCore
internal import RaftKeyValue

@testable internal import Raft
@testable internal import RaftTransport

/// What may come over a connection: from a stranger, a client, or a member that is not what it should be.
enum WireTargets {
    static let all: [Target] = [frames, peer, entries]

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
                .forward(
                    ForwardRequest(
                        sender: 2, id: 7, kind: .sessionCommand, onlyInTerm: 3, timeout: .milliseconds(1500),
                        caller: ForwardedCaller(identity: "raft://prod/client/app", method: "Put"), payload: [1, 2])),
                .timeoutNow(TimeoutNowRequest(term: 3, leader: 1, lastLog: LogID(term: 2, index: 4))),
                .heartbeat(
                    HeartbeatRequest(
                        term: 5, leader: 2, stream: StreamID(rawValue: 9), round: 1, commit: 1, leaderCommit: 1)),
                .append(
                    AppendRequest(
                        term: 5, leader: 2, stream: StreamID(rawValue: 9), sequence: 1,
                        previous: LogID(term: 2, index: 4), leaderCommit: 2,
                        entries: [batch()])),
                .snapshot(
                    SnapshotRequest(
                        term: 5, leader: 2, stream: StreamID(rawValue: 9), manifest: try manifest(), offset: 3,
                        checksum: SnapshotChecksum.of([1, 2, 3][...]), bytes: [1, 2, 3])),
            ]
            let replies: [PeerReply] = [
                .forward(ForwardReply(id: 7, result: .success([1, 2, 3]))),
                .forward(
                    ForwardReply(
                        id: 8,
                        result: .failure(RaftError(.notLeader, "ask", leader: LeaderHint(id: 3, address: "c:1"))))),
                .vote(VoteReply(phase: .vote, round: 1, term: 5, isGranted: true)),
                .heartbeat(HeartbeatReply(term: 5, stream: StreamID(rawValue: 9), round: 0, isRejected: false)),
                .append(
                    AppendReply(term: 5, stream: StreamID(rawValue: 9), sequence: 1, outcome: .accepted(through: 3))),
                .append(
                    AppendReply(
                        term: 5, stream: StreamID(rawValue: 9), sequence: 1,
                        outcome: .conflict(previous: 4, hint: LogID(term: 2, index: 3)))),
                .snapshot(
                    SnapshotReply(
                        term: 5, stream: StreamID(rawValue: 9), snapshot: try manifest().id,
                        outcome: .received(through: 3))),
                .readIndex(ReadIndexReply(term: 5, id: 9, index: 4)),
            ]
            let hello = Hello(
                cluster: "prod", node: 2, incarnation: Incarnation(rawValue: 7), bootstrap: 5,
                configuration: LogID(term: 1, index: 1))
            return requests.map { [0] + PeerCodec.encode($0) } + replies.map { [1] + PeerCodec.encode($0) }
                + [[2] + PeerCodec.encode(hello)]
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

    private static func manifest() throws -> SnapshotManifest {
        SnapshotManifest(
            id: SnapshotID(builder: Incarnation(rawValue: 7), number: 3), last: LogID(term: 2, index: 9),
            configuration: try ClusterConfiguration(voters: [
                .init(id: 1, address: "a:1"), .init(id: 2, address: "b:2"),
            ]),
            configurationID: LogID(term: 1, index: 1), bootstrap: 5, byteCount: 10, checksum: 1)
    }

    private static func batch() -> EntryBatch {
        var builder = EntryBatch.Builder(first: 5, term: 2)
        builder.append(.command, [1, 2, 3])
        builder.append(.sessionCommand, Array(repeating: 1, count: 30))
        return builder.finish()!
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
