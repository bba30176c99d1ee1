internal import ArgumentParser
internal import Benchmarking

struct MailboxCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mailbox",
        abstract: "Hand messages from threads to a loop and back, beside a bare mutex and condition.",
        discussion: """
            Numbers from each count of threads through one mailbox to one consumer on a thread's loop; as many plain \
            wake-ups of a unit on that loop; and, in the same pass, numbers through a bare vector behind a mutex and a \
            condition, doing the same: whoever comes adds one, the consumer takes all that waits. Then one message \
            there and back between the mailboxes of two loops, beside two threads that wake each other.

            The mailbox is measured as another module sees it, where the compiler cannot make a version of it for its \
            messages; the library's own actors have one, and pay less. Wake-ups are the same code for everybody.
            """)

    @Option(help: ArgumentHelp("From how many threads.", valueName: "list")) var producers = "1,2,4"
    @Option(help: ArgumentHelp("How many messages, in each pass.", valueName: "n")) var messages = 1_000_000
    @Option(help: ArgumentHelp("How many go there and back, in each pass.", valueName: "n")) var roundTrips = 20_000
    @OptionGroup var pass: PassOptions

    var counts: [Int] { get throws { try numbers(producers, of: "--producers", through: 64) } }

    func validate() throws {
        _ = try counts
        guard (1000...100_000_000).contains(messages) else {
            throw ValidationError("--messages \(messages): 1000 to 100000000")
        }
        guard (10...10_000_000).contains(roundTrips) else {
            throw ValidationError("--round-trips \(roundTrips): 10 to 10000000")
        }
    }

    func run() async throws {
        let run = MailboxRun(messages: messages, passes: pass.passes)
        let report = MailboxReport(
            handOvers: try counts.map { try run.handOvers(producers: $0) },
            roundTrip: try run.roundTrip(count: roundTrips))
        try pass.print(report, report.text)
    }
}
