//! Entries: a sealed second of one service in one dataset, as the JSON that the API sends.
//!
//! ```json
//! {"recorded":1763769600,
//!  "aggregated":{"a.example":{"requests":3}},
//!  "datacenter":{"AMS":{"a.example":{"requests":2}},"LHR":{"a.example":{"requests":1}}}}
//! ```
//!
//! Keys stand in alphabetical order and what is 0 is left out, so equal counters make equal bytes.

mod encode_plan;
mod itoa;
#[cfg(test)]
mod reference;

use std::ops::Range;
use std::sync::LazyLock;

use crate::entry::encode_plan::{Field, KEY, Plan, Shown, Slots};
use crate::schema::counters::{CounterSet, add, delivery as at};
use crate::schema::measurements::{Dataset, SECOND};
use crate::window::sealed::{Row, Sealed};

impl Sealed {
    /// Whether the service had traffic that `dataset` shows.
    #[must_use]
    pub fn has(&self, dataset: Dataset) -> bool {
        !self.rows(dataset).is_empty()
    }

    /// The entry of `dataset` as JSON.
    #[must_use]
    pub fn entry(&self, dataset: Dataset) -> Vec<u8> {
        Encoder::default().encode(self, dataset).to_vec()
    }

    fn rows(&self, dataset: Dataset) -> &[Row] {
        match dataset {
            Dataset::Domains => &self.domain_rows,
            Dataset::Origins | Dataset::OriginInsights => &self.origin_rows,
        }
    }
}

/// Writes entries, one after the other into the same memory: what is new costs more than what is written.
#[derive(Debug, Default)]
pub struct Encoder {
    json: Json,
}

impl Encoder {
    /// The entry of `dataset` in `sealed` as JSON.
    pub fn encode(&mut self, sealed: &Sealed, dataset: Dataset) -> &[u8] {
        let json = &mut self.json;
        json.len = 0;
        let mut rows: Vec<&Row> = sealed.rows(dataset).iter().collect();
        let mut entry = Entry { sealed, dataset, plan: Plan::of(dataset), json, slots: [0; 256] };
        entry.json.text("{\"recorded\":");
        entry.json.integer(sealed.second);
        entry.json.text(",\"aggregated\":");
        let aggregated = entry.json.len;
        entry.names(&rows);
        let aggregated = aggregated..entry.json.len;
        entry.json.text(",\"datacenter\":{");
        if sealed.pops.len() == 1 && !rows.is_empty() {
            // What all POPs are together, the only one is.
            entry.json.key(sealed.pops.get(0));
            entry.json.again(aggregated);
        } else {
            // Stable, so the rows of a POP stay in the order of their names.
            rows.sort_by_key(|row| row.pop());
            entry.groups(&rows, Row::pop, |entry, row| entry.json.key(sealed.pops.get(row.pop())), Entry::names);
        }
        entry.json.text("}}");
        json.written()
    }

    /// Gives back what an entry took that was larger than most.
    pub fn rest(&mut self) {
        if self.json.bytes.len() > KEPT {
            self.json.bytes = vec![];
        }
    }
}

/// JSON while it is written: bytes that are used again, of which the first `len` count.
#[derive(Debug, Default)]
struct Json {
    bytes: Vec<u8>,
    len: usize,
}

/// More bytes than these do not rest until the next entry.
const KEPT: usize = 1 << 20;

/// No key is as long as this. A remainder of it needs no check.
const KEY_END: usize = 64;

/// Room for one measurement: its key, the longest number.
const ROOM: usize = KEY_END + itoa::MOST + 4;

/// Room for every measurement that a dataset has, and the brackets around them.
const OBJECT: usize = 192 * ROOM;

