import Foundation
import Logging
import NIOPosix
import Raft
import RaftClient
import RaftServer
import RaftTransport
import Testing

/// Every method that a node serves, tried by every role: made from the node's own service tables, so that what is added
/// is tried, too.
@Suite("Who may call what", .timeLimit(.minutes(1)))
struct AuthorisationTests {
    /// The rule for each method, written down a second time: a method that is added, or whose roles change, must be
    /// thought about here. (etcd served MemberList, Alarm and others without looking: CVE-2026-33413.)
    static let rules: [String: Set<Role>] = [
        "raft.peer.v1.Peer/Hello": [.peer], "raft.peer.v1.Peer/Link": [.peer],
        "raft.client.v1.KeyValue/Put": [.client], "raft.client.v1.KeyValue/Delete": [.client],
        "raft.client.v1.KeyValue/CompareAndSwap": [.client], "raft.client.v1.KeyValue/Get": [.client, .clientRead],
        "raft.client.v1.KeyValue/Range": [.client, .clientRead], "raft.client.v1.KeyValue/RegisterSession": [.client],
        "raft.client.v1.KeyValue/Txn": [.client], "raft.client.v1.KeyValue/Watch": [.client, .clientRead],
        "raft.client.v1.KeyValue/Compact": [.client], "raft.client.v1.KeyValue/GrantLease": [.client],
        "raft.client.v1.KeyValue/KeepLease": [.client], "raft.client.v1.KeyValue/RevokeLease": [.client],
        "raft.client.v1.KeyValue/ListLeases": [.client, .clientRead],
        "raft.client.v1.KeyValue/KeepSession": [.client], "raft.client.v1.KeyValue/CloseSession": [.client],
        "raft.admin.v1.Node/Status": [.admin], "raft.admin.v1.Node/ChangeMembership": [.admin],
        "raft.admin.v1.Node/TriggerSnapshot": [.admin], "raft.admin.v1.Node/PushSnapshot": [.admin],
        "raft.admin.v1.Node/TransferLeadership": [.admin], "raft.admin.v1.Node/ReadSnapshot": [.admin],
        "raft.admin.v1.Node/ReloadCertificates": [.admin], "raft.admin.v1.Node/ListSessions": [.admin],
    ]

    let directory: TemporaryDirectory
    let authority: CertificateAuthority

    init() throws {
        directory = try TemporaryDirectory()
        authority = try CertificateAuthority(name: "test")
        try authority.write(certificate: directory.file("ca.pem"), key: directory.file("ca-key.pem"))
    }

    private func context(_ role: Role, _ name: String) throws -> TLSContext {
        let (certificate, key) = (directory.file("\(role)-\(name).pem"), directory.file("\(role)-\(name)-key.pem"))
        try authority.issue(try Principal(cluster: "test", role: role, name: name))
            .write(certificate: certificate, key: key)
        return try TLSContext(certificate: certificate, key: key, ca: directory.file("ca.pem"))
    }

