//! Entries: a sealed second of one service in one dataset, as the JSON that the API sends.
//!
//! ```json
//! {"recorded":1763769600,
//!  "aggregated":{"a.example":{"requests":3}},
//!  "datacenter":{"AMS":{"a.example":{"requests":2}},"LHR":{"a.example":{"requests":1}}}}
//! ```
//!
//! Keys stand in alphabetical order and what is 0 is left out, so equal counters make equal bytes.

use std::sync::LazyLock;

use crate::counter::delivery as at;
use crate::measurement::{Dataset, SECOND, Sums, Value, base, measurements};
use crate::sealed::{Row, Sealed};

/// A measurement, made ready to be written.
struct Field {
    /// `"name":`
    key: Box<[u8]>,
    value: &'static Value,
}

fn fields(dataset: Dataset) -> &'static [Field] {
    static FIELDS: LazyLock<[Vec<Field>; 3]> = LazyLock::new(|| {
        Dataset::ALL.map(|dataset| {
            let field = |measurement: &'static crate::Measurement| Field {
                key: format!("\"{}\":", measurement.name).into_bytes().into(),
                value: &measurement.value,
            };
            measurements(dataset).iter().map(field).collect()
        })
    });
    &FIELDS[dataset as usize]
}

impl Sealed {
    /// Whether the service had traffic that `dataset` shows.
    #[must_use]
    pub fn has(&self, dataset: Dataset) -> bool {
        !self.rows(dataset).is_empty()
    }

    /// The entry of `dataset` as JSON.
    #[must_use]
    pub fn entry(&self, dataset: Dataset) -> Vec<u8> {
        let mut rows: Vec<&Row> = self.rows(dataset).iter().collect();
        let mut writer =
            Encoder { sealed: self, dataset, json: Vec::with_capacity(rows.len() * 512 + 64), sums: [0; SECOND * 2] };
        writer.text("{\"recorded\":");
        writer.integer(self.second);
        writer.text(",\"aggregated\":");
        writer.names(&rows);
        writer.text(",\"datacenter\":{");
        // Stable, so the rows of a POP stay in the order of their names.
        rows.sort_by_key(|row| row.pop());
        writer.groups(&rows, Row::pop, |writer, row| writer.key(self.pops.get(row.pop())), Encoder::names);
        writer.text("}}");
        writer.json
    }

    fn rows(&self, dataset: Dataset) -> &[Row] {
        match dataset {
            Dataset::Domains => &self.domain_rows,
            Dataset::Origins | Dataset::OriginInsights => &self.origin_rows,
        }
    }
}

struct Encoder<'a> {
    sealed: &'a Sealed,
    dataset: Dataset,
    json: Vec<u8>,
    sums: Sums,
}

impl<'a> Encoder<'a> {
    fn text(&mut self, text: &str) {
        self.json.extend_from_slice(text.as_bytes());
    }

    fn integer(&mut self, value: u64) {
        self.json.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// `"name":`, escaped. Names have no control characters: those were replaced when the name was read.
    fn key(&mut self, name: &str) {
        self.json.push(b'"');
        for byte in name.bytes() {
            if matches!(byte, b'"' | b'\\') {
                self.json.push(b'\\');
            }
            self.json.push(byte);
        }
        self.text("\":");
    }

    /// Members separated by commas: one for each run of rows of which `part` says the same.
    fn groups(
        &mut self,
        rows: &[&'a Row],
        part: fn(&Row) -> u32,
        key: impl Fn(&mut Self, &Row),
        value: impl Fn(&mut Self, &[&'a Row]),
    ) {
        for (number, group) in rows.chunk_by(|one, other| part(one) == part(other)).enumerate() {
            if number > 0 {
                self.json.push(b',');
            }
            key(self, group[0]);
            value(self, group);
        }
    }

    /// The object of names.
    fn names(&mut self, rows: &[&'a Row]) {
        let sealed = self.sealed;
        let (names, value): (_, fn(&mut Self, &[&'a Row])) = match self.dataset {
            Dataset::Domains => (&sealed.domains, Self::measured),
            Dataset::Origins => (&sealed.origins, Self::measured),
            Dataset::OriginInsights => (&sealed.origins, Self::addresses),
        };
        self.json.push(b'{');
        self.groups(rows, Row::name, |writer, row| writer.key(names.get(row.name())), value);
        self.json.push(b'}');
    }

    /// The object of an origin's addresses.
    fn addresses(&mut self, rows: &[&'a Row]) {
        let addresses = &self.sealed.addresses;
        self.json.push(b'{');
        let key = |writer: &mut Self, row: &Row| writer.key(addresses.get(row.address()));
        self.groups(rows, Row::address, key, Self::measured);
        self.json.push(b'}');
    }

    /// The measurements that `rows` add up to.
    fn measured(&mut self, rows: &[&'a Row]) {
        self.sums.fill(0);
        for row in rows {
            self.sealed.counters(row).add_to(&mut self.sums[base(row.kind)..]);
        }
        self.json.push(b'{');
        let empty = self.json.len();
        for field in fields(self.dataset) {
            match field.value {
                Value::Sum(places) => {
                    let sum = places.iter().fold(0_u64, |sum, place| sum.saturating_add(self.sums[*place]));
                    if sum > 0 {
                        self.json.extend_from_slice(&field.key);
                        self.integer(sum);
                        self.json.push(b',');
                    }
                }
                Value::EdgeHitRatio => {
                    let (hits, misses) = (self.sums[at::EDGE_HITS], self.sums[at::EDGE_MISSES]);
                    self.ratio(&field.key, i128::from(hits), i128::from(hits) + i128::from(misses));
                }
                Value::OriginOffload => {
                    let sum = |one: usize, other: usize| i128::from(self.sums[one]) + i128::from(self.sums[other]);
                    let sent = sum(at::EDGE_RESP_HEADER_BYTES, at::EDGE_RESP_BODY_BYTES);
                    let fetched = sum(at::BERESP_HEADER_BYTES, at::BERESP_BODY_BYTES);
                    self.ratio(&field.key, sent - fetched, sent);
                }
            }
        }
        if self.json.len() > empty {
            self.json.pop();
        }
        self.json.push(b'}');
    }

    /// Writes a ratio from 0 to 1, unless it is 0 or has no denominator.
    #[expect(clippy::cast_precision_loss, reason = "a ratio is as precise as a double")]
    fn ratio(&mut self, key: &[u8], numerator: i128, denominator: i128) {
        if numerator > 0 && denominator > 0 {
            let ratio = (numerator as f64 / denominator as f64).min(1.0);
            self.json.extend_from_slice(key);
            self.text(&format!("{ratio},"));
        }
    }
}
