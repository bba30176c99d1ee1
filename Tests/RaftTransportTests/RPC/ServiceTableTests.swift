import RaftTransport
import Testing

@Suite("The service table")
struct ServiceTableTests {
    @Test("lists its methods by id")
    func listsMethods() {
        var table = ServiceTable()
        table.register(Method(id: 2, name: "b", purpose: .client, roles: [.client])) { _ in }
        table.register(Method(id: 1, name: "a", purpose: .client, roles: [.client, .admin])) { _ in }
        #expect(table.methods.map(\.name) == ["a", "b"])
    }
}
