import Raft
import Testing

@testable import RaftServer

@Suite("StartupChecks")
struct StartupChecksTests {
    private func members(_ addresses: String...) throws -> ClusterConfiguration {
        try ClusterConfiguration(
            voters: addresses.enumerated().map { .init(id: NodeID(UInt64($0.offset + 1)), address: $0.element) })
    }

    private func stored(_ configurations: ClusterConfiguration...) -> [(id: LogID, payload: [UInt8])] {
        configurations.enumerated().map { (LogID(term: 0, index: LogIndex(UInt64($0.offset + 1))), $0.element.encoded) }
    }

    @Test("A member list may be the one that the cluster began with, the newest one, or none")
    func agreeing() throws {
        let first = try members("a:1", "b:1")
        let newest = try members("a:1", "b:1", "c:1")
        for given in [first, newest, nil] {
            try StartupChecks.members(given, stored(first, members("a:1"), newest), "data")
        }
        try StartupChecks.members(first, [], "data")
    }

    @Test("Any other member list is refused, with both lists and what to do")
    func contradicting() throws {
        let first = try members("a:1", "b:1")
        for given in [try members("a:1"), try members("a:1", "b:2"), try members("a:1", "b:1", "c:1")] {
            let error = #expect(throws: RaftError.self) { try StartupChecks.members(given, stored(first), "data") }
            #expect(error?.code == .invalidConfiguration)
            #expect(error?.message.contains("data holds a cluster of 1=a:1,2=b:1; correct the list") == true)
        }
    }
}
