internal import Raft

/// A machine that does nothing.
struct Noted: StateMachine {
    struct Command: ReplicatedCommand {
        private let bytes: [UInt8]
        init(size: Int) { bytes = [UInt8](repeating: 7, count: size) }
        init(decoding bytes: ArraySlice<UInt8>) { self.bytes = [] }
        func encode(into bytes: inout [UInt8]) { bytes += self.bytes }
    }
    static var execution: StateMachineExecution { .inline }
    mutating func apply(_ command: Command, at id: LogID) {}
}
