internal import CProtobufC

/// The memory that one message is unpacked into: one block, handed out front to back and gone at once.
///
/// A message that asks for more, as a hostile one can, fails to unpack; nothing is ever allocated for it.
enum UnpackArena {
    private struct State {
        var next: UnsafeMutableRawPointer
        var left: Int
    }

    private static let alignment = 16

    /// Gives `body` an allocator of `byteCount` bytes, which are gone when it returns. Up to a KiB they are on the stack:
    /// a block from the heap of about that size is the dearest that there is, and every command needs one on every node.
    static func withAllocator<Result>(
        byteCount: Int, _ body: (UnsafeMutablePointer<ProtobufCAllocator>) throws -> Result
    ) throws -> Result {
        try withUnsafeTemporaryAllocation(byteCount: byteCount, alignment: alignment) { block in
            var state = State(next: block.baseAddress!, left: block.count)
            return try withUnsafeMutablePointer(to: &state) { state in
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
}
