public import Raft

/// Checks that a ``StateMachine`` of your own keeps the promises that a node, and all members together, rely on.
///
/// ```swift
/// let conformance = StateMachineConformance(
///     command: { random in Counter.Add(UInt8.random(in: 1...9, using: &random)) },
///     state: { $0.total },
///     machine: { Counter() })
/// for violation in conformance.violations() { print(violation) }
/// ```
///
/// It knows no test framework: call it from a test of any kind, one check a test or all at once. The checks give the
/// machine commands that you draw, in runs of every length, take snapshots, restart it and look at what it shows, and
/// compare that with a machine that was given one entry after the other. They take a second or two together for a
/// machine in memory.
public struct StateMachineConformance<Machine: StateMachine>: Sendable {
    /// What is checked.
    public typealias Check = StateMachineCheck

    /// Where one machine keeps its files: empty at first, and no other's.
    public struct Place: Sendable {
        let open: @Sendable () throws -> Machine
        let crash: (@Sendable () throws -> Void)?

        /// - Parameters:
        ///   - crash: the computer stops and starts again: all that is not durable is lost. Called when the machine
        ///     under check was let go of without ``StateMachine/close()``. Nil if a test cannot do that: then only the
        ///     process has died.
        ///   - open: a machine on what is there by now; the one before is gone. One in memory is always new.
        ///     ``StateMachine/open(logEnd:)`` is left to the check.
        public init(crash: (@Sendable () throws -> Void)? = nil, open: @escaping @Sendable () throws -> Machine) {
            self.open = open
            self.crash = crash
        }
    }

    let makeCommand: @Sendable (inout RandomSource) -> Machine.Command
    let look: @Sendable (borrowing Machine) throws -> Sight
    let isSameOutput: @Sendable (Machine.Output, Machine.Output) -> Bool
    let makePlace: @Sendable () throws -> Place
    /// How long a machine may keep a command waiting for a snapshot that is being written.
    var patience: Duration = .seconds(10)

    /// For any machine.
    ///
    /// - Parameters:
    ///   - command: draws a command: of every kind, some that are refused too, and of few names, so that they meet.
    ///   - state: all that reads can see of the state. Its description should be the same in every process (no sets, no
    ///     dictionaries): it is shown in violations, and ``fingerprint(seed:)`` is made of it.
    ///   - isSameOutput: whether two outputs are the same to who gets them.
    ///   - place: a new, empty place. Called at least once by each check.
    public init<State: Equatable & Sendable>(
        command: @escaping @Sendable (inout RandomSource) -> Machine.Command,
        state: @escaping @Sendable (borrowing Machine) throws -> State,
        isSameOutput: @escaping @Sendable (Machine.Output, Machine.Output) -> Bool,
        place: @escaping @Sendable () throws -> Place
    ) {
        makeCommand = command
        look = { machine in Sight(try state(machine)) }
        self.isSameOutput = isSameOutput
        makePlace = place
    }

    /// For a machine with files of its own; the parameters are those of
    /// ``init(command:state:isSameOutput:place:)``.
    public init<State: Equatable & Sendable>(
        command: @escaping @Sendable (inout RandomSource) -> Machine.Command,
        state: @escaping @Sendable (borrowing Machine) throws -> State,
        place: @escaping @Sendable () throws -> Place
    ) where Machine.Output: Equatable {
        self.init(command: command, state: state, isSameOutput: { $0 == $1 }, place: place)
    }

    /// For a machine in memory; the other parameters are those of ``init(command:state:isSameOutput:place:)``.
    ///
    /// - Parameter machine: a new one.
    public init<State: Equatable & Sendable>(
        command: @escaping @Sendable (inout RandomSource) -> Machine.Command,
        state: @escaping @Sendable (borrowing Machine) throws -> State,
        machine: @escaping @Sendable () throws -> Machine
    ) where Machine.Output: Equatable {
        self.init(command: command, state: state, isSameOutput: { $0 == $1 }, place: { Place(open: machine) })
    }

    /// The checks that concern this machine: those of snapshots only if it makes any, that of kept sessions only if it
    /// keeps them.
    public static var checks: [Check] {
        Check.allCases.filter { check in
            switch check {
            case .snapshots, .appliesAfterRestore, .restoreOverState, .pointInTime, .appliesWhileWriting,
                .abandonedSnapshots, .damagedSnapshots:
                Machine.makesSnapshots
            case .keptSessions: Machine.sessions == .kept
            case .emptyAtFirst, .commands, .garbage, .determinism, .runs, .otherEntries, .reopens, .crashes, .logCut,
                .anything:
                true
            }
        }
    }

