import Testing

@testable import Raft

@Suite("Outputs as bytes")
struct ReplicatedOutputTests {
    private func check<Output: ReplicatedOutput & Equatable>(_ outputs: Output...) throws {
        let codec = try #require(OutputCodec<Output>.found)
        for output in outputs { #expect(try codec.decode(codec.encode(output)) == output) }
    }

    @Test("Numbers, truth values, texts, bytes and what may be absent are read as they were written")
    func known() throws {
        try check(0, 1, Int.min)
        try check(Int64.max, -5)
        try check(UInt64.max)
        try check(Int32.min)
        try check(UInt32.max)
        try check(true, false)
        try check("", "ä")
        try check([UInt8](), [1, 2])
        try check(Optional(7), nil)
        try check(String?.some("x"), nil)
    }

    @Test("Bytes that are none are refused")
    func bad() {
        #expect(throws: RaftError.self) { try Int(decoding: [1, 2]) }
        #expect(throws: RaftError.self) { try Bool(decoding: []) }
        #expect(throws: RaftError.self) { try Bool(decoding: [1, 1]) }
        #expect(throws: RaftError.self) { try Int?(decoding: [1, 1]) }
    }

    @Test("An output of another kind has no codec: its machine has no sessions")
    func unknown() {
        struct Strange: Sendable {}
        #expect(OutputCodec<Strange>.found == nil)
    }
}
