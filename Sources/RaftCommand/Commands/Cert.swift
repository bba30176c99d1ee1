internal import ArgumentParser

struct Cert: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make and read certificates.",
        subcommands: [CertCA.self, CertIssue.self, CertInspect.self])
}
