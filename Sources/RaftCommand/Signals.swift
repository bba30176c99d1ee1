internal import Dispatch
internal import Raft

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// The signals that a command acts on, and the end of its input, as a stream.
final class Signals: Sendable {
    enum Signal: Hashable, Sendable, CustomStringConvertible {
        case interrupt, terminate, hangUp, childEnded, inputEnded

        fileprivate var number: Int32? {
            switch self {
            case .interrupt: SIGINT
            case .terminate: SIGTERM
            case .hangUp: SIGHUP
            case .childEnded: SIGCHLD
            case .inputEnded: nil
            }
        }
        var description: String {
            switch self {
            case .interrupt: "SIGINT"
            case .terminate: "SIGTERM"
            case .hangUp: "SIGHUP"
            case .childEnded: "SIGCHLD"
            case .inputEnded: "standard input ended"
            }
        }
    }

    let events: AsyncStream<Signal>
    private let sources: Lock<[any DispatchSourceSignal]>
    private let interruptCount = Lock(0)

    /// Begins to catch `signals`; from now on they do not end the process.
    ///
    /// - Parameter endOfInput: also watch standard input, which nobody writes to, for its end.
    init(_ signals: [Signal], endOfInput: Bool = false) {
        let (events, continuation) = AsyncStream.makeStream(of: Signal.self, bufferingPolicy: .bufferingNewest(64))
        self.events = events
        let counter = interruptCount
        @Sendable func happened(_ signal: Signal) {
            if signal == .interrupt { counter.withLock { $0 += 1 } }
            continuation.yield(signal)
        }
        var created: [any DispatchSourceSignal] = []
        for signal in signals {
            guard let number = signal.number else { continue }
            #if canImport(Darwin)
                // There the source sees a signal only when the process ignores it.
                Darwin.signal(number, SIG_IGN)
            #endif
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { happened(signal) }
            source.resume()
            created.append(source)
        }
        sources = Lock(created)
        guard endOfInput else { return }
        DispatchQueue(label: "standard input").async {
            var byte: UInt8 = 0
            while true {
                let count = read(0, &byte, 1)
                if count > 0 || (count < 0 && errno == EINTR) { continue }
                return happened(.inputEnded)
            }
        }
    }

    /// Whether somebody pressed Ctrl-C more than once.
    var isRepeated: Bool { interruptCount.withLock { $0 > 1 } }

    /// Ends the process at once, as a second Ctrl-C does.
    static func leave() -> Never { _exit(130) }
}
