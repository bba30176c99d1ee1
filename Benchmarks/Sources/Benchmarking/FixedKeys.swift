/// Keys of 16 bytes, each of a number, that lie anywhere in the order of all: what clients set is rarely in order.
public struct FixedKeys: Sendable {
    public static let keyBytes = 16
    public let count: Int
    private var state: UInt64

    /// - Parameters:
    ///   - count: how many different ones there are.
    ///   - seed: which ones are drawn.
    public init(count: Int, seed: UInt64) {
        precondition(count > 0)
        self.count = count
        state = seed
    }

    /// The key of a number below ``count``: hexadecimal digits.
    public static func key(_ number: Int) -> [UInt8] {
        let mixed = mix(UInt64(number))
        return (0..<keyBytes).map { place in
            let digit = UInt8(truncatingIfNeeded: mixed >> UInt64(60 - 4 * place)) & 15
            return digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
        }
    }

    /// One of all, at random.
    public mutating func draw() -> [UInt8] {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.key(Int(Self.mix(state) % UInt64(count)))
    }

    /// SplitMix64's: no two numbers give the same.
    private static func mix(_ number: UInt64) -> UInt64 {
        var mixed = number
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
