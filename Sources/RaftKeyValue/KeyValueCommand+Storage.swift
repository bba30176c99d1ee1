internal import CProtobufC
internal import CRaftProtos
public import Raft
internal import RaftKeyValueModel

extension KeyValueCommand: ReplicatedCommand {
    /// Writes the command as `raft.storage.KeyValueCommand` (Protos/storage.proto).
    public func encode(into bytes: inout [UInt8]) {
        var message = Raft__Storage__V1__KeyValueCommand()
        raft__storage__v1__key_value_command__init(&message)
        switch self {
        case .put(let key, let value):
            message.kind = RAFT__STORAGE__V1__KEY_VALUE_COMMAND__KIND__KIND_PUT
            key.withBinaryData { key in
                value.withBinaryData { value in
                    message.key = key
                    message.value = value
                    Self.pack(&message, into: &bytes)
                }
            }
        case .delete(let key):
            message.kind = RAFT__STORAGE__V1__KEY_VALUE_COMMAND__KIND__KIND_DELETE
            key.withBinaryData { key in
                message.key = key
                Self.pack(&message, into: &bytes)
            }
        case .transaction(let transaction):
            message.kind = RAFT__STORAGE__V1__KEY_VALUE_COMMAND__KIND__KIND_TRANSACTION
            var packed: [UInt8] = []
            transaction.encode(into: &packed)
            packed.withBinaryData { packed in
                message.transaction = packed
                Self.pack(&message, into: &bytes)
            }
        case .compact(let revision):
            message.kind = RAFT__STORAGE__V1__KEY_VALUE_COMMAND__KIND__KIND_COMPACT
            message.compact_through = revision
            Self.pack(&message, into: &bytes)
        case .grant(let milliseconds):
            message.kind = RAFT__STORAGE__V1__KEY_VALUE_COMMAND__KIND__KIND_GRANT
            message.lease_milliseconds = milliseconds
            Self.pack(&message, into: &bytes)
        case .revoke(let lease):
            message.kind = RAFT__STORAGE__V1__KEY_VALUE_COMMAND__KIND__KIND_REVOKE
            message.lease = lease
            Self.pack(&message, into: &bytes)
        case .compareAndSwap(let key, let expectation, let value):
            message.kind = RAFT__STORAGE__V1__KEY_VALUE_COMMAND__KIND__KIND_COMPARE_AND_SWAP
            key.withBinaryData { key in
                value.withBinaryData { value in
                    message.key = key
                    message.value = value
                    switch expectation {
                    case .value(let expected):
                        message.expectation_case =
                            RAFT__STORAGE__V1__KEY_VALUE_COMMAND__EXPECTATION_EXPECTED_VALUE
                        expected.withBinaryData { expected in
                            message.expected_value = expected
                            Self.pack(&message, into: &bytes)
                        }
                    case .revision(let revision):
                        message.expectation_case =
                            RAFT__STORAGE__V1__KEY_VALUE_COMMAND__EXPECTATION_EXPECTED_REVISION
                        message.expected_revision = revision
                        Self.pack(&message, into: &bytes)
                    case .absent:
                        message.expectation_case =
                            RAFT__STORAGE__V1__KEY_VALUE_COMMAND__EXPECTATION_EXPECTED_ABSENT
                        message.expected_absent = 1
                        Self.pack(&message, into: &bytes)
                    }
                }
            }
        }
    }

