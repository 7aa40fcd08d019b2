//! Entries: a sealed second of one service in one dataset, as the JSON that the API sends.
//!
//! ```json
//! {"recorded":1763769600,
//!  "aggregated":{"a.example":{"requests":3}},
//!  "datacenter":{"AMS":{"a.example":{"requests":2}},"LHR":{"a.example":{"requests":1}}}}
//! ```
//!
//! Keys are in alphabetical order and zeros are left out, so equal counters make equal bytes.

mod channel_entry;
mod encode_plan;
pub mod filter;
pub(crate) mod itoa;
mod json_buffer;
#[cfg(test)]
mod reference;

use std::sync::LazyLock;

use crate::entry::encode_plan::{Cells, EncodePlan, FieldSet, FieldValue, KEY, PlanField};
use crate::entry::filter::EntryFilter;
pub(crate) use crate::entry::json_buffer::JsonBuffer;
use crate::entry::json_buffer::{FIELD, KEY_END, OBJECT};
use crate::schema::counters::{CounterSet, add, delivery as at};
use crate::schema::dataset::Dataset;
use crate::schema::formula::{COMPUTE, quotient};
use crate::window::sealed::{Sealed, SealedRow};

impl Sealed {
    /// Whether `dataset` shows any traffic of this second.
    #[must_use]
    pub fn has(&self, dataset: Dataset) -> bool {
        !self.rows(dataset).is_empty() || dataset == Dataset::Channel && !self.channel_rows.is_empty()
    }

    /// The entry of `dataset` as JSON.
    #[must_use]
    pub fn entry(&self, dataset: Dataset) -> Vec<u8> {
        Encoder::default().encode(self, dataset).to_vec()
    }

    pub(crate) fn rows(&self, dataset: Dataset) -> &[SealedRow] {
        match dataset {
            Dataset::Channel | Dataset::Domains => &self.domain_rows,
            Dataset::Origins | Dataset::OriginInsights => &self.origin_rows,
        }
    }
}

/// Encodes entries, one after the other into the same memory: new memory costs more than encoding.
#[derive(Debug, Default)]
pub struct Encoder {
    json: JsonBuffer,
}

impl Encoder {
    /// The entry of `dataset` in `sealed` as JSON.
    pub fn encode(&mut self, sealed: &Sealed, dataset: Dataset) -> &[u8] {
        self.encode_part(sealed, dataset, &EntryFilter::default())
    }

    /// What `filter` shows of the entry of `dataset` in `sealed`.
    pub fn encode_part(&mut self, sealed: &Sealed, dataset: Dataset, filter: &EntryFilter) -> &[u8] {
        let json = &mut self.json;
        json.len = 0;
        if dataset == Dataset::Channel {
            channel_entry::write(json, sealed, filter);
            return json.written();
        }
        let mut rows: Vec<&SealedRow> = sealed.rows(dataset).iter().collect();
        filter.retain(&mut rows, if dataset == Dataset::Domains { &sealed.domains } else { &sealed.origins });
        let plan = EncodePlan::of(dataset);
        let mut entry = EntryWriter { sealed, dataset, plan, json, cells: [0; 256], fields: filter.fields(plan) };
        entry.json.text("{\"recorded\":");
        entry.json.integer(sealed.second);
        entry.json.text(",\"aggregated\":");
        let aggregated = entry.json.len;
        entry.names(&rows);
        let aggregated = aggregated..entry.json.len;
        if !filter.by_pop {
            entry.json.text("}");
            return json.written();
        }
        entry.json.text(",\"datacenter\":{");
        if sealed.pops.len() == 1 && !rows.is_empty() {
            // The only POP has the same rows as the sum of all.
            entry.json.key(sealed.pops.get(0));
            entry.json.repeat(aggregated);
        } else {
            // A stable sort keeps the rows of a POP in the order of their names.
            rows.sort_by_key(|row| row.pop());
            entry.groups(
                &rows,
                SealedRow::pop,
                |entry, row| entry.json.key(sealed.pops.get(row.pop())),
                EntryWriter::names,
            );
        }
        entry.json.text("}}");
        json.written()
    }

    /// Gives back the memory of a large entry.
    pub fn shrink(&mut self) {
        self.json.shrink();
    }
}

