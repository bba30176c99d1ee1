internal import ArgumentParser
internal import Foundation
internal import Glibc

@testable internal import RaftClient
@testable internal import RaftServer
@testable internal import RaftSimulation
@testable internal import RaftTransport

// Where fuzzing is a package of its own, it cannot depend on the program, and has its readers as a module.
#if canImport(RaftCommandParts)
    @testable internal import RaftCommandParts
#else
    @testable internal import RaftCommand
#endif

/// What people and programs give us as text: identities, addresses, flags, contexts, transactions, histories, scenarios,
/// kept runs.
enum TextTargets {
    static let all: [Target] = [identity, history, scenario, flags, context, clauses]

    /// Arguments and variables of `raft serve`, each ended by a zero byte. What is accepted can be served with.
    private static let flags = Target(
        name: "flags",
        seeds: {
            let complete = [
                "--id", "2", "--listen", "127.0.0.1:7002", "--data", "d", "--cert", "c", "--key", "k", "--ca", "a",
                "--cluster", "x",
            ]
            return [
                complete + ["--members", "1=a:1,2=127.0.0.1:7002", "--bootstrap"],
                complete + ["--election-timeout", "2s", "--heartbeat", "100ms", "RAFT_CLOCK_DRIFT=17"],
                complete + [
                    "--max-connections", "16", "--max-value-bytes", "9", "--crl", "l", "--crl-policy", "fail-open",
                ],
                complete + ["--join", "--metrics", "[::1]:0", "--tls-min", "1.2", "RAFT_MAX_SNAPSHOT_BYTES=1"],
                complete + [
                    "RAFT_STEADY_AFTER=1m", "--preference-interval=5s", "--snapshot-rate=65536", "--stop-on-eof",
                ],
            ].map { Array($0.joined(separator: "\0").utf8) }
        },
        run: { input in
            let words = input.split(separator: 0, omittingEmptySubsequences: false)
                .map { String(decoding: $0, as: UTF8.self) }
            var environment: [String: String] = [:]
            for word in words where word.hasPrefix("RAFT_") {
                let sides = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                environment[String(sides[0])] = sides.count == 2 ? String(sides[1]) : ""
            }
            let given = environment
            guard let options = try? ServeOptions.parse(words.filter { !$0.hasPrefix("RAFT_") }),
                let configuration = try? options.configuration(environment: { given[$0] })
            else { return }
            require((try? configuration.limits.validate()) != nil, "limits that cannot be: \(configuration.limits)")
            require(
                configuration.electionTimeout.lowerBound > configuration.heartbeatInterval * 2,
                "\(configuration.electionTimeout) with a heartbeat of \(configuration.heartbeatInterval)")
        })

    /// A context file of a client.
    private static let context = Target(
        name: "context",
        seeds: { [Array(ClusterContext.example.utf8)] },
        run: { input in
            // Foundation leaks a page for each empty file that it reads.
            guard !input.isEmpty else { return }
            let path = NSTemporaryDirectory() + "raft-fuzz-context-\(getpid()).json"
            write(input, to: path)
            defer { unlink(path) }
            guard let context = try? ClusterContext.load(path) else { return }
            require(context.ca.hasPrefix("/") && !context.endpoints.isEmpty, "\(context)")
        })

    /// A transaction of `raft txn`: what is read is shown as clauses that mean the same.
    private static let clauses = Target(
        name: "clauses",
        seeds: {
            [
                "if value a = 1\nif revision \"b c\" > 7\nthen put a \\x00z --previous --lease 9",
                "# none\nif absent a\nif version a != 3\nthen delete a --to b\nthen get a --onward",
                "if present a\nelse get a --prefix --limit 10",
            ].map { Array($0.utf8) }
        },
        run: { input in
            guard let transaction = try? TransactionText.parse(TransactionText.lines(input)) else { return }
            let shown = TransactionText.shown(transaction)
            let again = try? TransactionText.parse(shown.map { Array($0.utf8) })
            require(again == transaction, "\(transaction) is shown as \(shown), which is \(String(describing: again))")
        })

    private static let identity = Target(
        name: "identity",
        seeds: {
            ["raft://dev/peer/1", "raft://dev/client/app", "127.0.0.1:7001", "[::1]:443", "n1.example:65535"].map {
                Array($0.utf8)
            }
        },
        run: { input in
            let text = String(decoding: input, as: UTF8.self)
            if let principal = try? Principal(uri: text) {
                require(principal.description == text, "\(text) is read as \(principal)")
            }
            _ = try? Endpoint(text)
            // As a member claims it for whom it passes a write on.
            if callers.refusal(identity: text, method: ClientMethods.put.name) == nil {
                require(text.hasPrefix("raft://dev/client/"), "\(text) may put")
            }
        })

    private static let callers = ForwardedCallers(cluster: "dev")

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
