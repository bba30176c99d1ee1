internal import NIOCore
internal import Raft

/// The accepted connections of one listener: counts places, and knows whom to tell when it stops.
final class ConnectionRegistry: Sendable {
    /// One accepted connection, from its TCP handshake to its end. It may move to another channel.
    final class Place: @unchecked Sendable {
        // @unchecked: `isPeer` is written once, under the registry's lock.
        fileprivate let registry: ConnectionRegistry
        fileprivate var isCommon = false
        fileprivate init(_ registry: ConnectionRegistry) { self.registry = registry }
        deinit { registry.leave(ObjectIdentifier(self), isCommon: isCommon) }
    }

    private struct Live {
        var channel: any Channel
        var outbox: Outbox?
    }
    private struct State {
        var live: [ObjectIdentifier: Live] = [:]
        /// Those whose handshake is not over, the oldest first.
        var unsettled: [ObjectIdentifier] = []
        var commonCount = 0
        var isClosed = false
        var closing: [any Channel] = []
    }

    private let limits: TransportLimits
    private let state = Lock(State())

    init(limits: TransportLimits) { self.limits = limits }

    /// A place for a connection whose purpose is not known yet; nil when all are taken.
    ///
    /// Connections that only linger take nobody's place: when half of all places, or the last one, are held by
    /// unfinished handshakes, the oldest of them goes. An honest handshake takes milliseconds.
    func enter(_ channel: any Channel) -> Place? {
        let place = Place(self)
        let (isTaken, evicted) = state.withLock { state -> (Bool, (any Channel)?) in
            guard !state.isClosed else { return (false, nil) }
            var evicted: (any Channel)?
            let isFull = state.live.count >= limits.maximumConnections
            if isFull || state.unsettled.count >= max(1, limits.maximumConnections / 2), !state.unsettled.isEmpty {
                evicted = state.live.removeValue(forKey: state.unsettled.removeFirst())?.channel
            }
            guard state.live.count < limits.maximumConnections else { return (false, evicted) }
            state.live[ObjectIdentifier(place)] = Live(channel: channel)
            state.unsettled.append(ObjectIdentifier(place))
            return (true, evicted)
        }
        evicted?.close(promise: nil)
        return isTaken ? place : nil
    }

    /// Notes what the place became. False when it is not a peer's, and only reserved places are left.
    func settle(_ place: Place, isPeer: Bool, channel: any Channel, outbox: Outbox) -> Bool {
        state.withLock { state in
            // Evicted while its handshake came to an end: too late.
            guard !state.isClosed, state.live[ObjectIdentifier(place)] != nil else { return false }
            if !isPeer {
                guard state.commonCount < limits.maximumConnections - limits.reservedPeerConnections else {
                    return false
                }
                state.commonCount += 1
                place.isCommon = true
            }
            state.live[ObjectIdentifier(place)] = Live(channel: channel, outbox: outbox)
            state.unsettled.removeAll { $0 == ObjectIdentifier(place) }
            return true
        }
    }

    private func leave(_ place: ObjectIdentifier, isCommon: Bool) {
        // Let go of outside the lock: a channel that dies with it could come back here.
        let last = state.withLock { state in
            if isCommon { state.commonCount -= 1 }
            state.unsettled.removeAll { $0 == place }
            return state.live.removeValue(forKey: place)
        }
        withExtendedLifetime(last) {}
    }

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
