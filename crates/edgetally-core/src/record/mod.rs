//! A record: the content of one line, checked and typed. Keys stay as they were logged; see [`crate::value::key`].

pub mod extras;
pub mod field_access;
pub mod origin_fetch;

use crate::decode::slots::Slots;
use crate::record::field_access::{FieldAccess, LineFields, NANOSECONDS_PER_MS};
use crate::record::origin_fetch::{Fetches, Sizes, fetches, sizes};
use crate::rejection::{Reason, Rejection};
use crate::schema::record_fields as field;
use crate::schema::status::Status;
use crate::value::cache_status::CacheStatus;
use crate::value::keyword::{as_cache_status, as_flag, as_tls_version};
use crate::value::number::{Number, number};
use crate::value::timestamp::{self, Timestamp};

/// Largest weight that a record or a source may have.
pub const MAX_WEIGHT: u64 = 1 << 32;
const BILLED_MS: u64 = 50;

/// One request, or one fetch from an origin, as an edge logged it.
#[derive(Debug)]
pub struct Record<'a> {
    /// `domain` as logged.
    pub domain: &'a [u8],
    /// Whether an edge-compute program served it.
    pub compute: bool,
    /// The request of the client, if it was logged.
    pub client: Option<Client>,
    /// The fetches from origins.
    pub fetches: Fetches<'a>,
}

/// The client part of a record.
#[derive(Debug)]
pub struct Client {
    /// The status that was sent, if a status field counts it.
    pub status: Option<Status>,
    /// Whether the client was an end user, and not another of our POPs.
    pub edge: bool,
    /// What the cache did.
    pub cache: CacheStatus,
    /// Major version of HTTP: 2, 3, or another number for all earlier versions.
    pub http: u8,
    /// Minor version of TLS 1, if it is known.
    pub tls: Option<u8>,
    /// Sizes of the request.
    pub req: Sizes,
    /// Sizes of the response.
    pub resp: Sizes,
    /// Times, for compute only.
    pub times: Times,
}

/// Times of a compute program, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// CPU time.
    pub execution: u64,
    /// From request to response.
    pub request: u64,
    /// The same, rounded up to 50 ms.
    pub billed: u64,
}

/// The record of a line in `block` with these slots, and the slots of each element of its `origins`.
///
/// Its service, its second, its weight and its [`extras`] are read separately.
#[inline]
pub fn record<'a>(slots: &Slots, elements: &[Slots], block: &'a [u8]) -> Result<Record<'a>, Rejection> {
    let fields = LineFields { slots, block };
    let compute = as_flag(fields.keyword(field::COMPUTE)).unwrap_or(false);
    let has_status = fields.value(field::STATUS).is_some() || !fields.text(field::STATUS).is_empty();
    let client = if has_status { Some(client(fields, compute)?) } else { None };
    let (domain, fetches) = (fields.text(field::DOMAIN), fetches(slots, elements, block));
    Ok(Record { domain, compute, client, fetches })
}

impl Record<'_> {
    /// Rejects a record without anything to count.
    #[inline]
    pub fn check(&self) -> Result<(), Rejection> {
        if self.client.is_none() && matches!(self.fetches, Fetches::None) {
            return Err(Rejection::new(Reason::NoPart, 0));
        }
        Ok(())
    }
}

/// How many requests a line stands for, or `default` if it does not say.
#[inline]
pub fn weight(slots: &Slots, block: &[u8], default: u64) -> Result<u64, Rejection> {
    if slots.is_empty(field::WEIGHT) {
        return Ok(default);
    }
    match (LineFields { slots, block }).number(field::WEIGHT) {
        Number::Absent | Number::Negative => Ok(default),
        Number::Value { floor: weight @ 1..=MAX_WEIGHT, is_integer: true } => Ok(weight),
        _ => Err(slots.rejection(Reason::BadWeight, field::WEIGHT)),
    }
}

/// The Unix second in which the request ended, if the line says.
#[inline]
pub fn second(slots: &Slots, block: &[u8]) -> Result<Option<u64>, Rejection> {
    let fields = LineFields { slots, block };
    match fields.timestamp(field::TS) {
        Timestamp::Second(second) if fields.is_empty(field::DURATION_MS) && fields.is_empty(field::DURATION_NS) => {
            Ok(Some(second))
        }
        Timestamp::Second(second) => Ok(Some(timestamp::end(second, fields.text(field::TS), duration(fields)))),
        Timestamp::Absent => Ok(fallback(fields)),
        Timestamp::Junk => Err(slots.rejection(Reason::BadTs, field::TS)),
    }
}

/// The second of the next field that has a time.
#[inline(never)]
fn fallback(fields: LineFields<'_, '_>) -> Option<u64> {
    if let Timestamp::Second(second) = timestamp::timestamp(fields.text(field::END)) {
        return Some(second);
    }
    let start = fields.text(field::START);
    let Timestamp::Second(second) = timestamp::timestamp(start) else { return None };
    let took = fields.time(field::EDGE_TIME_MS, 6).unwrap_or_default().floor;
    Some(timestamp::end(second, start, took))
}

/// The nanoseconds to add to `ts`.
#[inline(never)]
fn duration(fields: LineFields<'_, '_>) -> u64 {
    let milliseconds = fields.time(field::DURATION_MS, 6);
    milliseconds.or_else(|| fields.time(field::DURATION_NS, 0)).unwrap_or_default().floor
}

#[inline]
fn client(fields: LineFields<'_, '_>, compute: bool) -> Result<Client, Rejection> {
    Ok(Client {
        status: sent_status(fields)?,
        edge: as_flag(fields.keyword(field::EDGE)).unwrap_or(true),
        cache: as_cache_status(fields.keyword(field::CACHE)),
        http: fields.keyword(field::PROTO),
        tls: as_tls_version(fields.keyword(field::TLS)),
        req: sizes(
            fields.integer(field::REQ_HEADER_BYTES),
            fields.integer(field::REQ_BODY_BYTES),
            fields.integer(field::REQ_BYTES),
        ),
        resp: sizes(
            fields.integer(field::RESP_HEADER_BYTES),
            fields.integer(field::RESP_BODY_BYTES),
            fields.integer(field::RESP_BYTES),
        ),
        times: if compute { times(fields) } else { Times::default() },
    })
}

#[inline(never)]
fn times(fields: LineFields<'_, '_>) -> Times {
    let execution = fields.time(field::COMPUTE_EXECUTION_TIME_MS, 6).unwrap_or_default();
    let request = fields.time(field::COMPUTE_REQUEST_TIME_MS, 6).unwrap_or_default();
    Times {
        execution: execution.floor / NANOSECONDS_PER_MS,
        request: request.floor / NANOSECONDS_PER_MS,
        billed: request.ceil().div_ceil(BILLED_MS * NANOSECONDS_PER_MS) * BILLED_MS,
    }
}

/// The status that was sent; `None` if no status field counts it, rejected if it cannot be a status.
#[inline]
fn sent_status(fields: LineFields<'_, '_>) -> Result<Option<Status>, Rejection> {
    match fields.number(field::STATUS) {
        Number::Value { floor: code @ ..=999, is_integer: true } => Ok(Status::new(code)),
        Number::Negative if is_integer(&fields.text(field::STATUS)[1..]) => Ok(None),
        _ => Err(fields.slots.rejection(Reason::BadStatus, field::STATUS)),
    }
}

fn is_integer(text: &[u8]) -> bool {
    matches!(number(text), Number::Value { is_integer: true, .. } | Number::Huge)
}
