import Testing

@testable import Raft

@Suite("Rules broken on purpose")
struct MutantTests {
    @Test("None is broken unless a program asks for it")
    func noneByItself() {
        #expect(!Mutant.isOn("vote-before-disk"))
        #expect(!Mutant.isOn(""))
    }
}
