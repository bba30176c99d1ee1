internal import CFuzzer
internal import Foundation
internal import Glibc

/// A promise of a target. Always checked, with or without optimisation.
func require(_ condition: Bool, _ text: @autoclosure () -> String) {
    if !condition { fatalError(text()) }
}

/// `raft-fuzz list`; `raft-fuzz seeds TARGET DIRECTORY [KEPT]` writes what a corpus begins with: real inputs, and those of
/// a file that holds one a line, in Base64; `raft-fuzz TARGET …` gives the other arguments to libFuzzer: corpus
/// directories and options, or files to run once.
@main
struct RaftFuzz {
    /// The one that runs. Set once, before libFuzzer calls back, on its one thread.
    nonisolated(unsafe) static var current: Target?

    static func main() throws {
        let arguments = CommandLine.arguments
        switch arguments.dropFirst().first {
        case "list": for target in Target.all { print(target.name) }
        case "seeds" where [4, 5].contains(arguments.count):
            guard let target = find(arguments[2]) else { exit(2) }
            let kept = try arguments.dropFirst(4).flatMap { path in
                try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
                    .map { Array(Data(base64Encoded: String($0)) ?? Data()) }
            }
            for (number, seed) in (try target.seeds() + kept).enumerated() {
                write(seed, to: "\(arguments[3])/seed-\(number)")
            }
        case .some(let name):
            guard let target = find(name) else { exit(2) }
            current = target
            // libFuzzer starts this program again when it merges corpora, by a line for the shell that begins with what it
            // takes for the program's name: the target must be in it.
            var argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv.advanced(by: 1)
            argv![0] = strdup("\(arguments[0]) \(name)")
            var argc = CommandLine.argc - 1
            exit(
                LLVMFuzzerRunDriver(&argc, &argv) { data, size in
                    RaftFuzz.current!.run(Array(UnsafeBufferPointer(start: data, count: size)))
                    return 0
                })
        case nil:
            print("usage: raft-fuzz list | seeds TARGET DIRECTORY [KEPT] | TARGET [libFuzzer's arguments]")
            exit(2)
        }
    }

    private static func find(_ name: String) -> Target? {
        if let target = Target.all.first(where: { $0.name == name }) { return target }
        print("no target \(name); there are: \(Target.all.map { $0.name }.joined(separator: ", "))")
        return nil
    }
}
