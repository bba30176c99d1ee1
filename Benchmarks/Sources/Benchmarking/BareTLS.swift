internal import CBareTLS

/// TLS with nothing above it, on loopback, within this process.
public enum BareTLS {
    /// Paths of PEM files, as a node has them.
    public struct Files: Sendable {
        public var certificate: String
        public var key: String
        public var authority: String
    }

    /// One way, in slices of so many bytes.
    public static func stream(_ files: Files, bytes: Int, slice: Int) throws -> Double {
        try measure(files, streamBytes: bytes, slice: slice, roundTrips: 0, of: 1).bytesPerSecond
    }

    /// So many bytes there and back.
    public static func roundTrips(_ files: Files, count: Int, of bytes: Int) throws -> Times {
        try measure(files, streamBytes: 0, slice: 1, roundTrips: count, of: bytes).roundTrips
    }

    /// First the round trips, then the stream, on one connection.
    static func measure(
        _ files: Files, streamBytes: Int, slice: Int, roundTrips: Int, of pingBytes: Int
    ) throws -> (roundTrips: Times, bytesPerSecond: Double) {
        var times = [UInt64](repeating: 0, count: roundTrips)
        var rate = 0.0
        var reason = [CChar](repeating: 0, count: 300)
        let code = bare_tls_measure(
            files.certificate, files.key, files.authority, UInt64(streamBytes), slice, times.count, pingBytes, &times,
            &rate, &reason, reason.count)
        guard code == 0 else {
            let text = String(decoding: reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            throw BenchmarkError("bare TLS: \(text)")
        }
        return (Times(times.map { Int64($0) }), rate)
    }

    /// AES-128-GCM alone, in bytes a second, over records of this size.
    public static func sealing(recordBytes: Int, bytes: Int) throws -> Double {
        var rate = 0.0
        guard bare_aes_gcm_measure(recordBytes, UInt64(bytes), &rate) == 0 else {
            throw BenchmarkError("this OpenSSL cannot do AES-128-GCM; install one that can")
        }
        return rate
    }
}
