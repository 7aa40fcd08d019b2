//! Families: the table of all series, with the names, labels and types of fastly-exporter.
//!
//! Every key has every series of its subject, zeros included. A series is computed from fields of the API, so the only
//! place that knows counters is the table of measurements.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::exposition::labels::seconds;
use crate::schema::counters::channel;
use crate::schema::counters::origin::LATENCY_ENDS_MS;
use crate::schema::dataset::Dataset;
use crate::schema::formula::{CHANNEL, Formula};
use crate::schema::measurements::measurements;
use crate::schema::miss_times::ENDS_MS;

/// Where the counters of misses by time start, behind those of the channel.
pub const MISS_TIMES: usize = CHANNEL + channel::LEN;

/// What the keys of a family are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A service in a POP.
    Service,
    /// A domain in a POP.
    Domain,
    /// An origin in a POP.
    Origin,
}

impl Subject {
    /// Every subject, by number.
    pub const ALL: [Self; 3] = [Self::Service, Self::Domain, Self::Origin];

    /// The label that names a key, if the POP is not enough.
    pub const fn label(self) -> Option<&'static str> {
        match self {
            Self::Service => None,
            Self::Domain => Some("domain"),
            Self::Origin => Some("origin"),
        }
    }

    const fn dataset(self) -> Dataset {
        match self {
            Self::Service => Dataset::Channel,
            Self::Domain => Dataset::Domains,
            Self::Origin => Dataset::Origins,
        }
    }
}

/// The type of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FamilyType {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Values by upper bound.
    Histogram,
}

impl FamilyType {
    /// Its name in a `TYPE` line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric and its series of each key.
#[derive(Debug)]
pub struct Family {
    pub subject: Subject,
    /// As it is in the text format: the name of a counter has its `_total`, if it has one.
    pub name: String,
    pub help: String,
    pub kind: FamilyType,
    pub series: Vec<KeySeries>,
}

/// One series of a key.
#[derive(Debug)]
pub struct KeySeries {
    /// What follows the name of a histogram: `_bucket`, `_sum` or `_count`.
    pub suffix: &'static str,
    /// Labels besides those of the key.
    pub labels: Vec<(&'static str, String)>,
    pub value: SeriesValue,
}

/// How a series is computed from the slots of a key.
#[derive(Debug)]
pub enum SeriesValue {
    /// The sum of these slots.
    Sum(Vec<u16>),
    /// The sum of these slots, each times a factor, with so many digits behind the decimal point.
    Scaled(Vec<(u16, u64)>, usize),
    /// The sum of these slots, less the sum of those.
    Difference(Vec<u16>, Vec<u16>),
    /// Hits / (hits + misses) of the latest second of the key.
    EdgeHitRatio,
    /// The part of the bytes sent to end users that did not come from an origin, in the latest second of the key.
    OriginOffload,
}

/// The cells of a dataset (see [`measurements`]) that some series needs, each with a slot in the totals of a key.
#[derive(Debug, Default)]
pub struct SlotLayout {
    slots: Vec<Option<u16>>,
    /// How many slots a key has.
    pub len: usize,
}

impl SlotLayout {
    /// The slot of `cell`, if a series needs it.
    #[inline]
    pub fn find(&self, cell: usize) -> Option<usize> {
        self.slots.get(cell).copied().flatten().map(usize::from)
    }

    /// The slot of `cell`, added if it is new.
    fn slot(&mut self, cell: usize) -> u16 {
        if self.slots.len() <= cell {
            self.slots.resize(cell + 1, None);
        }
        *self.slots[cell].get_or_insert_with(|| {
            self.len += 1;
            u16::try_from(self.len - 1).expect("there are fewer counters")
        })
    }
}

/// All families, and where their counters are.
#[derive(Debug)]
pub struct Catalogue {
    pub families: Vec<Family>,
    layouts: [SlotLayout; Subject::ALL.len()],
    series: [usize; Subject::ALL.len()],
}

impl Catalogue {
    /// The families of this version.
    pub fn get() -> &'static Self {
        static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
            let mut families = vec![];
            let layouts = Subject::ALL.map(|subject| {
                let mut builder = FamilyBuilder::new(subject);
                match subject {
                    Subject::Service => services(&mut builder),
                    Subject::Domain => domains(&mut builder),
                    Subject::Origin => origins(&mut builder),
                }
                families.append(&mut builder.families);
                builder.layout
            });
            let series = Subject::ALL.map(|subject| {
                families.iter().filter(|family| family.subject == subject).map(|family| family.series.len()).sum()
            });
            Catalogue { families, layouts, series }
        });
        &CATALOGUE
    }

    /// Where the totals of a key of `subject` are.
    pub fn layout(&self, subject: Subject) -> &SlotLayout {
        &self.layouts[subject as usize]
    }

    /// How many series a key of `subject` has.
    pub fn series(&self, subject: Subject) -> usize {
        self.series[subject as usize]
    }
}