    private static func pack(_ message: inout Raft__Storage__V1__KeyValueCommand, into bytes: inout [UInt8]) {
        let size = raft__storage__v1__key_value_command__get_packed_size(&message)
        withUnsafeTemporaryAllocation(byteCount: max(size, 1), alignment: 1) { buffer in
            let written = raft__storage__v1__key_value_command__pack(
                &message, buffer.baseAddress!.assumingMemoryBound(to: UInt8.self))
            bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer.prefix(written)))
        }
    }

    /// - Throws: ``RaftError/Code/corrupt`` when the bytes are not one command that this version knows in full.
    public init(decoding bytes: ArraySlice<UInt8>) throws {
        // Everything that unpacking may want of a command that we wrote: the message, and a copy of its bytes; each of its
        // fields is rounded up. On the stack, unless the command is large.
        let byteCount = MemoryLayout<Raft__Storage__V1__KeyValueCommand>.size + bytes.count + 384
        self = try UnpackArena.withAllocator(byteCount: byteCount) { allocator in
            let unpacked = bytes.withUnsafeBytes { raw in
                raft__storage__v1__key_value_command__unpack(
                    allocator, raw.count, raw.baseAddress?.assumingMemoryBound(to: UInt8.self))
            }
            // Nothing to free: the arena holds it all.
            guard let message = unpacked?.pointee else {
                throw RaftError(.corrupt, "log entry of \(bytes.count) bytes is not a key-value command")
            }
            return try KeyValueCommand(message)
        }
    }

    private init(_ message: Raft__Storage__V1__KeyValueCommand) throws {
        guard message.base.n_unknown_fields == 0 else {
            throw RaftError(
                .corrupt,
                "key-value command with \(message.base.n_unknown_fields) fields that this version does not know; run the version that wrote it, or a later one"
            )
        }
        let expectation = message.expectation_case
        let isBare =
            expectation == RAFT__STORAGE__V1__KEY_VALUE_COMMAND__EXPECTATION__NOT_SET && message.key.len == 0
            && message.value.len == 0
        // The fields that go with one kind only. Every command comes by here: a number, nothing that is allocated.
        let (transaction, compaction, grant, revocation) = (1, 2, 4, 8)
        let others =
            (message.transaction.len > 0 ? transaction : 0) | (message.compact_through > 0 ? compaction : 0)
            | (message.lease_milliseconds > 0 ? grant : 0) | (message.lease > 0 ? revocation : 0)
        func isOnly(_ field: Int) -> Bool { isBare && others & ~field == 0 }
        switch message.kind {
        case RAFT__STORAGE__V1__KEY_VALUE_COMMAND__KIND__KIND_GRANT where isOnly(grant):
            self = .grant(milliseconds: message.lease_milliseconds)
            return
        case RAFT__STORAGE__V1__KEY_VALUE_COMMAND__KIND__KIND_REVOKE where isOnly(revocation):
            self = .revoke(lease: message.lease)
            return
        case RAFT__STORAGE__V1__KEY_VALUE_COMMAND__KIND__KIND_TRANSACTION where isOnly(transaction):
            let bytes = UnsafeBufferPointer(start: message.transaction.data, count: message.transaction.len)
            self = .transaction(try KeyValueTransaction(decoding: Array(bytes)[...]))
            return
        case RAFT__STORAGE__V1__KEY_VALUE_COMMAND__KIND__KIND_COMPACT where isOnly(compaction):
            self = .compact(through: message.compact_through)
            return
        default: break
        }
        let key = [UInt8](message.key)
        let value = [UInt8](message.value)
        guard others == 0 else {
            throw RaftError(
                .corrupt, "key-value command of kind \(message.kind.rawValue), with fields that do not go with it")
        }
        switch message.kind {
        case RAFT__STORAGE__V1__KEY_VALUE_COMMAND__KIND__KIND_PUT
        where expectation == RAFT__STORAGE__V1__KEY_VALUE_COMMAND__EXPECTATION__NOT_SET:
            self = .put(key: key, value: value)
        case RAFT__STORAGE__V1__KEY_VALUE_COMMAND__KIND__KIND_DELETE
        where expectation == RAFT__STORAGE__V1__KEY_VALUE_COMMAND__EXPECTATION__NOT_SET && value.isEmpty:
            self = .delete(key: key)
        case RAFT__STORAGE__V1__KEY_VALUE_COMMAND__KIND__KIND_COMPARE_AND_SWAP:
            switch expectation {
            case RAFT__STORAGE__V1__KEY_VALUE_COMMAND__EXPECTATION_EXPECTED_VALUE:
                self = .compareAndSwap(key: key, expectation: .value([UInt8](message.expected_value)), value: value)
            case RAFT__STORAGE__V1__KEY_VALUE_COMMAND__EXPECTATION_EXPECTED_REVISION:
                self = .compareAndSwap(key: key, expectation: .revision(message.expected_revision), value: value)
            case RAFT__STORAGE__V1__KEY_VALUE_COMMAND__EXPECTATION_EXPECTED_ABSENT where message.expected_absent != 0:
                self = .compareAndSwap(key: key, expectation: .absent, value: value)
            default:
                throw RaftError(.corrupt, "compare-and-swap command without an expectation")
            }
        default:
            throw RaftError(
                .corrupt, "key-value command of kind \(message.kind.rawValue), with fields that do not go with it")
        }
    }
}

extension [UInt8] {
    fileprivate init(_ data: ProtobufCBinaryData) {
        self.init(UnsafeBufferPointer(start: data.data, count: data.len))
    }

    /// The bytes as protobuf-c wants them. It only reads through the pointer while packing.
    fileprivate func withBinaryData<Result>(_ body: (ProtobufCBinaryData) -> Result) -> Result {
        withUnsafeBufferPointer { buffer in
            body(ProtobufCBinaryData(len: buffer.count, data: UnsafeMutablePointer(mutating: buffer.baseAddress)))
        }
    }
}
