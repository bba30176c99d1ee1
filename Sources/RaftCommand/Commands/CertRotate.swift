internal import ArgumentParser
internal import Raft
internal import RaftTransport

struct CertRotate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate",
        abstract: "Put a new certificate with a new key in the place of an old pair.",
        discussion: """
            The new one is for the same holder and hosts as the old one, which may have expired. A node that runs takes it \
            by itself within a second, and keeps the old one if anything is wrong with it: see `raft status`.

              raft cert rotate --cert node-1.pem --key node-1-key.pem

            \(Failure.exitCodeHelp)
            """)

    @Option(help: ArgumentHelp("The certificate to replace.", valueName: "file")) var cert: String
    @Option(help: ArgumentHelp("Its key, which is replaced too.", valueName: "file")) var key: String
    @Option(help: ArgumentHelp("The authority's certificate.", valueName: "file")) var ca = "ca.pem"
    @Option(help: ArgumentHelp("The authority's key.", valueName: "file")) var caKey = "ca-key.pem"
    @Option(help: "How many days the new one is valid.") var days = 365

    func validate() throws { try CertIssue.checkDays(days) }

    func run() throws {
        let new: CertificateInfo
        do throws(RaftError) {
            let authority = try CertificateAuthority(certificate: ca, key: caKey)
            new = try authority.renew(certificate: cert, key: key, validity: .seconds(days * 86_400))
        } catch {
            throw Failure(error)
        }
        try Console.out(
            "\(new.uris.first ?? "") until \(CertInspect.time(new.notAfter))\n", orLeaveWith: .unwritten)
    }
}
