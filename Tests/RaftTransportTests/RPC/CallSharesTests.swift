import Testing

@testable import RaftTransport

@Suite("The calls of one caller")
struct CallSharesTests {
    @Test("A place is free once its call is answered, whoever still holds it, and only once")
    func answered() throws {
        let shares = CallShares(maximum: 2)
        let share = shares.share(of: try Principal(cluster: "test", role: .client, name: "app"))
        // As a timer for a call's deadline holds what it would end.
        let held = try (0..<5).map { _ in
            let place = try #require(share.take())
            place.giveBack()
            place.giveBack()
            return place
        }
        let (first, second) = (share.take(), share.take())
        #expect(first != nil && second != nil)
        #expect(share.take() == nil)
        withExtendedLifetime((held, first, second)) {}
    }

    @Test("A call that nobody works on any more has no place, answered or not")
    func dropped() throws {
        let shares = CallShares(maximum: 1)
        let share = shares.share(of: try Principal(cluster: "test", role: .client, name: "app"))
        for _ in 0..<3 { #expect(share.take() != nil) }
    }
}
