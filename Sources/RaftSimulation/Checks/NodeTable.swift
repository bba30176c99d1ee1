internal import Raft

/// Something of each node of a simulated cluster. Their numbers are small and run from 1: a place in an array each, with
/// nothing to hash, as it is asked after every event.
struct NodeTable<Value> {
    private var places: [Value?] = []

    subscript(_ id: NodeID) -> Value? {
        @inline(__always) get {
            let place = Int(id.rawValue)
            return place < places.count ? places[place] : nil
        }
        @inline(__always) _modify {
            let place = Int(id.rawValue)
            if place >= places.count { places += Array(repeating: nil, count: place + 1 - places.count) }
            yield &places[place]
        }
    }

    subscript(_ id: NodeID, default value: @autoclosure () -> Value) -> Value {
        get { self[id] ?? value() }
        _modify {
            if self[id] == nil { self[id] = value() }
            yield &self[id]!
        }
    }
}
