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

    /// A whole file, for people who write one.
    static let example = """
        {"cluster": "prod", "endpoints": ["a.example:7001", "b.example:7001"], "ca": "ca.pem",
         "client": {"certificate": "client.pem", "key": "client-key.pem"},
         "admin": {"certificate": "admin.pem", "key": "admin-key.pem"}}
        """

    /// Reads a context file, or the one in a directory. Relative paths in it are meant from the file's own directory.
    static func load(_ path: String) throws(Failure) -> ClusterContext {
        var isDirectory: ObjCBool = false
        let path =
            FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory.boolValue
            ? (path.hasSuffix("/") ? path : path + "/") + "context.json" : path
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw Failure(
                .usage,
                "no context file at \(path); start a cluster here with `raft dev`, or name one with --context or RAFT_CONTEXT. For a cluster made by hand, write one: \(example.split(separator: "\n").joined())"
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
