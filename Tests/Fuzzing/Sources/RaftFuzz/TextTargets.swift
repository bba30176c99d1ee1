@testable internal import RaftSimulation
@testable internal import RaftTransport

/// What people and programs give us as text: identities, addresses, histories, scenarios, kept runs.
enum TextTargets {
    static let all: [Target] = [identity, history, scenario]

    private static let identity = Target(
        name: "identity",
        seeds: { ["raft://dev/peer/1", "127.0.0.1:7001", "[::1]:443", "n1.example:65535"].map { Array($0.utf8) } },
        run: { input in
            let text = String(decoding: input, as: UTF8.self)
            if let principal = try? Principal(uri: text) {
                require(principal.description == text, "\(text) is read as \(principal)")
            }
            _ = try? Endpoint(text)
        })

    private static let history = Target(
        name: "history",
        seeds: {
            [
                #"{"client":1,"key":"a","op":"put","in":"x","out":"ok","call_ns":1,"return_ns":2}"#,
                #"{"client":1,"key":"a","op":"cas","in":[null,"y"],"out":true,"call_ns":3,"return_ns":null}"#,
                #"{"client":2,"key":"a","op":"get","in":null,"out":"x","call_ns":1,"return_ns":5}"#,
            ].map { Array($0.utf8) }
        },
        run: { input in
            guard let operations = try? HistoryFormat.operations(from: input) else { return }
            let text = HistoryFormat.text(operations)
            let again = try? HistoryFormat.operations(from: Array(text.utf8))
            require(again == operations, "a history is written as \(text) and read as \(String(describing: again))")
        })

    private static let scenario = Target(
        name: "scenario",
        seeds: {
            [
                "# A.\n# B.\nnodes 3\nstart all\nput x=5 at 1 as A\nexpect A ok\nfinally converge\n",
                "# A.\n# B.\nnodes 5\nreal 1 2\nelection timeout 150..300 ms\nghost 2 appends to 1 in term 4: previous 4@3\n",
                "simulation of seed 7\nnodes 3\nat 1204317 us: pause 2 for 300 ms\n",
            ].map { Array($0.utf8) }
        },
        run: { input in _ = try? Scenario(name: "fuzz", text: String(decoding: input, as: UTF8.self)) })
}
