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

use crate::counter::{add, delivery as at};
use crate::digits;
use crate::measurement::{Dataset, Measurement, SECOND, Sums, Value, base, measurements};
use crate::sealed::{Row, Sealed};

/// Longest key with its quotes and colon. Keys are copied in this length, which costs less than in their own.
const KEY: usize = 40;

/// A measurement, made ready to be written.
struct Field {
    /// `"name":` and whatever behind it.
    key: [u8; KEY],
    key_len: usize,
    value: &'static Value,
}

impl Field {
    fn new(measurement: &'static Measurement) -> Self {
        let text = format!("\"{}\":", measurement.name);
        let mut key = [0; KEY];
        key.get_mut(..text.len()).expect("the table names fields shorter than this").copy_from_slice(text.as_bytes());
        Self { key, key_len: text.len(), value: &measurement.value }
    }
}

/// A set of the fields of one dataset, a bit each.
type FieldSet = [u64; 3];

/// What the entries of a dataset are made of.
struct Plan {
    /// In alphabetical order.
    fields: Vec<Field>,
    /// For every place in [`Sums`], the fields that are 0 unless a counter there is not. Of the many fields that
    /// there are, a row has few, and these need not be searched for.
    fields_of: [FieldSet; SECOND * 2],
}

impl Plan {
    fn of(dataset: Dataset) -> &'static Self {
        static PLANS: LazyLock<[Plan; 3]> = LazyLock::new(|| Dataset::ALL.map(Plan::new));
        &PLANS[dataset as usize]
    }

    fn new(dataset: Dataset) -> Self {
        let fields: Vec<Field> = measurements(dataset).iter().map(Field::new).collect();
        let mut fields_of = [FieldSet::default(); SECOND * 2];
        for (number, field) in fields.iter().enumerate() {
            let places: &[usize] = match field.value {
                Value::Sum(places) => places,
                Value::EdgeHitRatio => &[at::EDGE_HITS],
                Value::OriginOffload => &[at::EDGE_RESP_HEADER_BYTES, at::EDGE_RESP_BODY_BYTES],
            };
            for place in places {
                fields_of[*place][number / 64] |= 1 << (number % 64);
            }
        }
        Self { fields, fields_of }
    }

    /// The fields in `set`.
    fn fields(&self, set: FieldSet) -> impl Iterator<Item = &Field> {
        self.fields.chunks(64).zip(set).flat_map(|(fields, mut left)| {
            std::iter::from_fn(move || {
                let field = fields.get(left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(field)
            })
        })
    }
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
        let json = Vec::with_capacity(rows.len() * 640 + 64);
        let line = Line { bytes: Box::new([0; LINE]), len: 0 };
        let mut writer = Encoder { sealed: self, dataset, plan: Plan::of(dataset), json, line };
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
    plan: &'static Plan,
    json: Vec<u8>,
    line: Line,
}

/// The measurements of one key, while they are written. In a buffer that is large enough for all of them, each takes a
/// few copies of fixed length, of which the next one overwrites what is too much.
struct Line {
    bytes: Box<[u8; LINE]>,
    len: usize,
}

/// Room for one measurement: its key, the longest number, a comma.
const ROOM: usize = KEY + digits::MOST + 4;

/// Room for every measurement that a dataset has.
const LINE: usize = 192 * ROOM;

impl Line {
    fn clear(&mut self) {
        self.len = 0;
    }

    #[inline]
    fn integer(&mut self, field: &Field, value: u64) {
        let room = self.room();
        room[..KEY].copy_from_slice(&field.key);
        let rest = room[field.key_len..].first_chunk_mut().expect("a key leaves room for a number");
        let len = digits::write(value, rest);
        self.end(field.key_len + len);
    }

    fn text(&mut self, field: &Field, text: &str) {
        let room = self.room();
        room[..KEY].copy_from_slice(&field.key);
        room[field.key_len..field.key_len + text.len()].copy_from_slice(text.as_bytes());
        self.end(field.key_len + text.len());
    }

    #[inline]
    fn room(&mut self) -> &mut [u8; ROOM] {
        self.bytes[self.len..].first_chunk_mut().expect("there is room for every measurement")
    }

    #[inline]
    fn end(&mut self, len: usize) {
        self.len += len;
        self.bytes[self.len] = b',';
        self.len += 1;
    }

