import Foundation
import TestTraits
import Testing

/// What a declaration is, as far as its text tells.
struct PublicDeclaration {
    let kind: String
    let name: String
    /// Of an initialiser: what its parameters are called.
    var labels: [String] = []

    private static let modifiers =
        "(?:(?:static|final|mutating|nonisolated|convenience|override|consuming|borrowing|lazy|indirect|required|prefix|weak|(?:private|package|internal)\\(set\\))\\s+)*"
    private static let pattern = try? NSRegularExpression(
        pattern:
            "^\\s*(?:@\\w+(?:\\([^)]*\\))?\\s+)*public\\s+\(modifiers)(func|var|let|init|struct|enum|class|actor|protocol|typealias|subscript|associatedtype)\\b\\s*([^\\s(:{=<?]*)"
    )

    /// Nil when the line begins no public declaration.
    init?(_ lines: [String], _ number: Int) {
        let line = lines[number]
        guard line.contains("public "),
            let found = Self.pattern?.firstMatch(in: line, range: NSRange(line.startIndex..., in: line)),
            let kind = Range(found.range(at: 1), in: line), let name = Range(found.range(at: 2), in: line)
        else { return nil }
        self.kind = String(line[kind])
        self.name = String(line[name])
        guard self.kind == "init" else { return }
        var text = line
        var next = number + 1
        while text.count(where: { $0 == "(" }) > text.count(where: { $0 == ")" }), next < lines.count {
            text += lines[next]
            next += 1
        }
        let parameters = text.split(separator: "(", maxSplits: 1).last?.split(separator: "{").first ?? ""
        labels = parameters.matches(of: /(?:^|,)\s*(\w+)(?:\s+\w+)?\s*:/).map { String($0.1) }
    }
}

@Suite("What is public is documented", .heavy)
struct DocumentationTests {
    /// What types say because a protocol of the standard library asks for it.
    static let standard: Set<String> = [
        "description", "debugDescription", "hash", "rawValue", "next", "enqueue", "checkIsolated",
        "isIsolatingCurrentContext", "RawValue", "ID", "Command", "Output",
    ]

    /// What our protocols ask for and describe: whoever conforms need not say it again.
    static let requirements: Set<String> = {
        var names = standard
        for file in TidyTests.sources {
            var isInside = false
            for (number, line) in file.lines.enumerated() {
                if line.contains("protocol "), line.contains(#/^(public |package )?protocol /#) {
                    isInside = true
                } else if line.hasPrefix("}") {
                    isInside = false
                } else if isInside, line.contains("func ") || line.contains("var "), isDocumented(file.lines, number),
                    let found = line.firstMatch(of: /^\s+(?:static |mutating |nonisolated )*(?:func|var) (\w+)/)
                {
                    names.insert(String(found.1))
                }
            }
        }
        return names
    }()

    private static func isDocumented(_ lines: [String], _ number: Int) -> Bool {
        var above = number - 1
        while above >= 0, lines[above].contains(/^\s*(@|\/\/ swift-format)/) { above -= 1 }
        return above >= 0 && lines[above].contains(/^\s*\/\/\//)
    }

    /// The lines of public declarations that say nothing of themselves.
    static func undocumented(in file: SourceFile) -> [(number: Int, name: String)] {
        guard file.lines.contains(where: { $0.contains("public ") }) else { return [] }
        let properties = Set(
            file.lines.filter { $0.contains("var ") || $0.contains("let ") }
                .flatMap { $0.matches(of: /\b(?:var|let) (\w+)/).map { String($0.1) } })
        var found: [(Int, String)] = []
        /// The line of the last declaration that is documented, by itself or by the one right above it.
        var last = -2
        for number in file.lines.indices {
            guard let declaration = PublicDeclaration(file.lines, number) else { continue }
            let isProperty = declaration.kind == "var" || declaration.kind == "let"
            let isOperator = declaration.kind == "func" && declaration.name.first?.isLetter != true
            let isPlain =
                declaration.kind == "init"
                && declaration.labels.allSatisfy {
                    properties.contains($0) || ["_", "decoding", "integerLiteral"].contains($0)
                }
                && (declaration.labels != ["_"] || properties.contains("rawValue"))
            if isDocumented(file.lines, number) || requirements.contains(declaration.name) || isOperator || isPlain
                || (isProperty && last == number - 1)
            {
                last = number
            } else {
                found.append((number + 1, declaration.name.isEmpty ? declaration.kind : declaration.name))
            }
        }
        return found
    }

    @Test(
        "Every public declaration has a comment, unless its protocol has one, it stands right below one that speaks for both, or it only takes what the type's own properties are"
    )
    func documented() {
        #expect(Self.requirements.contains("lastApplied") && Self.requirements.contains("connect"))
        var count = 0
        for file in TidyTests.sources where !file.path.hasPrefix("Sources/Examples/") {
            count += file.lines.indices.count { PublicDeclaration(file.lines, $0) != nil }
            for (number, name) in Self.undocumented(in: file) {
                breach(
                    file.path, number, "`\(name)` is public and says nothing of itself",
                    cure: "Say what it is, with units, ranges, errors and guarantees; or let it be less than public.")
            }
        }
        #expect(count > 1000)
    }

    @Test("The rule finds what it is for")
    func selfTest() {
        func names(_ text: String) -> [String] {
            Self.undocumented(in: SourceFile(path: "a.swift", lines: text.components(separatedBy: "\n"))).map(\.name)
        }
        #expect(names("public struct A {\n    public var b = 1\n}") == ["A", "b"])
        #expect(
            names("/// It.\n@frozen\npublic struct A {\n    /// One.\n    public var b = 1\n    public let c = 2\n}")
                == [])
        #expect(names("/// It.\npublic var b = 1\n\npublic var c = 2") == ["c"])
        #expect(names("/// It.\npublic struct A {\n    let b: Int\n    public init(b: Int) {}\n}") == [])
        #expect(names("/// It.\npublic struct A {\n    public init(\n        c: Int\n    ) {}\n}") == ["init"])
        #expect(names("public static func < (a: A, b: A) -> Bool { true }\n    public var description: String") == [])
        #expect(names("public mutating func go() {}\npublic private(set) var here = 1") == ["go", "here"])
    }
}
