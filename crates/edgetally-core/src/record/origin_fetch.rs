//! Fetches: what a record says was asked of origins, one by one.

use crate::decode::slots::Slots;
use crate::record::field_access::{Fields, NANOSECONDS_PER_MS, Nanoseconds, Values};
use crate::schema::counters::origin::LATENCY_ENDS_MS;
use crate::schema::record_fields as field;
use crate::schema::status::Status;
use crate::value::key::is_address;
use crate::value::keyword::as_flag;
use crate::value::number::Number;
use crate::value::text::content;

/// Sizes of one message in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// First line and header fields.
    pub header: u64,
    /// Body.
    pub body: u64,
}

/// One request to an origin.
#[derive(Debug)]
pub struct Fetch<'a> {
    /// The origin's name as logged.
    pub name: &'a [u8],
    /// Its address as logged.
    pub address: &'a [u8],
    /// The origin is another POP of ours: this counts nothing.
    pub to_shield: bool,
    /// The status received; absent when no response came.
    pub status: Option<Status>,
    /// Sizes of the request.
    pub bereq: Sizes,
    /// Sizes of the response.
    pub beresp: Sizes,
    /// Which latency bucket the time to first byte falls in, when it is known.
    pub latency: Option<usize>,
}

/// The fetches of one record: nearly always none or one.
#[derive(Debug)]
pub enum Fetches<'a> {
    /// No origin part.
    None,
    /// One fetch.
    One(Fetch<'a>),
    /// Several attempts.
    Many(Vec<Fetch<'a>>),
}

impl<'a> Fetches<'a> {
    /// The fetches in the order in which they were logged.
    #[inline]
    pub fn as_slice(&self) -> &[Fetch<'a>] {
        match self {
            Self::None => &[],
            Self::One(fetch) => std::slice::from_ref(fetch),
            Self::Many(fetches) => fetches,
        }
    }

    /// The same, to be corrected.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [Fetch<'a>] {
        match self {
            Self::None => &mut [],
            Self::One(fetch) => std::slice::from_mut(fetch),
            Self::Many(fetches) => fetches,
        }
    }
}

/// The fetches of the line in `block` whose values are `slots`, and those of its `origins` `elements`.
#[inline]
pub fn fetches<'a>(slots: &Slots, elements: &[Slots], block: &'a [u8]) -> Fetches<'a> {
    if elements.is_empty() {
        return flat_fetches(Fields { slots, block });
    }
    let element = |slots| Fields { slots, block };
    Fetches::Many(elements.iter().map(|slots| fetch(address(element(slots)), element(slots))).collect())
}

/// The origin part of a line with one value, or one list of values, per field.
#[inline]
fn flat_fetches<'a>(fields: Fields<'_, 'a>) -> Fetches<'a> {
    if [field::ORIGIN_STATUS, field::ORIGIN_IP, field::ORIGIN_ADDR].iter().all(|slot| fields.slots.is_empty(*slot)) {
        return Fetches::None;
    }
    let address = address(fields);
    if is_list(address) || fields.value(field::ORIGIN_STATUS).is_none() && is_list(fields.text(field::ORIGIN_STATUS)) {
        return Fetches::Many(listed_fetches(fields));
    }
    let asked = received(fields.number(field::ORIGIN_STATUS)).is_some_and(|code| code != 0);
    if is_address(address) || asked { Fetches::One(fetch(address, fields)) } else { Fetches::None }
}

/// The address in use: `origin_ip`, or `origin_addr` where that is absent.
#[inline]
fn address<'a>(fields: Fields<'_, 'a>) -> &'a [u8] {
    match fields.text(field::ORIGIN_IP) {
        ip if is_address(ip) => ip,
        _ => fields.text(field::ORIGIN_ADDR),
    }
}

/// The status that `number` is if it can be one that an origin sent or an edge made up: a whole number up to 999.
#[inline]
fn received(number: Number) -> Option<u64> {
    match number {
        Number::Value { floor: code @ ..=999, whole: true } => Some(code),
        _ => None,
    }
}

/// The fetch from `address` whose other fields are `values`.
#[inline]
fn fetch<'a>(address: &'a [u8], values: impl Values<'a>) -> Fetch<'a> {
    let time = values.time(field::ORIGIN_TTFB_MS, 6).or_else(|| values.time(field::ORIGIN_TTFB_S, 9));
    let beresp_bytes = values.whole(field::BERESP_BYTES);
    // nginx writes a 502 or 504 of its own for an attempt that got no byte back.
    let answered = beresp_bytes != Some(0) || time.is_some();
    Fetch {
        name: values.text(field::ORIGIN),
        address,
        to_shield: as_flag(values.word(field::ORIGIN_IS_SHIELD)).unwrap_or(false),
        status: received(values.number(field::ORIGIN_STATUS)).filter(|_| answered).and_then(Status::new),
        bereq: sizes(
            values.whole(field::BEREQ_HEADER_BYTES),
            values.whole(field::BEREQ_BODY_BYTES),
            values.whole(field::BEREQ_BYTES),
        ),
        beresp: sizes(values.whole(field::BERESP_HEADER_BYTES), values.whole(field::BERESP_BODY_BYTES), beresp_bytes),
        latency: time.map(latency),
    }
}

