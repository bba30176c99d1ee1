import Foundation
import Logging
import NIOPosix
import Raft
import RaftClient
import RaftStorage
import RaftTransport
import Testing

@testable import RaftServer

/// A sole voter in this process, spoken to over real mTLS.
@Suite("NodeService", .serialized, .timeLimit(.minutes(1)))
struct NodeServiceTests {
    let lab: ServiceLab
    private var directory: TemporaryDirectory { lab.directory }
    private var logger: Logger { lab.logger }

    init() throws { lab = try ServiceLab() }

    private func configuration(id: NodeID = 1) throws -> ServerConfiguration { try lab.configuration(id: id) }

    private func client(_ name: String, _ service: NodeService) throws -> KeyValueClient {
        try lab.client(name, service)
    }

    private func withService(
        _ changed: ServerConfiguration? = nil,
        _ body: (NodeService, KeyValueClient) async throws -> Void
    ) async throws {
        try await lab.withService(changed, body)
    }

    private func failure(_ change: (inout ServerConfiguration) throws -> Void) async throws -> RaftError? {
        var configuration = try configuration()
        try change(&configuration)
        do throws(RaftError) {
            let service = try await NodeService.start(configuration, logger: logger)
            await service.stop()
            _ = await service.untilEnded()
            return nil
        } catch {
            return error
        }
    }

    private func connection(_ service: NodeService) async throws -> RPCConnection { try await lab.connection(service) }

    /// The first number of a new session.
    private func firstOfSession(_ connection: RPCConnection) async throws -> SessionRequest {
        let answer = try await connection.call(
            ClientMethods.registerSession, RegisterSessionRequest().encoded(), timeout: .seconds(20))
        let session = try RegisterSessionResponse(decoding: answer).session
        return SessionRequest(session: session, sequence: 1, lowestUnanswered: 1)
    }

    private func put(_ request: PutRequest, _ connection: RPCConnection) async throws -> PutResult {
        try PutResult(
            decoding: try await connection.call(ClientMethods.put, request.encoded(), timeout: .seconds(20)))
    }

    @Test("A write of a session that a backup holds is answered as the first time by the cluster restored from it")
    func restored() async throws {
        var request = PutRequest(key: [1], value: [1])
        var first: PutResult?
        let file = directory.file("backup")
        try await withService { service, client in
            let connection = try await connection(service)
            request.session = try await firstOfSession(connection)
            first = try await put(request, connection)
            await connection.close()
            let (admin, endpoint) = (try self.client("admin", service), "127.0.0.1:\(service.port)")
            let built = try await admin.triggerSnapshot(of: endpoint)
            #expect(built.last.index.rawValue >= first!.revision)
            await #expect(throws: RaftClientError.self, "it is an administrator's") {
                _ = try await client.readSnapshot(built.id, at: 0, of: endpoint)
            }
            let writer = try SavedSnapshot.write(file, replacing: false)
            var download = SnapshotDownload(admin, of: endpoint, built.id)
            var manifest: SnapshotManifest?
            while let piece = try await download.next() {
                manifest = piece.manifest
                try writer.write(piece.bytes[...])
            }
            try writer.commit(try #require(manifest))
            let stranger = SnapshotID(builder: built.id.builder, number: built.id.number ^ 1)
            await #expect(throws: RaftClientError.self) {
                _ = try await admin.readSnapshot(stranger, at: 0, of: endpoint)
            }
            await admin.close()
        }
        var again = try configuration()
        var generator = SystemRandomNumberGenerator()
        again.data = directory.file("again")
        let restore = try OfflineRestore(
            file, cluster: "test", node: 1, members: try #require(again.members), using: &generator)
        try KeyValueRecovery.apply(restore, into: again.data)
        #expect(!FileManager.default.fileExists(atPath: directory.file("again/replay.tmp")))
        again.firstStart = .refuse
        again.members = nil
        try await withService(again) { service, client in
            let connection = try await connection(service)
            let repeated = try await put(request, connection)
            #expect(repeated == first)
            await connection.close()
            let next = try await client.put([2], [2])
            #expect(next.revision > restore.plan.id.index.rawValue)
            let found = try await client.get([1])
            #expect(found == KeyValue(key: [1], value: [1], revision: first!.revision))
        }
    }

