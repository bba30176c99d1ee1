internal import NIOCore
internal import Raft
internal import Synchronization

/// What one side of a connection does with what comes.
protocol ConnectionSide: AnyObject {
    /// The other side's first frame is here.
    func began(_ connection: Connection)
    func received(_ incoming: Incoming, _ connection: Connection) throws(MalformedFrame)
    func perform(_ command: Command, _ connection: Connection)
    /// Since when nothing has been asked of it; nil while something is, or when that is no reason to end it.
    var idleSince: NIODeadline? { get }
    /// Somebody waits for an answer of the other side.
    var awaitsAnswer: Bool { get }
    /// The connection is over. Called once; `commands` were never looked at.
    func ended(_ reason: String, commands: [Command], _ connection: Connection)
}

/// One connection above TLS: frames in, frames out, keepalive, limits.
///
/// Owns the queue of what is to be written and the messages not yet complete. Takes commands from any thread through
/// its outbox, everything else happens on its event loop. Never waits. Made by the listener or by a dial, dies with
/// its channel; a malformed frame ends this connection and no other.
final class Connection: ChannelInboundHandler, @unchecked Sendable {
    // @unchecked: all that changes belongs to the event loop's thread. So the runtime need not look for overlapping
    // accesses to what every frame uses, either: none begins within another.
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let outbox: Outbox
    let principal: Principal
    let limits: TransportLimits
    let isServer: Bool
    private let greets: Bool
    private let budget: QueueBudget?
    /// What the budget knows of our queue.
    @exclusivity(unchecked) private var budgetedBytes = 0
    /// Since when bytes wait of which the other side has taken none.
    @exclusivity(unchecked) private var stalledSince: NIODeadline?
    private let side: any ConnectionSide
    @exclusivity(unchecked) private(set) var queue = FrameQueue()
    @exclusivity(unchecked) private(set) var settings: PeerSettings?
    /// A place for whoever serves the connection, such as the hello of a peer.
    var attachment: AnyObject?

    @exclusivity(unchecked) private var context: ChannelHandlerContext?
    @exclusivity(unchecked) private var decoder = FrameDecoder()
    @exclusivity(unchecked) private var assembler: MessageAssembler
    private(set) var isReading = false
    @exclusivity(unchecked) private(set) var isEnded = false
    /// The other side did not accept our certificate: it said so in an alert, before its first frame.
    private(set) var isRefused = false
    /// It ended although neither side said so: the other process, its machine or the way between is gone.
    private(set) var isBroken = false
    @exclusivity(unchecked) private var isPaused = false
    @exclusivity(unchecked) private var commands: [Command] = []
    /// When bytes came last.
    @exclusivity(unchecked) private(set) var lastRead = NIODeadline.now()
    private let begunAt = NIODeadline.now()
    /// Since when a sign of life is asked for.
    private var askedAt: NIODeadline?
    private var keepalive: RepeatedTask?

    let eventLoop: any EventLoop

    /// - Parameter greets: false for a server that is about to refuse: it says so before anything else.
    init(
        _ outbox: Outbox, on eventLoop: any EventLoop, principal: Principal, isServer: Bool, greets: Bool = true,
        limits: TransportLimits, budget: QueueBudget? = nil, side: any ConnectionSide
    ) {
        self.eventLoop = eventLoop
        self.greets = greets
        self.budget = budget
        self.outbox = outbox
        self.principal = principal
        self.isServer = isServer
        self.side = side
        var limits = limits
        limits.maximumMessageBytes = min(limits.maximumMessageBytes, TransportLimits.hardMessageBytes)
        self.limits = limits
        assembler = MessageAssembler(limits: limits)
    }

