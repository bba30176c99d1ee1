internal import ArgumentParser
internal import RaftClient
internal import RaftTransport

struct CertReload: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Let every node read its certificates and revocation lists anew, and say what came of it.",
        discussion: """
            They do by themselves when the files change. Leaves with 1 when a node kept its old ones, with 4 when one did \
            not answer.

            \(Failure.exitCodeHelp)
            """)

    @OptionGroup var options: ClientOptions

    func run() async throws {
        let answers = try await options.withClient(.admin) { client, context in
            var answers: [Answer] = []
            for endpoint in context.endpoints {
                do throws(RaftClientError) {
                    let (certificates, dropped) = try await client.reloadCertificates(of: endpoint)
                    answers.append(Answer(endpoint: endpoint, result: .success((certificates, dropped))))
                } catch {
                    answers.append(Answer(endpoint: endpoint, result: .failure(error)))
                }
            }
            return answers
        }
        switch options.output {
        case .table: for answer in answers { try Console.out(answer.line + "\n", orLeaveWith: .unwritten) }
        case .json:
            try Console.out(JSON.array(answers.map(\.json)).text + "\n", orLeaveWith: .unwritten)
        }
        for answer in answers { if case .failure(let error) = answer.result { throw Failure(error) } }
    }

    struct Answer {
        let endpoint: String
        let result: Result<(MemberStatus.Certificates, UInt64), RaftClientError>

        var line: String {
            switch result {
            case .success((let now, let dropped)):
                "\(endpoint): \(now.identity) until \(CertInspect.time(now.notAfter)), \(now.revokedCount) revoked; ended \(dropped) connections"
            case .failure(let error): error.message
            }
        }

        var json: JSON {
            let now = try? result.get()
            let problem: String? = if case .failure(let error) = result { error.message } else { now?.0.problem }
            return .object([
                .init("address", .string(endpoint)), .init("identity", .string(now?.0.identity)),
                .init("notAfter", .string(now.map { CertInspect.time($0.0.notAfter) })),
                .init("revoked", .number(now?.0.revokedCount)), .init("ended", .number(now?.1)),
                .init("problem", .string(problem)),
            ])
        }
    }
}
