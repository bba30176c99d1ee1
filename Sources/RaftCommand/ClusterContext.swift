internal import Foundation

/// A context file: where a cluster is, and the certificates to speak to it with.
struct ClusterContext: Codable, Hashable {
    /// A certificate with its key, as paths of PEM files.
    struct Credentials: Codable, Hashable {
        var certificate: String
        var key: String
    }

    var cluster: String
    /// `host:port` of the nodes.
    var endpoints: [String]
    /// The authority that signed the nodes' certificates.
    var ca: String
    /// For put, get, delete, range and cas.
    var client: Credentials?
    /// For status.
    var admin: Credentials?

    /// Reads a context file. Relative paths in it are meant from its own directory.
    static func load(_ path: String) throws(Failure) -> ClusterContext {
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw Failure(
                .usage,
                "no context file at \(path); start a cluster here with `raft dev`, or name one with --context or RAFT_CONTEXT"
            )
        }
        var context: ClusterContext
        do {
            context = try JSONDecoder().decode(ClusterContext.self, from: bytes)
        } catch {
            throw Failure(.usage, "\(path) is not a context file: \(reason(error))")
        }
        guard !context.endpoints.isEmpty else { throw Failure(.usage, "\(path) names no endpoints") }
        for endpoint in context.endpoints { try MembersArgument.checkAddress(endpoint, path) }
        let directory = URL(fileURLWithPath: path).deletingLastPathComponent()
        func absolute(_ path: String) -> String {
            URL(fileURLWithPath: path, relativeTo: directory).standardizedFileURL.path
        }
        func absolute(_ credentials: Credentials) -> Credentials {
            Credentials(certificate: absolute(credentials.certificate), key: absolute(credentials.key))
        }
        context.ca = absolute(context.ca)
        context.client = context.client.map(absolute)
        context.admin = context.admin.map(absolute)
        return context
    }

    private static func reason(_ error: any Error) -> String {
        guard let error = error as? DecodingError else { return "\(error)" }
        return switch error {
        case .keyNotFound(let key, _): "\"\(key.stringValue)\" is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            "\"\(context.codingPath.map(\.stringValue).joined(separator: "."))\" is of another type"
        default: "it is not JSON"
        }
    }

    /// Writes the file whole or not at all.
    func write(_ path: String) throws(Failure) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do {
            try encoder.encode(self).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw Failure(.refused, "cannot write \(path): \(error.localizedDescription)")
        }
    }
}
