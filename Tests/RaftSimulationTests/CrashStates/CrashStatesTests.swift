import TestTraits
import Testing

@testable import RaftSimulation

@Suite("Everything that a crash may leave on one node's disk", .heavy)
struct CrashStatesTests {
    @Test(
        "Whatever a crash leaves, the start is not refused, nothing acknowledged is lost, and the store goes on",
        arguments: CrashScript.allCases)
    func slice(script: CrashScript) {
        let report = CrashStates(script, steps: script == .foundings ? 3 : 16, limit: 250, recoveryCount: 4).run()
        #expect(report.faults.isEmpty, "\(report.faults.prefix(3))")
        #expect(report.imageCount > 200, "\(report.imageCount) states")
        #expect(report.startCount >= 200 && report.secondStartCount > 50)
    }

    @Test(
        "A disk that only says that it syncs is found out by every script", arguments: CrashScript.allCases,
        SimulatedDisk.EmptySyncs.allCases)
    func lyingDisk(script: CrashScript, syncs: SimulatedDisk.EmptySyncs) {
        var states = CrashStates(script, steps: 1, limit: 400, recoveryCount: 0)
        states.emptySyncs = syncs
        #expect(!states.run().faults.isEmpty)
    }
}
