//! A scrape: a snapshot as text, piece by piece, so that a large one never is in memory as a whole.
//!
//! There are two formats: [Prometheus' text format](https://prometheus.io/docs/instrumenting/exposition_formats/) and
//! [OpenMetrics](https://prometheus.io/docs/specs/om/open_metrics_spec/). In the latter a counter must have a name that
//! ends in `_total`, so counters without are of type `unknown` there.

use crate::entry::itoa;
use crate::exposition::families::{Catalogue, Family, FamilyType, KeySeries, SeriesValue};
use crate::exposition::labels::decimal;
use crate::exposition::snapshot::{LatestSecond, ServiceSnapshot, Snapshot};
use crate::schema::formula::quotient;

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// Prometheus' own, version 0.0.4.
    Prometheus,
    /// The standard that was made of it, version 1.0.0.
    OpenMetrics,
}

/// Writes a snapshot.
#[derive(Debug)]
pub struct Scrape {
    snapshot: Snapshot,
    format: TextFormat,
    /// Which family is next, of the services' and then of the keys'.
    family: usize,
    service: usize,
    key: usize,
    /// The text around the labels of a key, for each series of the family that is being written.
    around: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A family with some series per service.
struct ServiceFamily {
    name: &'static str,
    help: &'static str,
    kind: FamilyType,
    series: &'static [(&'static str, ServiceValue)],
}

/// How a series of a service is computed.
type ServiceValue = fn(&Snapshot, &ServiceSnapshot) -> u64;

/// What the exporter says of services and of itself. It asks for seconds; here they are sealed.
const SERVICE_FAMILIES: [ServiceFamily; 3] = [
    ServiceFamily {
        name: "fastly_rt_service_info",
        help: "Always 1; the labels name the services.",
        kind: FamilyType::Gauge,
        series: &[(",service_version=\"1\"", |_, _| 1)],
    },
    ServiceFamily {
        name: "fastly_rt_last_successful_response",
        help: "Unix time of the newest sealed second.",
        kind: FamilyType::Gauge,
        series: &[("", |snapshot, _| snapshot.newest)],
    },
    ServiceFamily {
        name: "fastly_rt_realtime_api_requests_total",
        help: "Sealed seconds since the first of the service: with traffic (success) and without (no data).",
        kind: FamilyType::Counter,
        series: &[
            (",result=\"success\"", |_, service| service.seconds),
            (",result=\"no data\"", |snapshot, service| {
                (snapshot.newest + 1).saturating_sub(service.first).saturating_sub(service.seconds)
            }),
            (",result=\"error\"", |_, _| 0),
            (",result=\"unknown\"", |_, _| 0),
        ],
    },
];

impl Scrape {
    /// Writes `snapshot` in `format`.
    #[must_use]
    pub fn new(snapshot: Snapshot, format: TextFormat) -> Self {
        Self { snapshot, format, family: 0, service: 0, key: 0, around: vec![] }
    }

    /// Appends about `most` bytes of the text to `to`, whole lines; returns whether this was the end.
    pub fn write(&mut self, to: &mut Vec<u8>, most: usize) -> bool {
        let end = to.len() + most;
        let families = &Catalogue::get().families;
        loop {
            match self.family.checked_sub(SERVICE_FAMILIES.len() + 1).map(|number| families.get(number)) {
                None => {
                    match SERVICE_FAMILIES.get(self.family) {
                        Some(family) => self.write_services(to, family),
                        None => self.write_pops(to),
                    }
                    self.family += 1;
                }
                Some(Some(family)) => {
                    if !self.write_keys(to, family, end) {
                        return false;
                    }
                    (self.family, self.service, self.key) = (self.family + 1, 0, 0);
                }
                Some(None) => {
                    if self.format == TextFormat::OpenMetrics {
                        to.extend_from_slice(b"# EOF\n");
                    }
                    return true;
                }
            }
        }
    }

    fn write_services(&self, to: &mut Vec<u8>, family: &ServiceFamily) {
        if self.snapshot.services.is_empty() {
            return;
        }
        self.write_head(to, family.name, family.help, family.kind);
        for service in &self.snapshot.services {
            for (labels, value) in family.series {
                to.extend_from_slice(format!("{}{{{}{labels}}} ", family.name, service.labels).as_bytes());
                write_integer(to, value(&self.snapshot, service));
            }
        }
    }

    fn write_pops(&self, to: &mut Vec<u8>) {
        const NAME: &str = "fastly_rt_datacenter_info";
        if self.snapshot.pops.is_empty() {
            return;
        }
        self.write_head(
            to,
            NAME,
            "Always 1; the labels say what the POPs are called and where they are.",
            FamilyType::Gauge,
        );
        for pop in &self.snapshot.pops {
            to.extend_from_slice(format!("{NAME}{{{pop}}} 1\n").as_bytes());
        }
    }

