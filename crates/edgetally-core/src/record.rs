//! A record: what one line says, checked and in our words. Keys stay as they were logged; see [`crate::key`].

use crate::cache::{Cache, cache};
use crate::counter::origin::LATENCY_ENDS_MS;
use crate::field::{self, Slots, known};
use crate::json::Reader;
use crate::key::is_address;
use crate::number::{Number, flag, number, scaled};
use crate::reject::{Reason, Reject};
use crate::status::Status;
use crate::text::text;
use crate::time::{Moment, ended, moment};

/// The largest weight that a record may have.
pub const MAX_WEIGHT: u64 = 1 << 32;
/// Times above this many nanoseconds, 292 years, are not known.
const MAX_NANOSECONDS: u64 = 1 << 63;
const NANOSECONDS_PER_MS: u64 = 1_000_000;
const BILLED_MS: u64 = 50;

/// One request, or one fetch, as an edge logged it.
#[derive(Debug)]
pub struct Record<'a> {
    /// Unix second in which it ended; absent: when it arrived.
    pub second: Option<u64>,
    /// `domain` as logged.
    pub domain: &'a [u8],
    /// Served by an edge-compute program.
    pub compute: bool,
    /// What the client asked and got.
    pub client: Option<Client>,
    /// What was asked of origins.
    pub fetches: Fetches<'a>,
}

/// The client part of a record.
#[derive(Debug)]
pub struct Client {
    /// The status sent, when it is one.
    pub status: Option<Status>,
    /// The client was an end user, not another POP of ours.
    pub edge: bool,
    /// What the cache did.
    pub cache: Cache,
    /// Major version of HTTP: 2, 3, or 1 for all before.
    pub http: u8,
    /// Minor version of TLS 1, when it is known.
    pub tls: Option<u8>,
    /// Sizes of the request; looked at for compute only.
    pub req: Sizes,
    /// Sizes of the response.
    pub resp: Sizes,
    /// Times; present for compute only.
    pub times: Times,
}

/// Sizes of one message in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// First line and header fields.
    pub header: u64,
    /// Body.
    pub body: u64,
}

/// What a compute program took, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// CPU time.
    pub execution: u64,
    /// From request to response.
    pub request: u64,
    /// The same, rounded up to 50 ms.
    pub billed: u64,
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

/// The record in what `reader` has just read from `block`. `service_id` is checked by the caller.
pub fn record<'a>(reader: &Reader, block: &'a [u8]) -> Result<Record<'a>, Reject> {
    let slots = &reader.record;
    let fetches = if reader.elements.is_empty() {
        flat_fetches(slots, block)
    } else {
        Fetches::Many(reader.elements.iter().map(|element| Fields { slots: element, block }.fetch()).collect())
    };
    let status = slots.text(block, field::STATUS);
    let compute = flag_of(slots.text(block, field::COMPUTE)).unwrap_or(false);
    let client = if status.is_empty() {
        None
    } else {
        let status = sent_status(status).map_err(|reason| slots.reject(reason, field::STATUS))?;
        Some(client(slots, block, status, compute))
    };
    let mut record = Record { second: None, domain: slots.text(block, field::DOMAIN), compute, client, fetches };
    reader.format().refine(&mut record, slots, block);
    if record.client.is_none() && matches!(record.fetches, Fetches::None) {
        return Err(Reject::new(Reason::NoPart, 0));
    }
    record.second = match moment(slots.text(block, field::TS)) {
        Moment::Second(second) if slots.is_empty(field::DURATION_MS) && slots.is_empty(field::DURATION_NS) => {
            Some(second)
        }
        Moment::Second(second) => Some(ended(second, slots.text(block, field::TS), duration(slots, block))),
        Moment::Absent => None,
        Moment::Junk => return Err(slots.reject(Reason::BadTs, field::TS)),
    };
    Ok(record)
}

/// The nanoseconds that are to be added to `ts`.
fn duration(slots: &Slots, block: &[u8]) -> u64 {
    let milliseconds = nanoseconds(slots.text(block, field::DURATION_MS), 6);
    milliseconds.or_else(|| nanoseconds(slots.text(block, field::DURATION_NS), 0)).unwrap_or_default().floor
}

