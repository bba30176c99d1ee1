internal import Benchmarking

/// What a run of `codec` found.
struct CodecReport: Codable, Sendable {
    /// One kind of message; medians of the passes, for each message.
    struct Message: Codable, Sendable {
        var name: String
        /// Packed.
        var bytes: Int
        var encodeNanoseconds: Double
        var decodeNanoseconds: Double
        /// By bare libprotobuf-c.
        var packNanoseconds: Double
        var unpackNanoseconds: Double
        /// By memcpy, once.
        var copyNanoseconds: Double
        /// What handing over as many plain bytes takes, and receiving them; nil where nothing is sent.
        var sendNanoseconds: Double?
        var receiveNanoseconds: Double?

        var encodeRatio: Double { encodeNanoseconds / packNanoseconds }
        var decodeRatio: Double { decodeNanoseconds / unpackNanoseconds }
        /// Of one that encodes and one that decodes, one after the other.
        var mebibytesPerSecond: Double {
            Double(bytes) / (encodeNanoseconds + decodeNanoseconds) * 1e9 / Double(1 << 20)
        }
    }

    var valueBytes: Int
    var messages: [Message]

    var text: String {
        var table = TextTable([
            "MESSAGE", "BYTES", "ENCODE NS", "PACK", "TIMES", "DECODE NS", "UNPACK", "TIMES", "BOTH MIB/S", "MEMCPY NS",
            "SENDING NS", "RECEIVING NS",
        ])
        for message in messages {
            table.add([
                message.name, "\(message.bytes)", shown(message.encodeNanoseconds), shown(message.packNanoseconds),
                shown(message.encodeRatio), shown(message.decodeNanoseconds), shown(message.unpackNanoseconds),
                shown(message.decodeRatio), shown(message.mebibytesPerSecond), shown(message.copyNanoseconds),
                shown(message.sendNanoseconds), shown(message.receiveNanoseconds),
            ])
        }
        return table.text + "entries and values of \(valueBytes) bytes\n"
    }
}
