internal import Foundation
internal import Glibc

/// What this machine does with nothing above it, measured in the same run as what is compared with it.
public struct Floors: Codable, Sendable {
    /// 4 KiB over zeros that were synced before, then fdatasync.
    public var fdatasync: Times.Summary
    /// 100 bytes there and back over one TLS connection on loopback.
    public var tlsRoundTrip: Times.Summary
    /// One bare TLS stream over loopback, in records of 16 KiB and slices of 128 KiB.
    public var tlsMebibytesPerSecond: Double

    /// - Parameters:
    ///   - directory: on the disk that the cluster's data is on.
    ///   - authority: paths of PEM files, as a node has them.
    public static func measure(
        in directory: String, certificate: String, key: String, authority: String, streamBytes: Int = 512 << 20
    ) throws -> Floors {
        let tls = try BareTLS.measure(
            .init(certificate: certificate, key: key, authority: authority), streamBytes: streamBytes,
            slice: 128 << 10, roundTrips: 2000, of: 100)
        return Floors(
            fdatasync: try fdatasyncs(directory + "/floor").summary, tlsRoundTrip: tls.roundTrips.summary,
            tlsMebibytesPerSecond: tls.bytesPerSecond / Double(1 << 20))
    }

    private static func fdatasyncs(_ path: String, count: Int = 500) throws -> Times {
        let file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw BenchmarkError("cannot make \(path)") }
        defer {
            close(file)
            unlink(path)
        }
        let page = [UInt8](repeating: 7, count: 4096)
        let zeros = [UInt8](repeating: 0, count: 4096 * count)
        guard pwrite(file, zeros, zeros.count, 0) == zeros.count, fsync(file) == 0 else {
            throw BenchmarkError("cannot write \(path)")
        }
        var times: [Int64] = []
        let clock = ContinuousClock()
        for number in 0..<count {
            let start = clock.now
            guard pwrite(file, page, page.count, off_t(number * page.count)) == page.count, Glibc.fdatasync(file) == 0
            else {
                throw BenchmarkError("cannot sync \(path)")
            }
            times.append((clock.now - start).nanoseconds)
        }
        return Times(times)
    }

    /// One line for each floor.
    public var text: String {
        """
        floor: 4 KiB + fdatasync p50 \(shown(fdatasync.p50Milliseconds)) ms, p99 \(shown(fdatasync.p99Milliseconds)) ms
        floor: TLS round trip p50 \(shown(tlsRoundTrip.p50Milliseconds)) ms, p99 \(shown(tlsRoundTrip.p99Milliseconds)) ms
        floor: one bare TLS stream \(shown(tlsMebibytesPerSecond)) MiB/s

        """
    }
}