/// How many requests a line stands for: `default` when it does not say.
#[inline]
pub fn weight(slots: &Slots, block: &[u8], default: u64) -> Result<u64, Reject> {
    match number(slots.text(block, field::WEIGHT)) {
        Number::Absent | Number::Negative => Ok(default),
        Number::Value { floor: weight @ 1..=MAX_WEIGHT, whole: true } => Ok(weight),
        _ => Err(slots.reject(Reason::BadWeight, field::WEIGHT)),
    }
}

#[inline]
fn client(slots: &Slots, block: &[u8], status: Option<Status>, compute: bool) -> Client {
    let fields = Fields { slots, block };
    Client {
        status,
        edge: flag_of(slots.text(block, field::EDGE)).unwrap_or(true),
        cache: cached(slots.text(block, field::CACHE)),
        http: http_version(slots.text(block, field::PROTO)),
        tls: tls_version(slots.text(block, field::TLS)),
        req: if compute {
            sizes(
                fields.text(field::REQ_HEADER_BYTES),
                fields.text(field::REQ_BODY_BYTES),
                number(fields.text(field::REQ_BYTES)).floor(),
            )
        } else {
            Sizes::default()
        },
        resp: sizes(
            fields.text(field::RESP_HEADER_BYTES),
            fields.text(field::RESP_BODY_BYTES),
            number(fields.text(field::RESP_BYTES)).floor(),
        ),
        times: if compute { times(slots, block) } else { Times::default() },
    }
}

#[inline(never)]
fn times(slots: &Slots, block: &[u8]) -> Times {
    let nanoseconds = |slot| nanoseconds(slots.text(block, slot), 6);
    let execution = nanoseconds(field::COMPUTE_EXECUTION_TIME_MS).unwrap_or_default();
    let request = nanoseconds(field::COMPUTE_REQUEST_TIME_MS).unwrap_or_default();
    Times {
        execution: execution.floor / NANOSECONDS_PER_MS,
        request: request.floor / NANOSECONDS_PER_MS,
        billed: request.ceil().div_ceil(BILLED_MS * NANOSECONDS_PER_MS) * BILLED_MS,
    }
}

/// The status sent, absent for one that no status field counts; an error when `text` is no status at all.
#[inline]
fn sent_status(text: &[u8]) -> Result<Option<Status>, Reason> {
    match number(text) {
        Number::Value { floor: code @ ..=999, whole: true } => Ok(Status::new(code)),
        Number::Negative if matches!(number(&text[1..]), Number::Value { whole: true, .. } | Number::Huge) => Ok(None),
        _ => Err(Reason::BadStatus),
    }
}

/// What `word` says that the cache did; the commonest words first.
#[inline]
fn cached(word: &[u8]) -> Cache {
    match word {
        b"HIT" => Cache::Hit,
        b"MISS" => Cache::Miss,
        _ => worded(word, cache),
    }
}

/// The major version in `HTTP/2.0`, `h2`, `2` and their kin.
#[inline]
fn http_version(word: &[u8]) -> u8 {
    match word {
        b"HTTP/1.1" | b"" => 1,
        b"HTTP/2.0" | b"HTTP/2" | b"h2" => 2,
        b"HTTP/3.0" | b"HTTP/3" | b"h3" => 3,
        _ => worded(word, http_version_slowly),
    }
}

fn http_version_slowly(word: &[u8]) -> u8 {
    let version = strip(word, &[b"http/", b"http", b"h"]);
    match version.first() {
        Some(b'2') => 2,
        Some(b'3'..=b'9') => 3,
        _ => 1,
    }
}

/// The minor version in `TLSv1.2`, `1.2`, `TLSv1` and their kin.
#[inline]
fn tls_version(word: &[u8]) -> Option<u8> {
    match word {
        b"TLSv1.3" => Some(3),
        b"TLSv1.2" => Some(2),
        b"" => None,
        _ => worded(word, tls_version_slowly),
    }
}

fn tls_version_slowly(word: &[u8]) -> Option<u8> {
    match crate::text::trim(strip(word, &[b"tlsv", b"tls"])) {
        // Behind the bar: the number that the protocol itself has for it.
        b"1.3" | b"772" => Some(3),
        b"1.2" | b"771" => Some(2),
        b"1.1" | b"770" => Some(1),
        b"1.0" | b"1" | b"769" => Some(0),
        _ => None,
    }
}

