internal import ArgumentParser
internal import Raft
internal import RaftTransport

struct CertCA: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ca",
        abstract: "Make an authority that signs the certificates of a cluster.",
        discussion: """
            Writes two new files. Who has the key can make a certificate of any role: keep it away from the nodes.

            \(Failure.exitCodeHelp)
            """)

    @Option(help: "The authority's name.") var name = "raft"
    @Option(help: ArgumentHelp("Where its certificate goes.", valueName: "file")) var cert = "ca.pem"
    @Option(help: ArgumentHelp("Where its key goes; made readable for you alone.", valueName: "file"))
    var key = "ca-key.pem"
    @Option(help: "How many days it is valid.") var days = 3650

    func validate() throws { try CertIssue.checkDays(days) }

    func run() throws {
        do throws(RaftError) {
            let authority = try CertificateAuthority(name: name, validity: .seconds(days * 86_400))
            try authority.write(certificate: cert, key: key)
        } catch {
            throw Failure(error)
        }
        try Console.out("\(cert)\n\(key)\n", orLeaveWith: .unwritten)
    }
}