    @Test("A write of a session that is made again after a restart is applied once; an operator sees the session")
    func sessions() async throws {
        var request = PutRequest(key: [1], value: [1])
        var first: PutResult?
        for start in 0..<2 {
            try await withService { service, _ in
                let connection = try await connection(service)
                if start == 0 { request.session = try await firstOfSession(connection) }
                for _ in 0..<2 {
                    let result = try await put(request, connection)
                    #expect(first == nil || first == result)
                    first = result
                }
                await connection.close()
                let admin = try client("admin", service)
                let list = try await admin.listSessions(of: "127.0.0.1:\(service.port)")
                #expect(list.sessions.map(\.id) == [request.session!.session] && list.sessions.first?.replyCount == 1)
                #expect(list.repeatedCount == start + 1)
                await admin.close()
            }
        }
    }

    @Test("A new directory that was bootstrapped is warned of once, and a later start is not")
    func firstStartWarning() async throws {
        let lines = Lock<[String]>([])
        let logger = Logger(label: "test") { _ in WarningLog(lines: lines) }
        for _ in 1...2 {
            let service = try await NodeService.start(try configuration(), logger: logger)
            await service.stop()
            #expect(await service.untilEnded() == nil)
        }
        let warnings = lines.withLock { $0.filter { $0.hasPrefix("made a new data directory") } }
        #expect(warnings == [StartupChecks.firstStartWarning(try configuration())])
        #expect(warnings.first?.contains("If node 1 was ever part of this cluster, stop it now") == true)
    }

