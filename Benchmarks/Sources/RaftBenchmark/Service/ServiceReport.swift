internal import Benchmarking

/// What a run of `service` found.
struct ServiceReport: Codable, Sendable {
    /// Medians of the passes.
    struct Figures: Codable, Sendable {
        var perSecond: Double
        var p50Milliseconds: Double
        var p99Milliseconds: Double
        /// Of members and clients.
        var cpuMicrosecondsPerCall: Double

        init(medianOf passes: [Figures]) {
            func median(_ value: (Figures) -> Double) -> Double { Benchmarking.median(passes.map(value)) }
            self.init(
                perSecond: median(\.perSecond), p50Milliseconds: median(\.p50Milliseconds),
                p99Milliseconds: median(\.p99Milliseconds), cpuMicrosecondsPerCall: median(\.cpuMicrosecondsPerCall))
        }

        init(perSecond: Double, p50Milliseconds: Double, p99Milliseconds: Double, cpuMicrosecondsPerCall: Double) {
            self.perSecond = perSecond
            self.p50Milliseconds = p50Milliseconds
            self.p99Milliseconds = p99Milliseconds
            self.cpuMicrosecondsPerCall = cpuMicrosecondsPerCall
        }
    }

    struct Series: Codable, Sendable {
        var workload: Workload
        var clients: Int
        var ours: Figures
        var etcd: Figures?

        var ratio: Double? { etcd.map { ours.perSecond / $0.perSecond } }
    }

    struct Memory: Codable, Sendable {
        /// The most that any member ever had, views of its files included.
        var oursMebibytes: Double
        var etcdMebibytes: Double?
        /// The most that any member has at the end without those.
        var oursAnonymousMebibytes: Double
        var etcdAnonymousMebibytes: Double?
    }

    var valueSize: Int
    var passes: Int
    var series: [Series]
    var memory: Memory
    var floors: Floors

    var text: String {
        var table = TextTable([
            "CALL", "CLIENTS", "PER SECOND", "ETCD", "RATIO", "P50 MS", "ETCD", "P99 MS", "ETCD", "CPU US", "ETCD",
        ])
        for series in series {
            let (ours, etcd) = (series.ours, series.etcd)
            table.add([
                series.workload.rawValue, "\(series.clients)", shown(ours.perSecond), shown(etcd?.perSecond),
                shown(series.ratio), shown(ours.p50Milliseconds), shown(etcd?.p50Milliseconds),
                shown(ours.p99Milliseconds), shown(etcd?.p99Milliseconds), shown(ours.cpuMicrosecondsPerCall),
                shown(etcd?.cpuMicrosecondsPerCall),
            ])
        }
        return "values of \(valueSize) bytes, medians of \(passes)\n" + table.text
            + "memory of a member at most \(shown(memory.oursMebibytes)) MiB, etcd \(shown(memory.etcdMebibytes)) MiB; without views of files, at the end, \(shown(memory.oursAnonymousMebibytes)) MiB, etcd \(shown(memory.etcdAnonymousMebibytes)) MiB\n"
            + floors.text + goals
    }

    private var goals: String {
        var text = ""
        func goal(_ what: String, _ value: Double?, atLeast goal: Double) {
            guard let value else { return }
            text += "\(what): \(shown(value)), goal \(shown(goal)): \(value >= goal ? "met" : "MISSED")\n"
        }
        for series in series {
            let name = "\(series.workload.rawValue), \(series.clients) clients"
            switch (series.workload, series.clients) {
            case (.put, 64), (.put, 1024):
                goal("\(name): times etcd", series.ratio, atLeast: 5)
                goal(
                    "\(name): etcd's p99 over ours",
                    series.etcd.map { $0.p99Milliseconds / series.ours.p99Milliseconds },
                    atLeast: 3)
                goal("\(name): 28 µs of processor over ours", 28 / series.ours.cpuMicrosecondsPerCall, atLeast: 1)
            case (.put, 1):
                if let sync = floors.fdatasync.p50Milliseconds, let trip = floors.tlsRoundTrip.p50Milliseconds {
                    goal(
                        "\(name): 1.3 × (fdatasync + two round trips) over p50",
                        1.3 * (sync + 2 * trip) / series.ours.p50Milliseconds, atLeast: 1)
                }
            case (.get, 1024): goal("\(name): times etcd", series.ratio, atLeast: 8)
            default: break
            }
        }
        return text
    }
}
