internal import Raft

/// `host:port`, or `[v6 address]:port`.
struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    let host: String
    let port: Int

    /// - Throws: ``RaftError/Code/transport`` unless there is a host and a port from 0 to 65535.
    init(_ text: String) throws(RaftError) {
        func refuse(_ reason: String) -> RaftError {
            RaftError(.transport, "address \"\(text)\" \(reason); write host:port, such as 10.0.0.1:7001 or [::1]:7001")
        }
        guard let colon = text.lastIndex(of: ":") else { throw refuse("has no port") }
        var host = text[..<colon]
        if host.first == "[" || host.last == "]" {
            guard host.first == "[", host.last == "]", host.count > 2 else { throw refuse("has an unmatched bracket") }
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw refuse("has more than one colon; put an IPv6 address in brackets")
        }
        guard !host.isEmpty, host.utf8.count <= 253, host.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
            throw refuse("has no usable host")
        }
        let digits = text[text.index(after: colon)...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let port = Int(digits), port <= 65_535
        else { throw refuse("has a port that is not a number from 0 to 65535") }
        self.host = String(host)
        self.port = port
    }

    var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
