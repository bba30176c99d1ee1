internal import COpenSSL
internal import Glibc

/// Moments as certificates have them: seconds since 1970-01-01 UTC.
enum UTC {
    static var now: Int64 { Int64(time(nil)) }

    /// As ISO 8601, such as `2026-11-29T22:30:00Z`.
    static func text(_ seconds: Int64) -> String {
        var moment = time_t(seconds)
        var parts = tm()
        guard gmtime_r(&moment, &parts) != nil else { return "\(seconds) s after 1970" }
        func two(_ number: Int32) -> String { (number < 10 ? "0" : "") + "\(number)" }
        let date = "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        return "\(date)T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
    }
}
