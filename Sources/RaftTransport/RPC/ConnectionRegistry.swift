internal import NIOCore
internal import Raft

/// The accepted connections of one listener: counts places, and knows whom to tell when it stops.
final class ConnectionRegistry: Sendable {
    /// One accepted connection, from its TCP handshake to its end. It may move to another channel.
    final class Place: @unchecked Sendable {
        // @unchecked: `isCommon` is written once, under the registry's lock.
        fileprivate let registry: ConnectionRegistry
        fileprivate let address: RemoteAddress?
        fileprivate var isCommon = false
        fileprivate init(_ registry: ConnectionRegistry, _ address: RemoteAddress?) {
            self.registry = registry
            self.address = address
        }
        deinit { registry.leave(self) }
    }

    private struct Live {
        var channel: any Channel
        var outbox: Outbox?
    }
    private struct Handshake {
        let place: ObjectIdentifier
        let address: RemoteAddress?
    }
    /// What one address has.
    private struct Share {
        var handshakeCount = 0
        var commonCount = 0
    }
    private struct State {
        var live: [ObjectIdentifier: Live] = [:]
        /// The oldest first.
        var handshakes: [Handshake] = []
        var shares: [RemoteAddress: Share] = [:]
        var failures: FailedHandshakes
        /// Where members have come from, the latest last.
        var memberAddresses: [RemoteAddress] = []
        var commonCount = 0
        var enteredCount = 0
        var isClosed = false
        var closing: [any Channel] = []
    }

    private let limits: TransportLimits
    private let state: Lock<State>

    /// Of how many addresses it is remembered that a member came from there.
    private static let maximumMemberAddresses = 64

    init(limits: TransportLimits) {
        self.limits = limits
        state = Lock(State(failures: FailedHandshakes(perSecond: limits.maximumFailedHandshakesPerAddress)))
    }

    /// Why nothing is to be done for a connection from this address; nil when it may begin its handshake.
    ///
    /// Members are not shut out for what others at their address do: how much that costs is bounded by the threads that
    /// handshakes have.
    func refusal(from address: RemoteAddress?, now: NIODeadline) -> String? {
        guard let address else { return nil }
        let isSpent = state.withLock { state in
            state.failures.isSpent(address, now: now) && !state.memberAddresses.contains(address)
        }
        return isSpent
            ? "\(limits.maximumFailedHandshakesPerAddress) handshakes from the same address failed within a second"
            : nil
    }

    /// A place for a connection whose purpose is not known yet; nil when all are taken.
    ///
    /// Connections that only linger take nobody's place: when there are more unfinished handshakes than there may be, of
    /// this address or of all, or they hold the last place, the oldest of them goes. An honest handshake takes
    /// milliseconds.
    func enter(_ channel: any Channel) -> Place? {
        let place = Place(self, RemoteAddress(channel.remoteAddress))
        let (isTaken, evicted) = state.withLock { state -> (Bool, (any Channel)?) in
            guard !state.isClosed else { return (false, nil) }
            let own = place.address.flatMap { state.shares[$0]?.handshakeCount } ?? 0
            var victim: Int?
            if own >= limits.maximumHandshakesPerAddress {
                victim = state.handshakes.firstIndex { $0.address == place.address }
            } else if state.handshakes.count >= limits.maximumHandshakes
                || state.live.count >= limits.maximumConnections
            {
                victim = state.handshakes.indices.first
            }
            let evicted = victim.flatMap { Self.endHandshake(at: $0, &state) }
            guard state.live.count < limits.maximumConnections else { return (false, evicted) }
            state.live[ObjectIdentifier(place)] = Live(channel: channel)
            state.enteredCount += 1
            state.handshakes.append(Handshake(place: ObjectIdentifier(place), address: place.address))
            if let address = place.address { state.shares[address, default: Share()].handshakeCount += 1 }
            return (true, evicted)
        }
        evicted?.close(promise: nil)
        return isTaken ? place : nil
    }

    /// Takes a handshake out of the list, and its connection out of those that live.
    private static func endHandshake(at position: Int, _ state: inout State) -> (any Channel)? {
        let handshake = state.handshakes.remove(at: position)
        change(handshake.address, &state) { $0.handshakeCount -= 1 }
        if let address = handshake.address { state.failures.note(address, now: .now()) }
        return state.live.removeValue(forKey: handshake.place)?.channel
    }

