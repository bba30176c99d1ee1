internal import ArgumentParser
internal import Benchmarking

struct TLSCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tls",
        abstract: "Send messages over one connection of the transport, beside one bare OpenSSL connection.",
        discussion: """
            The transport of members and clients, mutual TLS over loopback, in this process: messages of each size one \
            way on one stream, with 4 MiB on their way as replication has it, then there and back one by one. After \
            each, in the same pass, one bare OpenSSL connection with the same certificates, which writes and sends as \
            many bytes at once as the message has, and AES-128-GCM alone on records as TLS would make of it.

            Small messages share records and system calls in the transport and not in the bare stream, so there the \
            transport may be the faster one. The processor time is that of this process, both ends together.

            Goal: messages of 16 KiB and more, as replication sends, at 70 % of the bare stream's speed. A missed goal \
            is printed, and is no failure of the run.
            """)

    @Option(help: ArgumentHelp("How long the messages are.", valueName: "list")) var sizes = "64,1024,16384,262144"
    @Option(help: ArgumentHelp("How much is sent one way, of each size in each pass.", valueName: "MiB"))
    var mebibytes = 64
    @Option(help: ArgumentHelp("But no more messages than this.", valueName: "n")) var messages = 200_000
    @Option(
        help: ArgumentHelp(
            "How many go there and back, of each size in each pass; but no more than 64 MiB.", valueName: "n"))
    var roundTrips = 1000
    @OptionGroup var pass: PassOptions
    @OptionGroup var directory: DirectoryOptions

    var bytes: [Int] { get throws { try numbers(sizes, of: "--sizes", through: 4 << 20) } }

    func validate() throws {
        _ = try bytes
        guard (1...65_536).contains(mebibytes) else { throw ValidationError("--mebibytes \(mebibytes): 1 to 65536") }
        guard (100...100_000_000).contains(messages) else {
            throw ValidationError("--messages \(messages): 100 to 100000000")
        }
        guard (10...1_000_000).contains(roundTrips) else {
            throw ValidationError("--round-trips \(roundTrips): 10 to 1000000")
        }
    }

    func run() async throws {
        let sizes = try bytes
        let report = try await directory.withPair { pair in try await TLSRun(pair, self).report(sizes) }
        try pass.print(report, report.text)
    }
}
