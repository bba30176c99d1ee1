import Testing

@testable import Benchmarking

@Suite("The proxy")
struct CuttingProxyTests {
    @Test("It reads what a connection is for from the clear part of its hello")
    func purposes() {
        func hello(_ name: String) -> [UInt8] { [1, 2, 3, UInt8(name.utf8.count)] + Array(name.utf8) + [9] }
        #expect(CuttingProxy.purpose(inHello: hello("raft/1")) == "raft/1")
        #expect(CuttingProxy.purpose(inHello: hello("raft-snapshot/1")) == "raft-snapshot/1")
        #expect(CuttingProxy.purpose(inHello: hello("http/1.1")) == "unknown")
        #expect(CuttingProxy.purpose(inHello: Array("raft/1".utf8)) == "unknown")
        #expect(CuttingProxy.purpose(inHello: []) == "unknown")
    }
}
