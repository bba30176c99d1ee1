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
        /// What a read found under its key.
        fileprivate(set) var value: String?
        fileprivate var serial: UInt64?
        /// Of a write: whether it did what it was for.
        fileprivate(set) var isDone = false
        /// Of a write in a session.
        fileprivate var request: SessionRequest?
        fileprivate var command: SimulatedStore.Command?
        /// Of a write: it was acknowledged, and a recovery went on without it.
        fileprivate var isLost = false
    }

    /// What a read sees.
    private struct Look: Sendable {
        var last: LogIndex
        var value: String?
    }

    private var checker: SafetyChecker
    private var named: [String: [Call]] = [:]
    private var all: [Call] = []
    private var sessions: [String: SessionNumbers] = [:]
    private var nextSerial: UInt64 = 1

    init(checker: SafetyChecker) { self.checker = checker }

    /// The cluster is another one. Whatever its history does not have is lost, acknowledged or not.
    func goOn(by checker: SafetyChecker) {
        self.checker = checker
        for call in all where call.state == .ok {
            if let serial = call.serial, checker.appliedIndex(serial) == nil { call.isLost = true }
        }
    }

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
    func put(_ key: String, _ value: String, at node: RaftNode<SimulatedStore>, name: String?) -> Call {
        let call = add(name)
        let serial = nextSerial
        nextSerial += 1
        call.serial = serial
        node.propose(.init(serial: serial, key: key, .put(value))) { [self] result in
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

    // MARK: Sessions

    /// Begins a session; the call of its name is settled with it.
    func register(_ name: String, at node: RaftNode<SimulatedStore>) {
        let call = add(name)
        node.sessions.register { [self] result in
            switch result {
            case .success(let session):
                call.state = .ok
                sessions[name] = SessionNumbers(session)
            case .failure(let error): settle(call, error)
            }
        }
    }

    func close(_ session: String, at node: RaftNode<SimulatedStore>, name: String) -> Bool {
        guard let numbers = sessions[session] else { return false }
        let call = add(name)
        node.sessions.close(numbers.session) { [self] result in
            switch result {
            case .success: call.state = .ok
            case .failure(let error): settle(call, error)
            }
        }
        return true
    }

    func put(
        _ key: String, _ value: String, in session: String, at node: RaftNode<SimulatedStore>, name: String?
    ) -> Bool {
        guard let request = sessions[session]?.next() else { return false }
        let call = add(name)
        call.serial = nextSerial
        nextSerial += 1
        call.request = request
        call.command = .init(serial: call.serial!, key: key, .append(value))
        propose(call, call, at: node)
        return true
    }

    /// The same command with the same number, once more.
    func retry(_ first: String, at node: RaftNode<SimulatedStore>, name: String) -> Bool {
        guard let first = named[first]?.last, first.request != nil else { return false }
        propose(first, add(name), at: node)
        return true
    }

    /// Its client has the reply: the next command of the session says so.
    func acknowledge(_ name: String) -> Bool {
        guard let request = named[name]?.last?.request,
            let session = sessions.first(where: { $0.value.session == request.session })?.key
        else { return false }
        sessions[session]?.answered(request.sequence)
        return true
    }

    private func propose(_ first: Call, _ call: Call, at node: RaftNode<SimulatedStore>) {
        guard let command = first.command, let request = first.request else { return }
        node.propose(command, in: request) { [self] result in
            switch result {
            case .success(let output):
                call.state = .ok
                call.index = output.index
                call.isDone = output.isDone
                if checker.applied[output.index]?.serial != command.serial {
                    checker.fail("I5", "a write was acknowledged at entry \(output.index), which holds another")
                }
            case .failure(let error): settle(call, error)
            }
        }
    }

    @discardableResult
    func read(_ key: String, at node: RaftNode<SimulatedStore>, _ consistency: ReadConsistency, name: String?) -> Call {
        let call = add(name)
        let acknowledged =
            all.filter { $0.serial != nil && $0.state == .ok && !$0.isLost }.compactMap(\.index).max() ?? 0
        let floor = consistency == .local ? 0 : acknowledged
        let settled = { @Sendable [self] (result: Result<Result<Look, any Error>, RaftError>) in
            switch result {
            case .success(let value):
                guard let look = try? value.get() else { return }
                call.state = .ok
                call.index = look.last
                call.value = look.value
                if look.last < floor {
                    checker.fail("I16", "a read saw entry \(look.last) as the last after \(floor) was acknowledged")
                }
            case .failure(let error): settle(call, error)
            }
        }
        node.read(consistency, { Look(last: $0.last, value: $0.values[key]) }, completion: settled)
        return call
    }

    func ask(
        _ request: MembershipRequest, at node: RaftNode<SimulatedStore>, isGuarded: Bool, name: String?
    ) {
        let call = add(name)
        node.membership.perform(
            request, ifUnchangedSince: isGuarded ? node.status.configurationID : nil, timeout: .seconds(30),
            completion: settle(call))
    }

    func snapshot(at node: RaftNode<SimulatedStore>, name: String?) {
        node.triggerSnapshot(completion: settle(add(name)))
    }

    func push(to peer: NodeID?, at node: RaftNode<SimulatedStore>, name: String?) {
        node.pushSnapshot(to: peer, completion: settle(add(name)))
    }

    private func settle<Value>(_ call: Call) -> @Sendable (Result<Value, RaftError>) -> Void {
        { [self] result in
            switch result {
            case .success: call.state = .ok
            case .failure(let error): settle(call, error)
            }
        }
    }

    func transfer(at node: RaftNode<SimulatedStore>, to target: NodeID?, name: String?) {
        let call = add(name)
        node.leadership.transfer(to: target) { [self] result in
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
            if call.state == .ok, !call.isLost, places != [call.index!] {
                checker.fail("I7", "the write acknowledged at entry \(call.index!) is lost")
            }
            if call.state == .refused, !places.isEmpty {
                checker.fail("I19", "a write was refused, and applied at \(places) all the same")
            }
        }
    }

    /// The command of an entry that a script made up: the same for one id, wherever it appears.
    static func payload(of id: LogID) -> [UInt8] {
        let serial = 1 << 50 | id.term.rawValue << 24 | id.index.rawValue
        var bytes: [UInt8] = []
        SimulatedStore.Command(serial: serial, key: "x", .put("\(id)")).encode(into: &bytes)
        return bytes
    }
}
