import Raft

/// The smallest state machine that can tell whether commands were lost, repeated or reordered.
struct Counter: StateMachine {
    struct Add: ReplicatedCommand, Equatable {
        var amount: Int64
        init(_ amount: Int64) { self.amount = amount }
        func encode(into bytes: inout [UInt8]) {
            withUnsafeBytes(of: amount.littleEndian) { bytes.append(contentsOf: $0) }
        }
        init(decoding bytes: ArraySlice<UInt8>) throws {
            guard bytes.count == 8 else { throw RaftError(.corrupt, "a command of \(bytes.count) bytes") }
            amount = bytes.withUnsafeBytes { Int64(littleEndian: $0.loadUnaligned(as: Int64.self)) }
        }
    }
    static let execution = StateMachineExecution.inline
    private(set) var total: Int64 = 0
    private(set) var history: [Int64] = []

    mutating func apply(_ command: Add, at id: LogID) -> Int64 {
        total += command.amount
        history.append(command.amount)
        return total
    }

    static let makesSnapshots = true

    mutating func snapshot() -> StateSnapshot {
        StateSnapshot { [history] write in
            for amount in history { try withUnsafeBytes(of: amount.littleEndian) { try write(ArraySlice($0)) } }
        }
    }

    mutating func restore(_ contents: inout SnapshotContents, through last: LogID) throws {
        let bytes = try contents.all()
        history = try stride(from: 0, to: bytes.count, by: 8).map { try Add(decoding: bytes[$0..<($0 + 8)]).amount }
        total = history.reduce(0, +)
    }
}