/// Codes that have a series.
const CODES: [u16; 19] =
    [200, 204, 206, 301, 302, 304, 400, 401, 403, 404, 416, 429, 500, 501, 502, 503, 504, 505, 530];

/// Where responses of an origin went, and the prefix of their fields.
const SOURCES: [(&str, &str); 3] = [("delivery", ""), ("compute", "compute_"), ("waf", "waf_")];

/// The fields of the versions of TLS.
const TLS_VERSIONS: [(&str, &str); 4] =
    [("1.0", "tls_v10"), ("1.1", "tls_v11"), ("1.2", "tls_v12"), ("1.3", "tls_v13")];

/// What counts in the sum of latencies for a response whose first byte came after the last bound.
const BEYOND_MS: u64 = 61_000;

/// Bounds of the time that misses take.
const MISS_BOUNDS_MS: [u64; 14] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000];

/// Bounds of the size of objects, and the fields of these sizes. Larger ones are in no bucket.
const SIZES: [(&str, u64, &str); 7] = [
    ("1024", 1_024, "1k"),
    ("10240", 10_240, "10k"),
    ("102400", 102_400, "100k"),
    ("1.024e+06", 1_024_000, "1m"),
    ("1.024e+07", 10_240_000, "10m"),
    ("1.024e+08", 102_400_000, "100m"),
    ("1.024e+09", 1_024_000_000, "1g"),
];

/// Fields of the channel whose counter is named otherwise.
const RENAMED: [(&str, &str); 7] = [
    ("edge_requests", "edge"),
    ("compute_bereqs", "compute_bereq"),
    ("compute_execution_time_ms", "compute_execution_time"),
    ("compute_request_time_ms", "compute_request_time"),
    ("compute_request_time_billed_ms", "compute_request_time_billed"),
    ("request_collapse_usable_count", "request_collapse_usable"),
    ("request_collapse_unusable_count", "request_collapse_unusable"),
];

/// Beginnings of the fields of the channel that are no counter of their own.
const NOT_ALONE: [&str; 9] = [
    "all_",
    "compute_resp_status_",
    "compute_service_",
    "hit_ratio",
    "miss_histogram",
    "object_size_",
    "origin_offload",
    "status_",
    "tls",
];

fn services(to: &mut FamilyBuilder) {
    for field in measurements(Dataset::Channel) {
        let field = &*field.name;
        if NOT_ALONE.iter().any(|beginning| field.starts_with(beginning)) {
            continue;
        }
        let name = RENAMED.iter().find(|(renamed, _)| *renamed == field).map_or(field, |(_, name)| name);
        let (help, slots) = (to.description(field), to.slots(field));
        let value = match (to.is_time(field), field.ends_with("_ms")) {
            (false, false) => SeriesValue::Sum(slots),
            (is_time, _) => {
                SeriesValue::Scaled(slots.into_iter().map(|slot| (slot, 1)).collect(), if is_time { 6 } else { 3 })
            }
        };
        let help = help.replace(", in milliseconds", ", in seconds");
        let series = vec![KeySeries { suffix: "", labels: vec![], value }];
        to.family(&format!("{name}_total"), &help, FamilyType::Counter, series);
    }
    to.statuses("status", "Responses sent to clients", &[(None, "status")], &[406]);
    let (requests, http2, http3) = (to.slots("requests"), to.slots("http2"), to.slots("http3"));
    let http1 = SeriesValue::Difference(requests, [&http2[..], &http3].concat());
    let versions = [("1", http1), ("2", SeriesValue::Sum(http2)), ("3", SeriesValue::Sum(http3))];
    let series = versions.map(|(version, value)| KeySeries {
        suffix: "",
        labels: vec![("http_version", version.to_owned())],
        value,
    });
    to.family("http_total", "Requests, by version of HTTP.", FamilyType::Counter, series.into());
    to.tls_versions();
    let groups = ["1xx", "2xx", "3xx", "4xx", "5xx"]
        .map(|group| to.sum(vec![("status_group", group.to_owned())], &format!("compute_resp_status_{group}")));
    let help = "Responses sent by compute, by first digit of the code.";
    to.family("compute_resp_status_total", help, FamilyType::Counter, groups.into());
    let codes =
        CODES.map(|code| to.sum(vec![("status_code", code.to_string())], &format!("compute_resp_status_{code}")));
    let help = "Responses sent by compute, by code.";
    to.family("compute_status_code_total", help, FamilyType::Counter, codes.into());
    let times = (0..).zip(ENDS_MS).map(|(bucket, end)| (vec![to.layout.slot(MISS_TIMES + bucket)], end));
    let times: Vec<_> = times.collect();
    let bounds = MISS_BOUNDS_MS.map(|bound| (seconds(bound), bound));
    let series = histogram(&[], &bounds, &times, 3);
    to.family("miss_duration_seconds", "Time that misses took, in seconds.", FamilyType::Histogram, series);
    let sizes = SIZES.map(|(_, size, field)| (to.slots(&format!("object_size_{field}")), size));
    let bounds = SIZES.map(|(bound, size, _)| (bound.to_owned(), size));
    let help = "Bytes of response bodies, below 1.024 GB.";
    let series = histogram(&[], &bounds, &sizes, 0);
    to.family("object_size_bytes", help, FamilyType::Histogram, series);
}

