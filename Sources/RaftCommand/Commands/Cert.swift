internal import ArgumentParser

struct Cert: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make, read, judge, renew and revoke certificates.",
        subcommands: [
            CertCA.self, CertIssue.self, CertInspect.self, CertVerify.self, CertRotate.self, CertRevoke.self,
            CertReload.self,
        ])
}
