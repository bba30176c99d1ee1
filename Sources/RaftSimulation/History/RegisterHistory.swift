/// The calls on one key, made ready for ``RegisterSearch``: as actions on numbered states, in the order of their ends.
struct RegisterHistory {
    typealias State = RegisterStates.State

    enum Action: Hashable {
        /// Found this state, and changed nothing. Also a compare-and-swap of a value for itself.
        case read(State)
        /// A compare-and-swap that did not find this state.
        case readOther(than: State)
        case put(State)
        case swap(from: State, to: State)
        case append(State)

        var isRead: Bool {
            switch self {
            case .read, .readOther: true
            default: false
            }
        }
        /// What it finds, if it is one state.
        var found: State? {
            switch self {
            case .read(let state), .swap(from: let state, to: _): state
            case .readOther, .put, .append: nil
            }
        }
    }

    /// A call with an answer; its level is its place in the order of the answers. Before a search leaves a level, this
    /// call has taken effect.
    struct Answered {
        /// Its place among the operations that the history was made of.
        let source: Int
        let action: Action
        let level: Int
        /// The first level at which it may take effect: where the first answer came that is not before its call.
        let firstLevel: Int
        /// Its bit while it is under way; another call's before and after.
        var slot = 0
    }

    /// A call with an unknown outcome that would change something if it took effect.
    struct Open {
        let action: Action
        let firstLevel: Int
        /// The place of the one before it that is the same but for its call, which was earlier.
        var twin: Int?
    }

    private(set) var states = RegisterStates()
    /// By level.
    private(set) var answered: [Answered] = []
    /// In the order of their calls.
    private(set) var open: [Open] = []
    /// By level: who is under way then and has an answer, in the order of the answers.
    private(set) var active: [[Int]] = []
    /// By level: how many of `open` were called by then.
    private(set) var openCounts: [Int] = []
    private(set) var slotCount = 0

    // What each state is for, as places in `answered` (ascending) and `open`.
    private(set) var readers: [State: [Int]] = [:]
    private(set) var swappers: [State: [Int]] = [:]
    private(set) var makers: [State: [Int]] = [:]
    private(set) var openMakers: [State: [Int]] = [:]
    private var openSwappers: Set<State> = []

    private(set) var hasAppends = false
    private(set) var hasFailedSwaps = false
    /// Levels of the calls that found one state, ascending.
    private(set) var finders: [Int] = []
    // By the state that was found: the puts and swaps that leave a beginning of it.
    private var beginners: [State: [Int]] = [:]
    private var openBeginners: [State: [Int]] = [:]
    // By state: the calls to which it makes a difference whether the key holds it, or what begins with it.
    private var interested: [State: [Int]] = [:]
    private var openInterested: [State: [Int]] = [:]

    init(_ operations: [HistoryOperation]) {
        // An answer at t is before a call at u only if t < u: calls of the same moment are under way together.
        let order = operations.indices.filter { operations[$0].returnNanoseconds != nil }.sorted {
            let (a, b) = (operations[$0], operations[$1])
            return (a.returnNanoseconds!, a.callNanoseconds, $0) < (b.returnNanoseconds!, b.callNanoseconds, $1)
        }
        let ends = order.map { operations[$0].returnNanoseconds! }
        func firstLevel(_ call: Int64) -> Int {
            var (low, high) = (0, ends.count)
            while low < high {
                let middle = (low + high) / 2
                if ends[middle] < call { low = middle + 1 } else { high = middle }
            }
            return low
        }
        for (level, source) in order.enumerated() {
            let operation = operations[source]
            answered.append(
                Answered(
                    source: source, action: action(operation), level: level,
                    firstLevel: firstLevel(operation.callNanoseconds)))
        }
        let unknown = operations.indices.filter { operations[$0].returnNanoseconds == nil }.sorted {
            (operations[$0].callNanoseconds, $0) < (operations[$1].callNanoseconds, $1)
        }
        var latest: [Action: Int] = [:]
        for source in unknown {
            let action = action(operations[source])
            let level = firstLevel(operations[source].callNanoseconds)
            // A read without an answer says nothing, and what began after the last answer explains none.
            guard !action.isRead, level < order.count else { continue }
            open.append(Open(action: action, firstLevel: level, twin: latest[action]))
            latest[action] = open.count - 1
        }
        fillLevels()
        fillIndexes()
    }