fn domains(to: &mut FamilyBuilder) {
    for field in [
        "requests",
        "edge_requests",
        "edge_hit_requests",
        "edge_miss_requests",
        "resp_header_bytes",
        "resp_body_bytes",
        "edge_resp_header_bytes",
        "edge_resp_body_bytes",
        "bereq_header_bytes",
        "bereq_body_bytes",
    ] {
        to.counter(&format!("{field}_total"), field);
    }
    for field in ["origin_fetches", "origin_fetch_resp_header_bytes", "origin_fetch_resp_body_bytes"] {
        to.counter(field, field);
    }
    for (name, value) in [("edge_hit_ratio", SeriesValue::EdgeHitRatio), ("origin_offload", SeriesValue::OriginOffload)]
    {
        let help = format!("{} Of the latest second of the domain.", to.description(name));
        let series = vec![KeySeries { suffix: "", labels: vec![], value }];
        to.family(name, &help, FamilyType::Gauge, series);
    }
    to.statuses("status", "Responses sent to clients", &[(None, "status")], &[]);
    to.statuses("origin_status", "Responses received from origins", &[(None, "origin_status")], &[]);
    to.counter("http2_total", "http2");
    to.counter("http3_total", "http3");
    to.tls_versions();
}

fn origins(to: &mut FamilyBuilder) {
    let source = |source: &str| ("source", source.to_owned());
    for (field, help) in [
        ("responses", "Responses of origins."),
        ("resp_header_bytes", "Header bytes received from origins."),
        ("resp_body_bytes", "Body bytes received from origins."),
    ] {
        let series = SOURCES.map(|(name, prefix)| to.sum(vec![source(name)], &format!("{prefix}{field}")));
        to.family(&format!("{field}_total"), help, FamilyType::Counter, series.into());
    }
    let prefixes = SOURCES.map(|(name, prefix)| (source(name), format!("{prefix}status")));
    let prefixes: Vec<_> = prefixes.iter().map(|(label, prefix)| (Some(label.clone()), &**prefix)).collect();
    to.statuses("status", "Responses of origins", &prefixes, &[]);
    let bounds = LATENCY_ENDS_MS.map(|bound| (seconds(bound), bound));
    let mut series = vec![];
    for (name, prefix) in SOURCES {
        let mut start = 0;
        let mut buckets = vec![];
        for end in LATENCY_ENDS_MS {
            buckets.push((to.slots(&format!("{prefix}latency_{start}_to_{end}ms")), end));
            start = end;
        }
        buckets.push((to.slots(&format!("{prefix}latency_{start}ms")), BEYOND_MS));
        series.append(&mut histogram(&[source(name)], &bounds, &buckets, 3));
    }
    to.family("latency_seconds", "Time to first byte of origins, in seconds.", FamilyType::Histogram, series);
}

/// Builds the families of one subject.
struct FamilyBuilder {
    subject: Subject,
    fields: HashMap<&'static str, &'static [usize]>,
    descriptions: HashMap<&'static str, &'static str>,
    layout: SlotLayout,
    families: Vec<Family>,
}

