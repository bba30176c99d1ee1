/// A set of small numbers, of a size fixed when it is made. Not used bits are zero, so equal sets are equal values.
struct BitSet: Hashable {
    private var words: [UInt64]

    init(capacity: Int) { words = Array(repeating: 0, count: (capacity + 63) / 64) }

    func contains(_ number: Int) -> Bool { words[number >> 6] & (1 << UInt64(number & 63)) != 0 }
    mutating func insert(_ number: Int) { words[number >> 6] |= 1 << UInt64(number & 63) }
    mutating func remove(_ number: Int) { words[number >> 6] &= ~(1 << UInt64(number & 63)) }

    func isSubset(of other: BitSet) -> Bool {
        for (mine, theirs) in zip(words, other.words) where mine & ~theirs != 0 { return false }
        return true
    }
}
