/// Rules broken on purpose, to see whether the simulator notices: one at a time, chosen when a program begins, and only
/// in a build made with `RAFT_MUTANTS=1`. The article Mutants lists them.
///
/// In every other build `isOn` is the constant `false`, and nothing of a hook is left in what the compiler writes.
package enum Mutant {
    #if MUTANTS
        package static let areBuilt = true

        // Unsafe, and safe: set once, before the program's second thread begins; from then on only read.
        nonisolated(unsafe) private static var active: [UInt8] = []

        /// Breaks the rule of this name from now on. Called at most once, before anything else of Raft runs.
        package static func activate(_ name: String) { active = Array(name.utf8) }

        package static func isOn(_ name: StaticString) -> Bool {
            guard active.count == name.utf8CodeUnitCount else { return false }
            return name.withUTF8Buffer { $0.elementsEqual(active) }
        }
    #else
        package static let areBuilt = false

        @inline(__always)
        package static func isOn(_ name: StaticString) -> Bool { false }
    #endif
}
