internal import Benchmarking

/// One size after the other, and the transport and its floors in turns.
struct TLSRun {
    private let pair: TransportPair
    private let command: TLSCommand

    /// How many bytes go there and back in a pass, at most.
    private static let tripBytes = 64 << 20

    init(_ pair: TransportPair, _ command: TLSCommand) {
        self.pair = pair
        self.command = command
    }

    func report(_ sizes: [Int]) async throws -> TLSReport {
        var report = TLSReport(sizes: [])
        for size in sizes { report.sizes.append(try await figures(size)) }
        return report
    }

    private func figures(_ size: Int) async throws -> TLSReport.Figures {
        let message = [UInt8](repeating: 7, count: size)
        let count = max(1, min(command.messages, (command.mebibytes << 20) / size))
        let tripCount = max(1, min(command.roundTrips, Self.tripBytes / size))
        let bytes = Double(count * size)
        var (rates, bare, sealing, spent): ([Double], [Double], [Double], [Double]) = ([], [], [], [])
        var (trips, bareTrips): ([Double], [Double]) = ([], [])
        // The first pass warms up.
        for pass in 0...command.pass.passes {
            let before = Program.processorTime()
            let time = try await pair.stream(message, count: count)
            let processorTime = Program.processorTime() - before
            let bareRate = try BareTLS.stream(pair.files, bytes: count * size, slice: size)
            let sealed = try BareTLS.sealing(recordBytes: min(size, 16 << 10), bytes: min(count * size, 16 << 20))
            let trip = try await pair.roundTrips(message, count: tripCount)
            let bareTrip = try BareTLS.roundTrips(pair.files, count: tripCount, of: size)
            guard pass > 0, let middle = trip.percentile(0.5), let bareMiddle = bareTrip.percentile(0.5) else {
                continue
            }
            rates.append(bytes / time.inSeconds)
            spent.append(processorTime * 1e6 / Double(count))
            bare.append(bareRate)
            sealing.append(sealed)
            trips.append(Double(middle) / 1e3)
            bareTrips.append(Double(bareMiddle) / 1e3)
        }
        let mebibyte = Double(1 << 20)
        return TLSReport.Figures(
            bytes: size, messages: count, messagesPerSecond: median(rates) / Double(size),
            mebibytesPerSecond: median(rates) / mebibyte, bareMebibytesPerSecond: median(bare) / mebibyte,
            sealingMebibytesPerSecond: median(sealing) / mebibyte, cpuMicrosecondsPerMessage: median(spent),
            roundTripMicroseconds: median(trips), bareRoundTripMicroseconds: median(bareTrips))
    }
}
