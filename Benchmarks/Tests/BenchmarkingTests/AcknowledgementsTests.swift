import Testing

@testable import Benchmarking

@Suite("Pauses of acknowledged writes")
struct AcknowledgementsTests {
    private let acknowledged = Acknowledgements([30, 10, 20, 90], from: 0, to: 100)

    @Test("The longest pause is found wherever the window touches it, and counts whole")
    func longest() {
        #expect(acknowledged.longest(from: 0, to: 100) == .init(start: 30, end: 90))
        #expect(acknowledged.longest(from: 0, to: 30)?.length == 10)
        #expect(acknowledged.longest(from: 0, to: 31)?.length == 60)
        #expect(acknowledged.longest(from: 89, to: 95)?.length == 60)
    }

    @Test("Pauses are added up from a length on")
    func total() {
        #expect(acknowledged.total(from: 0, to: 100, ofAtLeast: 10) == 100)
        #expect(acknowledged.total(from: 0, to: 100, ofAtLeast: 11) == 60)
        #expect(acknowledged.total(from: 0, to: 30, ofAtLeast: 11) == 0)
    }

    @Test("A run without an acknowledgement is one pause")
    func none() {
        let nothing = Acknowledgements([], from: 5, to: 50)
        #expect(nothing.longest(from: 0, to: 100) == .init(start: 5, end: 50))
    }

    @Test("Waiting for the last answer in vain is a pause")
    func atTheEnd() {
        let acknowledged = Acknowledgements([10], from: 0, to: 100)
        #expect(acknowledged.longest(from: 0, to: 100)?.length == 90)
    }
}
