#if MUTANTS
    internal import Raft
#endif

/// Raft's, as this module asks it. A constant of another module would not fold, and leave its hooks in a release build.
enum Mutant {
    @inline(__always)
    static func isOn(_ name: StaticString) -> Bool {
        #if MUTANTS
            Raft.Mutant.isOn(name)
        #else
            false
        #endif
    }
}
