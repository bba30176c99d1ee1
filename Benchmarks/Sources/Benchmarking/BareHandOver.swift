internal import CBareFloors
internal import Glibc

/// Messages between threads by a mutex and a condition, with nothing above them.
public enum BareHandOver {
    /// Numbers from several threads to one.
    ///
    /// - Returns: how many a second, and how many each time that the receiver found some.
    public static func rate(producers: Int, count: Int) throws -> (perSecond: Double, perWake: Double) {
        var (time, takes): (UInt64, UInt64) = (0, 0)
        try check(bare_hand_over(producers, UInt64(count), &time, &takes))
        let handed = Double(count / producers * producers)
        return (handed * 1e9 / Double(time), handed / Double(takes))
    }

    /// There and back between two threads.
    public static func roundTrips(_ count: Int) throws -> Times {
        var times = [UInt64](repeating: 0, count: count)
        try check(bare_round_trips(count, &times))
        return Times(times.map { Int64($0) })
    }

    private static func check(_ code: Int32) throws {
        guard code == 0 else { throw BenchmarkError("bare threads: \(String(cString: strerror(code)))") }
    }
}