    /// Writes the series of `family` from where it stopped; returns whether all are written.
    fn write_keys(&mut self, to: &mut Vec<u8>, family: &Family, end: usize) -> bool {
        let layout = Catalogue::get().layout(family.subject);
        while let Some(service) = self.snapshot.services.get(self.service) {
            let rows = &service.rows[family.subject as usize];
            while let Some(labels) = rows.labels.get(self.key) {
                if to.len() >= end {
                    return false;
                }
                if self.around.is_empty() {
                    self.write_head(to, &family.name, &family.help, family.kind);
                    self.around = family.series.iter().map(|series| around(family, series, self.format)).collect();
                }
                let values = &rows.values[self.key * layout.len..][..layout.len];
                let latest = rows.latest.get(self.key);
                for ((before, after), series) in self.around.iter().zip(&family.series) {
                    to.extend_from_slice(before);
                    to.extend_from_slice(service.labels.as_bytes());
                    to.push(b',');
                    to.extend_from_slice(labels.as_bytes());
                    to.extend_from_slice(after);
                    write_value(to, &series.value, values, latest);
                }
                self.key += 1;
            }
            (self.service, self.key) = (self.service + 1, 0);
        }
        self.around.clear();
        true
    }

    fn write_head(&self, to: &mut Vec<u8>, name: &str, help: &str, kind: FamilyType) {
        let (name, kind) = match (self.format, kind, name.strip_suffix("_total")) {
            (TextFormat::OpenMetrics, FamilyType::Counter, Some(name)) => (name, kind.name()),
            (TextFormat::OpenMetrics, FamilyType::Counter, None) => (name, "unknown"),
            _ => (name, kind.name()),
        };
        to.extend_from_slice(format!("# HELP {name} {help}\n# TYPE {name} {kind}\n").as_bytes());
    }
}

/// The text before and after the labels of a key.
fn around(family: &Family, series: &KeySeries, format: TextFormat) -> (Vec<u8>, Vec<u8>) {
    let labels = series.labels.iter().map(|(name, value)| {
        // OpenMetrics wants bounds to look like floats.
        let is_whole = *name == "le" && value.bytes().all(|byte| byte.is_ascii_digit());
        let more = if is_whole && format == TextFormat::OpenMetrics { ".0" } else { "" };
        format!(",{name}=\"{value}{more}\"")
    });
    let after = format!("{}}} ", labels.collect::<String>());
    (format!("{}{}{{", family.name, series.suffix).into(), after.into())
}

#[inline]
fn write_value(to: &mut Vec<u8>, value: &SeriesValue, values: &[u64], latest: Option<&LatestSecond>) {
    match value {
        SeriesValue::Sum(slots) => {
            write_integer(to, slots.iter().fold(0_u64, |sum, slot| sum.saturating_add(values[usize::from(*slot)])));
        }
        SeriesValue::Scaled(terms, digits) => {
            let sum = terms.iter().fold(0_u64, |sum, (slot, factor)| {
                sum.saturating_add(values[usize::from(*slot)].saturating_mul(*factor))
            });
            to.extend_from_slice(decimal(sum, *digits).as_bytes());
            to.push(b'\n');
        }
        SeriesValue::Difference(slots, less) => {
            let sum =
                |slots: &[u16]| slots.iter().fold(0_u64, |sum, slot| sum.saturating_add(values[usize::from(*slot)]));
            write_integer(to, sum(slots).saturating_sub(sum(less)));
        }
        SeriesValue::EdgeHitRatio => {
            let latest = latest.copied().unwrap_or_default();
            write_ratio(to, quotient([latest.hits, 0], [0, 0], [latest.hits, latest.misses]));
        }
        SeriesValue::OriginOffload => {
            let latest = latest.copied().unwrap_or_default();
            write_ratio(to, quotient(latest.sent, latest.fetched, latest.sent));
        }
    }
}

#[inline]
fn write_integer(to: &mut Vec<u8>, value: u64) {
    let mut digits = [0; itoa::MAX_DIGITS + 4];
    let len = itoa::write(value, &mut digits);
    digits[len] = b'\n';
    to.extend_from_slice(&digits[..=len]);
}

/// Writes a ratio from 0 to 1, and 0 for one without a denominator.
fn write_ratio(to: &mut Vec<u8>, ratio: f64) {
    if ratio > 0.0 {
        to.extend_from_slice(zmij::Buffer::new().format_finite(ratio.min(1.0)).as_bytes());
    } else {
        to.push(b'0');
    }
    to.push(b'\n');
}
