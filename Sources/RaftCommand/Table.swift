/// Rows and columns for people.
struct Table {
    /// How a cell looks on a terminal.
    enum Style: String {
        case plain = ""
        case bold = "1"
        case green = "32"
        case red = "31"
        case faint = "2"
    }
    struct Cell {
        var text: String
        var style: Style
        init(_ text: String, _ style: Style = .plain) {
            self.text = text
            self.style = style
        }
    }

    private var rows: [[Cell]]

    init(_ header: [String]) { rows = [header.map { Cell($0, .bold) }] }

    /// Without a header.
    init(rows: [[String]]) { self.rows = rows.map { row in row.map { Cell($0) } } }

    mutating func add(_ row: [Cell]) { rows.append(row) }

    func text(color: Bool) -> String {
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.text.count)
            }
        }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let shown =
                    color && cell.style != .plain ? "\u{1B}[\(cell.style.rawValue)m\(cell.text)\u{1B}[0m" : cell.text
                line += shown
                if column < row.count - 1 {
                    line += String(repeating: " ", count: widths[column] - cell.text.count + 2)
                }
            }
            return line + "\n"
        }.joined()
    }
}
