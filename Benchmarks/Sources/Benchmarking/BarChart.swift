internal import Foundation

/// Figures side by side, as a picture of its own: SVG, which a browser and a page of Markdown show.
public struct BarChart: Hashable, Sendable {
    /// Bars that belong together, one for each series at most.
    public struct Group: Hashable, Sendable {
        public var name: String
        /// In the order of the chart's series; nil where there is none.
        public var values: [Double?]

        public init(_ name: String, _ values: [Double?]) {
            self.name = name
            self.values = values
        }
    }

    public var title: String
    public var unit: String
    public var series: [String]
    public var groups: [Group]

    public init(_ title: String, unit: String, series: [String], groups: [Group]) {
        self.title = title
        self.unit = unit
        self.series = series
        self.groups = groups
    }

    private static let colours = ["#1f6feb", "#d97706", "#15803d", "#9333ea"]
    private static let (left, top, width, height) = (70.0, 54.0, 620.0, 220.0)

    /// The whole file. Bars begin at 0; values that are not finite are left out.
    public var svg: String {
        let (left, top, width, height) = (Self.left, Self.top, Self.width, Self.height)
        let highest = groups.flatMap(\.values).compactMap { $0 }.filter(\.isFinite).max() ?? 0
        let scale = Self.scale(highest)
        func y(_ value: Double) -> Double { top + height - height * value / scale }
        var lines = [
            #"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \#(Self.shown(left + width + 20)) \#(Self.shown(top + height + 40))" font-family="sans-serif" font-size="12">"#,
            #"<rect width="100%" height="100%" fill="white"/>"#,
            #"<text x="\#(Self.shown(left))" y="20" font-size="14">\#(Self.escaped("\(title), \(unit)"))</text>"#,
        ]
        for (place, name) in series.enumerated() {
            let x = left + Double(place) * 130
            lines.append(
                #"<rect x="\#(Self.shown(x))" y="30" width="10" height="10" fill="\#(Self.colour(place))"/><text x="\#(Self.shown(x + 15))" y="39">\#(Self.escaped(name))</text>"#
            )
        }
        for part in 0...4 {
            let value = scale * Double(part) / 4
            lines.append(
                #"<path d="M\#(Self.shown(left)) \#(Self.shown(y(value)))h\#(Self.shown(width))" stroke="lightgrey"/><text x="\#(Self.shown(left - 6))" y="\#(Self.shown(y(value) + 4))" text-anchor="end">\#(Self.short(value))</text>"#
            )
        }
        let room = width / Double(max(groups.count, 1))
        let bar = min(60, room * 0.8 / Double(max(series.count, 1)))
        for (place, group) in groups.enumerated() {
            let middle = left + room * (Double(place) + 0.5)
            let start = middle - bar * Double(group.values.count) / 2
            for (at, value) in group.values.enumerated() {
                guard let value, value.isFinite, value >= 0 else { continue }
                let x = start + bar * Double(at)
                lines.append(
                    #"<rect x="\#(Self.shown(x + 1))" y="\#(Self.shown(y(value)))" width="\#(Self.shown(bar - 2))" height="\#(Self.shown(top + height - y(value)))" fill="\#(Self.colour(at))"/><text x="\#(Self.shown(x + bar / 2))" y="\#(Self.shown(y(value) - 4))" text-anchor="middle" font-size="10">\#(Self.short(value))</text>"#
                )
            }
            lines.append(
                #"<text x="\#(Self.shown(middle))" y="\#(Self.shown(top + height + 18))" text-anchor="middle">\#(Self.escaped(group.name))</text>"#
            )
        }
        return (lines + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    /// The least of 1, 2, 5 times a power of ten that is not below `value`; 1 for nothing.
    static func scale(_ value: Double) -> Double {
        guard value > 0 else { return 1 }
        let power = pow(10, floor(log10(value)))
        return [1, 2, 5, 10].map { $0 * power }.first { $0 >= value } ?? 10 * power
    }

    /// Few digits: "1.2M", "350k", "0.07".
    static func short(_ value: Double) -> String {
        func digits(_ value: Double) -> String {
            value >= 100 ? String(format: "%.0f", value) : String(format: "%.3g", value)
        }
        if value >= 1e6 { return digits(value / 1e6) + "M" }
        return value >= 1e4 ? digits(value / 1e3) + "k" : digits(value)
    }

    private static func shown(_ value: Double) -> String { String(format: "%.1f", value) }
    private static func colour(_ place: Int) -> String { colours[place % colours.count] }

    private static func escaped(_ text: String) -> String {
        text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
            .replacingOccurrences(of: ">", with: "&gt;")
    }
}
