public import CProtobufC
internal import Glibc

/// Memory for one protobuf-c message, freed all at once, with a budget that hostile counts cannot pass.
///
/// The unpacker of protobuf-c allocates what a message *says* that it holds; each field costs a call of the allocator.
/// Here both are a pointer moved forward (2 to 13 times cheaper than malloc), and running out of budget fails the
/// message instead of the process.
public struct ProtobufArena: ~Copyable {
    /// At a fixed address, since the C allocator points to it.
    struct State {
        var next: UnsafeMutableRawPointer?
        var left = 0
        var budget: Int
        /// Something was asked for that the budget did not allow.
        var isExceeded = false
        /// Blocks from malloc, each beginning with the pointer to the one before.
        var blocks: UnsafeMutableRawPointer?
    }

    let state: UnsafeMutablePointer<State>

    /// - Parameter budget: the most bytes that this arena will ever hand out.
    public init(budget: Int) {
        state = .allocate(capacity: 1)
        state.initialize(to: State(budget: budget))
    }

    deinit {
        Self.freeBlocks(state)
        state.deallocate()
    }

    static func freeBlocks(_ state: UnsafeMutablePointer<State>) {
        var block = state.pointee.blocks
        while let current = block {
            block = current.load(as: UnsafeMutableRawPointer?.self)
            free(current)
        }
        state.pointee.blocks = nil
    }

    /// Bytes aligned to 16, or nil above the budget.
    static func allocate(_ size: Int, from state: UnsafeMutablePointer<State>) -> UnsafeMutableRawPointer? {
        guard size >= 0, size <= state.pointee.budget else {
            state.pointee.isExceeded = true
            return nil
        }
        let size = (size + 15) & ~15
        if size > state.pointee.left {
            let room = max(size, 8192)
            guard let block = malloc(room + 16) else { return nil }
            block.storeBytes(of: state.pointee.blocks, as: UnsafeMutableRawPointer?.self)
            state.pointee.blocks = block
            state.pointee.next = block + 16
            state.pointee.left = room
        }
        let result = state.pointee.next
        state.pointee.next = result.map { $0 + size }
        state.pointee.left -= size
        state.pointee.budget -= size
        return result
    }

    /// What protobuf-c calls; valid while the state is.
    static func allocator(_ state: UnsafeMutablePointer<State>) -> ProtobufCAllocator {
        ProtobufCAllocator(
            alloc: { data, size in
                guard let data, size <= Int.max - 16 else { return nil }
                return ProtobufArena.allocate(size, from: data.assumingMemoryBound(to: State.self))
            },
            free: { _, _ in },
            allocator_data: UnsafeMutableRawPointer(state))
    }

    // MARK: For messages being built

    /// A copy that lives as long as the arena. Traps above the budget: what we send ourselves is bounded before.
    public borrowing func bytes(_ bytes: some Collection<UInt8>) -> ProtobufCBinaryData {
        let count = bytes.count
        guard count > 0 else { return ProtobufCBinaryData(len: 0, data: nil) }
        let copy = room(for: count).bindMemory(to: UInt8.self, capacity: count)
        _ = UnsafeMutableBufferPointer(start: copy, count: count).initialize(from: bytes)
        return ProtobufCBinaryData(len: count, data: copy)
    }

    /// A copy that lives as long as the arena, ending in a zero byte. An inner zero byte cuts it there.
    public borrowing func string(_ string: String) -> UnsafeMutablePointer<CChar> {
        let utf8 = string.utf8
        let copy = room(for: utf8.count + 1).bindMemory(to: CChar.self, capacity: utf8.count + 1)
        var end = copy
        for byte in utf8 {
            end.initialize(to: CChar(bitPattern: byte))
            end += 1
        }
        end.initialize(to: 0)
        return copy
    }

    /// The elements of a repeated message field, as protobuf-c wants them.
    public borrowing func repeated<Message>(
        _ messages: [Message]
    ) -> UnsafeMutablePointer<UnsafeMutablePointer<Message>?>? {
        guard !messages.isEmpty else { return nil }
        let pointers = room(for: messages.count * MemoryLayout<UnsafeMutablePointer<Message>?>.stride)
            .bindMemory(to: UnsafeMutablePointer<Message>?.self, capacity: messages.count)
        for (position, message) in messages.enumerated() {
            (pointers + position).initialize(to: one(message))
        }
        return pointers
    }

    /// A nested message.
    public borrowing func one<Message>(_ message: Message) -> UnsafeMutablePointer<Message> {
        let copy = room(for: MemoryLayout<Message>.size).bindMemory(to: Message.self, capacity: 1)
        copy.initialize(to: message)
        return copy
    }

    private borrowing func room(for count: Int) -> UnsafeMutableRawPointer {
        guard let room = Self.allocate(count, from: state) else {
            preconditionFailure("a message of our own needs \(count) bytes more than its budget")
        }
        return room
    }
}
