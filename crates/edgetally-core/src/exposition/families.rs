//! Families: the table of all series, with the names, labels and types of fastly-exporter.
//!
//! Every key has every series of its subject, zeros included. A series is computed from fields of the API, so the only
//! place that knows counters is the table of measurements.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::exposition::labels::seconds;
use crate::schema::counters::origin::LATENCY_ENDS_MS;
use crate::schema::dataset::Dataset;
use crate::schema::formula::Formula;
use crate::schema::measurements::measurements;

/// What the keys of a family are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A domain in a POP.
    Domain,
    /// An origin in a POP.
    Origin,
}

impl Subject {
    /// Every subject, by number.
    pub const ALL: [Self; 2] = [Self::Domain, Self::Origin];

    /// The label that names a key.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Origin => "origin",
        }
    }

    const fn dataset(self) -> Dataset {
        match self {
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
    /// The sum of these slots, each times a number of milliseconds, in seconds.
    Seconds(Vec<(u16, u64)>),
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

/// What counts in the sum of latencies for a response whose first byte came after the last bound.
const BEYOND_MS: u64 = 61_000;

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
    to.statuses("status", "Responses sent to clients", &[(None, "status")]);
    to.statuses("origin_status", "Responses received from origins", &[(None, "origin_status")]);
    to.counter("http2_total", "http2");
    to.counter("http3_total", "http3");
    let versions = [("1.0", "tls_v10"), ("1.1", "tls_v11"), ("1.2", "tls_v12"), ("1.3", "tls_v13")];
    let series = versions.map(|(version, field)| to.sum(vec![("tls_version", version.to_owned())], field));
    to.family("tls_total", "Requests over TLS, by version.", FamilyType::Counter, series.into());
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
    to.statuses("status", "Responses of origins", &prefixes);
    let mut series = vec![];
    for (name, prefix) in SOURCES {
        let mut starts = vec![0];
        starts.extend(LATENCY_ENDS_MS);
        let fields: Vec<(String, Option<u64>)> = starts
            .iter()
            .zip(LATENCY_ENDS_MS.map(Some).into_iter().chain([None]))
            .map(|(start, end)| match end {
                Some(end) => (format!("{prefix}latency_{start}_to_{end}ms"), Some(end)),
                None => (format!("{prefix}latency_{start}ms"), None),
            })
            .collect();
        to.histogram(&mut series, &[source(name)], &fields);
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

    /// The description of a field, as plain text.
    fn description(&self, field: &str) -> String {
        self.descriptions[field].replace('`', "")
    }

    fn family(&mut self, name: &str, help: &str, kind: FamilyType, series: Vec<KeySeries>) {
        let (subject, help) = (self.subject, help.to_owned());
        let name = format!("fastly_{}_{name}", subject.label());
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
    fn statuses(&mut self, name: &str, help: &str, prefixes: &[(Option<(&'static str, String)>, &str)]) {
        let codes = CODES.map(|code| code.to_string());
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

    /// The series of one histogram whose buckets are `fields`, with their upper bounds in milliseconds.
    fn histogram(
        &mut self,
        to: &mut Vec<KeySeries>,
        labels: &[(&'static str, String)],
        fields: &[(String, Option<u64>)],
    ) {
        let (mut slots, mut terms) = (vec![], vec![]);
        for (field, end) in fields {
            let bucket = self.slots(field);
            terms.extend(bucket.iter().map(|slot| (*slot, end.unwrap_or(BEYOND_MS))));
            slots.extend(bucket);
            let bound = end.map_or("+Inf".to_owned(), seconds);
            let labels = labels.iter().cloned().chain([("le", bound)]).collect();
            to.push(KeySeries { suffix: "_bucket", labels, value: SeriesValue::Sum(slots.clone()) });
        }
        to.push(KeySeries { suffix: "_sum", labels: labels.into(), value: SeriesValue::Seconds(terms) });
        to.push(KeySeries { suffix: "_count", labels: labels.into(), value: SeriesValue::Sum(slots) });
    }
}