    /// Takes a place out of the list of handshakes.
    ///
    /// - Returns: whether it was there.
    @discardableResult
    private static func settle(_ place: Place, _ state: inout State) -> Bool {
        guard let position = state.handshakes.firstIndex(where: { $0.place == ObjectIdentifier(place) }) else {
            return false
        }
        state.handshakes.remove(at: position)
        change(place.address, &state) { $0.handshakeCount -= 1 }
        return true
    }

    private static func note(memberAt address: RemoteAddress?, _ state: inout State) {
        guard let address, state.memberAddresses.last != address else { return }
        state.memberAddresses.removeAll { $0 == address }
        if state.memberAddresses.count >= maximumMemberAddresses { state.memberAddresses.removeFirst() }
        state.memberAddresses.append(address)
    }

    private static func change(_ address: RemoteAddress?, _ state: inout State, _ change: (inout Share) -> Void) {
        guard let address, var share = state.shares[address] else { return }
        change(&share)
        state.shares[address] = share.handshakeCount == 0 && share.commonCount == 0 ? nil : share
    }

    /// Notes what the place became.
    ///
    /// - Returns: why there is no room for it; nil when there is.
    func settle(_ place: Place, isPeer: Bool, channel: any Channel, outbox: Outbox?) -> String? {
        state.withLock { state in
            // Evicted while its handshake came to an end: too late.
            guard !state.isClosed, state.live[ObjectIdentifier(place)] != nil else { return "it came too late" }
            if !isPeer {
                let common = limits.maximumConnections - limits.reservedPeerConnections
                guard state.commonCount < common else {
                    return "\(common) connections are open, and only places reserved for peers are left"
                }
                let own = place.address.flatMap { state.shares[$0]?.commonCount } ?? 0
                guard own < limits.maximumConnectionsPerAddress else {
                    return "\(own) connections are open from the same address"
                }
                state.commonCount += 1
                place.isCommon = true
                if let address = place.address { state.shares[address, default: Share()].commonCount += 1 }
            }
            if isPeer { Self.note(memberAt: place.address, &state) }
            state.live[ObjectIdentifier(place)] = Live(channel: channel, outbox: outbox)
            Self.settle(place, &state)
            return nil
        }
    }

    private func leave(_ place: Place) {
        // Let go of outside the lock: a channel that dies with it could come back here.
        let last = state.withLock { state in
            if place.isCommon {
                state.commonCount -= 1
                Self.change(place.address, &state) { $0.commonCount -= 1 }
            }
            // Never settled: a handshake that did not come to its end, or in vain.
            if Self.settle(place, &state), let address = place.address { state.failures.note(address, now: .now()) }
            return state.live.removeValue(forKey: ObjectIdentifier(place))
        }
        withExtendedLifetime(last) {}
    }

    /// How many have been given a place, since the start.
    var enteredCount: Int { state.withLock { $0.enteredCount } }

    var count: Int { state.withLock { $0.live.count } }

    /// The listener's own channel is waited for too.
    func note(_ listener: any Channel) { state.withLock { $0.closing.append(listener) } }

    /// Tells every connection to end; those that do not within `grace` are closed.
    func retireAll(_ reason: String, grace: TimeAmount) {
        let live = state.withLock { state -> [Live] in
            guard !state.isClosed else { return [] }
            state.isClosed = true
            state.closing += state.live.values.map(\.channel)
            return Array(state.live.values)
        }
        for item in live {
            guard let outbox = item.outbox else {
                item.channel.close(promise: nil)
                continue
            }
            outbox.post(.retire(reason))
            item.channel.eventLoop.scheduleTask(in: grace) { outbox.post(.close(reason)) }
        }
    }

    /// Returns once all that ``retireAll(_:grace:)`` found are closed.
    func waitUntilClosed() async {
        for channel in state.withLock({ $0.closing }) { await channel.waitUntilClosed() }
    }
}

extension Channel {
    /// Returns once the channel is closed. (Its future's own `get()` makes ThreadSanitizer report a race that is none.)
    func waitUntilClosed() async {
        await withCheckedContinuation { continuation in
            closeFuture.whenComplete { _ in continuation.resume() }
        }
    }
}