    @Test("Every call does what it says, and many at a time do not disturb each other")
    func calls() async throws {
        try await withService { _, client in
            let first = try await client.put([1], [10])
            #expect(first.previousRevision == nil)
            #expect(try await client.put([1], [11]).previousRevision == first.revision)
            #expect(try await client.get([1])?.value == [11])
            #expect(try await client.get([1], .local)?.value == [11])
            #expect(try await client.get([2]) == nil)
            #expect(try await client.compareAndSwap([1], expecting: .value([10]), [12]).isSwapped == false)
            #expect(try await client.compareAndSwap([1], expecting: .value([11]), [12]).isSwapped)
            #expect(try await client.compareAndSwap([2], expecting: .absent, [20]).previousRevision == nil)
            #expect(try await client.delete([2]).revision != nil)
            #expect(try await client.delete([2]) == DeleteResult(revision: nil, previousRevision: nil))

            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in UInt8(0)..<200 {
                    group.addTask { _ = try await client.put([3, number], [number]) }
                }
                try await group.waitForAll()
            }
            let page = try await client.range(from: [3], upTo: [4])
            #expect(page.entries.map(\.value) == (UInt8(0)..<200).map { [$0] })
            #expect(Set(page.entries.map(\.revision)).count == 200)
            #expect(try await client.range(from: [3], limit: 7).entries.count == 7)
            #expect(try await client.range(from: [3], limit: 7).hasMore)
        }
    }

    @Test("Limits are checked before anything is replicated, and the last allowed size passes")
    func limits() async throws {
        var small = try configuration()
        small.maximumValueBytes = 1000
        try await withService(small) { service, client in
            _ = try await client.put([1], [UInt8](repeating: 1, count: 1000))
            let last = service.status.last
            for (key, value, part) in [
                ([1], [UInt8](repeating: 1, count: 1001), "the value has 1001 bytes, the limit is 1000"),
                ([], [], "the key is empty"), ([UInt8](repeating: 1, count: 512), [], "the key has 512 bytes"),
            ] {
                do throws(RaftClientError) {
                    _ = try await client.put(key, value)
                    Issue.record("\(part): taken")
                } catch {
                    #expect(error.code == .refused)
                    #expect(error.message.contains(part), "\(error.message)")
                }
            }
            #expect(service.status.last == last)
        }
    }

    @Test("A range of more bytes than one answer holds comes in parts, and the largest values pass")
    func largeRange() async throws {
        try await withService { _, client in
            let value = [UInt8](repeating: 7, count: 1_572_864)
            for key in UInt8(0)..<4 { _ = try await client.put([key], value) }
            #expect(try await client.compareAndSwap([0], expecting: .value(value), value).isSwapped)
            var from: [UInt8] = []
            var keys: [[UInt8]] = []
            while true {
                let page = try await client.range(from: from)
                for entry in page.entries {
                    keys.append(entry.key)
                    #expect(entry.value == value)
                }
                guard page.hasMore, let last = page.entries.last else { break }
                from = last.key + [0]
            }
            #expect(keys == [[0], [1], [2], [3]])
        }
    }

    @Test("Two values that do not fit into one command are refused with what to do instead")
    func pairLimit() async throws {
        var large = try configuration()
        large.maximumValueBytes = ServerConfiguration.largestMaximumValueBytes
        try await withService(large) { _, client in
            let value = [UInt8](repeating: 7, count: 1_975_000)
            _ = try await client.put([1], value)
            do throws(RaftClientError) {
                _ = try await client.compareAndSwap([1], expecting: .value(value), value)
                Issue.record("taken")
            } catch {
                #expect(error.code == .refused)
                #expect(error.message.contains("3950000 bytes together, the limit is 3931136"), "\(error.message)")
            }
            let largest = [UInt8](repeating: 8, count: ServerConfiguration.largestMaximumValueBytes)
            _ = try await client.put([1], largest)
            let found = try await client.get([1])
            #expect(found?.value == largest)
        }
    }

    @Test("A stopped node finds its data again, with the key-value state as it was left")
    func restart() async throws {
        var revision: UInt64 = 0
        try await withService { _, client in revision = try await client.put([1], [2]).revision }
        var later = try configuration()
        later.firstStart = .refuse
        later.members = nil
        try await withService(later) { _, client in
            let found = try await client.get([1])
            #expect(found == KeyValue(key: [1], value: [2], revision: revision))
        }
    }

    @Test("A key-value state that is lost is built again from the log")
    func lostState() async throws {
        try await withService { _, client in
            for key in UInt8(1)...100 { _ = try await client.put([key], [key]) }
            _ = try await client.delete([50])
        }
        try FileManager.default.removeItem(atPath: directory.file("data/state"))
        try await withService { _, client in
            let keys = try await client.range().entries.map(\.key)
            #expect(keys == (UInt8(1)...100).filter { $0 != 50 }.map { [$0] })
        }
    }

    @Test("The status is an administrator's, and tells what the node knows")
    func status() async throws {
        try await withService { service, client in
            _ = try await client.put([1], [2])
            let endpoint = "127.0.0.1:\(service.port)"
            let admin = try self.client("admin", service)
            let status = try await admin.status(of: endpoint)
            #expect(status.id == 1)
            #expect(status.cluster == "test")
            #expect(status.role == "leader")
            #expect(status.leader?.id == 1)
            #expect(status.members == [.init(id: 1, address: "127.0.0.1:9", isVoter: true)])
            #expect(status.commit >= 2)
            #expect(status.stopReason == nil)
            await #expect(throws: RaftClientError.self) { _ = try await client.status(of: endpoint) }
            do throws(RaftClientError) {
                _ = try await admin.put([1], [3])
                Issue.record("an administrator's certificate wrote a key")
            } catch {
                #expect(error.code == .notAuthorized)
            }
            #expect(try await client.get([1])?.value == [2])
            await admin.close()
        }
    }

    @Test("What keeps a node from starting leaves nothing behind, and the right start works afterwards")
    func failedStarts() async throws {
        #expect(try await failure { $0.id = 2 }?.code == .transport)
        #expect(try await failure { $0.cluster = "other" }?.code == .transport)
        #expect(
            try await failure {
                $0.certificate = directory.file("client.pem")
                $0.key = directory.file("client-key.pem")
            }?.code == .transport)
        #expect(try await failure { $0.firstStart = .refuse }?.code == .wrongDirectory)
        #expect(try await failure { $0.listen = "127.0.0.1" }?.code == .transport)
        #expect(try await failure { $0.heartbeatInterval = .seconds(1) }?.code == .invalidConfiguration)
        #expect(!FileManager.default.fileExists(atPath: directory.file("data")))
        try await withService { _, client in _ = try await client.put([1], [2]) }
        let other = try ClusterConfiguration(voters: [.init(id: 1, address: "127.0.0.1:8")])
        #expect(try await failure { $0.members = other }?.code == .invalidConfiguration)
        try await withService { _, client in
            let found = try await client.get([1])
            #expect(found?.value == [2])
        }
    }
}

/// A directory that lives as long as this object.
final class TemporaryDirectory {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/raft-server-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }
}
