import Raft
import RaftTransport
import Testing

@testable import RaftClient

@Suite("A snapshot that is read from a node")
struct SnapshotDownloadTests {
    let cluster = FakeCluster()
    static let state = (0..<100).map { UInt8($0) }
    static let manifest = SnapshotManifest(
        id: SnapshotID(builder: Incarnation(rawValue: .max), number: 3), last: LogID(term: 3, index: 40),
        configuration: try! ClusterConfiguration(voters: [.init(id: 1, address: "a:1")]),
        configurationID: LogID(term: 0, index: 1), bootstrap: nil, byteCount: 100,
        checksum: SnapshotChecksum.of(state[...]))

    /// A node that has it, in pieces of 30 bytes.
    static func piece(
        _ method: Method, _ request: [UInt8], of manifest: SnapshotManifest = manifest
    ) throws(RPCStatus) -> SnapshotPiece {
        guard method == ClientMethods.readSnapshot else { throw RPCStatus(.unimplemented, "what?") }
        let request = try ReadSnapshotRequest(decoding: request)
        guard request.id == manifest.id else { throw RPCStatus(.notFound, "no such snapshot") }
        let bytes = state.dropFirst(Int(request.offset)).prefix(30)
        return SnapshotPiece(manifest: manifest, offset: request.offset, bytes: Array(bytes))
    }

    func download(timeout: Duration = .seconds(5)) -> SnapshotDownload {
        SnapshotDownload(cluster.client(timeout: timeout), of: "b", Self.manifest.id)
    }

    /// Reads to the end.
    private func all(_ download: SnapshotDownload) async throws -> [UInt8] {
        var download = download
        var bytes: [UInt8] = []
        while let piece = try await download.next() {
            #expect(piece.offset == UInt64(bytes.count) && piece.manifest == Self.manifest)
            bytes += piece.bytes
        }
        let after = try await download.next()
        #expect(after == nil)
        return bytes
    }

    private func error(_ body: () async throws(RaftClientError) -> Void) async -> RaftClientError? {
        do throws(RaftClientError) {
            try await body()
            return nil
        } catch {
            return error
        }
    }

    @Test("Messages come back as they were")
    func messages() throws {
        let request = ReadSnapshotRequest(id: Self.manifest.id, offset: .max)
        #expect(try ReadSnapshotRequest(decoding: request.encoded()) == request)
        for bytes in [[], [UInt8](repeating: 0, count: 1 << 20)] {
            let piece = SnapshotPiece(manifest: Self.manifest, offset: 7, bytes: bytes)
            #expect(try SnapshotPiece(decoding: piece.encoded(), at: 7) == piece)
        }
        #expect(throws: RPCStatus.self) { try SnapshotPiece(decoding: [0xFF], at: 0) }
        #expect(throws: RPCStatus.self) { try SnapshotPiece(decoding: [], at: 0) }
    }

    @Test("All of it is read from the one node, over lost calls and connections, and a node that is busy")
    func whole() async throws {
        cluster.node("b") { method, request, call throws(RPCStatus) in
            switch call {
            case 2: throw RPCStatus(.unavailable, "lost")
            case 3: throw RPCStatus(RaftError(.overloaded, "4 are being read"))
            default: return try Self.piece(method, request).encoded()
            }
        }
        #expect(try await all(download()) == Self.state)
        #expect(Set(cluster.asked) == ["b"] && cluster.asked.count == 6 && cluster.pauses.count == 2)
    }

    @Test("A snapshot that is gone, damaged or another one, and pieces that do not fit, are refused at once")
    func refused() async throws {
        let piece = SnapshotPiece(manifest: Self.manifest, offset: 0, bytes: Self.state + [1])
        var other = Self.manifest
        other.id = SnapshotID(builder: other.id.builder, number: 4)
        let answers: [(String, @Sendable () throws(RPCStatus) -> SnapshotPiece)] = [
            ("no such snapshot", { () throws(RPCStatus) in throw RPCStatus(.notFound, "no such snapshot") }),
            ("a bit", { () throws(RPCStatus) in throw RPCStatus(RaftError(.corrupt, "a bit has turned over")) }),
            ("asked for", { [other] in SnapshotPiece(manifest: other, offset: 0, bytes: [1]) }),
            ("101 bytes at 0", { piece }),
            ("0 bytes at 0", { SnapshotPiece(manifest: Self.manifest, offset: 0, bytes: []) }),
        ]
        for (reason, answer) in answers {
            cluster.node("b") { _, _, _ throws(RPCStatus) in try answer().encoded() }
            var download = download()
            let error = await error { () throws(RaftClientError) in _ = try await download.next() }
            #expect(error?.code == .refused && error?.message.contains(reason) == true, "\(reason): \(error as Any)")
        }
        #expect(cluster.pauses.isEmpty)
    }

    @Test("A node that does not answer for the timeout ends the call, and the next one goes on where it was")
    func unavailable() async throws {
        cluster.node("b") { method, request, _ throws(RPCStatus) in try Self.piece(method, request).encoded() }
        var download = download(timeout: .milliseconds(200))
        _ = try await download.next()
        cluster.node("b") { _, _, _ throws(RPCStatus) in throw RPCStatus(.unavailable, "down") }
        let error = await error { () throws(RaftClientError) in _ = try await download.next() }
        #expect(error?.code == .unavailable)
        cluster.node("b") { method, request, _ throws(RPCStatus) in try Self.piece(method, request).encoded() }
        let next = try await download.next()
        #expect(next?.offset == 30)
    }

    @Test("Who is not allowed to is told so")
    func unauthorised() async throws {
        cluster.node("b") { _, _, _ throws(RPCStatus) in throw RPCStatus(.permissionDenied, "role client") }
        var download = download()
        let error = await error { () throws(RaftClientError) in _ = try await download.next() }
        #expect(error?.code == .notAuthorized)
        #expect(ClientMethods.readSnapshot.roles == [.admin] && ClientMethods.readSnapshot.purpose == .admin)
    }
}
