/// A field that nobody looks at: it makes the compiler hand the value that holds it on by its address.
///
/// A large value of fields that are all known is handed to a function by a copy of it on the stack, also where the function
/// only borrows it: a baton has 1,300 bytes, and a leader's turn made some twenty copies of it. A value with a field whose
/// size is not known, as that of an opaque existential, has to stay where it is. Measured in <doc:CallsBetweenActors>.
struct InPlace: Sendable {
    private let unknown: any Sendable = ()
}
