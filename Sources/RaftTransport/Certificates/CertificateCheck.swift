internal import COpenSSL
public import Raft

/// Which rules a certificate keeps, judged without a connection by what connections are judged by.
public struct CertificateCheck: Sendable {
    /// One rule, and what the certificate does to break it; nil when it keeps it.
    public struct Finding: Hashable, Sendable {
        public let rule: String
        public let problem: String?
    }

    /// What to judge against: a node of this cluster, and what it trusts.
    public var ca: String
    public var crl: String?
    public var revocation: RevocationPolicy
    public var cluster: String
    /// What the holder connects for, and the roles that may.
    public var purpose: Purpose
    public var roles: Set<Role>
    /// Which node it must be; nil for any.
    public var node: NodeID?

    public init(
        ca: String, crl: String? = nil, revocation: RevocationPolicy = .failClosed, cluster: String, purpose: Purpose,
        roles: Set<Role>, node: NodeID? = nil
    ) {
        self.ca = ca
        self.crl = crl
        self.revocation = revocation
        self.cluster = cluster
        self.purpose = purpose
        self.roles = roles
        self.node = node
    }

    /// Judges the certificate in a PEM file, and the intermediates behind it.
    ///
    /// - Parameter key: its key's file, to be judged too.
    /// - Throws: ``RaftError/Code/transport`` when what to judge against cannot be read.
    public func findings(_ certificate: String, key: String? = nil) throws(RaftError) -> [Finding] {
        let authorities = try X509Certificate.all(in: SecureFile.read(ca, .authority), path: ca, .authority)
        let lists = try crl.map { path throws(RaftError) in
            try RevocationList.all(in: SecureFile.read(path, .list), path: path)
        }
        let chain: [X509Certificate]
        do throws(RaftError) {
            chain = try X509Certificate.all(
                in: SecureFile.read(certificate, .certificate), path: certificate, .certificate)
        } catch {
            return [Finding(rule: "is a certificate", problem: error.message)]
        }
        let leaf = chain[0]
        let above = Array(chain.dropFirst())
        var findings = [Finding(rule: "is a certificate", problem: nil)]
        func note(_ rule: String, _ problem: String?) { findings.append(Finding(rule: rule, problem: problem)) }

        if let key { note("has its key, for its owner alone", Self.problem(of: key, leaf)) }
        let trust = try TrustStore(authorities, lists: nil, revocation)
        let now = trust.refusal(of: leaf, chain: above, as: nil)
        note("is within its time", now.flatMap { $0.isOfTime ? $0.text : nil })
        let origin = trust.refusal(of: leaf, chain: above, as: nil, ignoresTime: true)
        note("comes from an authority in the CA file", origin?.text)
        // A node is called, and calls.
        for side in roles == [.peer] ? [TrustStore.Side.client, .server] : [.client] {
            let refusal = trust.refusal(of: leaf, chain: above, as: side, ignoresTime: true)
            note(
                side == .client ? "may be used to call" : "may be used to be called",
                refusal.flatMap { $0.code == X509_V_ERR_INVALID_PURPOSE ? $0.text : nil })
        }
        if let lists {
            let strict = try TrustStore(authorities, lists: lists, revocation)
            // What is wrong without lists has been said.
            let refusal = origin == nil ? strict.refusal(of: leaf, chain: above, as: nil) : nil
            note("is not revoked, by a current list", refusal.flatMap { $0.isOfTime ? nil : $0.text })
        }
        let principal: Principal
        do throws(RaftError) {
            principal = try leaf.principal()
            note("names exactly one identity", nil)
        } catch {
            note("names exactly one identity", error.message)
            return findings
        }
        note(
            "is of cluster \(cluster)",
            principal.cluster == cluster
                ? nil : "it names cluster \(principal.cluster); issue one of raft://\(cluster)/\(principal.role)/…")
        let wanted = roles.map(\.rawValue).sorted().joined(separator: " or ")
        note(
            "has a role for \(purpose.rawValue)",
            roles.contains(principal.role)
                ? nil : "it names role \(principal.role); \(purpose.rawValue) is for \(wanted)")
        if let node {
            note(
                "is node \(node)'s",
                principal.node == node ? nil : "it names \(principal); issue one of raft://\(cluster)/peer/\(node)")
        }
        return findings
    }

    private static func problem(of key: String, _ leaf: X509Certificate) -> String? {
        do throws(RaftError) {
            let key = try PrivateKey(file: key)
            ERR_clear_error()
            defer { ERR_clear_error() }
            return X509_check_private_key(leaf.pointer, key.pointer) == 1
                ? nil : "it is the key of another certificate; give the pair that was issued together"
        } catch {
            return error.message
        }
    }
}
