internal import RaftTransport

extension KeyValueClient {
    /// Lets one node read its certificate, key, authorities and revocation lists anew; it does by itself when the files
    /// change. Needs a certificate of role `admin`. Harmless to repeat.
    ///
    /// - Returns: what it has now, and how many connections it ended, whose other side is no longer let in.
    /// - Throws: ``RaftClientError/Code/refused`` with the reason when a file cannot be used: it kept the old ones.
    public func reloadCertificates(
        of endpoint: String, timeout: Duration? = nil
    ) async throws(RaftClientError) -> (certificates: MemberStatus.Certificates, droppedCount: UInt64) {
        try await ask(endpoint, ClientMethods.reloadCertificates, ReloadCertificatesRequest().encoded(), timeout) {
            bytes throws(RPCStatus) in
            let answer = try ReloadCertificatesResponse(decoding: bytes)
            return (answer.certificates, answer.droppedCount)
        }
    }
}
