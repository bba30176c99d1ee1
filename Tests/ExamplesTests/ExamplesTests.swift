import Foundation
import Raft
import RaftSimulation
import Testing

@testable import CounterExample
@testable import LedgerExample
@testable import LockExample
@testable import SQLiteExample

@Suite("The examples keep what a node relies on")
struct ExamplesTests {
    static let counter = StateMachineConformance<CounterExample.Counter>(
        command: { .init(UInt8($0.next() % 200)) }, state: { $0.total }, machine: { CounterExample.Counter() })

    static let locks = StateMachineConformance<Locks>(
        command: { random in
            let name = "lock \(random.next() % 3)"
            guard random.next() % 4 > 0 else { return .release(name, token: random.next() % 120) }
            return .acquire(
                name, owner: "owner \(random.next() % 3)", now: Int64(random.next() % 2000),
                milliseconds: Int64(random.next() % 300))
        },
        state: { $0.held }, machine: { Locks() })

    static let ledger = StateMachineConformance<Ledger>(
        command: { random in
            .init(account: "abc".map { String($0) }[Int(random.next() % 3)], amount: Int32(random.next() % 30) - 10)
        },
        state: { $0.accounts },
        place: {
            let path = FileManager.default.temporaryDirectory.path + "/raft-ledger-\(UUID().uuidString)"
            return .init(
                crash: {
                    // Of what was not synced a part of the last line may be gone.
                    guard let bytes = FileManager.default.contents(atPath: path), bytes.count > 3 else { return }
                    try bytes.dropLast(3).write(to: URL(filePath: path))
                }, open: { Ledger(path: path) })
        })

    @Test("The counter", arguments: StateMachineConformance<CounterExample.Counter>.checks)
    func counter(check: StateMachineCheck) { #expect(Self.counter.violation(of: check) == nil) }

    @Test("The locks", arguments: StateMachineConformance<Locks>.checks)
    func locks(check: StateMachineCheck) { #expect(Self.locks.violation(of: check) == nil) }

    @Test("The ledger, with a file of its own", arguments: StateMachineConformance<Ledger>.checks)
    func ledger(check: StateMachineCheck) { #expect(Self.ledger.violation(of: check) == nil) }

    @Test("Of two who held a lock one after the other, only the later one may write")
    func fencing() {
        var (locks, vault) = (Locks(), Vault())
        func at(_ index: LogIndex) -> LogID { LogID(term: 1, index: index) }
        let ann = Locks.Command.acquire("a", owner: "ann", now: 0, milliseconds: 10)
        let bob = Locks.Command.acquire("a", owner: "bob", now: 9, milliseconds: 10)
        #expect(locks.apply(ann, at: at(3)) == .granted(token: 3))
        #expect(locks.apply(ann, at: at(4)) == .granted(token: 3))
        #expect(locks.apply(bob, at: at(5)) == .taken(by: "ann"))
        #expect(
            locks.apply(.acquire("a", owner: "bob", now: 10, milliseconds: 10), at: at(6)) == .granted(token: 6))
        #expect(vault.write("bob", token: 6) && !vault.write("ann", token: 3) && vault.content == "bob")
        #expect(locks.apply(.release("a", token: 3), at: at(7)) == .notHeld)
        #expect(locks.apply(.release("a", token: 6), at: at(8)) == .released && locks.held == [])
    }
}
