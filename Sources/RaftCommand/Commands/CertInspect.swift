internal import ArgumentParser
internal import Foundation
internal import Raft
internal import RaftTransport

struct CertInspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Print what a certificate says.", discussion: Failure.exitCodeHelp)

    @Argument(help: "A PEM file.") var file: String
    @Option(name: [.customShort("o"), .customLong("output")], help: "How to print: table or json.")
    var output = OutputFormat.table

    func run() throws {
        let info: CertificateInfo
        do { info = try CertificateInfo.inspect(file) } catch { throw Failure(error) }
        switch output {
        case .table:
            for (name, value) in Self.lines(info) {
                try Console.out(
                    name + String(repeating: " ", count: 13 - name.count) + ByteText.shown(Array(value.utf8)) + "\n")
            }
        case .json: try Console.out(Self.json(info).text + "\n")
        }
    }

    static func lines(_ info: CertificateInfo) -> [(String, String)] {
        [
            ("identity", info.uris.joined(separator: ", ")), ("subject", info.subject), ("issuer", info.issuer),
            ("hosts", (info.dns + info.ips).joined(separator: ", ")), ("valid from", time(info.notBefore)),
            ("valid until", time(info.notAfter)), ("authority", info.isCA ? "yes" : "no"), ("key", info.keyType),
            ("serial", info.serial), ("fingerprint", info.fingerprint),
        ].filter { !$0.1.isEmpty }
    }

    static func json(_ info: CertificateInfo) -> JSON {
        .object([
            .init("uris", .array(info.uris.map { .string($0) })), .init("subject", .string(info.subject)),
            .init("issuer", .string(info.issuer)), .init("dns", .array(info.dns.map { .string($0) })),
            .init("ips", .array(info.ips.map { .string($0) })), .init("notBefore", .string(time(info.notBefore))),
            .init("notAfter", .string(time(info.notAfter))), .init("isCA", .bool(info.isCA)),
            .init("keyType", .string(info.keyType)), .init("serial", .string(info.serial)),
            .init("fingerprint", .string(info.fingerprint)),
        ])
    }

    /// Seconds since 1970 as ISO 8601, in UTC.
    static func time(_ seconds: Int64) -> String {
        Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
    }
}
