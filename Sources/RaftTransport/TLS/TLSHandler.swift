internal import NIOCore

/// Sent up the pipeline once both sides have accepted each other, as far as this side can tell.
struct TLSEstablished: Sendable {
    let principal: Principal
    let purpose: Purpose
}

/// Why a TLS connection could not begin or go on.
struct TLSFailure: Error, CustomStringConvertible {
    let reason: String
    var rule = RefusalRule.tls
    /// The connection was cut off; nobody refused anybody.
    var isCutOff = false
    var description: String { reason }
}

/// TLS in a NIO pipeline: cipher below, plain above.
///
/// Flushes seal everything written since the last one into one buffer, so a flush is one system call; whoever writes
/// bounds how much that is.
final class TLSHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case handshake
        case open
        /// Our goodbye has been sent, or theirs has come.
        case closed
        /// Another channel goes on with the session.
        case detached
    }

    private let session: TLSSession
    // Unchecked by the runtime: the channel's loop sees to it, and no use begins within another.
    @exclusivity(unchecked) private var phase: Phase
    private let deadline: TimeAmount
    private var timer: Scheduled<Void>?
    @exclusivity(unchecked) private var written: [ByteBuffer] = []
    @exclusivity(unchecked) private var promises: [EventLoopPromise<Void>] = []
    /// Ends the standing of the session among those that are judged again.
    private var withdraw: (() -> Void)?

    /// - Parameter isEstablished: the session has its handshake behind it, on another channel.
    init(_ session: TLSSession, deadline: TimeAmount, isEstablished: Bool = false) {
        self.session = session
        self.deadline = deadline
        phase = isEstablished ? .open : .handshake
    }

    /// Gives the session to another channel. Called from within the event `TLSEstablished`; what this channel does
    /// afterwards no longer touches it.
    func detach() -> TLSSession {
        phase = .detached
        leave()
        return session
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { begin(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        switch phase {
        case .handshake where timer == nil:
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            timer = context.eventLoop.scheduleTask(in: deadline) {
                let (handler, context) = bound.value
                handler.fail(
                    context,
                    TLSFailure(
                        reason: "the TLS handshake took longer than \(handler.deadline.nanoseconds / 1_000_000) ms",
                        rule: .deadline))
            }
            step(context)
        case .open: announce(context)
        default: break
        }
    }

    private func announce(_ context: ChannelHandlerContext) {
        guard let principal = session.principal, let purpose = session.purpose else { return }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let eventLoop = context.eventLoop
        let enrolment = session.enrol { expulsion in
            eventLoop.execute {
                let (handler, context) = bound.value
                handler.expel(context, expulsion)
            }
        }
        switch enrolment {
        case .refused(let reason): return fail(context, TLSFailure(reason: reason, rule: .certificate))
        case .standing(let withdraw): self.withdraw = withdraw
        }
        context.fireUserInboundEventTriggered(TLSEstablished(principal: principal, purpose: purpose))
        // The handshake's last bytes may have brought application data, which is read now.
        if case .open = phase { readAll(context) }
    }

    private func step(_ context: ChannelHandlerContext) {
        let result = session.handshake()
        // Alerts too: the other side should learn why.
        flushOutput(context)
        switch result {
        case .needsInput: break
        case .done:
            timer?.cancel()
            phase = .open
            announce(context)
        case .failed(let refusal): fail(context, TLSFailure(reason: refusal.reason, rule: refusal.rule))
        }
    }

    private func fail(_ context: ChannelHandlerContext, _ failure: TLSFailure) {
        guard phase != .closed, phase != .detached else { return }
        phase = .closed
        timer?.cancel()
        leave()
        flushOutput(context)
        context.fireErrorCaught(failure)
        context.close(promise: nil)
    }

    /// The other side's certificate, good once, is so no more.
    private func expel(_ context: ChannelHandlerContext, _ expulsion: Expulsion) {
        guard !expulsion.isSudden else { return fail(context, TLSFailure(reason: expulsion.reason)) }
        guard phase == .open else { return }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(in: .milliseconds(Expulsion.grace)) {
            let (handler, context) = bound.value
            handler.fail(context, TLSFailure(reason: expulsion.reason))
        }
        context.fireUserInboundEventTriggered(expulsion)
    }

    private func leave() {
        withdraw?()
        withdraw = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard phase == .handshake || phase == .open else { return }
        let buffer = unwrapInboundIn(data)
        buffer.withUnsafeReadableBytes { session.feed($0) }
        if phase == .handshake { step(context) } else { readAll(context) }
    }

    private func readAll(_ context: ChannelHandlerContext) {
        while phase == .open {
            // One read of the socket is at most a few hundred KiB; what it holds comes out in one buffer.
            var plain = context.channel.allocator.buffer(capacity: max(session.pendingInput, 512))
            let result = session.read(into: &plain)
            if plain.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(plain)) }
            switch result {
            case .bytes: continue
            case .needsInput: return flushOutput(context)
            case .closeNotify:
                guard phase == .open else { return }
                phase = .closed
                session.shutdown()
                flushOutput(context)
                context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
                return context.close(promise: nil)
            case .failed(let reason): return fail(context, TLSFailure(reason: reason))
            }
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        written.append(unwrapOutboundIn(data))
        if let promise { promises.append(promise) }
    }

    func flush(context: ChannelHandlerContext) {
        guard phase == .open else { return dropWritten() }
        for buffer in written {
            guard buffer.withUnsafeReadableBytes({ session.write($0) }) else {
                dropWritten()
                return fail(context, TLSFailure(reason: "cannot seal a record"))
            }
        }
        written.removeAll(keepingCapacity: true)
        let promises = self.promises
        self.promises = []
        flushOutput(context)
        for promise in promises { promise.succeed(()) }
    }

    private func dropWritten() {
        written = []
        for promise in promises { promise.fail(ChannelError.ioOnClosedChannel) }
        promises = []
    }

    private func flushOutput(_ context: ChannelHandlerContext) {
        guard phase != .detached, session.hasOutput else { return }
        context.writeAndFlush(wrapOutboundOut(session.takeOutput(context.channel.allocator)), promise: nil)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if phase == .open {
            session.shutdown()
            flushOutput(context)
        }
        // A detached session is another channel's, and stays so.
        if phase != .detached { phase = .closed }
        timer?.cancel()
        dropWritten()
        context.close(mode: mode, promise: promise)
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        leave()
        dropWritten()
        switch phase {
        case .handshake:
            fail(
                context,
                TLSFailure(
                    reason: "the connection was closed during the TLS handshake", rule: .abandoned, isCutOff: true))
        case .open:
            fail(context, TLSFailure(reason: "the connection was cut off without a goodbye", isCutOff: true))
        case .closed, .detached: break
        }
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        leave()
    }
}
