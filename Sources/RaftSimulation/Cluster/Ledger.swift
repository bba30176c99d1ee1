internal import Raft

/// The simulated cluster's state machine: a list of serial numbers, each proposed once by one client.
struct Ledger: StateMachine {
    struct Write: ReplicatedCommand {
        var serial: UInt64
        init(serial: UInt64) { self.serial = serial }
        func encode(into bytes: inout [UInt8]) {
            withUnsafeBytes(of: serial.littleEndian) { bytes.append(contentsOf: $0) }
        }
        init(decoding bytes: ArraySlice<UInt8>) throws {
            guard bytes.count == 8 else { throw RaftError(.corrupt, "a command of \(bytes.count) bytes") }
            serial = bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
        }
    }

    static let execution = StateMachineExecution.inline
    /// Tells the checker what this node applies.
    let onApply: @Sendable (UInt64, LogID) -> Void
    private(set) var last: LogIndex = 0
    private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325

    init(onApply: @escaping @Sendable (UInt64, LogID) -> Void) { self.onApply = onApply }

    mutating func apply(_ command: Write, at id: LogID) -> LogIndex {
        onApply(command.serial, id)
        hash = (hash ^ command.serial) &* 0x0000_0100_0000_01B3
        last = id.index
        return id.index
    }
}