struct EntryWriter<'a> {
    sealed: &'a Sealed,
    dataset: Dataset,
    plan: &'static EncodePlan,
    json: &'a mut JsonBuffer,
    cells: Cells,
    /// The fields that may be shown.
    fields: FieldSet,
}

impl<'a> EntryWriter<'a> {
    /// Writes a member for each run of rows with the same `part` of their keys.
    fn groups(
        &mut self,
        rows: &[&'a SealedRow],
        part: fn(&SealedRow) -> u32,
        key: impl Fn(&mut Self, &SealedRow),
        value: impl Fn(&mut Self, &[&'a SealedRow]),
    ) {
        for (number, group) in rows.chunk_by(|one, other| part(one) == part(other)).enumerate() {
            if number > 0 {
                self.json.text(",");
            }
            key(self, group[0]);
            value(self, group);
        }
    }

    /// Writes the object of names.
    fn names(&mut self, rows: &[&'a SealedRow]) {
        let sealed = self.sealed;
        let (names, value): (_, fn(&mut Self, &[&'a SealedRow])) = match self.dataset {
            Dataset::Channel | Dataset::Domains => (&sealed.domains, Self::measurements),
            Dataset::Origins => (&sealed.origins, Self::measurements),
            Dataset::OriginInsights => (&sealed.origins, Self::addresses),
        };
        self.json.text("{");
        self.groups(rows, SealedRow::name, |entry, row| entry.json.key(names.get(row.name())), value);
        self.json.text("}");
    }

    /// Writes the object of an origin's addresses.
    fn addresses(&mut self, rows: &[&'a SealedRow]) {
        let addresses = &self.sealed.addresses;
        self.json.text("{");
        let key = |entry: &mut Self, row: &SealedRow| entry.json.key(addresses.get(row.address()));
        self.groups(rows, SealedRow::address, key, Self::measurements);
        self.json.text("}");
    }

    /// Writes the object of measurements of the sum of `rows`.
    fn measurements(&mut self, rows: &[&'a SealedRow]) {
        let sealed = self.sealed;
        write_sum(self.json, self.plan, &mut self.cells, self.fields, rows.iter().map(|row| (sealed, *row)));
    }
}

/// Writes the object of measurements of `dataset` of the sum of `rows`, which may be of several seconds.
pub(crate) fn write_measurements<'a>(
    json: &mut JsonBuffer,
    dataset: Dataset,
    rows: impl Iterator<Item = (&'a Sealed, &'a SealedRow)>,
) {
    write_sum(json, EncodePlan::of(dataset), &mut [0; 256], [u64::MAX; 3], rows);
}

#[inline]
fn write_sum<'a>(
    json: &mut JsonBuffer,
    plan: &EncodePlan,
    cells: &mut Cells,
    fields: FieldSet,
    rows: impl Iterator<Item = (&'a Sealed, &'a SealedRow)>,
) {
    plan.clear(cells);
    let mut counters = [CounterSet::default(); 2];
    for (sealed, row) in rows {
        let half = plan.half(row.kind);
        let set = sealed.for_each_counter(row, |counter, value| {
            if let Some(cell) = cells.get_mut(half * COMPUTE + counter) {
                add(cell, value);
            }
        });
        counters[half].iter_mut().zip(set).for_each(|(counters, set)| *counters |= set);
    }
    let mut shown = plan.sum(cells, counters);
    shown.iter_mut().zip(fields).for_each(|(shown, fields)| *shown &= fields);
    let object: &mut [u8; OBJECT] = json.reserve(OBJECT).first_chunk_mut().expect("every measurement fits");
    let mut len = 0;
    plan.for_each_field(shown, |field| {
        let space = object[len..].first_chunk_mut().expect("every measurement fits");
        len += match field.value {
            FieldValue::Cell => integer(space, field, cells[usize::from(field.cell)]),
            FieldValue::EdgeHitRatio => {
                let (hits, misses) = (cells[at::EDGE_HITS], cells[at::EDGE_MISSES]);
                match ratio_of_few(hits, misses) {
                    Some(text) => {
                        let key_len = key(space, field);
                        space[key_len..key_len + text.len()].copy_from_slice(text);
                        key_len + usize::from(text[LEN_AT])
                    }
                    None => ratio(space, field, [hits, 0], [0, 0], [hits, misses]),
                }
            }
            FieldValue::OriginOffload => {
                let sent = [cells[at::EDGE_RESP_HEADER_BYTES], cells[at::EDGE_RESP_BODY_BYTES]];
                let fetched = [cells[at::BERESP_HEADER_BYTES], cells[at::BERESP_BODY_BYTES]];
                ratio(space, field, sent, fetched, sent)
            }
        };
    });
    // It replaces the first comma.
    object[0] = b'{';
    len = len.max(1);
    object[len] = b'}';
    json.len += len + 1;
}

#[inline]
fn key(space: &mut [u8; FIELD], field: &PlanField) -> usize {
    space[..KEY].copy_from_slice(&field.key);
    usize::from(field.key_len) % KEY_END
}

/// Where a text of [`ratio_of_few`] has its length.
const LEN_AT: usize = 23;

/// The ratio of fewer than 32 hits and misses each, as text and its length: typical of a key of one POP in one second.
fn ratio_of_few(hits: u64, misses: u64) -> Option<&'static [u8; LEN_AT + 1]> {
    const FEW: u64 = 32;
    static TEXTS: LazyLock<Vec<[u8; LEN_AT + 1]>> = LazyLock::new(|| {
        let pairs = (1..FEW).flat_map(|hits| (0..FEW).map(move |misses| (hits, misses)));
        let text = |(hits, misses)| {
            let mut text = [0; LEN_AT + 1];
            let mut written = zmij::Buffer::new();
            let digits = written.format_finite(quotient([hits, 0], [0, 0], [hits, misses]));
            text[..digits.len()].copy_from_slice(digits.as_bytes());
            text[LEN_AT] = u8::try_from(digits.len()).expect("a ratio has fewer digits");
            text
        };
        pairs.map(text).collect()
    });
    let row = hits.checked_sub(1).filter(|row| *row < FEW - 1 && misses < FEW)?;
    TEXTS.get(usize::try_from(row * FEW + misses).ok()?)
}

/// Writes a field; returns how many bytes it has. Copies have a fixed length: the next field overwrites the excess.
#[inline]
fn integer(space: &mut [u8; FIELD], field: &PlanField, value: u64) -> usize {
    let key_len = key(space, field);
    let number = space[key_len..].first_chunk_mut().expect("a number fits after a key");
    key_len + itoa::write(value, number)
}

/// Writes (`part` − `less`) / `whole`, each of these a sum, as a number from 0 to 1; returns how many bytes it has. Zeros
/// and ratios without a denominator are left out.
fn ratio(space: &mut [u8; FIELD], field: &PlanField, part: [u64; 2], less: [u64; 2], whole: [u64; 2]) -> usize {
    let ratio = quotient(part, less, whole);
    if ratio.is_nan() || ratio <= 0.0 {
        return 0;
    }
    let mut written = zmij::Buffer::new();
    let text = written.format_finite(ratio.min(1.0)).as_bytes();
    let key_len = key(space, field);
    space[key_len..key_len + text.len()].copy_from_slice(text);
    key_len + text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_of_few_hits_and_misses_are_computed_beforehand() {
        for (hits, misses) in (0..40).flat_map(|hits| (0..40).map(move |misses| (hits, misses))) {
            let known = ratio_of_few(hits, misses)
                .map(|text| String::from_utf8_lossy(&text[..text[LEN_AT].into()]).into_owned());
            #[expect(clippy::cast_precision_loss, reason = "these are few")]
            let ratio = hits as f64 / (hits + misses) as f64;
            let want = (1..32).contains(&hits) && misses < 32;
            assert_eq!(want.then(|| zmij::Buffer::new().format_finite(ratio).to_owned()), known, "{hits} and {misses}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_ratio_is_read_as_it_was_written(part in 1..u64::MAX, shift in 0..64_u32, whole in 1..u64::MAX) {
            #[expect(clippy::cast_precision_loss, reason = "a ratio is as precise as a double")]
            let ratio = ((part >> shift).max(1) as f64 / whole as f64).min(1.0);
            let mut written = zmij::Buffer::new();
            let text = written.format_finite(ratio);
            proptest::prop_assert!(serde_json::from_str::<f64>(text).is_ok(), "{} is no JSON", text);
            proptest::prop_assert_eq!(Ok(ratio), text.parse::<f64>());
        }
    }
}
