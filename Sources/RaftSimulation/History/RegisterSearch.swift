/// Looks for an order of the calls on one key that explains every answer.
///
/// Wing and Gong's search with Lowe's memory ("Testing for linearizability", Lowe 2017), just in time: it walks through
/// the answers in the order in which they came (the levels), and lets calls take effect only when the next answer
/// needs it. A position is what was found in the key, who of those under way has taken effect already, and which of
/// the calls with an unknown outcome were used. It goes deep first, so that a good history costs little more than
/// reading it; what a position cannot lead to is remembered, so that a bad one ends.
///
/// Each rule below keeps this: if some order completes a position, then some order that is no longer completes one of
/// the positions that are still looked at. So nothing that can be explained is missed.
///
/// 1. A read that fits takes effect at once: it changes nothing, so wherever it stood in an order it can stand here.
/// 2. A put whose value nobody could find takes effect together with the next put, right before it: moved there from
///    later on, it leaves the value that was there before it, and no call in between saw the difference.
/// 3. Of two calls that do the same, the one goes first whose answer came first (one without an answer last): in an
///    order that has them the other way round they can change places.
/// 4. A call with an unknown outcome takes effect only if another one that is under way needs what it leaves. Else the
///    next to take effect is a put, and the order without the unknown call is as good.
/// 5. A position is left out if one with the same state and the same calls done, and no unknown calls used but some of
///    its own, was looked at: an order that completes the first completes that one.
/// 6. A state that nothing can make again is not left while reads of it are to come; and nobody waits for a state that
///    nothing can make.
/// 7. Text only grows by appending: a state that does not begin what a call is going to find needs, before that call, a
///    put or a swap that leaves a beginning of it.
/// 8. States that make no difference to any call that is left are one state, ``RegisterStates/any``, whatever is appended
///    to them. A call with an unknown outcome need not lead there, unless a compare-and-swap failed because of it.
struct RegisterSearch {
    typealias State = RegisterStates.State

    enum Outcome: Hashable {
        case explained
        /// No order explains the answers.
        case impossible
        case tooLong
    }

    private struct Position {
        var level: Int
        var state: State
        /// By slot.
        var done: BitSet
        /// By place among the open calls.
        var used: BitSet
    }
    private struct Place: Hashable {
        let level: Int
        let state: State
        let done: BitSet
    }

    private var history: RegisterHistory
    private var stack: [Position] = []
    private var seen: [Place: [BitSet]] = [:]
    private(set) var stepCount = 0

    init(_ operations: [HistoryOperation]) { history = RegisterHistory(operations) }

    mutating func run(maximumStepCount: Int) -> Outcome {
        let start = Position(
            level: 0, state: RegisterStates.absent, done: BitSet(capacity: history.slotCount),
            used: BitSet(capacity: history.open.count))
        guard !history.answered.isEmpty, let first = settled(start) else { return .explained }
        stack.append(first)
        while let position = stack.popLast() {
            guard !isHopeless(position) else { continue }
            // Those that answer what is to be answered last, so that they are looked at first.
            var advanced: [Position] = []
            var others: [Position] = []
            for next in successors(of: position) {
                stepCount += 1
                guard let next = settled(next) else { return .explained }
                guard remember(next) else { continue }
                if next.level > position.level { advanced.append(next) } else { others.append(next) }
            }
            stack += others.reversed()
            stack += advanced.reversed()
            if stepCount > maximumStepCount { return .tooLong }
        }
        return .impossible
    }

    /// Rule 5. False if there is nothing new here.
    private mutating func remember(_ position: Position) -> Bool {
        let place = Place(level: position.level, state: position.state, done: position.done)
        guard let before = seen[place] else {
            seen[place] = [position.used]
            return true
        }
        if before.contains(where: { $0.isSubset(of: position.used) }) { return false }
        seen[place] = before.filter { !position.used.isSubset(of: $0) } + [position.used]
        return true
    }

    /// The position after everything that can only happen now: rule 1, and the next level when this one's call is done.
    /// Nil when all levels are through.
    private mutating func settled(_ position: Position) -> Position? {
        var position = position
        while true {
            for place in history.active[position.level] {
                let call = history.answered[place]
                if call.action.isRead, !position.done.contains(call.slot),
                    history.apply(call.action, to: position.state) != nil
                {
                    position.done.insert(call.slot)
                }
            }
            let due = history.answered[position.level]
            guard position.done.contains(due.slot) else {
                if !isOfInterest(position.state, at: position) { position.state = RegisterStates.any }
                return position
            }
            position.done.remove(due.slot)
            position.level += 1
            if position.level == history.answered.count { return nil }
        }
    }

    // MARK: What can happen next