    private mutating func action(_ operation: HistoryOperation) -> Action {
        switch operation.kind {
        case .put(let value): return .put(states.state(value))
        case .append(let text):
            hasAppends = true
            return .append(states.state(text))
        case .get:
            if case .value(let value) = operation.result { return .read(states.state(value)) }
            return .read(RegisterStates.absent)
        case .compareAndSwap(let expected, let new):
            let (from, to) = (states.state(expected), states.state(new))
            if operation.result == .swapped(false) {
                hasFailedSwaps = true
                return .readOther(than: from)
            }
            return from == to ? .read(from) : .swap(from: from, to: to)
        }
    }

    private mutating func fillLevels() {
        var begins = [[Int]](repeating: [], count: answered.count)
        for call in answered { begins[call.firstLevel].append(call.level) }
        var free: [Int] = []
        var current: [Int] = []
        for level in answered.indices {
            for call in begins[level] {
                if let slot = free.popLast() {
                    answered[call].slot = slot
                } else {
                    answered[call].slot = slotCount
                    slotCount += 1
                }
                current.append(call)
            }
            current.sort()
            active.append(current)
            free.append(answered[level].slot)
            current.removeFirst()
        }
        var count = 0
        for level in answered.indices {
            while count < open.count, open[count].firstLevel <= level { count += 1 }
            openCounts.append(count)
        }
    }

    private mutating func fillIndexes() {
        for call in answered {
            switch call.action {
            case .read(let state):
                readers[state, default: []].append(call.level)
                finders.append(call.level)
            case .readOther, .append: break
            case .put(let state): makers[state, default: []].append(call.level)
            case .swap(let from, let to):
                swappers[from, default: []].append(call.level)
                makers[to, default: []].append(call.level)
                finders.append(call.level)
            }
        }
        for (place, call) in open.enumerated() {
            switch call.action {
            case .put(let state): openMakers[state, default: []].append(place)
            case .swap(let from, let to):
                openMakers[to, default: []].append(place)
                openSwappers.insert(from)
            case .read, .readOther, .append: break
            }
        }
    }

    /// The calls with an answer that leave a beginning of `target`, ascending, and the open ones.
    mutating func beginners(of target: State) -> (answered: [Int], open: [Int]) {
        if let known = beginners[target] { return (known, openBeginners[target]!) }
        var (places, openPlaces): ([Int], [Int]) = ([], [])
        for (state, makers) in makers where states.isPrefix(state, of: target) { places += makers }
        for (state, makers) in openMakers where states.isPrefix(state, of: target) { openPlaces += makers }
        places.sort()
        openPlaces.sort()
        (beginners[target], openBeginners[target]) = (places, openPlaces)
        return (places, openPlaces)
    }

    /// The calls with an answer, ascending, and the open ones, to which it makes a difference whether the key holds
    /// `state`: they find it, or failed because they did not find it. With appends: it, or what begins with it.
    mutating func interested(in state: State) -> (answered: [Int], open: [Int]) {
        if let known = interested[state] { return (known, openInterested[state]!) }
        func matters(_ target: State) -> Bool {
            state == target || hasAppends && states.isPrefix(state, of: target)
        }
        var (places, openPlaces): ([Int], [Int]) = ([], [])
        for call in answered {
            switch call.action {
            case .read(let target), .readOther(than: let target), .swap(from: let target, to: _):
                if matters(target) { places.append(call.level) }
            case .put, .append: continue
            }
        }
        for (place, call) in open.enumerated() {
            if case .swap(let target, _) = call.action, matters(target) { openPlaces.append(place) }
        }
        (interested[state], openInterested[state]) = (places, openPlaces)
        return (places, openPlaces)
    }

    /// Whether a put of this state makes no difference to any call: nobody finds it there, or could.
    func isUnseen(_ action: Action) -> Bool {
        guard case .put(let state) = action, !hasAppends, !hasFailedSwaps else { return false }
        return readers[state] == nil && swappers[state] == nil && !openSwappers.contains(state)
    }

    /// The state that `action` makes of `state`; nil if it cannot take effect there.
    mutating func apply(_ action: Action, to state: State) -> State? {
        switch action {
        case .read(let expected): expected == state ? state : nil
        case .readOther(let other): other == state ? nil : state
        case .put(let new): new
        case .swap(let from, let to): from == state ? to : nil
        case .append(let text): states.append(text, to: state)
        }
    }
}
