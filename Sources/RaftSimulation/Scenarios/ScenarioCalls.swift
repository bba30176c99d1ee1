internal import Raft

/// The callers of a scenario: what each asked for, and what became of it.
final class ScenarioCalls: @unchecked Sendable {
    // @unchecked: as the scheduler.
    final class Call: @unchecked Sendable {
        // @unchecked: as the scheduler.
        fileprivate(set) var state = CallState.pending
        fileprivate(set) var error: RaftError?
        /// Where a write was applied; on a read, the last entry that it saw.
        fileprivate(set) var index: LogIndex?
        fileprivate var serial: UInt64?
    }

    private let checker: SafetyChecker
    private var named: [String: [Call]] = [:]
    private var all: [Call] = []
    private var nextSerial: UInt64 = 1

    init(checker: SafetyChecker) { self.checker = checker }

    subscript(name: String) -> [Call]? { named[name] }

    private func add(_ name: String?) -> Call {
        let call = Call()
        all.append(call)
        if let name { named[name, default: []].append(call) }
        return call
    }

    private func settle(_ call: Call, _ error: RaftError) {
        call.error = error
        call.state = error.outcome == .unknown ? .unknown : .refused
    }

    @discardableResult
    func put(at node: RaftNode<SimulatedStore>, name: String?) -> Call {
        let call = add(name)
        let serial = nextSerial
        nextSerial += 1
        call.serial = serial
        node.propose(Self.command(serial)) { [self] result in
            switch result {
            case .success(let output):
                let index = output.index
                call.state = .ok
                call.index = index
                if checker.applied[index]?.serial != serial {
                    checker.fail("I5", "a write was acknowledged at entry \(index), which holds another")
                }
            case .failure(let error): settle(call, error)
            }
        }
        return call
    }

    @discardableResult
    func read(at node: RaftNode<SimulatedStore>, isLocal: Bool, name: String?) -> Call {
        let call = add(name)
        let floor = isLocal ? 0 : all.filter { $0.serial != nil && $0.state == .ok }.compactMap(\.index).max() ?? 0
        let settled = { @Sendable [self] (result: Result<Result<LogIndex, any Error>, RaftError>) in
            switch result {
            case .success(let value):
                guard let last = try? value.get() else { return }
                call.state = .ok
                call.index = last
                if last < floor {
                    checker.fail("I16", "a read saw entry \(last) as the last after \(floor) was acknowledged")
                }
            case .failure(let error): settle(call, error)
            }
        }
        node.read(isLocal ? .local : .linearizable, { $0.last }, completion: settled)
        return call
    }

    func transfer(at node: RaftNode<SimulatedStore>, to target: NodeID?, name: String?) {
        let call = add(name)
        node.transferLeadership(to: target) { [self] result in
            switch result {
            case .success: call.state = .ok
            case .failure(let error): settle(call, error)
            }
        }
    }

    /// At the end: everything acknowledged is there, and nothing that was refused.
    func checkOutcomes() {
        for call in all {
            guard let serial = call.serial else { continue }
            let places = checker.appliedIndex(serial).map { [$0] } ?? []
            if call.state == .ok, places != [call.index!] {
                checker.fail("I7", "the write acknowledged at entry \(call.index!) is lost")
            }
            if call.state == .refused, !places.isEmpty {
                checker.fail("I19", "a write was refused, and applied at \(places) all the same")
            }
        }
    }

    private static func command(_ serial: UInt64) -> SimulatedStore.Command {
        SimulatedStore.Command(serial: serial, key: "x", .put("\(serial)"))
    }

    /// The command of an entry that a script made up: the same for one id, wherever it appears.
    static func payload(of id: LogID) -> [UInt8] {
        var bytes: [UInt8] = []
        command(1 << 50 | id.term.rawValue << 24 | id.index.rawValue).encode(into: &bytes)
        return bytes
    }
}
