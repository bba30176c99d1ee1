/// Who led when, as the members themselves said when they were asked.
public struct Leaderships: Sendable {
    public struct Sighting: Hashable, Sendable {
        /// When the answer came, in nanoseconds.
        public var at: Int64
        public var node: UInt64
        public var term: UInt64
        public init(at: Int64, node: UInt64, term: UInt64) {
            self.at = at
            self.node = node
            self.term = term
        }
    }

    /// Leadership went from one node to another, or to the same one in a later term.
    public struct Move: Hashable, Sendable {
        public var from: UInt64
        public var to: UInt64
        /// The term that it led to.
        public var term: UInt64
        /// When the old leader was last seen to lead.
        public var lastSeen: Int64
        /// When the new one was first seen to lead.
        public var firstSeen: Int64
    }

    public private(set) var sightings: [Sighting] = []

    public init() {}

    public mutating func note(_ sighting: Sighting) { sightings.append(sighting) }

    /// In the order of their terms. A term whose leader nobody saw leads to no move of its own.
    public var moves: [Move] {
        let terms = Dictionary(grouping: sightings, by: \.term).sorted { $0.key < $1.key }
        return zip(terms, terms.dropFirst()).compactMap { earlier, later in
            guard let last = earlier.value.max(by: { $0.at < $1.at }),
                let first = later.value.min(by: { $0.at < $1.at })
            else { return nil }
            return Move(from: last.node, to: first.node, term: later.key, lastSeen: last.at, firstSeen: first.at)
        }
    }
}
