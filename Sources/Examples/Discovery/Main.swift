import ExamplesSupport
import RaftClient

@main
struct Example {
    /// A consumer, and three instances: one goes in good order, one dies without a word, one stays.
    static func main() async throws {
        try await withCluster { client in
            try await withThrowingTaskGroup(of: Void.self) { group in
                let (tables, teller) = AsyncThrowingStream.makeStream(of: [String: String].self)
                group.addTask {
                    do {
                        try await ServiceTable.follow("api", at: client) { teller.yield($0.addresses) }
                    } catch {
                        teller.finish(throwing: error)  // whoever waits for the next table waits no more
                    }
                }
                /// Waits until the consumer knows these and no others.
                func untilSeen(_ names: [String]) async throws {
                    for try await table in tables {
                        let text = table.sorted { $0.key < $1.key }.map { "\($0.key) at \($0.value)" }
                        print("the consumer knows: \(text)")
                        if table.keys.sorted() == names { return }
                    }
                    throw CancellationError()
                }
                // Each of these would be a process of its own; to cancel the task is to kill it.
                func start(_ instance: Instance) -> Task<Void, Never> {
                    Task {
                        do { try await stay(instance, client) } catch {
                            if !Task.isCancelled { teller.finish(throwing: error) }
                        }
                    }
                }
                try await untilSeen([])
                try await withRegistration(of: instance("one", port: 8001), at: client) {
                    print("one is there")
                }
                print("one has gone in good order")

                let two = start(instance("two", port: 8002))
                let three = start(instance("three", port: 8003))
                try await untilSeen(["three", "two"])
                two.cancel()
                print("two is dead")
                try await untilSeen(["three"])
                three.cancel()
                try await untilSeen([])
                group.cancelAll()
                while await group.nextResult() != nil {}  // cancelled, as it should be
            }
        }
    }

    static func instance(_ name: String, port: Int) -> Instance {
        Instance(service: "api", name: name, address: "10.0.0.7:\(port)", patience: .seconds(3))
    }

    static func stay(_ instance: Instance, _ client: KeyValueClient) async throws {
        try await withRegistration(of: instance, at: client) { try await Task.sleep(for: .seconds(86_400)) }
    }
}
