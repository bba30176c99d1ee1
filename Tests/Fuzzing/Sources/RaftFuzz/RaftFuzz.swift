internal import CFuzzer
internal import Glibc

/// What one input is given to. A target must return for every input: a trap, a broken promise of its own, a leak or a
/// report of the sanitizers is a finding.
struct Target: Sendable {
    let name: String
    /// Real inputs to begin with.
    let seeds: @Sendable () throws -> [[UInt8]]
    let run: @Sendable ([UInt8]) -> Void
}

/// A promise of a target. Always checked, with or without optimisation.
func require(_ condition: Bool, _ text: @autoclosure () -> String) {
    if !condition { fatalError(text()) }
}

/// `raft-fuzz list`; `raft-fuzz seeds TARGET DIRECTORY` writes what a corpus begins with; `raft-fuzz TARGET …` gives the
/// other arguments to libFuzzer: corpus directories and options, or files to run once.
@main
struct RaftFuzz {
    static let targets: [Target] = StorageTargets.all + WireTargets.all + TextTargets.all
    /// The one that runs. Set once, before libFuzzer calls back, on its one thread.
    nonisolated(unsafe) static var current: Target?

    static func main() throws {
        let arguments = CommandLine.arguments
        switch arguments.dropFirst().first {
        case "list": for target in targets { print(target.name) }
        case "seeds" where arguments.count == 4:
            guard let target = find(arguments[2]) else { exit(2) }
            for (number, seed) in try target.seeds().enumerated() {
                try write(seed, to: "\(arguments[3])/seed-\(number)")
            }
        case .some(let name):
            guard let target = find(name) else { exit(2) }
            current = target
            // libFuzzer starts this program again by its first arguments; the target must be among them.
            var argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv.advanced(by: 1)
            argv![0] = CommandLine.unsafeArgv[0]
            var argc = CommandLine.argc - 1
            exit(
                LLVMFuzzerRunDriver(&argc, &argv) { data, size in
                    RaftFuzz.current!.run(Array(UnsafeBufferPointer(start: data, count: size)))
                    return 0
                })
        case nil:
            print("usage: raft-fuzz list | seeds TARGET DIRECTORY | TARGET [libFuzzer's arguments]")
            exit(2)
        }
    }

    private static func find(_ name: String) -> Target? {
        if let target = targets.first(where: { $0.name == name }) { return target }
        print("no target \(name); there are: \(targets.map { $0.name }.joined(separator: ", "))")
        return nil
    }

    private static func write(_ bytes: [UInt8], to path: String) throws {
        guard let file = fopen(path, "w") else {
            print("cannot write \(path): \(String(cString: strerror(errno)))")
            exit(1)
        }
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
    }
}
