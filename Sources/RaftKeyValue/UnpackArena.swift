internal import CProtobufC

/// The memory that one message is unpacked into: one block, handed out front to back and freed at once.
///
/// A message that asks for more, as a hostile one can, fails to unpack; nothing is ever allocated for it.
struct UnpackArena: ~Copyable {
    private struct State {
        var next: UnsafeMutableRawPointer
        var left: Int
    }

    private let block: UnsafeMutableRawPointer
    private var state: State
    private static let alignment = 16

    init(byteCount: Int) {
        block = .allocate(byteCount: byteCount, alignment: Self.alignment)
        state = State(next: block, left: byteCount)
    }

    deinit { block.deallocate() }

    mutating func withAllocator<Result>(
        _ body: (UnsafeMutablePointer<ProtobufCAllocator>) throws -> Result
    ) rethrows -> Result {
        try withUnsafeMutablePointer(to: &state) { state in
            var allocator = ProtobufCAllocator(
                alloc: { data, size in
                    let state = data!.assumingMemoryBound(to: State.self)
                    let (padded, overflow) = size.addingReportingOverflow(UnpackArena.alignment - 1)
                    let take = padded & ~(UnpackArena.alignment - 1)
                    guard !overflow, take <= state.pointee.left else { return nil }
                    defer {
                        state.pointee.next += take
                        state.pointee.left -= take
                    }
                    return state.pointee.next
                },
                free: { _, _ in },
                allocator_data: UnsafeMutableRawPointer(state))
            return try body(&allocator)
        }
    }
}