/// `word` without the first of `starts` that it begins with, in any case.
fn strip<'a>(word: &'a [u8], starts: &[&[u8]]) -> &'a [u8] {
    for start in starts {
        if let Some((head, rest)) = word.split_at_checked(start.len())
            && head.eq_ignore_ascii_case(start)
        {
            return rest;
        }
    }
    word
}

/// What `read` makes of a word; `HAProxy` and Traffic Server escape the slash in `HTTP\/1.1`.
#[inline]
fn worded<T>(word: &[u8], read: impl Fn(&[u8]) -> T) -> T {
    if word.contains(&b'\\') { read(known(text(word).as_bytes())) } else { read(word) }
}

#[inline]
fn flag_of(word: &[u8]) -> Option<bool> {
    if word.is_empty() { None } else { worded(word, flag) }
}

/// A time as exact as 64 bits hold it.
#[derive(Debug, Clone, Copy, Default)]
struct Nanoseconds {
    floor: u64,
    more: bool,
}

impl Nanoseconds {
    fn ceil(self) -> u64 {
        self.floor + u64::from(self.more)
    }
}

/// Reads a time whose unit is ten to the `shift` nanoseconds.
fn nanoseconds(text: &[u8], shift: i64) -> Option<Nanoseconds> {
    match scaled(text, shift) {
        Number::Value { floor, whole } if floor < MAX_NANOSECONDS || (floor == MAX_NANOSECONDS && whole) => {
            Some(Nanoseconds { floor, more: !whole })
        }
        _ => None,
    }
}

/// The bucket whose (start, end] holds `time`.
fn latency(time: Nanoseconds) -> usize {
    let time = time.ceil();
    // Ends rise, so the buckets that have ended before are the first ones; counting all of them needs no branch.
    LATENCY_ENDS_MS.iter().filter(|end| time > **end * NANOSECONDS_PER_MS).count()
}

/// The origin part of a line with one value, or one list of values, per field.
#[inline]
fn flat_fetches<'a>(slots: &Slots, block: &'a [u8]) -> Fetches<'a> {
    if [field::ORIGIN_STATUS, field::ORIGIN_IP, field::ORIGIN_ADDR].iter().all(|slot| slots.is_empty(*slot)) {
        return Fetches::None;
    }
    let fields = Fields { slots, block };
    let (status, address) = (slots.text(block, field::ORIGIN_STATUS), fields.address());
    if is_list(status) || is_list(address) {
        return Fetches::Many(listed_fetches(fields));
    }
    let asked = received(status).is_some_and(|code| code != 0);
    if is_address(address) || asked { Fetches::One(fields.fetch()) } else { Fetches::None }
}

/// The status in `text` if it can be one that an origin sent or an edge made up: a whole number up to 999.
#[inline]
fn received(text: &[u8]) -> Option<u64> {
    match number(text) {
        Number::Value { floor: code @ ..=999, whole: true } => Some(code),
        _ => None,
    }
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
            elements.push(known(&left[..at]));
            left = &left[at + 3..];
        }
        elements.push(known(left));
    }
    elements
}

/// One fetch per attempt that nginx lists. A field that is no list stands for every attempt.
#[cold]
fn listed_fetches<'a>(fields: Fields<'_, 'a>) -> Vec<Fetch<'a>> {
    let lists: Vec<Vec<&[u8]>> = (0..field::SKIP)
        .map(|slot| match slot {
            field::ORIGIN_IP => fields.address(),
            slot => fields.text(slot),
        })
        .map(|text| if is_list(text) { split_list(text) } else { vec![text] })
        .collect();
    let attempts = lists[field::ORIGIN_IP].len().max(lists[field::ORIGIN_STATUS].len());
    let value = |slot: usize, attempt: usize| match lists[slot].as_slice() {
        [one] => *one,
        list => list.get(attempt).copied().unwrap_or_default(),
    };
    // nginx has a time for every attempt whose header it could read; the status of the others is its own.
    let timed = [field::ORIGIN_TTFB_MS, field::ORIGIN_TTFB_S].iter().any(|slot| lists[*slot].len() > 1);
    let attempt = |attempt| {
        let fetch = fetch(value(field::ORIGIN_IP, attempt), |slot| value(slot, attempt));
        let answered = !timed || fetch.latency.is_some();
        Fetch { status: fetch.status.filter(|_| answered), ..fetch }
    };
    (0..attempts).map(attempt).collect()
}

