internal import ArgumentParser
internal import Raft

/// A time as people write it: `5s`, `500ms`, `2m`; a number alone is seconds.
struct TimeArgument: ExpressibleByArgument, Hashable {
    let duration: Duration

    init(_ duration: Duration) { self.duration = duration }

    var defaultValueDescription: String { duration.formatted }

    init?(argument: String) {
        let units: [(suffix: String, milliseconds: Double)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("", 1000)]
        let unit = units.first { argument.hasSuffix($0.suffix) }!
        guard let number = Double(argument.dropLast(unit.suffix.count)), number.isFinite, number > 0 else { return nil }
        let milliseconds = (number * unit.milliseconds).rounded()
        // A day at most: whoever asks for more has made a mistake.
        guard milliseconds >= 1, milliseconds <= 86_400_000 else { return nil }
        duration = .milliseconds(Int64(milliseconds))
    }
}

/// `1=host:port,2=host:port,…`
enum MembersArgument {
    static func parse(_ text: String) throws(Failure) -> ClusterConfiguration {
        var members: [ClusterConfiguration.Member] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", maxSplits: 1)
            guard sides.count == 2, let id = UInt64(sides[0]) else {
                throw Failure(
                    .usage, "--members: \"\(part)\" is not ID=HOST:PORT; write 1=a.example:7001,2=b.example:7001")
            }
            try checkAddress(String(sides[1]), "--members")
            members.append(.init(id: NodeID(id), address: String(sides[1])))
        }
        do {
            return try ClusterConfiguration(voters: members)
        } catch {
            throw Failure(.usage, "--members: \(error.message)")
        }
    }

    /// - Parameter anyPort: port 0, which lets the kernel choose, is allowed.
    static func checkAddress(_ address: String, _ name: String, anyPort: Bool = false) throws(Failure) {
        guard let colon = address.lastIndex(of: ":"), colon != address.startIndex,
            let port = UInt16(address[address.index(after: colon)...]), anyPort || port > 0
        else {
            throw Failure(.usage, "\(name): \"\(address)\" is not HOST:PORT; write a.example:7001 or [::1]:7001")
        }
        let host = address[..<colon]
        guard !host.contains(":") || (host.hasPrefix("[") && host.hasSuffix("]")) else {
            throw Failure(
                .usage, "\(name): \"\(address)\" has more than one colon; write an IPv6 address as [::1]:7001")
        }
    }
}

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table, json
}

extension Duration {
    /// As people write it: `5 s`, `500 ms`.
    var formatted: String {
        let (seconds, attoseconds) = components
        let milliseconds = attoseconds / 1_000_000_000_000_000
        return milliseconds == 0 ? "\(seconds) s" : "\(seconds * 1000 + milliseconds) ms"
    }
}
