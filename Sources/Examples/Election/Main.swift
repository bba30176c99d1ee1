import ExamplesSupport
import RaftClient

@main
struct Example {
    /// Ann leads and stands still for too long; Bob takes over; Ann goes on and does not know.
    static func main() async throws {
        try await withCluster { client in
            let election = Election("nightly-report", at: client, patience: .seconds(10))
            // For ann, so that bob need not wait for long.
            let short = Election("nightly-report", at: client, patience: .seconds(3))
            let resource = Resource()
            let config = Array("nightly-report/config".utf8)

            let ann = try await short.campaign("ann")
            try await resource.write("by ann", token: ann.token)
            print("ann leads and has written, with token \(ann.token)")
            // Here ann's process stands still: nobody keeps her lease alive.
            let bob = try await election.campaign("bob")
            print("bob leads, with a higher token: \(bob.token > ann.token)")
            try await bob.hold { leadership in
                try await resource.write("by bob", token: leadership.token)
                print("bob has written, and keeps his lease alive while he works")
                try await Task.sleep(for: election.patience * 1.1)
                print("the leader is still \(try await election.leader()?.name ?? "nobody")")

                do {
                    try await resource.write("by ann again", token: ann.token)
                } catch let error as Resource.Overtaken {
                    print("ann goes on: \(error.token < error.highest ? "refused" : "taken"), she was overtaken")
                }
                let write = KeyValueTransaction(if: [ann.isHeld], then: [.put(key: config, value: Array("ann".utf8))])
                print("and in the cluster itself: \(try await client.txn(write).succeeded ? "taken" : "refused")")
            }
            print("bob has resigned; the resource holds: \(await resource.content)")
            let cid = try await election.campaign("cid")
            print("cid leads at once, with a higher token: \(cid.token > bob.token)")
            await cid.resign()
            print("the leader is \(try await election.leader()?.name ?? "nobody")")
        }
    }
}
