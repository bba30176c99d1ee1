import Testing

@testable import RaftTransport

@Suite("The protobuf arena")
struct ProtobufArenaTests {
    @Test("hands out aligned memory of its own until the budget is used up, and nothing after")
    func budget() {
        let arena = ProtobufArena(budget: 100_000)
        var regions: [(start: UInt, end: UInt)] = []
        for size in [1, 16, 17, 9000, 3, 50_000, 0] {
            guard let start = ProtobufArena.allocate(size, from: arena.state) else {
                Issue.record("\(size) bytes were refused")
                continue
            }
            #expect(UInt(bitPattern: start) % 16 == 0)
            start.initializeMemory(as: UInt8.self, repeating: 0xaa, count: size)
            regions.append((UInt(bitPattern: start), UInt(bitPattern: start) + UInt(size)))
        }
        regions.sort { $0.start < $1.start }
        for (one, next) in zip(regions, regions.dropFirst()) { #expect(one.end <= next.start) }
        #expect(ProtobufArena.allocate(50_000, from: arena.state) == nil)
        #expect(arena.state.pointee.isExceeded)
        #expect(ProtobufArena.allocate(.max, from: arena.state) == nil)
        #expect(ProtobufArena.allocate(-1, from: arena.state) == nil)
    }

    @Test("keeps copies of what a message points to")
    func copies() {
        let arena = ProtobufArena(budget: 10_000)
        let bytes = arena.bytes([1, 2, 3] as [UInt8])
        let text = arena.string("é")
        let list = arena.repeated([7, 8, 9])
        #expect(Protobuf.bytes(bytes) == [1, 2, 3])
        #expect(Protobuf.string(text) == "é")
        #expect((0..<3).map { list?[$0]?.pointee } == [7, 8, 9])
        #expect(Protobuf.bytes(arena.bytes([])) == [])
        #expect(arena.repeated([] as [Int]) == nil)
        #expect(Protobuf.string(nil) == "")
    }
}