    private mutating func successors(of position: Position) -> [Position] {
        var successors: [Position] = []
        var tried: [RegisterHistory.Action] = []
        for place in history.active[position.level] {
            let call = history.answered[place]
            guard !call.action.isRead, !position.done.contains(call.slot), !tried.contains(call.action) else {
                continue
            }
            tried.append(call.action)
            guard let state = history.apply(call.action, to: position.state) else { continue }
            var next = position
            next.state = state
            next.done.insert(call.slot)
            if case .put = call.action { absorb(into: &next) }
            successors.append(next)
        }
        for place in 0..<history.openCounts[position.level] where !position.used.contains(place) {
            let call = history.open[place]
            if let twin = call.twin, !position.used.contains(twin) { continue }
            guard !tried.contains(call.action), let state = history.apply(call.action, to: position.state),
                state != position.state, isNeeded(state, at: position)
            else { continue }
            var next = position
            next.state = state
            next.used.insert(place)
            if !history.hasFailedSwaps, !isOfInterest(state, at: next) { continue }
            if case .put = call.action { absorb(into: &next) }
            successors.append(next)
        }
        return successors
    }

    /// Rule 2, after a put.
    private func absorb(into position: inout Position) {
        for place in history.active[position.level] {
            let call = history.answered[place]
            if !position.done.contains(call.slot), history.isUnseen(call.action) { position.done.insert(call.slot) }
        }
    }

    /// Rule 8: whether it makes a difference to a call that has not taken effect that the key holds `state`.
    private mutating func isOfInterest(_ state: State, at position: Position) -> Bool {
        if state == RegisterStates.any { return false }
        let (places, openPlaces) = history.interested(in: state)
        return isAvailable(places, openPlaces, at: position, by: .max)
    }

    /// Rule 4: whether somebody under way could take effect on `state` and depends on it.
    private func isNeeded(_ state: State, at position: Position) -> Bool {
        for place in history.active[position.level] {
            let call = history.answered[place]
            guard !position.done.contains(call.slot) else { continue }
            switch call.action {
            case .read(state), .append: return true
            case .swap(let from, _) where from == state: return true
            // It failed to take effect before only because the state was what it did not find.
            case .readOther(let other) where other != state: return true
            case .read, .readOther, .swap, .put: continue
            }
        }
        for place in 0..<history.openCounts[position.level] where !position.used.contains(place) {
            switch history.open[place].action {
            case .append: return true
            case .swap(let from, _) where from == state: return true
            case .swap, .put, .read, .readOther: continue
            }
        }
        return false
    }

    // MARK: What leads nowhere

    /// Rules 6 and 7.
    private mutating func isHopeless(_ position: Position) -> Bool {
        if history.hasAppends { return cannotGrow(position) }
        if let target = history.answered[position.level].action.found, target != position.state,
            !canBeMade(target, from: position, by: position.level)
        {
            return true
        }
        guard !canBeMade(position.state, from: position, by: history.answered.count - 1) else { return false }
        // Those under way that fit are done: whoever is left calls later, and must find this state.
        if isLeft(history.readers[position.state], at: position, moreThan: 0) { return true }
        return isLeft(history.swappers[position.state], at: position, moreThan: 1)
    }

    private func isDone(_ call: RegisterHistory.Answered, at position: Position) -> Bool {
        call.level < position.level || call.firstLevel <= position.level && position.done.contains(call.slot)
    }

    /// Whether more than `limit` of these calls have not taken effect.
    private func isLeft(_ places: [Int]?, at position: Position, moreThan limit: Int) -> Bool {
        guard let places else { return false }
        var count = 0
        for place in places.reversed() {
            if place < position.level { return false }
            if !isDone(history.answered[place], at: position) {
                count += 1
                if count > limit { return true }
            }
        }
        return false
    }

    /// Whether a call that has not taken effect, and was made by `level`, leaves `state`.
    private func canBeMade(_ state: State, from position: Position, by level: Int) -> Bool {
        isAvailable(history.makers[state, default: []], history.openMakers[state, default: []], at: position, by: level)
    }

    private func isAvailable(_ places: [Int], _ openPlaces: [Int], at position: Position, by level: Int) -> Bool {
        for place in places.reversed() {
            if place < position.level { break }
            let call = history.answered[place]
            if call.firstLevel <= level, !isDone(call, at: position) { return true }
        }
        return openPlaces.contains { history.open[$0].firstLevel <= level && !position.used.contains($0) }
    }

    /// How many of the next calls that find something are looked at.
    private static let foresight = 8

    /// Rule 7.
    private mutating func cannotGrow(_ position: Position) -> Bool {
        let finders = history.finders
        var (low, high) = (0, finders.count)
        while low < high {
            let middle = (low + high) / 2
            if finders[middle] < position.level { low = middle + 1 } else { high = middle }
        }
        var left = Self.foresight
        while low < finders.count, left > 0 {
            let call = history.answered[finders[low]]
            low += 1
            guard !isDone(call, at: position), let target = call.action.found else { continue }
            left -= 1
            if history.states.isPrefix(position.state, of: target) { continue }
            let (places, openPlaces) = history.beginners(of: target)
            if !isAvailable(places, openPlaces, at: position, by: call.level) { return true }
        }
        return false
    }
}
