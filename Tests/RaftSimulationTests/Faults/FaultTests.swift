import Raft
import RaftSimulation
import TestTraits
import Testing

@Suite("Faults as text", .heavy)
struct FaultTests {
    static let faults: [Fault] = [
        .crash(2, losingPower: false, afterChanges: nil), .crash(1, losingPower: true, afterChanges: 3), .blackout,
        .crashAtName(2, count: 2, powerAfter: 40_000_000),
        .start(3), .pause(1, nanoseconds: 350_000_000), .cut([]),
        .cut([NodePair(from: 1, to: 2), NodePair(from: 2, to: 1)]),
        .cutAtEndOfChange(3, [NodePair(from: 1, to: 2), NodePair(from: 2, to: 1)]),
        .changeMembers(at: 1, .allowLeases(.milliseconds(150))),
        .clog([NodePair(from: 1, to: 3)], nanoseconds: 1), .transfer(from: 1, to: nil), .transfer(from: 1, to: 3),
        .failWrite(2), .failSync(2), .fillDisk(1, leaving: 4096), .freeDisk(1),
        .slowDisk(2, nanoseconds: 1_000_000...2_500_001), .hangDisk(2, nanoseconds: 2_000_000_000),
        .hangReads(3, nanoseconds: 2_000_000), .hangMachine(1, nanoseconds: 17),
        .rot(3, file: "log/0000000000000001.segment", perMille: 17, bit: 7), .drift(1, partsPerMillion: -30_000),
        .loseDisk(2), .failMachine(3),
        .changeMembers(at: 2, .add(5, address: "simulated:5")),
        .changeMembers(at: 2, .add(5, address: "simulated:5", promotedWhenReady: true), guardedBy: .present),
        .changeMembers(at: 2, .add(5, address: "simulated:5", promotedWhenReady: false)),
        .changeMembers(at: 2, .promoteWhenReady(5, true)),
        .changeMembers(at: 2, .promoteWhenReady(5, false)),
        .changeMembers(at: 2, .prefer(5, .never)),
        .changeMembers(at: 2, .prefer(5, .preferred)),
        .changeMembers(at: 2, .prefer(5, .ordinary), guardedBy: .present),
        .changeMembers(at: 2, .promote(5), guardedBy: .present), .changeMembers(at: 2, .demote(1)),
        .changeMembers(at: 2, .remove(1)), .changeMembers(at: 2, .remove(1), guardedBy: .past), .addAnew(4, at: 2),
        .crashAtInstall(3, perMille: 17, bit: 7),
        .changeMembers(at: 2, .replaceVoters([1, 5], keepingOthers: true), guardedBy: .present),
        .changeMembers(at: 2, .replaceVoters([5], keepingOthers: false)),
        .changeMembers(at: 1, .changeAddress(5, to: "moved:5.17")),
        .changeMembers(at: 1, .redirect(to: [1, 2, 3])),
    ]

    @Test("Every fault is read back as it was written", arguments: faults)
    func roundTrip(fault: Fault) {
        #expect(Fault(parsing: fault.description) == fault, "\(fault)")
        let timed = TimedFault(at: 1_204_317_125, fault)
        #expect(TimedFault(parsing: timed.description) == timed, "\(timed)")
    }

    @Test(
        "What is no fault is not taken for one",
        arguments: [
            "", "crash", "crash two", "crash 1 after changes", "crash 1 and go",
            "crash 1 at a name", "crash 1 at name 1 losing power", "crash 1 at name 1 losing power after 3",
            "cut 1", "cut 1 ->", "cut 1 -> 2,", "cut when 1 ends a change", "cut when 1 ends 1 -> 2",
            "hang of 1 for 1 s", "hang net of 1 for 1 s", "pause 1", "pause 1 for 3", "pause 1 for 3 hours",
            "pause 1 for 99999999999999 s",
            "rot vote of 1 at 1000 per mille bit 0", "crash 1 at install",
            "crash 1 at install damaging 1 per mille bit 8",
            "add 1 at 2", "add 1 anew", "ask 1 guardedly belatedly to promote 1",
            "rot vote of 1 at 1 per mille bit 8", "slow disk of 1 to 5 ms .. 1 ms", "drift clock of 1 by 1000000 ppm",
            "ask 1 to add 5", "ask 1 to replace voters by", "ask 1 to replace voters by 1 keeping", "ask to promote 1",
            "fail next read of 1", "heal", "lose power",
        ])
    func nonsense(line: String) {
        #expect(Fault(parsing: line) == nil, "\(line)")
        #expect(TimedFault(parsing: "at 1 s: \(line)") == nil)
    }

    @Test("A time is written in the largest unit that keeps it whole")
    func times() {
        #expect(Fault.text(350_000_000) == "350 ms")
        #expect(Fault.text(2_000_000_000) == "2 s")
        #expect(Fault.text(1_001) == "1001 ns")
        #expect(TimedFault(parsing: "at noon: start 1") == nil)
    }
}
