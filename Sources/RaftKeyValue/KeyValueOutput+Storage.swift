public import Raft
internal import RaftKeyValueModel

/// What a session's command gave, as it is kept until its client has it: a tag of one byte and what belongs to it, with
/// numbers of 8 bytes (little-endian). A revision is never 0, so 0 stands for none.
extension KeyValueOutput: ReplicatedOutput {
    public func encode(into bytes: inout [UInt8]) {
        switch self {
        case .done(let revision, let previous):
            bytes.append(1)
            revision.encode(into: &bytes)
            (previous ?? 0).encode(into: &bytes)
        case .unchanged(let current):
            bytes.append(2)
            (current ?? 0).encode(into: &bytes)
        case .refused(let reason):
            bytes.append(3)
            reason.encode(into: &bytes)
        case .transaction(let result):
            bytes.append(4)
            result.encode(into: &bytes)
        case .compacted(let revision):
            bytes.append(5)
            revision.encode(into: &bytes)
        case .granted(let lease):
            bytes.append(6)
            lease.encode(into: &bytes)
        case .revoked(let wasThere, let keyCount):
            bytes += [7, wasThere ? 1 : 0]
            keyCount.encode(into: &bytes)
        }
    }

    /// - Throws: ``RaftError/Code/corrupt`` when the bytes are no output that this version knows.
    public init(decoding bytes: ArraySlice<UInt8>) throws {
        func revision(_ bytes: ArraySlice<UInt8>) throws -> UInt64? {
            let number = try UInt64(decoding: bytes)
            return number == 0 ? nil : number
        }
        let rest = bytes.dropFirst()
        switch bytes.first {
        case 1:
            self = .done(
                revision: try UInt64(decoding: rest.prefix(8)), previous: try revision(rest.dropFirst(8)))
        case 2: self = .unchanged(current: try revision(rest))
        case 3: self = .refused(try String(decoding: rest))
        case 4: self = .transaction(try TransactionResult(decoding: rest))
        case 6: self = .granted(lease: try UInt64(decoding: rest))
        case 7:
            self = .revoked(
                wasThere: try Bool(decoding: rest.prefix(1)), keyCount: try UInt64(decoding: rest.dropFirst()))
        case 5: self = .compacted(through: try UInt64(decoding: rest))
        default: throw RaftError(.corrupt, "a key-value output of \(bytes.count) bytes that is none")
        }
    }
}
