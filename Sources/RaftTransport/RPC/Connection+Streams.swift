internal import DequeModule

/// What both ends do with streams.
extension Connection {
    func begin(_ stream: RPCStream, id: UInt32) {
        stream.flow.id = id
        stream.flow.sendCredit = Int(settings?.streamCredit ?? 0)
        stream.flow.receiveCredit = limits.streamCredit
    }

    func streamSend(_ stream: RPCStream, _ message: [UInt8], isUrgent: Bool) {
        guard !stream.isEnded, stream.flow.ending == nil else { return }
        if isUrgent {
            sendUrgent(
                .init(
                    type: .message, flags: .urgent, stream: stream.flow.id, head: .length(of: message),
                    body: message))
        } else if stream.flow.sendCredit > 0, stream.flow.waiting.isEmpty {
            put(message, on: stream)
        } else {
            stream.flow.waiting.append(message)
        }
    }

    private func put(_ message: [UInt8], on stream: RPCStream) {
        // The last message may overdraw: else one larger than the credit would never leave.
        stream.flow.sendCredit -= message.count
        stream.left(message.count)
        send(
            .init(type: .message, stream: stream.flow.id, head: .length(of: message), body: message))
    }

    func streamCredit(_ stream: RPCStream, _ more: UInt32) throws(MalformedFrame) {
        stream.flow.sendCredit += Int(more)
        guard stream.flow.sendCredit <= Int(UInt32.max) else { throw MalformedFrame("credit without bound") }
        while stream.flow.sendCredit > 0, let message = stream.flow.waiting.popFirst() { put(message, on: stream) }
        if stream.flow.waiting.isEmpty, let ending = stream.flow.ending {
            stream.flow.ending = nil
            streamFinish(stream, ending)
        }
    }

    /// - Parameter status: the serving end's; nil is a good end.
    func streamFinish(_ stream: RPCStream, _ status: RPCStatus?) {
        guard !stream.isEnded, !stream.flow.hasFinished else { return }
        guard stream.flow.waiting.isEmpty else {
            stream.flow.ending = .some(status)
            return
        }
        stream.flow.hasFinished = true
        if isServer {
            send(.init(type: .status, stream: stream.flow.id, head: .bytes(Wire.statusHead(status))))
        } else {
            send(.init(type: .finish, stream: stream.flow.id))
        }
    }

    func streamMessage(_ stream: RPCStream, _ message: [UInt8], isUrgent: Bool) throws(MalformedFrame) {
        if !isUrgent {
            guard stream.flow.receiveCredit > 0 else {
                throw MalformedFrame("message of \(message.count) bytes on stream \(stream.flow.id) without credit")
            }
            stream.flow.receiveCredit -= message.count
        }
        stream.handler?.streamReceived(message, on: stream)
    }

    func streamConsumed(_ stream: RPCStream, _ byteCount: Int) {
        guard !stream.isEnded else { return }
        stream.flow.unreturned += byteCount
        // Told in large steps: a frame for each message would double their number.
        guard stream.flow.unreturned >= limits.streamCredit / 4 else { return }
        sendUrgent(
            .init(type: .credit, stream: stream.flow.id, head: .number(UInt32(clamping: stream.flow.unreturned))))
        stream.flow.receiveCredit += stream.flow.unreturned
        stream.flow.unreturned = 0
    }
}