    /// Runs one check.
    ///
    /// - Returns: what the machine did that it must not, or nil; nil, too, for a check that does not concern it.
    public func violation(of check: Check) -> StateMachineViolation? {
        guard Self.checks.contains(check) else { return nil }
        do {
            try run(check)
            return nil
        } catch let mismatch as StateMachineMismatch {
            return StateMachineViolation(check: check, description: "\(check.rawValue): \(mismatch.text)")
        } catch {
            return StateMachineViolation(check: check, description: "\(check.rawValue): an error was thrown: \(error)")
        }
    }

    /// Runs every check that concerns the machine.
    ///
    /// - Returns: what is wrong; empty for a machine that may be used.
    public func violations() -> [StateMachineViolation] { Self.checks.compactMap { violation(of: $0) } }

    /// One number for what the machine makes of 200 commands drawn from this seed: their bytes, outputs and states.
    ///
    /// Write it down in a test. When it differs from one process to the next, the machine uses something that members
    /// do not share (the order of a set, an address, the time). When it changes with the code, members of two versions
    /// in one cluster would part: such a change needs a command that says so.
    ///
    /// - Throws: what the machine throws.
    public func fingerprint(seed: UInt64 = 1) throws -> UInt32 {
        let script = CommandScript(self, count: 200, seed: seed, othersPerHundred: 0)
        let straight = try Straight(self, script)
        var checksum: UInt32 = 0
        for (position, entry) in script.entries.enumerated() {
            checksum = SnapshotChecksum.of(entry.payload[...], continuing: checksum)
            let output = straight.outputs[position].map { "\($0)" } ?? ""
            let text = "\(output) \(straight.sights[position + 1].text)"
            checksum = SnapshotChecksum.of(Array(text.utf8)[...], continuing: checksum)
        }
        return checksum
    }
}

/// A promise of ``StateMachine`` that can be checked.
public enum StateMachineCheck: String, CaseIterable, Sendable {
    /// A new machine says nil as its ``StateMachine/lastApplied``, and two new ones show the same.
    case emptyAtFirst
    /// A command is the same after a trip through its bytes: they are appended, the same each time, and are read from
    /// wherever they lie in a larger array.
    case commands
    /// Bytes that are no command are refused with an error, or are the same command everywhere; nothing traps, whether
    /// they come as a command or as a snapshot.
    case garbage
    /// Two machines that are given the same commands give the same outputs and show the same, after each of them.
    case determinism
    /// How commands are cut into runs makes no difference, and each has one output, in order.
    case runs
    /// Entries that are no commands change nothing and have no output; a run may hold none but those.
    case otherEntries
    /// Closed and opened again, the machine says how far it has applied, or nil, and shows the state of exactly that
    /// entry.
    case reopens
    /// The same after a crash, whatever it loses.
    case crashes
    /// Opened over a log that ends before what it holds, the machine begins anew.
    case logCut
    /// What a snapshot is taken of is what a new machine shows that takes it over, and shows again after a restart.
    case snapshots
    /// A machine that took over a snapshot goes on as the one that made it: the same outputs, the same states.
    case appliesAfterRestore
    /// A restore leaves nothing of what the machine had before.
    case restoreOverState
    /// A snapshot holds the state as it was when it was taken, however many commands were applied before it is written.
    case pointInTime
    /// Commands are applied while a snapshot is being written, and do not wait for that.
    case appliesWhileWriting
    /// Snapshots that nobody writes, or that end with an error of whom they are written to, do no harm.
    case abandonedSnapshots
    /// A snapshot that cannot be read to its end is an error, and leaves a machine that can take over another one.
    case damagedSnapshots
    /// With ``SessionSupport/kept``: the rows of sessions are kept together with the state, in order.
    case keptSessions
    /// Hundreds of operations of all kinds, in an order drawn from a seed.
    case anything
}

/// A promise of ``StateMachine`` that a machine does not keep.
public struct StateMachineViolation: Error, Hashable, Sendable, CustomStringConvertible {
    /// Which promise.
    public let check: StateMachineCheck
    /// The check, what was found, and what should have been.
    public let description: String
}

struct StateMachineMismatch: Error {
    let text: String
    init(_ text: String) { self.text = text }
}

/// What a machine shows, of whatever type.
struct Sight: Equatable, Sendable {
    private let value: any Sendable
    private let isSame: @Sendable (any Sendable) -> Bool
    let text: String

    init<State: Equatable & Sendable>(_ state: State) {
        value = state
        isSame = { $0 as? State == state }
        text = "\(state)"
    }

    static func == (a: Sight, b: Sight) -> Bool { a.isSame(b.value) }
}
