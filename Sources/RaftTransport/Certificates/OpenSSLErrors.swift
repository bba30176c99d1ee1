internal import COpenSSL

/// OpenSSL keeps its errors in a queue of the thread: empty it before a call whose failure is to be explained.
enum OpenSSLErrors {
    /// Takes what is in the queue, as text; the newest reason first.
    static func take() -> String {
        var reasons: [String] = []
        while case let code = ERR_get_error(), code != 0 {
            let reason = ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(String(code, radix: 16))"
            if !reasons.contains(reason) { reasons.append(reason) }
        }
        return reasons.isEmpty ? "no reason given" : reasons.reversed().joined(separator: ", ")
    }
}
