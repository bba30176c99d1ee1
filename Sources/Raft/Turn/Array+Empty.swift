extension Array {
    /// Lets everything go and keeps the storage. Most turns have one message, for which `removeAll(keepingCapacity:)` takes
    /// longer than what is done with it.
    @inline(__always)
    mutating func empty() {
        guard count <= 4 else { return removeAll(keepingCapacity: true) }
        while !isEmpty { removeLast() }
    }
}
