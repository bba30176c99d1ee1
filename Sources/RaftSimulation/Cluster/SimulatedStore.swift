internal import Raft

/// The simulated cluster's state machine: a small key-value store. Each command carries a serial number that no other
/// command has, so that it can be told apart wherever it turns up.
struct SimulatedStore: StateMachine {
    struct Command: ReplicatedCommand, Hashable {
        enum Change: Hashable {
            case put(String)
            /// Sets the new value if the present one is what is expected; nil expects none.
            case compareAndSwap(expected: String?, new: String)
            case append(String)
        }
        var serial: UInt64
        var key: String
        var change: Change
        /// Bytes that mean nothing: so that entries differ in size.
        var padding = 0

        init(serial: UInt64, key: String, _ change: Change, padding: Int = 0) {
            self.serial = serial
            self.key = key
            self.change = change
            self.padding = padding
        }

        func encode(into bytes: inout [UInt8]) {
            func add(_ text: String) {
                bytes.append(UInt8(truncatingIfNeeded: text.utf8.count))
                bytes.append(UInt8(truncatingIfNeeded: text.utf8.count >> 8))
                bytes.append(contentsOf: text.utf8)
            }
            withUnsafeBytes(of: serial.littleEndian) { bytes.append(contentsOf: $0) }
            add(key)
            switch change {
            case .put(let value):
                bytes.append(0)
                add(value)
            case .compareAndSwap(let expected, let new):
                bytes.append(expected == nil ? 1 : 2)
                if let expected { add(expected) }
                add(new)
            case .append(let value):
                bytes.append(3)
                add(value)
            }
            bytes.append(contentsOf: repeatElement(0xA5, count: padding))
        }

        init(decoding bytes: ArraySlice<UInt8>) throws {
            let corrupt = RaftError(.corrupt, "a command of \(bytes.count) bytes that no client made")
            var rest = bytes
            func take(_ count: Int) throws -> ArraySlice<UInt8> {
                guard rest.count >= count else { throw corrupt }
                defer { rest = rest.dropFirst(count) }
                return rest.prefix(count)
            }
            func text() throws -> String {
                let length = try take(2)
                let count = Int(length[length.startIndex]) | Int(length[length.startIndex + 1]) << 8
                return String(decoding: try take(count), as: UTF8.self)
            }
            serial = try take(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
            key = try text()
            switch try take(1).first {
            case 0: change = .put(try text())
            case 1: change = .compareAndSwap(expected: nil, new: try text())
            case 2: change = .compareAndSwap(expected: try text(), new: try text())
            case 3: change = .append(try text())
            default: throw corrupt
            }
            padding = rest.count
        }
    }

    /// What a command found and where it stands in the log.
    struct Output: Hashable, ReplicatedOutput {
        var index: LogIndex
        /// False for a compare-and-swap that did not swap.
        var isDone: Bool

        init(index: LogIndex, isDone: Bool) {
            self.index = index
            self.isDone = isDone
        }
        func encode(into bytes: inout [UInt8]) {
            index.rawValue.encode(into: &bytes)
            isDone.encode(into: &bytes)
        }
        init(decoding bytes: ArraySlice<UInt8>) throws {
            index = LogIndex(try UInt64(decoding: bytes.prefix(8)))
            isDone = try Bool(decoding: bytes.dropFirst(8))
        }
    }

    static let execution = StateMachineExecution.inline
    /// Tells the checker what this node applies, and which state it is in then.
    let onApply: @Sendable (UInt64, LogID, _ state: UInt64) -> Void
    /// Asked before each command; what it throws is the machine's failure.
    let willApply: @Sendable () throws -> Void
    private(set) var values: [String: String] = [:]
    private(set) var last: LogIndex = 0
    /// Over every change so far, and what came of it.
    private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325

    static let makesSnapshots = true
    /// Tells the checker which state this node takes over, and of which command.
    let onRestore: @Sendable (_ state: UInt64, LogIndex, LogID) -> Void

    init(
        willApply: @escaping @Sendable () throws -> Void = {},
        onApply: @escaping @Sendable (UInt64, LogID, _ state: UInt64) -> Void,
        onRestore: @escaping @Sendable (_ state: UInt64, LogIndex, LogID) -> Void
    ) {
        self.willApply = willApply
        self.onApply = onApply
        self.onRestore = onRestore
    }

    mutating func apply(_ command: Command, at id: LogID) throws -> Output {
        try willApply()
        var isDone = true
        switch command.change {
        case .put(let value): values[command.key] = value
        case .compareAndSwap(let expected, let new):
            isDone = values[command.key] == expected
            if isDone { values[command.key] = new }
        case .append(let value): values[command.key, default: ""] += value
        }
        hash = (hash ^ command.serial ^ (isDone ? 0 : 1 << 63)) &* 0x0000_0100_0000_01B3
        last = id.index
        onApply(command.serial, id, hash)
        return Output(index: id.index, isDone: isDone)
    }

    // MARK: Snapshots

    /// As text: the last command's index, the hash, and each key with its value, in order.
    mutating func snapshot() -> StateSnapshot {
        StateSnapshot { [last, hash, values] write in
            try write(Array("\(last) \(hash)\n".utf8)[...])
            for (key, value) in values.sorted(by: { $0.key < $1.key }) {
                try write(Array("\(key)\n\(value)\n".utf8)[...])
            }
        }
    }

    mutating func restore(_ contents: inout SnapshotContents, through id: LogID) throws {
        let corrupt = RaftError(.corrupt, "a snapshot that no node built")
        let text = String(decoding: try contents.all(), as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        let numbers = (lines.first ?? "").split(separator: " ").compactMap { UInt64($0) }
        guard numbers.count == 2, lines.count % 2 == 1 else { throw corrupt }
        last = LogIndex(numbers[0])
        hash = numbers[1]
        values = [:]
        for position in stride(from: 1, to: lines.count, by: 2) {
            values[String(lines[position])] = String(lines[position + 1])
        }
        onRestore(hash, last, id)
    }
}
