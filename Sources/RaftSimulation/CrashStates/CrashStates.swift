internal import Raft

/// Enumerates what crashes may leave on the disk of a node, and starts on each of it (Pillai and others, *All File
/// Systems Are Not Created Equal*, OSDI 2014).
///
/// A script of what a node does with its data directory is played on the production code of RaftStorage and a simulated
/// disk. Behind every change of the disk the power may fail: every image that ``SimulatedDisk/survivors`` names is
/// opened. A start that is refused, anything lost that the node was told is durable, anything that was never written, a
/// store that does not go on: each is a fault.
///
/// Then the same again for crashes in the starts themselves: on images that are evenly chosen among all, and on disks
/// that a process left which ended alone, so that some of what can be read is not durable.
package struct CrashStates: Sendable {
    package let script: CrashScript
    package let steps: Int
    /// How many images are opened at most; those left out are evenly spread.
    package let limit: Int
    /// In how many starts further crashes are tried; evenly spread.
    package let recoveryCount: Int
    /// For a disk that lies: to see that this is noticed.
    var emptySyncs: SimulatedDisk.EmptySyncs?

    package init(_ script: CrashScript, steps: Int? = nil, limit: Int = .max, recoveryCount: Int = 200) {
        self.script = script
        self.steps = steps ?? script.stepCount
        self.limit = limit
        self.recoveryCount = recoveryCount
    }

    private struct Moment {
        var disk: SimulatedDisk
        var span: Int
        var states: [ExpectedStore]
    }

    /// A crash that was not looked at yet: after so many changes, with these survivors; nil when only the process ends.
    private struct Crash {
        var moment: Int
        var survivors: CrashSurvivors?
    }

    package func run() -> CrashStateReport {
        var report = CrashStateReport(script: script)
        let moments: [Moment]
        do {
            var disk = SimulatedDisk()
            disk.emptySyncs = emptySyncs
            moments = try record(disk, [ExpectedStore(path: "/data")], seed: 1) { run in
                try script.play(run, steps: steps)
            }
        } catch {
            report.faults.append("the script cannot be played: \(error)")
            return report
        }
        report.changeCount = moments.count - 1
        let (crashes, imageCount) = crashes(among: moments)
        report.imageCount = imageCount
        for crash in Self.spread(crashes, limit) {
            report.startCount += 1
            check(crash, moments, into: &report)
        }
        let deaths = moments.indices.map { Crash(moment: $0, survivors: nil) }
        for crash in Self.spread(crashes, recoveryCount / 2) + Self.spread(deaths, recoveryCount - recoveryCount / 2) {
            report.recoveryCount += 1
            crashAgain(after: crash, moments, into: &report)
        }
        return report
    }

    /// At most `count` of them, from the first to the last at equal distances.
    private static func spread<Element>(_ all: [Element], _ count: Int) -> [Element] {
        guard count < all.count else { return all }
        return (0..<count).map { all[$0 * all.count / count] }
    }

    private func record(
        _ disk: SimulatedDisk, _ states: [ExpectedStore], seed: UInt64, _ body: (CrashRecording) throws -> Void
    ) throws -> [Moment] {
        let run = CrashRecording(
            disk, finding: states, segmentBytes: CrashScript.segmentBytes, seed: seed, isRecorded: true)
        try body(run)
        return run.moments().map { Moment(disk: $0.disk, span: $0.span, states: $0.states) }
    }

    /// Every crash, without those that leave the same image where the same is expected of it; and how many images
    /// differ.
    private func crashes(among moments: [Moment]) -> (crashes: [Crash], imageCount: Int) {
        struct Key: Hashable {
            var image: Int
            var span: Int
        }
        var seen: Set<Key> = []
        var images: Set<Int> = []
        var crashes: [Crash] = []
        for (position, moment) in moments.enumerated() {
            let settled = moment.disk.settledHashes
            for survivors in moment.disk.survivors {
                var disk = moment.disk
                disk.crash(leaving: survivors)
                let image = disk.imageHash(settled)
                images.insert(image)
                guard seen.insert(Key(image: image, span: moment.span)).inserted else { continue }
                crashes.append(Crash(moment: position, survivors: survivors))
            }
        }
        return (crashes, images.count)
    }

    private func image(_ crash: Crash, _ moments: [Moment]) -> SimulatedDisk {
        var disk = moments[crash.moment].disk
        if let survivors = crash.survivors { disk.crash(leaving: survivors) } else { disk.beginLife() }
        return disk
    }

    private func check(_ crash: Crash, _ moments: [Moment], into report: inout CrashStateReport) {
        do {
            let run = CrashRecording(
                image(crash, moments), finding: moments[crash.moment].states, segmentBytes: CrashScript.segmentBytes,
                seed: 2, isRecorded: false)
            try run.start()
            try run.goOn()
        } catch {
            report.faults.append("\(Self.text(crash, moments)): \(error)")
        }
    }

    /// Starts, goes on, and tries every crash in that.
    private func crashAgain(after crash: Crash, _ moments: [Moment], into report: inout CrashStateReport) {
        let again: [Moment]
        do {
            again = try record(image(crash, moments), moments[crash.moment].states, seed: 3) { run in
                try run.start()
                try run.goOn()
            }
        } catch {
            report.faults.append("\(Self.text(crash, moments)): \(error)")
            return
        }
        var inner = CrashStateReport(script: script)
        for second in crashes(among: again).crashes {
            report.secondStartCount += 1
            check(second, again, into: &inner)
        }
        report.faults += inner.faults.map { "\(Self.text(crash, moments)); in the start behind it: \($0)" }
    }

    private static func text(_ crash: Crash, _ moments: [Moment]) -> String {
        let place = "change \(crash.moment) (\(moments[crash.moment].disk.lastChange))"
        return crash.survivors.map { "\(place), crash with \($0)" } ?? "\(place), the process ends"
    }
}

/// What became of one script.
package struct CrashStateReport: Sendable {
    package let script: CrashScript
    /// How many changes of the disk the script made.
    package internal(set) var changeCount = 0
    /// How many images of the disk there were after crashes, none equal to another.
    package internal(set) var imageCount = 0
    /// How many starts were made on them: an image counts again where something else is expected of it.
    package internal(set) var startCount = 0
    /// In how many starts further crashes were tried, and how many starts were made behind those.
    package internal(set) var recoveryCount = 0
    package internal(set) var secondStartCount = 0
    /// What went wrong, in words.
    package internal(set) var faults: [String] = []
}
