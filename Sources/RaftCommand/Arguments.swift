internal import ArgumentParser
internal import Raft

/// A time as people write it: `5s`, `500ms`, `2m`.
///
/// The unit is part of it: some programs mean milliseconds by a bare number and some seconds, and 1500 s of election
/// timeout leave a cluster without a leader for half an hour.
struct TimeArgument: Hashable, CustomStringConvertible {
    let duration: Duration

    init(_ duration: Duration) { self.duration = duration }

    var description: String { duration.formatted }

    /// - Throws: a sentence that says what is wrong with `text`, to follow the name of its flag.
    init(parsing text: String) throws(ArgumentProblem) {
        if Double(text)?.isFinite == true, text != "0" {
            throw ArgumentProblem("\"\(text)\" has no unit; write \(text)ms or \(text)s")
        }
        let units: [(suffix: String, milliseconds: Double)] = [("ms", 1), ("s", 1000), ("m", 60_000)]
        let milliseconds = units.first { text.hasSuffix($0.suffix) }.flatMap { unit in
            Double(text.dropLast(unit.suffix.count)).map { ($0 * unit.milliseconds).rounded() }
        }
        // A day at most: whoever asks for more has made a mistake.
        guard let milliseconds, milliseconds >= 1, milliseconds <= 86_400_000 else {
            throw ArgumentProblem(
                "\"\(text)\" is no time from 1ms to 1440m; write a number and ms, s or m, such as 500ms, 5s or 2m")
        }
        duration = .milliseconds(Int64(milliseconds))
    }
}

/// What is wrong with an argument, as a sentence for the parser to print.
struct ArgumentProblem: Error, Hashable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
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

    /// Ids, such as `4,5,6`.
    static func ids(_ text: String) throws(Failure) -> [NodeID] {
        var ids: [NodeID] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let number = UInt64(part), number > 0, !ids.contains(NodeID(number)) else {
                throw Failure(.usage, "\"\(part)\" in \"\(text)\": write each voter's id once, such as 4,5,6")
            }
            ids.append(NodeID(number))
        }
        return ids
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