    // MARK: Life

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        outbox.attach(self)
        // A client keeps silent until the server has spoken: only then has the server accepted its certificate.
        if isServer && greets { sendSettings() }
        let often =
            isServer ? limits.keepaliveInterval : min(limits.keepaliveInterval, TransportLimits.doubtInterval * 2)
        let interval = (often / 2).timeAmount
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        keepalive = eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            bound.value.checkLife()
        }
        drain()
    }

    func handlerRemoved(context: ChannelHandlerContext) { end("the connection was closed") }

    private func sendSettings() {
        let settings = PeerSettings(
            maximumMessageBytes: UInt32(clamping: limits.maximumMessageBytes),
            maximumCalls: UInt32(clamping: limits.maximumCallsInFlight),
            streamCredit: UInt32(clamping: limits.streamCredit))
        sendUrgent(.init(type: .settings, stream: 0, head: .bytes(settings.head)))
    }

    private func checkLife() {
        let now = NIODeadline.now()
        let silence = now - lastRead
        if settings == nil, now - begunAt > limits.handshakeTimeout.timeAmount {
            return fail("nothing was said within \(limits.handshakeTimeout) after the handshake")
        }
        if let stalledSince, now - stalledSince > limits.stallTimeout.timeAmount {
            return fail(
                "the other side has taken none of \(queue.byteCount) waiting bytes for \(limits.stallTimeout)")
        }
        if let idleSince = side.idleSince, now - idleSince > limits.idleTimeout.timeAmount {
            let reason = "nothing was asked for \(limits.idleTimeout); connect anew"
            side.perform(.retire(reason), self)
            // Whoever does not take the goodbye is not waited for.
            eventLoop.scheduleTask(in: .seconds(1)) { [outbox] in outbox.post(.close(reason)) }
            return drain()
        }
        // While we do not listen, silence says nothing.
        if isPaused { return }
        if silence > limits.keepaliveTimeout.timeAmount {
            return fail("nothing was heard for \(limits.keepaliveTimeout), not even an answer to a ping")
        }
        let isAwaited = side.awaitsAnswer
        if let askedAt {
            if isAwaited, now - askedAt > TransportLimits.doubtTimeout.timeAmount {
                outbox.isInDoubt.store(true, ordering: .relaxed)
            }
            return
        }
        let patience =
            isAwaited ? min(limits.keepaliveInterval, TransportLimits.doubtInterval) : limits.keepaliveInterval
        if silence > patience.timeAmount, settings != nil {
            askedAt = now
            sendUrgent(.init(type: .ping, stream: 0, head: .bytes(Wire.bytes(now.uptimeNanoseconds))))
            writeOut()
        }
    }

    /// Ends the connection for a reason.
    func fail(_ reason: String) {
        guard !isEnded else { return }
        let context = self.context
        end(reason)
        context?.close(promise: nil)
    }

    private func end(_ reason: String) {
        guard !isEnded else { return }
        isEnded = true
        keepalive?.cancel()
        _ = budget?.change(from: budgetedBytes, to: 0)
        budgetedBytes = 0
        let waiting = commands + outbox.close()
        commands = []
        side.ended(reason, commands: waiting, self)
        attachment = nil
        context = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let failure = error as? TLSFailure else {
            isBroken = true
            return fail("\(error)")
        }
        isBroken = failure.isCutOff
        isRefused = settings == nil && !failure.isCutOff
        fail(failure.reason)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end("the other side closed the connection")
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { fail("the other side closed the connection") }
        if event is Expulsion {
            // What it was is for the log here: the other side learns that it must come anew.
            side.perform(.retire("this connection's certificates are no longer good; connect anew"), self)
            drain()
        }
        context.fireUserInboundEventTriggered(event)
    }

    // MARK: In

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isEnded else { return }
        isReading = true
        lastRead = .now()
        if askedAt != nil {
            askedAt = nil
            outbox.isInDoubt.store(false, ordering: .relaxed)
        }
        var bytes = unwrapInboundIn(data)
        decoder.append(&bytes)
        do throws(MalformedFrame) {
            while !isEnded, let frame = try decoder.next() {
                if let incoming = try assembler.take(frame) { try handle(incoming) }
            }
        } catch {
            refuse("malformed: \(error.reason)")
        }
        isReading = false
        drain()
    }

    private func handle(_ incoming: Incoming) throws(MalformedFrame) {
        if case .settings(let settings) = incoming {
            guard self.settings == nil else { throw MalformedFrame("settings twice") }
            self.settings = settings
            if !isServer { sendSettings() }
            return side.began(self)
        }
        if case .goaway = incoming {
            // May come before the settings: a server that has no room.
            return try side.received(incoming, self)
        }
        guard settings != nil else { throw MalformedFrame("settings do not come first") }
        switch incoming {
        case .ping(let number): sendUrgent(.init(type: .pong, stream: 0, head: .bytes(Wire.bytes(number))))
        case .pong: break  // having been heard is all that it is for
        default: try side.received(incoming, self)
        }
    }

    /// Says why, then closes.
    func refuse(_ reason: String, code: RPCStatus.Code = .internal) {
        sendUrgent(
            .init(
                type: .goaway, stream: 0,
                head: .bytes(Wire.bytes(UInt32.max) + Wire.statusHead(RPCStatus(code, reason)))))
        writeOut()
        fail(reason)
    }

    // MARK: Out

    func send(_ item: FrameQueue.Item) { queue.add(item) }
    func sendUrgent(_ item: FrameQueue.Item) { queue.addUrgent(item) }

    /// Forgets what a stream had still to send and to receive at length.
    func drop(_ stream: UInt32) {
        queue.drop(stream)
        assembler.drop(stream)
    }

    func dropIncoming(_ stream: UInt32) { assembler.drop(stream) }

    /// Does what others asked for, then writes.
    func drain() {
        guard !isEnded else { return }
        outbox.takeAll(into: &commands)
        for command in commands {
            // One of them may end the connection; the rest still deserve an answer.
            side.perform(command, self)
        }
        commands.removeAll(keepingCapacity: true)
        writeOut()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        writeOut()
        context.fireChannelWritabilityChanged()
    }

    private func writeOut() {
        guard let context, !isEnded else { return }
        var hasTaken = false
        while context.channel.isWritable, let bytes = queue.take(maximumBytes: 131_072) {
            context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
            if isEnded { return }
            hasTaken = true
        }
        if queue.isEmpty {
            stalledSince = nil
        } else if hasTaken || stalledSince == nil {
            stalledSince = .now()
        }
        guard queue.byteCount <= limits.maximumQueuedBytes, queue.urgentBytes <= TransportLimits.maximumUrgentBytes
        else { return fail("\(queue.byteCount) bytes wait for the other side, which is too slow in reading them") }
        if let budget, queue.byteCount != budgetedBytes {
            let isFair = budget.change(from: budgetedBytes, to: queue.byteCount)
            budgetedBytes = queue.byteCount
            guard isFair else {
                return fail(
                    "\(queue.byteCount) bytes wait for the other side, and \(limits.maximumQueuedBytesInAll) for all connections"
                )
            }
        }
        // Whoever does not read its answers is not heard either.
        let pauses = queue.byteCount > limits.maximumQueuedBytes / (isPaused ? 4 : 2)
        if pauses != isPaused {
            isPaused = pauses
            lastRead = .now()
            _ = context.channel.setOption(.autoRead, value: !pauses)
        }
    }

    /// Whether everything said so far has been handed to the socket.
    var hasWrittenAll: Bool { queue.isEmpty }
}
