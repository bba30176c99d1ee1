internal import ArgumentParser
internal import Benchmarking

struct CodecCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "codec",
        abstract: "Encode and decode messages between members, and a put, beside bare libprotobuf-c and memcpy.",
        discussion: """
            An append with as many entries as --entries says, a heartbeat, a vote, and the command of a put as it is in \
            the log. The codec of the transport is no public part of it, so it is measured from outside: bursts of a \
            message through a link between two members over mutual TLS in this process, and, in the same pass, bursts \
            of as many bytes through a plain stream of the same transport. What the two take of the processor, on the \
            sender's loop until each message is handed over, and on the receiver's from one to the next, differs by \
            encoding and by decoding (with a lock of the link, and the check of who sends). Of large messages both are \
            mostly deciphered: a difference that is less than the noise between passes is shown as it is, even below \
            zero. A put is encoded and decoded directly. The requests of clients cannot be had from outside.

            The floors, also in each pass: libprotobuf-c packs and unpacks one message of as many numbers and the same \
            bytes with malloc, and memcpy copies what was packed within the caches.
            """)

    @Option(help: ArgumentHelp("How many entries the appends have.", valueName: "list")) var entries = "1,16,256"
    @Option(help: ArgumentHelp("How long the command in each entry is, and the put's value.", valueName: "bytes"))
    var valueSize = 256
    @Option(
        help: ArgumentHelp("How many messages, of each kind in each pass; but no more than 32 MiB.", valueName: "n"))
    var messages = 20_000
    @OptionGroup var pass: PassOptions
    @OptionGroup var directory: DirectoryOptions

    var counts: [Int] { get throws { try numbers(entries, of: "--entries", through: 10_000) } }

    func validate() throws {
        guard (1...100_000).contains(valueSize) else { throw ValidationError("--value-size \(valueSize): 1 to 100000") }
        for count in try counts where count * (valueSize + 64) > 3 << 20 {
            throw ValidationError(
                "--entries \(count) × --value-size \(valueSize): a message has at most 4 MiB; choose less of one")
        }
        guard (1000...10_000_000).contains(messages) else {
            throw ValidationError("--messages \(messages): 1000 to 10000000")
        }
    }

    func run() async throws {
        let counts = try counts
        let report = try await directory.withPair { pair in try await CodecRun(pair, self).report(counts) }
        try pass.print(report, report.text)
    }
}
