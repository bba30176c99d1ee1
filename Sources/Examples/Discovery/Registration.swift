import RaftClient

/// One instance of a service, to be found under `services/<service>/<instance>`.
struct Instance: Sendable {
    var service: String
    var name: String
    /// Where it is.
    var address: String
    /// For how long it may be silent before it counts as dead: a second at least.
    var patience: Duration

    static func prefix(of service: String) -> String { "services/\(service)/" }
    var key: [UInt8] { Array((Self.prefix(of: service) + name).utf8) }
}

/// Registers an instance, keeps it registered while `body` runs, and takes it out when that ends.
///
/// Whoever dies in between, is cancelled or cut off takes nothing out: the key goes with its lease, once nobody has kept
/// that alive for ``Instance/patience``.
func withRegistration(
    of instance: Instance, at client: KeyValueClient, _ body: @escaping @Sendable () async throws -> Void
) async throws {
    let registration = Registration(instance, client)
    try await registration.begin()
    let result: Result<Void, any Error>
    do {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await registration.keep() }
            group.addTask { try await body() }
            defer { group.cancelAll() }
            try await group.next()  // the body has ended, or the cluster refuses us
        }
        result = .success(())
    } catch {
        result = .failure(error)
    }
    if !Task.isCancelled { await registration.end() }
    try result.get()
}

private actor Registration {
    private let instance: Instance
    private let client: KeyValueClient
    private var lease: UInt64?

    init(_ instance: Instance, _ client: KeyValueClient) {
        self.instance = instance
        self.client = client
    }

    func begin() async throws(RaftClientError) {
        while true {
            let begun = ContinuousClock.now
            let lease = try await client.grantLease(for: instance.patience)
            do throws(RaftClientError) {
                _ = try await client.put(instance.key, Array(instance.address.utf8), lease: lease)
                self.lease = lease
                return
            } catch {
                // The lease may be over before its key is put: another one. (Half of it, since clocks differ.) Refused
                // earlier than that it is about the key.
                guard error.code == .refused, ContinuousClock.now - begun > instance.patience / 2 else { throw error }
            }
        }
    }

    /// Until the task is cancelled.
    func keep() async throws {
        while true {
            try await Task.sleep(for: instance.patience / 3)
            do throws(RaftClientError) {
                if let lease, try await client.keepLeaseAlive(lease, timeout: instance.patience) != nil { continue }
            } catch {
                switch error.code {
                case .cancelled: throw CancellationError()
                // Who leads next begins the lease anew; it is for the cluster to say that it is over.
                case .unavailable, .outcomeUnknown: continue
                default: throw error
                }
            }
            // We were taken for dead, and are not. If this comes to nothing, or nobody knows, the next time does it
            // again: the lease is still the old one, and the key that may be there is overwritten.
            do throws(RaftClientError) { try await begin() } catch {
                switch error.code {
                case .unavailable, .outcomeUnknown, .refused: continue
                default: throw error
                }
            }
        }
    }

    /// If it comes to nothing the lease ends by itself.
    func end() async {
        if let lease { _ = try? await client.revokeLease(lease, timeout: instance.patience) }
    }
}
