internal import ArgumentParser
internal import RaftClient
internal import RaftTransport

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask every node how it is; works without a leader.",
        discussion: """
            Leaves with 0 when at least one node answered.

            \(Failure.exitCodeHelp)
            """)

    @OptionGroup var options: ClientOptions

    func run() async throws {
        let status = try await options.withClient(.admin) { client, context in
            try await Self.gather(client, context)
        }
        switch options.output {
        case .table:
            try Console.out("cluster \(status.cluster), term \(status.term)\n")
            try Console.out(status.table.text(color: Console.usesColor))
            for note in status.notes { try Console.out("\(note)\n") }
        case .json: try Console.out(status.json.text + "\n")
        }
    }

    /// Asks the endpoints at once, then the members that they name beside them.
    ///
    /// - Throws: when nobody answers.
    static func gather(_ client: KeyValueClient, _ context: ClusterContext) async throws -> ClusterStatus {
        var answers = await ask(client, context.endpoints)
        answers += await ask(client, ClusterStatus.missing(answers))
        if !answers.contains(where: { (try? $0.result.get()) != nil }) {
            var errors: [RaftClientError] = []
            for answer in answers { if case .failure(let error) = answer.result { errors.append(error) } }
            let isRefused = errors.allSatisfy { $0.code == .notAuthorized }
            throw RaftClientError(
                isRefused ? .notAuthorized : .unavailable, errors.map(\.message).joined(separator: "; "))
        }
        return ClusterStatus(cluster: context.cluster, answers: answers)
    }

    private static func ask(
        _ client: KeyValueClient, _ endpoints: [String]
    ) async -> [(endpoint: String, result: Result<MemberStatus, RaftClientError>)] {
        await withTaskGroup { group in
            for (position, endpoint) in endpoints.enumerated() {
                group.addTask {
                    let result: Result<MemberStatus, RaftClientError>
                    do throws(RaftClientError) {
                        result = .success(try await client.status(of: endpoint))
                    } catch {
                        result = .failure(error)
                    }
                    return (position, result)
                }
            }
            var results: [(position: Int, result: Result<MemberStatus, RaftClientError>)] = []
            for await (position, result) in group { results.append((position, result)) }
            return results.sorted { $0.position < $1.position }.map { (endpoints[$0.position], $0.result) }
        }
    }
}
