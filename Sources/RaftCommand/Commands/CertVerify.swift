internal import ArgumentParser
internal import Raft
internal import RaftTransport

struct CertVerify: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Say which rule a certificate would break at a node, without asking one.",
        discussion: """
            Judges as a node does that has this CA file and these revocation lists. Leaves with 1 when a rule is broken.

              raft cert verify peer-2.pem --cluster prod --node 2 --key peer-2-key.pem
              raft cert verify client-app.pem --cluster prod --crl crl.pem

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "A PEM file: the certificate, and the intermediates behind it.") var file: String
    @Option(help: ArgumentHelp("Its key, to be judged too.", valueName: "file")) var key: String?
    @Option(help: "The cluster's name.") var cluster: String
    @Option(help: ArgumentHelp("The node's CA file.", valueName: "file")) var ca = "ca.pem"
    @Option(help: ArgumentHelp("The node's revocation lists.", valueName: "file")) var crl: String?
    @Option(
        help: "peer, client, client-read, admin or metrics: what it is to be used for. Default: the role that it names."
    )
    var `for`: RoleArgument?
    @Option(help: ArgumentHelp("Which node it must be.", valueName: "id"), transform: { try NodeArgument(parsing: $0) })
    var node: NodeArgument?
    @Option(name: [.customShort("o"), .customLong("output")], help: "How to print: table or json.")
    var output = OutputFormat.table

    func run() throws {
        let findings: [CertificateCheck.Finding]
        do throws(RaftError) {
            let use = try purpose()
            let check = CertificateCheck(
                ca: ca, crl: crl, cluster: cluster, purpose: use.purpose, roles: [use.role], node: node?.id)
            findings = try check.findings(file, key: key)
        } catch {
            throw Failure(error)
        }
        switch output {
        case .table: try Console.out(Self.text(findings))
        case .json: try Console.out(Self.json(findings).text + "\n")
        }
        if findings.contains(where: { $0.problem != nil }) { throw Failure(.refused, "") }
    }

    private func purpose() throws(RaftError) -> (purpose: Purpose, role: Role) {
        let named = (try? CertificateInfo.inspect(file))?.uris.lazy.compactMap { try? Principal(uri: $0).role }.first
        switch node != nil ? .peer : self.for?.role ?? named ?? .client {
        case .peer: return (.peer, .peer)
        case .client: return (.client, .client)
        case .clientRead: return (.client, .clientRead)
        case .admin: return (.admin, .admin)
        case .metrics: return (.metrics, .metrics)
        }
    }

    static func text(_ findings: [CertificateCheck.Finding]) -> String {
        findings.map { finding in
            let problem = finding.problem.map { ": " + ByteText.shown(Array($0.utf8), keepingBackslash: true) }
            return "\(problem == nil ? "yes" : "NO ")  \(finding.rule)\(problem ?? "")\n"
        }.joined()
    }

    static func json(_ findings: [CertificateCheck.Finding]) -> JSON {
        .object([
            .init("accepted", .bool(!findings.contains { $0.problem != nil })),
            .init(
                "rules",
                .array(
                    findings.map {
                        .object([.init("rule", .string($0.rule)), .init("problem", .string($0.problem))])
                    })),
        ])
    }
}