    fn without_last_comma(&self) -> &[u8] {
        &self.bytes[..self.len.saturating_sub(1)]
    }
}

impl<'a> Encoder<'a> {
    fn text(&mut self, text: &str) {
        self.json.extend_from_slice(text.as_bytes());
    }

    fn integer(&mut self, value: u64) {
        let mut digits = [0; digits::MOST + 4];
        let len = digits::write(value, &mut digits);
        self.json.extend_from_slice(&digits[..len]);
    }

    /// `"name":`, escaped.
    fn key(&mut self, name: &str) {
        self.json.push(b'"');
        // Looks at every byte, which costs less than stopping at the first.
        let odd = |byte: u8| u8::from(byte < b' ') | u8::from(byte == b'"') | u8::from(byte == b'\\');
        if name.bytes().fold(0, |found, byte| found | odd(byte)) == 0 {
            self.text(name);
            self.text("\":");
            return;
        }
        for byte in name.bytes() {
            match byte {
                b'"' | b'\\' => self.json.extend_from_slice(&[b'\\', byte]),
                // Names that were read have none of these; a default or another's partial may.
                ..b' ' => self.text(&format!("\\u{byte:04x}")),
                _ => self.json.push(byte),
            }
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
        let mut sums: Sums = [0; SECOND * 2];
        let mut shown = FieldSet::default();
        for row in rows {
            let base = base(row.kind);
            self.sealed.counters(row).each(|place, value| {
                // What a row counts, its kind has a place for.
                if let (Some(sum), Some(fields)) = (sums.get_mut(base + place), self.plan.fields_of.get(base + place)) {
                    add(sum, value);
                    shown.iter_mut().zip(fields).for_each(|(shown, fields)| *shown |= fields);
                }
            });
        }
        self.line.clear();
        for field in self.plan.fields(shown) {
            match field.value {
                Value::Sum(places) => {
                    let sum = match places.as_slice() {
                        [place] => sums[*place],
                        places => places.iter().fold(0, |sum: u64, place| sum.saturating_add(sums[*place])),
                    };
                    self.line.integer(field, sum);
                }
                Value::EdgeHitRatio => {
                    let (hits, misses) = (sums[at::EDGE_HITS], sums[at::EDGE_MISSES]);
                    self.ratio(field, i128::from(hits), i128::from(hits) + i128::from(misses));
                }
                Value::OriginOffload => {
                    let sum = |one: usize, other: usize| i128::from(sums[one]) + i128::from(sums[other]);
                    let sent = sum(at::EDGE_RESP_HEADER_BYTES, at::EDGE_RESP_BODY_BYTES);
                    let fetched = sum(at::BERESP_HEADER_BYTES, at::BERESP_BODY_BYTES);
                    self.ratio(field, sent - fetched, sent);
                }
            }
        }
        self.json.push(b'{');
        self.json.extend_from_slice(self.line.without_last_comma());
        self.json.push(b'}');
    }

    /// Writes a ratio from 0 to 1, unless it is 0 or has no denominator.
    #[expect(clippy::cast_precision_loss, reason = "a ratio is as precise as a double")]
    fn ratio(&mut self, field: &Field, numerator: i128, denominator: i128) {
        if numerator > 0 && denominator > 0 {
            // What fits into 64 bits, as nearly all does, is converted by one instruction.
            let float = |number: i128| i64::try_from(number).map_or_else(|_| number as f64, |number| number as f64);
            let ratio = (float(numerator) / float(denominator)).min(1.0);
            self.line.text(field, zmij::Buffer::new().format_finite(ratio));
        }
    }
}

#[cfg(test)]
mod tests {
    proptest::proptest! {
        #[test]
        fn a_ratio_is_read_as_what_it_is(part in 1..u64::MAX, shift in 0..64_u32, whole in 1..u64::MAX) {
            #[expect(clippy::cast_precision_loss, reason = "a ratio is as precise as a double")]
            let ratio = ((part >> shift).max(1) as f64 / whole as f64).min(1.0);
            let mut written = zmij::Buffer::new();
            let text = written.format_finite(ratio);
            proptest::prop_assert!(serde_json::from_str::<f64>(text).is_ok(), "{} is no JSON", text);
            proptest::prop_assert_eq!(Ok(ratio), text.parse::<f64>());
        }
    }
}
