internal import ArgumentParser
internal import Raft
internal import RaftTransport

struct CertIssue: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "issue",
        abstract: "Issue a certificate for a node, a client or an administrator.",
        discussion: """
            The certificate names its holder as raft://CLUSTER/ROLE/NAME; a node's name is its id.

              raft cert issue --cluster prod --role peer --name 1 --cert node-1.pem --key node-1-key.pem

            \(Failure.exitCodeHelp)
            """)

    @Option(help: "The cluster's name.") var cluster: String
    @Option(help: "peer (a node), client, client-read (reads only), admin or metrics.") var role: RoleArgument
    @Option(help: "A node's id, or the name of a client or administrator.") var name: String
    @Option(help: ArgumentHelp("A DNS name or address to add; may be given more than once.", valueName: "host"))
    var host: [String] = []
    @Option(help: ArgumentHelp("The authority's certificate.", valueName: "file")) var ca = "ca.pem"
    @Option(help: ArgumentHelp("The authority's key.", valueName: "file")) var caKey = "ca-key.pem"
    @Option(help: ArgumentHelp("Where the certificate goes. Default: ROLE-NAME.pem", valueName: "file"))
    var cert: String?
    @Option(
        help: ArgumentHelp(
            "Where the key goes; made readable for you alone. Default: ROLE-NAME-key.pem", valueName: "file"))
    var key: String?
    @Option(help: "How many days it is valid.") var days = 365

    func validate() throws { try Self.checkDays(days) }

    static func checkDays(_ days: Int) throws {
        guard (1...36_500).contains(days) else { throw ValidationError("--days \(days): 1 to 36500") }
    }

    func run() throws {
        let cert = cert ?? "\(role.role)-\(name).pem"
        let key = key ?? "\(role.role)-\(name)-key.pem"
        do throws(RaftError) {
            let principal = try Principal(cluster: cluster, role: role.role, name: name)
            let authority = try CertificateAuthority(certificate: ca, key: caKey)
            let issued = try authority.issue(principal, hosts: host, validity: .seconds(days * 86_400))
            try issued.write(certificate: cert, key: key)
        } catch {
            throw Failure(error)
        }
        try Console.out("\(cert)\n\(key)\n", orLeaveWith: .unwritten)
    }
}

/// A ``Role`` as an argument: its own conformance would be part of RaftTransport's surface.
struct RoleArgument: ExpressibleByArgument {
    let role: Role
    init?(argument: String) {
        guard let role = Role(rawValue: argument) else { return nil }
        self.role = role
    }
    static var allValueStrings: [String] { Role.allCases.map(\.rawValue) }
}
