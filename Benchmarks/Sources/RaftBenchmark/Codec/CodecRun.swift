internal import Benchmarking
internal import Raft
internal import RaftKeyValue

/// One kind of message after the other, each beside its floors in turns.
struct CodecRun {
    private let pair: TransportPair
    private let command: CodecCommand
    private let clock = ContinuousClock()
    private let sample = SampleMessages()

    /// How many bytes are handed over at once, at most: the connection takes more, and nothing waits for credit.
    private static let burstBytes = 2 << 20
    private static let burstCount = 1000
    /// How many bytes of one kind there are in a pass, at most.
    static let passBytes = 32 << 20

    init(_ pair: TransportPair, _ command: CodecCommand) {
        self.pair = pair
        self.command = command
    }

    /// A message, what a packer would make of it, and whether it overtakes others on its way.
    private struct Kind {
        var name: String
        var request: PeerRequest
        var numbers: [UInt64]
        var bodyBytes: Int
        var isUrgent: Bool
    }

    func report(_ counts: [Int]) async throws -> CodecReport {
        let link = try await pair.link()
        defer { link.close() }
        var report = CodecReport(valueBytes: command.valueSize, messages: [])
        for kind in counts.map(append) + [heartbeat, vote] { report.messages.append(try await figures(kind, link)) }
        report.messages.append(try put())
        return report
    }

    // MARK: Kinds

    private func append(_ count: Int) -> Kind {
        let (request, bodyBytes) = sample.append(count, of: command.valueSize)
        return Kind(
            name: "append of \(count)", request: request,
            numbers: [sample.term, 1, sample.stream, sample.index, sample.term, sample.index, sample.index],
            bodyBytes: bodyBytes, isUrgent: false)
    }

    private var heartbeat: Kind {
        Kind(
            name: "heartbeat", request: sample.heartbeat,
            numbers: [
                sample.term, 1, sample.stream, sample.index, sample.index, sample.index, sample.stream, sample.index,
            ], bodyBytes: 0, isUrgent: true)
    }

    private var vote: Kind {
        Kind(
            name: "vote", request: sample.vote, numbers: [1, sample.term, 1, sample.term, sample.index, 3],
            bodyBytes: 0, isUrgent: true)
    }

    // MARK: Measuring

    private struct Samples {
        var (encode, decode, pack, unpack, copy): ([Double], [Double], [Double], [Double], [Double]) =
            ([], [], [], [], [])

        mutating func add(_ bare: BareMessage, encode: Double, decode: Double) {
            self.encode.append(encode)
            self.decode.append(decode)
            pack.append(bare.packNanoseconds)
            unpack.append(bare.unpackNanoseconds)
            copy.append(bare.copyNanoseconds)
        }

        func figures(_ name: String, bytes: Int, send: Double?, receive: Double?) -> CodecReport.Message {
            CodecReport.Message(
                name: name, bytes: bytes, encodeNanoseconds: median(encode), decodeNanoseconds: median(decode),
                packNanoseconds: median(pack), unpackNanoseconds: median(unpack), copyNanoseconds: median(copy),
                sendNanoseconds: send, receiveNanoseconds: receive)
        }
    }

    private func figures(_ kind: Kind, _ link: any PeerLink) async throws -> CodecReport.Message {
        var samples = Samples()
        var (sent, received): ([Double], [Double]) = ([], [])
        var bytes = 0
        // The first pass warms up.
        for pass in 0...command.pass.passes {
            let bare = try BareMessage.measure(kind.numbers, bodyBytes: kind.bodyBytes, rounds: command.messages)
            bytes = bare.packedBytes
            let plain = [UInt8](repeating: 7, count: bytes)
            let count = max(2, min(Self.burstCount, Self.burstBytes / bytes))
            let bursts = max(1, min(command.messages, Self.passBytes / bytes) / count)
            var (linkSend, linkReceive, plainSend, plainReceive) = (0.0, 0.0, 0.0, 0.0)
            for _ in 0..<bursts {
                let linked = try await pair.burst(kind.request, on: link, count: count)
                let streamed = try await pair.burst(plain, isUrgent: kind.isUrgent, count: count)
                linkSend += linked.sendNanoseconds / Double(bursts)
                linkReceive += linked.receiveNanoseconds / Double(bursts)
                plainSend += streamed.sendNanoseconds / Double(bursts)
                plainReceive += streamed.receiveNanoseconds / Double(bursts)
            }
            guard pass > 0 else { continue }
            samples.add(bare, encode: linkSend - plainSend, decode: linkReceive - plainReceive)
            sent.append(plainSend)
            received.append(plainReceive)
        }
        return samples.figures(kind.name, bytes: bytes, send: median(sent), receive: median(received))
    }

    private func put() throws -> CodecReport.Message {
        let put = KeyValueCommand.put(
            key: FixedKeys.key(1), value: [UInt8](repeating: 7, count: command.valueSize))
        var encoded: [UInt8] = []
        put.encode(into: &encoded)
        var samples = Samples()
        for pass in 0...command.pass.passes {
            // Without what the number takes, and the tag and length of the bytes.
            let bare = try BareMessage.measure([1], bodyBytes: encoded.count - 5, rounds: command.messages)
            var count = 0
            let encoding = clock.measure {
                for _ in 0..<command.messages {
                    var bytes: [UInt8] = []
                    put.encode(into: &bytes)
                    count += bytes.count
                }
            }
            guard count == encoded.count * command.messages else { throw BenchmarkError("a put has another length") }
            var last: KeyValueCommand?
            let decoding = try clock.measure {
                for _ in 0..<command.messages { last = try KeyValueCommand(decoding: encoded[...]) }
            }
            guard last == put else { throw BenchmarkError("a put was decoded to something else") }
            guard pass > 0 else { continue }
            let messages = Double(command.messages)
            samples.add(
                bare, encode: Double(encoding.nanoseconds) / messages, decode: Double(decoding.nanoseconds) / messages)
        }
        return samples.figures("put", bytes: encoded.count, send: nil, receive: nil)
    }
}
