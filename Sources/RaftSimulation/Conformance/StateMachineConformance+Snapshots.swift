internal import Raft

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

extension StateMachineConformance {
    private typealias Session = StateMachineSession<Machine>

    func snapshots() throws {
        let (script, straight) = try prepared()
        let session = try Session(self, script, straight)
        for last in [1, 60, script.end] {
            try session.apply(inRunsOf: 10, through: last)
            let stored = try session.snapshot()
            for pieceBytes in [1 << 20, 7] {
                let other = try Session(self, script, straight)
                try other.restore(stored, pieceBytes: pieceBytes)
                try other.reopen()
                try other.close()
            }
        }
        try session.close()
    }

    func appliesAfterRestore() throws {
        let (script, straight) = try prepared()
        let session = try Session(self, script, straight)
        try session.apply(inRunsOf: 10, through: 50)
        let other = try Session(self, script, straight)
        try other.restore(try session.snapshot())
        try other.apply(inRunsOf: 7, through: 100)
        let third = try Session(self, script, straight)
        try third.restore(try other.snapshot())
        for session in [session, other, third] {
            try session.apply(inRunsOf: 5, through: script.end)
            try session.close()
        }
    }

    func restoreOverState() throws {
        let (script, straight) = try prepared()
        let session = try Session(self, script, straight)
        try session.apply(inRunsOf: 10, through: 60)
        let stored = try session.snapshot()
        try session.apply(inRunsOf: 10, through: script.end)
        // Back to what it was, and forward from less.
        try session.restore(stored)
        try session.apply(inRunsOf: 10, through: script.end)
        try session.close()
        let other = try Session(self, script, straight)
        try other.apply(inRunsOf: 10, through: 30)
        try other.restore(stored)
        try other.apply(inRunsOf: 10, through: script.end)
        try other.close()
        // One with another past.
        let (strange, itsStraight) = try prepared(80, seed: 99)
        let stranger = try Session(self, strange, itsStraight)
        try stranger.apply(inRunsOf: 10, through: 80)
        var machine = try stranger.with { $0 }
        var contents = SnapshotContents(try stored.reader(script.id(stored.through)))
        try machine.restore(&contents, through: script.id(stored.through))
        let (sight, expected) = (try look(machine), straight.sights[stored.through])
        guard sight == expected else {
            throw StateMachineMismatch(
                "a machine that had another state took over a snapshot, and shows \(Session.short(sight.text)) instead of \(Session.short(expected.text))"
            )
        }
        try machine.close()
    }

    func pointInTime() throws {
        let (script, straight) = try prepared()
        let session = try Session(self, script, straight)
        for last in [20, 60] {
            try session.apply(inRunsOf: 10, through: last)
            let view = try session.view()
            try session.apply(inRunsOf: 10, through: last + 30)
            let stored = Session.Stored(try Session.Stored.bytes(of: view), through: last)
            let other = try Session(self, script, straight)
            try other.restore(stored)
            try other.close()
            try session.check("after a snapshot was written")
        }
        try session.close()
    }

    func appliesWhileWriting() throws {
        let (script, straight) = try prepared()
        let session = try Session(self, script, straight)
        try session.apply(inRunsOf: 10, through: 60)
        let writing = SnapshotBeside(try session.view(), patience: patience)
        defer { writing.stop() }
        writing.waitUntilBegun()
        try session.apply(inRunsOf: 10, through: script.end)
        writing.goOn()
        let bytes = try writing.bytes()
        guard !writing.hasLostPatience else {
            throw StateMachineMismatch(
                "60 commands were not applied within \(patience) while a snapshot was being written; they must not wait for that"
            )
        }
        let other = try Session(self, script, straight)
        try other.restore(Session.Stored(bytes, through: 60))
        try other.close()
        try session.close()
    }

    private struct Refused: Error {}

    func abandonedSnapshots() throws {
        let (script, straight) = try prepared()
        let session = try Session(self, script, straight)
        for last in stride(from: 10, through: 100, by: 10) {
            _ = try session.view()
            try session.apply(inRunsOf: 10, through: last)
            let view = try session.view()
            var hasRefused = false
            do {
                try view.write { _ in
                    hasRefused = true
                    throw Refused()
                }
                if hasRefused {
                    throw StateMachineMismatch(
                        "the sink threw while a snapshot was written, and the machine went on as if it had not")
                }
            } catch is Refused {}
        }
        let other = try Session(self, script, straight)
        try other.restore(try session.snapshot())
        try other.close()
        try session.apply(inRunsOf: 10, through: script.end)
        try session.close()
    }

    func damagedSnapshots() throws {
        let (script, straight) = try prepared()
        let source = try Session(self, script, straight)
        try source.apply(inRunsOf: 10, through: 70)
        let stored = try source.snapshot()
        let last = script.id(stored.through)
        for before in [0, 40] {
            let session = try Session(self, script, straight)
            try session.apply(inRunsOf: 10, through: before)
            var contents = SnapshotContents(try stored.reader(last, isCut: true), pieceBytes: 16)
            do {
                try session.with { try $0.restore(&contents, through: last) }
                throw StateMachineMismatch(
                    "half of a snapshot could not be read, and a machine took it over without an error")
            } catch let error as StateMachineMismatch {
                throw error
            } catch {}
            // As it is then, the node has stopped.
            try session.crash()
            try session.restore(stored)
            try session.apply(inRunsOf: 10, through: script.end)
            try session.close()
        }
    }
}

/// Writes a snapshot on a thread of its own, which stops at the first bytes until it is told to go on.
private final class SnapshotBeside: Sendable {
    private struct State {
        var bytes: [UInt8] = []
        var hasBegun = false
        var mayGoOn = false
        var isOver = false
        var hasLostPatience = false
        var failure: (any Error)?
    }
    private let state = Lock(State())
    private let loop = ThreadLoop(name: "machine-conformance")

    init(_ view: StateSnapshot, patience: Duration) {
        loop.post(
            Block { [state, loop] in
                do {
                    try view.write { bytes in
                        state.withLock {
                            $0.hasBegun = true
                            $0.bytes += bytes
                        }
                        let end = loop.now + patience
                        while !state.withLock({ $0.mayGoOn || $0.hasLostPatience }) {
                            if loop.now > end { state.withLock { $0.hasLostPatience = true } }
                            usleep(200)
                        }
                    }
                } catch {
                    state.withLock { $0.failure = error }
                }
                state.withLock { $0.isOver = true }
            })
    }

    func waitUntilBegun() {
        while !state.withLock({ $0.hasBegun || $0.isOver }) { usleep(200) }
    }
    func goOn() { state.withLock { $0.mayGoOn = true } }
    var hasLostPatience: Bool { state.withLock { $0.hasLostPatience } }

    /// All of it, once it is written.
    func bytes() throws -> [UInt8] {
        while !state.withLock({ $0.isOver }) { usleep(200) }
        return try state.withLock { state in
            if let failure = state.failure { throw failure }
            return state.bytes
        }
    }

    func stop() {
        goOn()
        loop.stop()
    }
}
