/// Why a benchmark could not be run to its end: nothing it measured is a result.
public struct BenchmarkError: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}