/// The fields of one object.
#[derive(Clone, Copy)]
struct Fields<'s, 'a> {
    slots: &'s Slots,
    block: &'a [u8],
}

impl<'a> Fields<'_, 'a> {
    #[inline]
    fn text(self, slot: usize) -> &'a [u8] {
        self.slots.text(self.block, slot)
    }

    /// The address in use: `origin_ip`, or `origin_addr` where that is absent.
    #[inline]
    fn address(self) -> &'a [u8] {
        match self.text(field::ORIGIN_IP) {
            ip if is_address(ip) => ip,
            _ => self.text(field::ORIGIN_ADDR),
        }
    }

    #[inline]
    fn fetch(self) -> Fetch<'a> {
        fetch(self.address(), |slot| self.text(slot))
    }
}

/// The fetch from `address` whose other fields `value` knows.
#[inline]
fn fetch<'a>(address: &'a [u8], value: impl Fn(usize) -> &'a [u8]) -> Fetch<'a> {
    let time = nanoseconds(value(field::ORIGIN_TTFB_MS), 6).or_else(|| nanoseconds(value(field::ORIGIN_TTFB_S), 9));
    let beresp_bytes = number(value(field::BERESP_BYTES)).floor();
    // nginx writes a 502 or 504 of its own for an attempt that got no byte back.
    let answered = beresp_bytes != Some(0) || time.is_some();
    Fetch {
        name: value(field::ORIGIN),
        address,
        to_shield: flag_of(value(field::ORIGIN_IS_SHIELD)).unwrap_or(false),
        status: received(value(field::ORIGIN_STATUS)).filter(|_| answered).and_then(Status::new),
        bereq: sizes(
            value(field::BEREQ_HEADER_BYTES),
            value(field::BEREQ_BODY_BYTES),
            number(value(field::BEREQ_BYTES)).floor(),
        ),
        beresp: sizes(value(field::BERESP_HEADER_BYTES), value(field::BERESP_BODY_BYTES), beresp_bytes),
        latency: time.map(latency),
    }
}

/// Header and body where a server logs one of them and the total, or the total alone.
#[inline]
fn sizes(header: &[u8], body: &[u8], total: Option<u64>) -> Sizes {
    let (header, body) = (number(header).floor(), number(body).floor());
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
            ("10", "20", None, (10, 20)),
            ("", "20", Some(50), (30, 20)),
            ("", "", Some(50), (50, 0)),
            ("10", "", Some(50), (10, 40)),
            ("", "100000", Some(50), (0, 50)),
            ("", "abc", Some(50), (50, 0)),
            ("-1", "20", None, (0, 20)),
        ];
        for (header, body, total, (want_header, want_body)) in cases {
            let want = Sizes { header: want_header, body: want_body };
            assert_eq!(want, sizes(header.as_bytes(), body.as_bytes(), total), "{header}/{body}/{total:?}");
        }
    }

    #[test]
    fn a_bucket_ends_with_its_end() {
        let cases = [("0", 0), ("1", 0), ("1.0000001", 1), ("5", 1), ("60000", 10), ("60000.0000000001", 11)];
        for (ms, want) in cases {
            assert_eq!(Some(want), nanoseconds(ms.as_bytes(), 6).map(latency), "{ms}");
        }
    }

    #[test]
    fn protocols_are_told_apart_by_their_major_version() {
        for (word, want) in
            [("HTTP/1.1", 1), ("h2", 2), ("http/2", 2), ("HTTP/2.5", 2), ("2.0", 2), ("HTTP/3", 3), ("", 1)]
        {
            assert_eq!(want, http_version(word.as_bytes()), "{word}");
        }
        for (word, want) in [
            ("TLSv1.3", Some(3)),
            ("1.2", Some(2)),
            ("TLSv1", Some(0)),
            ("772", Some(3)),
            ("SSLv3", None),
            ("none", None),
        ] {
            assert_eq!(want, tls_version(word.as_bytes()), "{word}");
        }
    }
}