/// The bucket whose (start, end] holds `time`.
fn latency(time: Nanoseconds) -> usize {
    let time = time.ceil();
    // Ends rise, so the buckets that have ended before are the first ones; counting all of them needs no branch.
    LATENCY_ENDS_MS.iter().filter(|end| time > **end * NANOSECONDS_PER_MS).count()
}

/// Whether `text` holds the values of several attempts: `a, b`, and between upstream groups `a : b`.
#[inline]
fn is_list(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b',' | b' '))
        && (text.contains(&b',') || text.windows(3).any(|three| three == b" : "))
}

fn split_list(text: &[u8]) -> Vec<&[u8]> {
    let mut elements = vec![];
    for group in text.split(|byte| *byte == b',') {
        let mut left = group;
        while let Some(at) = left.windows(3).position(|three| three == b" : ") {
            elements.push(content(&left[..at]));
            left = &left[at + 3..];
        }
        elements.push(content(left));
    }
    elements
}

/// One fetch per attempt that nginx lists. A field that is no list stands for every attempt.
#[cold]
fn listed_fetches<'a>(fields: Fields<'_, 'a>) -> Vec<Fetch<'a>> {
    let lists: Vec<Vec<&[u8]>> = (0..field::SKIP)
        .map(|slot| match slot {
            field::ORIGIN_IP => address(fields),
            slot => fields.text(slot),
        })
        .map(|text| if is_list(text) { split_list(text) } else { vec![text] })
        .collect();
    let attempts = lists[field::ORIGIN_IP].len().max(lists[field::ORIGIN_STATUS].len());
    // nginx has a time for every attempt whose header it could read; the status of the others is its own.
    let timed = [field::ORIGIN_TTFB_MS, field::ORIGIN_TTFB_S].iter().any(|slot| lists[*slot].len() > 1);
    let attempt = |at| {
        let attempt = Attempt { lists: &lists, at };
        let fetch = fetch(attempt.text(field::ORIGIN_IP), attempt);
        let answered = !timed || fetch.latency.is_some();
        Fetch { status: fetch.status.filter(|_| answered), ..fetch }
    };
    (0..attempts).map(attempt).collect()
}

/// The fields of one attempt out of lists.
#[derive(Clone, Copy)]
struct Attempt<'l, 'a> {
    lists: &'l [Vec<&'a [u8]>],
    at: usize,
}

impl<'a> Values<'a> for Attempt<'_, 'a> {
    fn text(self, slot: usize) -> &'a [u8] {
        match self.lists[slot].as_slice() {
            [one] => one,
            list => list.get(self.at).copied().unwrap_or_default(),
        }
    }

    fn is_empty(self, slot: usize) -> bool {
        self.text(slot).is_empty()
    }

    fn value(self, _slot: usize) -> Option<u64> {
        None
    }
}

/// Header and body where a server logs one of them and the total, or the total alone.
#[inline]
pub fn sizes(header: Option<u64>, body: Option<u64>, total: Option<u64>) -> Sizes {
    let Some(total) = total else {
        return Sizes { header: header.unwrap_or(0), body: body.unwrap_or(0) };
    };
    match (header, body) {
        (Some(header), None) => Sizes { header, body: total.saturating_sub(header) },
        (header, body) => {
            let body = body.unwrap_or(0).min(total);
            Sizes { header: header.unwrap_or(total - body), body }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_split() {
        let cases = [
            (Some(10), Some(20), None, (10, 20)),
            (None, Some(20), Some(50), (30, 20)),
            (None, None, Some(50), (50, 0)),
            (Some(10), None, Some(50), (10, 40)),
            (None, Some(100_000), Some(50), (0, 50)),
            (None, Some(20), None, (0, 20)),
        ];
        for (header, body, total, (want_header, want_body)) in cases {
            let want = Sizes { header: want_header, body: want_body };
            assert_eq!(want, sizes(header, body, total), "{header:?}/{body:?}/{total:?}");
        }
    }

    #[test]
    fn a_bucket_ends_with_its_end() {
        let cases = [("0", 0), ("1", 0), ("1.0000001", 1), ("5", 1), ("60000", 10), ("60000.0000000001", 11)];
        for (ms, want) in cases {
            assert_eq!(Some(want), Nanoseconds::of(ms.as_bytes(), 6).map(latency), "{ms}");
        }
    }
}
