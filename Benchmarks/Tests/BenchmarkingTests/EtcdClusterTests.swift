import Testing

@testable import Benchmarking

@Suite("What etcd's load generator says")
struct EtcdClusterTests {
    private let text = """
        Summary:
          Total:\t7.4616 secs.
          Requests/sec:\t8041.2381

        Latency distribution:
          10% in 0.0051 secs.
          50% in 0.0073 secs.
          99% in 0.0211 secs.
          99.9% in 0.0402 secs.
        """

    @Test("Its rate and its percentiles are read")
    func figures() throws {
        let figures = try #require(EtcdCluster.parse(text))
        #expect(figures.perSecond == 8041.2381)
        #expect(abs(figures.p50Milliseconds - 7.3) < 1e-9)
        #expect(abs(figures.p99Milliseconds - 21.1) < 1e-9)
    }

    @Test("A run in which a call failed has none", arguments: ["\nError distribution:\n  [1]\tno leader", nil])
    func failed(_ more: String?) {
        #expect((EtcdCluster.parse(text + (more ?? "")) == nil) == (more != nil))
        #expect(EtcdCluster.parse("panic: no such host") == nil)
    }
}
