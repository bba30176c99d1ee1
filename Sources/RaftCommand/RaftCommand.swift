internal import ArgumentParser

/// The executable `raft`.
@main
struct RaftCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "raft",
        abstract: "A replicated key-value store: nodes, certificates and clients in one program.",
        discussion: """
            Begin with `raft dev`: three nodes on this machine, with certificates of their own. Then, beside it, \
            `raft put a 1 && raft get a`.

            \(Failure.exitCodeHelp)
            """,
        version: "0.1.0",
        subcommands: [
            Dev.self, Serve.self, Cert.self, Put.self, Get.self, Delete.self, RangeCommand.self, CompareAndSwap.self,
            Transaction.self, Watch.self,
            Compact.self, Keys.self, Lease.self, Status.self, Member.self, Leader.self, Snapshot.self, Recover.self,
            Session.self,
            Log.self,
            Check.self, Bench.self, Chaos.self,
        ])

    static func main() async {
        await main(nil)
    }

    static func main(_ arguments: [String]?) async {
        Console.holdStandardStreams()
        do {
            var command = try parseAsRoot(arguments)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as Failure {
            Console.error(failure.message)
            exit(withError: ExitCode(failure.code.rawValue))
        } catch {
            switch exitCode(for: error) {
            case .success: leave(printing: fullMessage(for: error))
            case .validationFailure:
                // A mistake in the arguments leaves with our code for it, not with sysexits'.
                Console.error(fullMessage(for: error), prefix: "")
                exit(withError: ExitCode(Failure.Code.usage.rawValue))
            default: exit(withError: error)
            }
        }
    }

    /// Help and version are results like any other.
    private static func leave(printing text: String) -> Never {
        do throws(Failure) { try Console.out(text + "\n") } catch {
            Console.error(error.message)
            exit(withError: ExitCode(error.code.rawValue))
        }
        exit(withError: ExitCode.success)
    }
}
