internal import Raft
internal import RaftClient
internal import RaftTransport

/// Decides for whom the leader takes a write that another member passes on: for nobody to whom it would not have
/// answered the same call itself.
package struct ForwardedCallers: Sendable {
    private let cluster: String
    private let methods: [String: Method]

    /// - Parameter cluster: the only one whose identities count.
    package init(cluster: String) {
        self.cluster = cluster
        methods = Dictionary(ClientMethods.forwarded.map { ($0.name, $0) }) { first, _ in first }
    }

    /// Why a write is not taken; nil to take it. The identity is read as strictly as that of a certificate.
    package func refusal(identity: String, method name: String) -> String? {
        let principal: Principal
        do throws(RaftError) { principal = try Principal(uri: identity) } catch { return error.message }
        guard principal.cluster == cluster else {
            return "\(principal) is of another cluster than \(cluster)"
        }
        guard let method = methods[name] else {
            return "no method \"\(name)\" is passed on; those are \(methods.keys.sorted())"
        }
        guard method.roles.contains(principal.role) else {
            return
                "\(name) is for \(method.roles.map(\.rawValue).sorted().joined(separator: ", ")), not for \(principal)"
        }
        return nil
    }
}
