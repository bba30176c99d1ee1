internal import ArgumentParser
internal import Raft
internal import RaftTransport

struct CertRevoke: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Add certificates to an authority's revocation list, or renew the list.",
        discussion: """
            The list is made when there is none; lists of other authorities in the file stay. Bring the file to every node: \
            each takes it by itself within a second, and ends the connections of whom it names. A list must be renewed \
            before --days are over: run this without a certificate.

              raft cert revoke client-app.pem
              raft cert revoke

            \(Failure.exitCodeHelp)
            """)

    @Argument(help: "PEM files of what to revoke; none to renew the list.") var certificates: [String] = []
    @Option(help: ArgumentHelp("The file of lists.", valueName: "file")) var crl = "crl.pem"
    @Option(help: ArgumentHelp("The authority's certificate.", valueName: "file")) var ca = "ca.pem"
    @Option(help: ArgumentHelp("The authority's key.", valueName: "file")) var caKey = "ca-key.pem"
    @Option(help: "How many days the list is good.") var days = 30

    func validate() throws { try CertIssue.checkDays(days) }

    func run() throws {
        let list: RevocationSummary
        do throws(RaftError) {
            let authority = try CertificateAuthority(certificate: ca, key: caKey)
            list = try authority.revoke(certificates, in: crl, validity: .seconds(days * 86_400))
        } catch {
            throw Failure(error)
        }
        try Console.out(
            "\(crl): list \(list.number) of \(list.issuer), \(list.serials.count) revoked, next due \(list.nextUpdate.map(CertInspect.time) ?? "never")\n",
            orLeaveWith: .unwritten)
    }
}