    private func service() async throws -> NodeService {
        _ = try context(.peer, "1")
        var configuration = ServerConfiguration(
            id: 1, cluster: "test", listen: "127.0.0.1:0", data: directory.file("data"),
            certificate: directory.file("peer-1.pem"), key: directory.file("peer-1-key.pem"),
            ca: directory.file("ca.pem"))
        configuration.firstStart = .bootstrap
        configuration.members = try ClusterConfiguration(voters: [.init(id: 1, address: "127.0.0.1:9")])
        return try await NodeService.start(
            configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// What becomes of one call; nil when it was answered.
    private func outcome(_ method: Method, _ connection: RPCConnection) async -> RPCStatus? {
        if method.name.hasSuffix("/Link") || method.name.hasSuffix("/Watch") {
            let end = StreamEnd()
            // Nothing that it can be.
            connection.open(method, end).send([0xFF])
            return await end.status
        }
        do {
            _ = try await connection.call(method, [], timeout: .seconds(20))
            return nil
        } catch {
            return error
        }
    }

    @Test("Every method, by every role: those that its rule names, and nobody else")
    func matrix() async throws {
        let service = try await service()
        let methods = service.methods
        #expect(Set(methods.map(\.name)) == Set(Self.rules.keys), "a method without a rule, or a rule without a method")
        for method in methods { #expect(method.roles == Self.rules[method.name], "\(method.name)") }
        var triedCount = 0
        for role in Role.allCases {
            let tls = try context(role, role == .peer ? "2" : "caller")
            for purpose in Purpose.ofCalls {
                let mine = methods.filter { $0.purpose == purpose }
                #expect(!mine.isEmpty, "\(purpose) serves nothing")
                let connection: RPCConnection
                do throws(RPCStatus) {
                    connection = try await RPCConnection.connect(
                        to: "127.0.0.1:\(service.port)", tls: tls, purpose: purpose,
                        on: MultiThreadedEventLoopGroup.singleton, timeout: .seconds(20))
                } catch {
                    // Who may call nothing of it does not even get a connection.
                    #expect(error.code == .unauthenticated)
                    #expect(mine.allSatisfy { !$0.roles.contains(role) }, "\(role) was refused \(purpose)")
                    triedCount += mine.count
                    continue
                }
                for method in mine {
                    let status = await outcome(method, connection)
                    let isRefused =
                        status?.code == .permissionDenied && status?.message.contains(" is for ") == true
                    #expect(isRefused == !method.roles.contains(role), "\(method.name) by \(role)")
                    triedCount += 1
                }
                #expect(mine.contains { $0.roles.contains(role) }, "\(role) was let in for \(purpose) without use")
                await connection.close()
            }
        }
        #expect(triedCount == methods.count * Role.allCases.count)
        await service.stop()
        _ = await service.untilEnded()
    }

    @Test("Who may only read finds what others wrote, and is told why it may not write")
    func readsOnly() async throws {
        let service = try await service()
        func client(_ role: Role) throws -> KeyValueClient {
            var options = KeyValueClient.Options()
            options.timeout = .seconds(30)
            return KeyValueClient(
                endpoints: ["127.0.0.1:\(service.port)"], tls: try context(role, "caller"),
                group: MultiThreadedEventLoopGroup.singleton, options: options)
        }
        let (writer, reader) = (try client(.client), try client(.clientRead))
        _ = try await writer.put([1], [2])
        #expect(try await reader.get([1])?.value == [2])
        let error = await #expect(throws: RaftClientError.self) { _ = try await reader.put([1], [3]) }
        #expect(error?.message.contains("Put is for client, not for raft://test/client-read/caller") == true)
        #expect(try await reader.get([1])?.value == [2])
        await writer.close()
        await reader.close()
        await service.stop()
        _ = await service.untilEnded()
    }

    @Test("A method of another purpose is not to be had by its number on a connection that one may have")
    func otherPurpose() async throws {
        let service = try await service()
        let connection = try await RPCConnection.connect(
            to: "127.0.0.1:\(service.port)", tls: context(.client, "caller"), purpose: .client,
            on: MultiThreadedEventLoopGroup.singleton, timeout: .seconds(20))
        for method in service.methods where method.purpose == .admin {
            let status = await outcome(method, connection)
            let same = service.methods.first { $0.purpose == .client && $0.id == method.id }
            // What has that number among a client's methods is what is called; else nothing is.
            #expect((status?.code == .unimplemented) == (same == nil), "\(method.name)")
        }
        await connection.close()
        await service.stop()
        _ = await service.untilEnded()
    }

    @Test("An administrator's order to read the certificates anew is answered, or refused with the reason")
    func reloads() async throws {
        let service = try await service()
        let endpoint = "127.0.0.1:\(service.port)"
        var options = KeyValueClient.Options()
        options.timeout = .seconds(30)
        let admin = KeyValueClient(
            endpoints: [endpoint], tls: try context(.admin, "ops"), group: MultiThreadedEventLoopGroup.singleton,
            options: options)
        let before = try await admin.status(of: endpoint).certificates
        #expect(before?.identity == "raft://test/peer/1" && before?.reloadCount == 0 && before?.problem == nil)
        #expect((363...365).contains(before?.daysLeft ?? 0))
        let (now, dropped) = try await admin.reloadCertificates(of: endpoint)
        #expect(now.reloadCount == 1 && dropped == 0)
        try FileManager.default.removeItem(atPath: directory.file("peer-1-key.pem"))
        let error = await #expect(throws: RaftClientError.self) { _ = try await admin.reloadCertificates(of: endpoint) }
        #expect(error?.code == .refused)
        #expect(error?.message.contains("peer-1-key.pem does not exist") == true)
        let after = try await admin.status(of: endpoint).certificates
        #expect(after?.problem?.contains("kept its old certificates") == true)
        #expect((after?.failureCount ?? 0) >= 1)
        await admin.close()
        await service.stop()
        _ = await service.untilEnded()
    }
}