impl Json {
    fn written(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// What comes behind what is written, with room for `len` bytes or more.
    #[inline]
    fn rest(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() - self.len < len {
            self.grow(len);
        }
        &mut self.bytes[self.len..]
    }

    #[cold]
    fn grow(&mut self, len: usize) {
        self.bytes.resize((self.len + len) * 2, 0);
    }

    #[inline]
    fn text(&mut self, text: &str) {
        self.rest(text.len())[..text.len()].copy_from_slice(text.as_bytes());
        self.len += text.len();
    }

    /// What is written there, once more.
    fn again(&mut self, range: Range<usize>) {
        let (at, len) = (self.len, range.len());
        self.rest(len);
        self.bytes.copy_within(range, at);
        self.len += len;
    }

    fn integer(&mut self, value: u64) {
        let room = self.rest(OBJECT).first_chunk_mut().expect("there is room for a number");
        self.len += itoa::write(value, room);
    }

    /// `"name":`, escaped.
    fn key(&mut self, name: &str) {
        self.text("\"");
        // Looks at every byte, which costs less than stopping at the first.
        let odd = |byte: u8| u8::from(byte < b' ') | u8::from(byte == b'"') | u8::from(byte == b'\\');
        if name.bytes().fold(0, |found, byte| found | odd(byte)) == 0 {
            self.text(name);
        } else {
            self.escaped(name);
        }
        self.text("\":");
    }

    #[cold]
    fn escaped(&mut self, name: &str) {
        for char in name.chars() {
            match char {
                '"' => self.text("\\\""),
                '\\' => self.text("\\\\"),
                // Names that were read have none of these; a default or another's partial may.
                ..' ' => self.text(&format!("\\u{:04x}", u32::from(char))),
                _ => self.text(char.encode_utf8(&mut [0; 4])),
            }
        }
    }
}

struct Entry<'a> {
    sealed: &'a Sealed,
    dataset: Dataset,
    plan: &'static Plan,
    json: &'a mut Json,
    slots: Slots,
}

