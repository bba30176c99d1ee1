/// Keeps a peer from filling the log: of the lines that messages of others can cause, only so many a second are written,
/// and then one that says how many were left out.
struct NoteLimiter: Sendable {
    private static let maximumCount = 10
    private var second: Int64 = .min
    private var count = 0
    private var leftOut = 0

    /// What is to be written for this note, now.
    mutating func admit(_ note: Note, now: Instant) -> [Note] {
        var notes: [Note] = []
        if now.components.seconds != second {
            if leftOut > 0 {
                notes.append(Note(weight: note.weight, text: "\(leftOut) more lines like the last ones were left out"))
            }
            second = now.components.seconds
            count = 0
            leftOut = 0
        }
        count += 1
        if count <= Self.maximumCount { notes.append(note) } else { leftOut += 1 }
        return notes
    }
}
