/// Whether a node that does not lead passes a write on to the leader that it follows, and gives its caller what comes
/// back.
///
/// A write that was passed on is never passed on again: when the node that it went to leads no more, the caller gets
/// ``RaftError/Code/notLeader`` with a hint, as it would here. The outcome is as honest as without: nothing happened as
/// long as the write was not sent; unknown once it was, and the link broke before the result came.
public enum Forwarding: Hashable, Sendable {
    /// The write is refused there, with a hint who leads.
    case never
    /// It goes to the leader, on behalf of `caller`; nil for the program that holds the node.
    case toLeader(for: ForwardedCaller? = nil)
}

/// On whose behalf a node passes a write on. Travels between members only, and is what the leader decides by: no
/// node's own identity gives anybody more than they have.
public struct ForwardedCaller: Hashable, Sendable, CustomStringConvertible {
    /// Who called, as the node has authenticated it: such as the URI in the certificate of its connection.
    public let identity: String
    /// What was called, such as a method's full name.
    public let method: String
    /// A name of more than 255 bytes of UTF-8, or with a control character, is nobody's, and becomes one that says so:
    /// cut, it might be somebody else's.
    public init(identity: String, method: String) {
        self.identity = Self.sound(identity)
        self.method = Self.sound(method)
    }

    private static func sound(_ name: String) -> String {
        let isSound = name.utf8.count <= 255 && name.utf8.allSatisfy { $0 >= 32 && $0 != 127 }
        return isSound ? name : "(a name of \(name.utf8.count) bytes that is not passed on)"
    }

    public var description: String { "\(identity) (\(method))" }
}

extension String {
    /// The front of it, at most so many bytes of UTF-8 and no half of a character: cut once more it stays as it is.
    package func cut(toBytes count: Int) -> String {
        guard utf8.count > count else { return self }
        var end = utf8.index(startIndex, offsetBy: count)
        while end.samePosition(in: unicodeScalars) == nil { end = utf8.index(before: end) }
        return String(self[..<end])
    }
}

/// What a node needs to pass a write on, and to give its caller the result.
final class ForwardCall: Sendable {
    let caller: ForwardedCaller?
    /// When the caller gives up; nil for never.
    let deadline: Instant?
    /// Gives the caller what the leader sent, or throws when it is no such result.
    let succeed: @Sendable ([UInt8]) throws -> Void

    init(_ caller: ForwardedCaller?, deadline: Instant?, succeed: @escaping @Sendable ([UInt8]) throws -> Void) {
        self.caller = caller
        self.deadline = deadline
        self.succeed = succeed
    }
}

extension RaftNode where Machine.Output: ReplicatedOutput {
    /// As ``propose(_:onlyInTerm:within:)``, at any member: one that does not lead passes the command on, when
    /// `forwarding` says so.
    ///
    /// - Parameter timeout: how long the caller waits. What is left of it travels along; without one a command that was
    ///   passed on waits for as long as its link to the leader stands.
    /// - Throws: as ``propose(_:onlyInTerm:within:)``. ``RaftError/Code/overloaded`` also when
    ///   ``Configuration/maximumForwardedCalls`` or ``Configuration/maximumForwardedBytes`` wait for the leader's
    ///   answer; ``RaftError/Code/notAuthorized`` when the leader takes none for this caller.
    public func propose(
        _ command: Machine.Command, onlyInTerm term: Term? = nil, forwarding: Forwarding,
        within timeout: Duration? = nil
    ) async throws(RaftError) -> Machine.Output {
        let slot = TicketSlot()
        return try await waiting(slot) { done in
            let options = WriteOptions(
                term: term, timeout: timeout, forward: forwarding.forward(Machine.Output.self))
            slot.set(self.post(command, options, done))
        }
    }

    /// As ``propose(_:onlyInTerm:forwarding:within:)``, without a task. `completion` is called once, on any thread.
    public func propose(
        _ command: Machine.Command, onlyInTerm term: Term? = nil, forwarding: Forwarding,
        within timeout: Duration? = nil,
        completion: @escaping @Sendable (Result<Machine.Output, RaftError>) -> Void
    ) {
        let options = WriteOptions(term: term, timeout: timeout, forward: forwarding.forward(Machine.Output.self))
        _ = post(command, options, completion)
    }
}

extension Forwarding {
    /// For tickets of this output.
    func forward<Output: ReplicatedOutput>(
        _ output: Output.Type
    ) -> (@Sendable (Ticket, Instant?) -> ForwardCall)? {
        guard case .toLeader(let caller) = self else { return nil }
        return { ticket, deadline in
            let ticket = unsafeDowncast(ticket, to: OutputTicket<Output>.self)
            return ForwardCall(caller, deadline: deadline) { ticket.succeed(try Output(decoding: $0[...])) }
        }
    }

    func forward(_ ticket: SessionTicket, deadline: Instant?) -> ForwardCall? {
        guard case .toLeader(let caller) = self else { return nil }
        return ForwardCall(caller, deadline: deadline) {
            ticket.succeed(SessionID(try UInt64(decoding: $0[...])))
        }
    }
}