impl<'a> Entry<'a> {
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
                self.json.text(",");
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
        self.json.text("{");
        self.groups(rows, Row::name, |entry, row| entry.json.key(names.get(row.name())), value);
        self.json.text("}");
    }

    /// The object of an origin's addresses.
    fn addresses(&mut self, rows: &[&'a Row]) {
        let addresses = &self.sealed.addresses;
        self.json.text("{");
        let key = |entry: &mut Self, row: &Row| entry.json.key(addresses.get(row.address()));
        self.groups(rows, Row::address, key, Self::measured);
        self.json.text("}");
    }

    /// The measurements that `rows` add up to.
    fn measured(&mut self, rows: &[&'a Row]) {
        let (plan, slots) = (self.plan, &mut self.slots);
        plan.clear(slots);
        let mut places = [CounterSet::default(); 2];
        for row in rows {
            let half = plan.half(row.kind);
            let found = self.sealed.each_counter(row, |place, value| {
                if let Some(slot) = slots.get_mut(half * SECOND + place) {
                    add(slot, value);
                }
            });
            places[half].iter_mut().zip(found).for_each(|(places, found)| *places |= found);
        }
        let shown = plan.sum(slots, places);
        let object: &mut [u8; OBJECT] =
            self.json.rest(OBJECT).first_chunk_mut().expect("there is room for every measurement");
        let mut len = 0;
        plan.fields(shown, |field| {
            let room = object[len..].first_chunk_mut().expect("there is room for every measurement");
            len += match field.shown {
                Shown::Slot => integer(room, field, slots[usize::from(field.slot)]),
                Shown::EdgeHitRatio => {
                    let (hits, misses) = (slots[at::EDGE_HITS], slots[at::EDGE_MISSES]);
                    match few(hits, misses) {
                        Some(text) => {
                            let key_len = key(room, field);
                            room[key_len..key_len + text.len()].copy_from_slice(text);
                            key_len + usize::from(text[LEN_AT])
                        }
                        None => ratio(room, field, [hits, 0], [0, 0], [hits, misses]),
                    }
                }
                Shown::OriginOffload => {
                    let sent = [slots[at::EDGE_RESP_HEADER_BYTES], slots[at::EDGE_RESP_BODY_BYTES]];
                    let fetched = [slots[at::BERESP_HEADER_BYTES], slots[at::BERESP_BODY_BYTES]];
                    ratio(room, field, sent, fetched, sent)
                }
            };
        });
        // In the place of the first comma, if there is one.
        object[0] = b'{';
        len = len.max(1);
        object[len] = b'}';
        self.json.len += len + 1;
    }
}

#[inline]
fn key(room: &mut [u8; ROOM], field: &Field) -> usize {
    room[..KEY].copy_from_slice(&field.key);
    usize::from(field.key_len) % KEY_END
}

/// Where a text of [`few`] has its length.
const LEN_AT: usize = 23;

/// How much of few hits and misses are hits, as text and its length: what a POP has of a key in a second.
fn few(hits: u64, misses: u64) -> Option<&'static [u8; LEN_AT + 1]> {
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

/// Writes a field; how many bytes it has. Copies have a fixed length; what is too much, the next field overwrites.
#[inline]
fn integer(room: &mut [u8; ROOM], field: &Field, value: u64) -> usize {
    let key_len = key(room, field);
    let rest = room[key_len..].first_chunk_mut().expect("a key leaves room for a number");
    key_len + itoa::write(value, rest)
}

/// Writes (`part` − `less`) / `whole`, each of these a sum, as a number from 0 to 1; how many bytes it has. Nothing is
/// written of what is 0 or has no denominator.
fn ratio(room: &mut [u8; ROOM], field: &Field, part: [u64; 2], less: [u64; 2], whole: [u64; 2]) -> usize {
    let ratio = quotient(part, less, whole);
    if ratio.is_nan() || ratio <= 0.0 {
        return 0;
    }
    let mut written = zmij::Buffer::new();
    let text = written.format_finite(ratio.min(1.0)).as_bytes();
    let key_len = key(room, field);
    room[key_len..key_len + text.len()].copy_from_slice(text);
    key_len + text.len()
}

/// (`part` − `less`) / `whole`, rounded once on either side of the line.
#[expect(clippy::cast_precision_loss, reason = "a ratio is as precise as a double")]
fn quotient(part: [u64; 2], less: [u64; 2], whole: [u64; 2]) -> f64 {
    let small = |[one, other]: [u64; 2]| i64::try_from(one.checked_add(other)?).ok();
    if let (Some(part), Some(less), Some(whole)) = (small(part), small(less), small(whole)) {
        // One instruction each.
        return (part - less) as f64 / whole as f64;
    }
    let large = |[one, other]: [u64; 2]| i128::from(one) + i128::from(other);
    (large(part) - large(less)) as f64 / large(whole) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_few_hits_are_is_known_beforehand_and_what_many_are_is_not() {
        for (hits, misses) in (0..40).flat_map(|hits| (0..40).map(move |misses| (hits, misses))) {
            let known =
                few(hits, misses).map(|text| String::from_utf8_lossy(&text[..text[LEN_AT].into()]).into_owned());
            #[expect(clippy::cast_precision_loss, reason = "these are few")]
            let ratio = hits as f64 / (hits + misses) as f64;
            let want = (1..32).contains(&hits) && misses < 32;
            assert_eq!(want.then(|| zmij::Buffer::new().format_finite(ratio).to_owned()), known, "{hits} and {misses}");
        }
    }

    #[test]
    fn quotients_are_the_same_whether_their_parts_are_small_or_large() {
        for one in [2, 1 << 62] {
            assert_eq!(Some(0.5), Some(quotient([one, one], [one, 0], [one, one])));
            assert_eq!(Some(-0.5), Some(quotient([one, 0], [one, one], [one, one])));
            assert!(quotient([0, 0], [0, 0], [0, 0]).is_nan());
        }
    }

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
