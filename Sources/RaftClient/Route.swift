/// Which node one call asks, and when all have been asked.
struct Route {
    private let endpoints: [String]
    private(set) var endpoint: String
    private var position: Int
    /// Attempts since the last pause.
    private var attempts = 0
    private var refusing: Set<String> = []

    /// - Parameters:
    ///   - endpoints: not empty.
    ///   - first: the leader, as far as the client knows.
    init(endpoints: [String], first: String?) {
        self.endpoints = endpoints
        position = first.flatMap { endpoints.firstIndex(of: $0) } ?? 0
        endpoint = first ?? endpoints[0]
    }

    /// Every endpoint has refused our certificate, or shown one that we refuse.
    var isRefusedEverywhere: Bool { refusing.count == endpoints.count }

    /// Goes where a node says that the leader is. Returns whether to ask at once, without a pause.
    mutating func follow(_ address: String) -> Bool {
        endpoint = address
        if let known = endpoints.firstIndex(of: address) { position = known }
        return count()
    }

    /// Goes to the next endpoint. Returns whether to ask at once, without a pause.
    mutating func turn(isRefused: Bool) -> Bool {
        if isRefused, endpoints.contains(endpoint) { refusing.insert(endpoint) }
        position = (position + 1) % endpoints.count
        endpoint = endpoints[position]
        return count()
    }

    /// A round through all of them, and one hint, are free.
    private mutating func count() -> Bool {
        attempts += 1
        guard attempts > endpoints.count else { return true }
        attempts = 0
        return false
    }
}