impl FamilyBuilder {
    fn new(subject: Subject) -> Self {
        let table = measurements(subject.dataset());
        let cells = |formula: &'static Formula| match formula {
            Formula::Sum(cells) => &**cells,
            Formula::Seconds(cell) => std::slice::from_ref(cell),
            _ => &[],
        };
        Self {
            subject,
            fields: table.iter().map(|one| (&*one.name, cells(&one.formula))).collect(),
            descriptions: table.iter().map(|one| (&*one.name, &*one.description)).collect(),
            layout: SlotLayout::default(),
            families: vec![],
        }
    }

    /// Whether the field is a time, which is counted in microseconds.
    fn is_time(&self, field: &str) -> bool {
        let table = measurements(self.subject.dataset());
        table.iter().any(|one| one.name == field && matches!(one.formula, Formula::Seconds(_)))
    }

    /// The description of a field, as plain text.
    fn description(&self, field: &str) -> String {
        self.descriptions[field].replace('`', "")
    }

    fn family(&mut self, name: &str, help: &str, kind: FamilyType, series: Vec<KeySeries>) {
        let (subject, help) = (self.subject, help.to_owned());
        let name = format!("fastly_{}_{name}", subject.label().unwrap_or("rt"));
        self.families.push(Family { subject, name, help, kind, series });
    }

    /// A counter without labels of its own.
    fn counter(&mut self, name: &str, field: &str) {
        let (help, series) = (self.description(field), self.sum(vec![], field));
        self.family(name, &help, FamilyType::Counter, vec![series]);
    }

    /// The slots whose sum is `field`.
    fn slots(&mut self, field: &str) -> Vec<u16> {
        self.fields[field].iter().map(|cell| self.layout.slot(*cell)).collect()
    }

    fn sum(&mut self, labels: Vec<(&'static str, String)>, field: &str) -> KeySeries {
        KeySeries { suffix: "", labels, value: SeriesValue::Sum(self.slots(field)) }
    }

    /// The families of codes and of groups of codes. `prefixes` are those of the fields, each with its label.
    fn statuses(
        &mut self,
        name: &str,
        help: &str,
        prefixes: &[(Option<(&'static str, String)>, &str)],
        more_codes: &[u16],
    ) {
        let codes: Vec<_> = CODES.iter().chain(more_codes).map(u16::to_string).collect();
        let groups = ["1xx", "2xx", "3xx", "4xx", "5xx"].map(str::to_owned);
        for (label, by, values) in
            [("status_code", "code", &codes[..]), ("status_group", "first digit of the code", &groups[..])]
        {
            let mut series = vec![];
            for (more, prefix) in prefixes {
                for value in values {
                    let labels = more.iter().cloned().chain([(label, value.clone())]).collect();
                    series.push(self.sum(labels, &format!("{prefix}_{value}")));
                }
            }
            let family = format!("{name}_{}_total", label.trim_start_matches("status_"));
            self.family(&family, &format!("{help}, by {by}."), FamilyType::Counter, series);
        }
    }

    /// The family of the versions of TLS.
    fn tls_versions(&mut self) {
        let series = TLS_VERSIONS.map(|(version, field)| self.sum(vec![("tls_version", version.to_owned())], field));
        self.family("tls_total", "Requests over TLS, by version.", FamilyType::Counter, series.into());
    }
}

/// The series of one histogram. `bounds` are its upper bounds as text and as numbers, `buckets` slots and what each of their
/// counts stands for. The sum has so many digits behind the decimal point.
fn histogram(
    labels: &[(&'static str, String)],
    bounds: &[(String, u64)],
    buckets: &[(Vec<u16>, u64)],
    digits: usize,
) -> Vec<KeySeries> {
    let up_to = |bound: u64| {
        let within = buckets.iter().filter(|(_, value)| *value <= bound);
        SeriesValue::Sum(within.flat_map(|(slots, _)| slots.iter().copied()).collect())
    };
    let infinite = [("+Inf".to_owned(), u64::MAX)];
    let mut series: Vec<KeySeries> = bounds
        .iter()
        .chain(&infinite)
        .map(|(text, bound)| {
            let labels = labels.iter().cloned().chain([("le", text.clone())]).collect();
            KeySeries { suffix: "_bucket", labels, value: up_to(*bound) }
        })
        .collect();
    let terms = buckets.iter().flat_map(|(slots, value)| slots.iter().map(|slot| (*slot, *value))).collect();
    series.push(KeySeries { suffix: "_sum", labels: labels.into(), value: SeriesValue::Scaled(terms, digits) });
    series.push(KeySeries { suffix: "_count", labels: labels.into(), value: up_to(u64::MAX) });
    series
}
