import Testing

@testable import Benchmarking

@Suite("Other programs")
struct ProgramTests {
    @Test("What a process has used is read from its files, whatever its name is")
    func usage() throws {
        let stat = "42 (a) (b c) S 1 42 42 0 -1 4194304 9 0 0 0 150 50 7 7 20 0 5 0 100 1000 10"
        let used = try #require(
            Program.parse(
                stat: stat, status: "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 3 kB\nRssAnon:\t 1 kB\n",
                ticksPerSecond: 100))
        #expect(used.processorTime == 2)
        #expect(used.peakBytes == 2 << 20)
        #expect(used.residentBytes == 3 << 10)
        #expect(used.anonymousBytes == 1 << 10)
        #expect(Program.parse(stat: "42", status: "", ticksPerSecond: 100) == nil)
    }

    @Test("One that leaves with another code than 0 is an error that says what it printed")
    func failure() throws {
        #expect(try Program.run("/bin/sh", ["-c", "echo $WORD"], environment: ["WORD": "fine"]).output == "fine\n")
        let error = #expect(throws: BenchmarkError.self) { try Program.run("/bin/sh", ["-c", "echo why; exit 3"]) }
        #expect(error?.description.contains("left with 3: why") == true)
    }
}
