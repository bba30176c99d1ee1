internal import Foundation
internal import Raft
internal import RaftTransport

/// What `raft dev` keeps in its directory.
struct DevLayout {
    static let cluster = "dev"

    /// Absolute.
    let directory: String
    /// `host:port` of node 1, 2, …
    let addresses: [String]

    var contextFile: String { directory + "/context.json" }
    func data(_ id: Int) -> String { "\(directory)/node-\(id)" }
    func log(_ id: Int) -> String { "\(directory)/node-\(id).log" }
    private func certificate(_ name: String) -> String { "\(directory)/certificates/\(name).pem" }
    private func key(_ name: String) -> String { "\(directory)/certificates/\(name)-key.pem" }

    /// The arguments of `raft` for one node's process.
    func serveArguments(_ id: Int) -> [String] {
        let members = addresses.enumerated().map { "\($0.offset + 1)=\($0.element)" }.joined(separator: ",")
        return [
            "serve", "--id", "\(id)", "--listen", addresses[id - 1], "--data", data(id),
            "--cert", certificate("node-\(id)"), "--key", key("node-\(id)"), "--ca", certificate("ca"),
            "--cluster", Self.cluster, "--members", members, "--bootstrap", "--stop-on-eof",
        ]
    }

    /// Opens the directory of an earlier run, or makes one with certificates for a new cluster.
    ///
    /// - Parameters:
    ///   - count: how many nodes; nil for as many as there are, or 3.
    ///   - basePort: the first port; 0 for ports that the kernel chooses, nil for those of the earlier run, or 7001.
    /// - Throws: before anything is made, when the directory holds another cluster or something else.
    static func open(_ path: String, count: Int?, basePort: Int?) throws(Failure) -> DevLayout {
        let directory = URL(fileURLWithPath: path).standardizedFileURL.path
        let contextFile = directory + "/context.json"
        if FileManager.default.fileExists(atPath: contextFile) {
            return try existing(directory, contextFile, count: count, basePort: basePort)
        }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        guard names.allSatisfy({ $0 == "certificates" || $0 == "lock" }) else {
            throw Failure(
                .refused,
                "\(directory) is not empty and holds no context.json; give --data a new directory, or the one of an earlier `raft dev`"
            )
        }
        let ports = try choosePorts(count ?? 3, basePort ?? 7001)
        let layout = DevLayout(directory: directory, addresses: ports.map { "127.0.0.1:\($0)" })
        try layout.checkPorts()
        try layout.make()
        return layout
    }

    /// Makes one with certificates for a new cluster of nodes at these addresses.
    ///
    /// - Parameter path: no directory yet, or an empty one.
    static func make(_ path: String, addresses: [String]) throws(Failure) -> DevLayout {
        let layout = DevLayout(
            directory: URL(fileURLWithPath: path).standardizedFileURL.path, addresses: addresses)
        try layout.make()
        return layout
    }

    private static func existing(
        _ directory: String, _ contextFile: String, count: Int?, basePort: Int?
    ) throws(Failure) -> DevLayout {
        let context = try ClusterContext.load(contextFile)
        let layout = DevLayout(directory: directory, addresses: context.endpoints)
        if let count, count != context.endpoints.count {
            throw Failure(
                .refused,
                "\(directory) holds a cluster of \(context.endpoints.count) nodes, not \(count); leave --nodes out, or give --data a new directory"
            )
        }
        if let basePort, basePort != 0, context.endpoints.first != "127.0.0.1:\(basePort)" {
            throw Failure(
                .refused,
                "\(directory) holds a cluster whose first node is at \(context.endpoints[0]), not at port \(basePort); leave --base-port out, or give --data a new directory"
            )
        }
        return layout
    }

    private static func choosePorts(_ count: Int, _ basePort: Int) throws(Failure) -> [UInt16] {
        if basePort == 0 { return try Ports.free(count) }
        guard basePort + count - 1 <= Int(UInt16.max) else {
            throw Failure(.usage, "--base-port \(basePort): \(count) ports from there end above 65535")
        }
        return (0..<count).map { UInt16(basePort + $0) }
    }

    /// - Throws: naming the first port that somebody else listens on.
    func checkPorts() throws(Failure) {
        for address in addresses {
            let port = address.split(separator: ":").last.flatMap { UInt16($0) } ?? 0
            guard Ports.isFree(port) else {
                throw Failure(
                    .refused,
                    "\(address) is in use, perhaps by an earlier cluster; stop it, or choose other ports with --base-port and a new --data"
                )
            }
        }
    }

    /// Makes certificates, and at last the context file: a directory without one is begun anew.
    private func make() throws(Failure) {
        let folder = directory + "/certificates"
        do {
            try? FileManager.default.removeItem(atPath: folder)
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw Failure(.refused, "cannot make \(folder): \(error.localizedDescription)")
        }
        do throws(RaftError) {
            let authority = try CertificateAuthority(name: "raft dev")
            try authority.write(certificate: certificate("ca"), key: key("ca"))
            // All of them for each: the nodes are one machine's.
            let hosts = ["127.0.0.1", "localhost"] + addresses.map { String($0.prefix { $0 != ":" }) }
            var holders = [(name: "client", role: Role.client, holder: "dev"), ("admin", .admin, "dev")]
            for id in 1...addresses.count { holders.append(("node-\(id)", .peer, "\(id)")) }
            for (name, role, holder) in holders {
                let issued = try authority.issue(
                    try Principal(cluster: Self.cluster, role: role, name: holder),
                    hosts: role == .peer ? hosts : [])
                try issued.write(certificate: certificate(name), key: key(name))
            }
        } catch {
            throw Failure(error)
        }
        // Relative paths: the directory may be moved.
        func credentials(_ name: String) -> ClusterContext.Credentials {
            .init(certificate: "certificates/\(name).pem", key: "certificates/\(name)-key.pem")
        }
        let context = ClusterContext(
            cluster: Self.cluster, endpoints: addresses, ca: "certificates/ca.pem", client: credentials("client"),
            admin: credentials("admin"))
        try context.write(contextFile)
    }
}
