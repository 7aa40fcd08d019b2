//! A record: what one line says, checked and in our words. Keys stay as they were logged; see [`crate::value::key`].

pub mod field_access;
pub mod origin_fetch;

use crate::decode::slots::Slots;
use crate::record::field_access::{Fields, NANOSECONDS_PER_MS, Values};
use crate::record::origin_fetch::{Fetches, Sizes, fetches, sizes};
use crate::rejection::{Reason, Reject};
use crate::schema::record_fields as field;
use crate::schema::status::Status;
use crate::value::cache_status::Cache;
use crate::value::keyword::{as_cache, as_flag, as_version};
use crate::value::number::{Number, number};
use crate::value::timestamp::{Moment, ended};

/// The largest weight that a record may have.
pub const MAX_WEIGHT: u64 = 1 << 32;
const BILLED_MS: u64 = 50;

/// One request, or one fetch, as an edge logged it.
#[derive(Debug)]
pub struct Record<'a> {
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
    /// Major version of HTTP: 2, 3, or another number for all before.
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

/// The record of the line in `block` whose values are `slots`, and those of its `origins` `elements`.
///
/// Its service, its second and its weight are read apart from it.
#[inline]
pub fn record<'a>(slots: &Slots, elements: &[Slots], block: &'a [u8]) -> Result<Record<'a>, Reject> {
    let fields = Fields { slots, block };
    let compute = as_flag(fields.word(field::COMPUTE)).unwrap_or(false);
    let sent = fields.value(field::STATUS).is_some() || !fields.text(field::STATUS).is_empty();
    let client = if sent { Some(client(fields, compute)?) } else { None };
    let (domain, fetches) = (fields.text(field::DOMAIN), fetches(slots, elements, block));
    Ok(Record { domain, compute, client, fetches })
}

impl Record<'_> {
    /// Rejects a record in which there is nothing to count.
    #[inline]
    pub fn check(&self) -> Result<(), Reject> {
        if self.client.is_none() && matches!(self.fetches, Fetches::None) {
            return Err(Reject::new(Reason::NoPart, 0));
        }
        Ok(())
    }
}

/// How many requests a line stands for: `default` when it does not say.
#[inline]
pub fn weight(slots: &Slots, block: &[u8], default: u64) -> Result<u64, Reject> {
    if slots.is_empty(field::WEIGHT) {
        return Ok(default);
    }
    match (Fields { slots, block }).number(field::WEIGHT) {
        Number::Absent | Number::Negative => Ok(default),
        Number::Value { floor: weight @ 1..=MAX_WEIGHT, whole: true } => Ok(weight),
        _ => Err(slots.reject(Reason::BadWeight, field::WEIGHT)),
    }
}

/// The Unix second in which the request ended, if the line says.
#[inline]
pub fn second(slots: &Slots, block: &[u8]) -> Result<Option<u64>, Reject> {
    let fields = Fields { slots, block };
    match fields.moment(field::TS) {
        Moment::Second(second) if fields.is_empty(field::DURATION_MS) && fields.is_empty(field::DURATION_NS) => {
            Ok(Some(second))
        }
        Moment::Second(second) => Ok(Some(ended(second, fields.text(field::TS), duration(fields)))),
        Moment::Absent => Ok(None),
        Moment::Junk => Err(slots.reject(Reason::BadTs, field::TS)),
    }
}

/// The nanoseconds that are to be added to `ts`.
#[inline(never)]
fn duration(fields: Fields<'_, '_>) -> u64 {
    let milliseconds = fields.time(field::DURATION_MS, 6);
    milliseconds.or_else(|| fields.time(field::DURATION_NS, 0)).unwrap_or_default().floor
}

#[inline]
fn client(fields: Fields<'_, '_>, compute: bool) -> Result<Client, Reject> {
    Ok(Client {
        status: sent_status(fields)?,
        edge: as_flag(fields.word(field::EDGE)).unwrap_or(true),
        cache: as_cache(fields.word(field::CACHE)),
        http: fields.word(field::PROTO),
        tls: as_version(fields.word(field::TLS)),
        req: if compute {
            sizes(
                fields.whole(field::REQ_HEADER_BYTES),
                fields.whole(field::REQ_BODY_BYTES),
                fields.whole(field::REQ_BYTES),
            )
        } else {
            Sizes::default()
        },
        resp: sizes(
            fields.whole(field::RESP_HEADER_BYTES),
            fields.whole(field::RESP_BODY_BYTES),
            fields.whole(field::RESP_BYTES),
        ),
        times: if compute { times(fields) } else { Times::default() },
    })
}

#[inline(never)]
fn times(fields: Fields<'_, '_>) -> Times {
    let execution = fields.time(field::COMPUTE_EXECUTION_TIME_MS, 6).unwrap_or_default();
    let request = fields.time(field::COMPUTE_REQUEST_TIME_MS, 6).unwrap_or_default();
    Times {
        execution: execution.floor / NANOSECONDS_PER_MS,
        request: request.floor / NANOSECONDS_PER_MS,
        billed: request.ceil().div_ceil(BILLED_MS * NANOSECONDS_PER_MS) * BILLED_MS,
    }
}

/// The status sent, absent for one that no status field counts; refused when it is no status at all.
#[inline]
fn sent_status(fields: Fields<'_, '_>) -> Result<Option<Status>, Reject> {
    match fields.number(field::STATUS) {
        Number::Value { floor: code @ ..=999, whole: true } => Ok(Status::new(code)),
        Number::Negative if is_whole(&fields.text(field::STATUS)[1..]) => Ok(None),
        _ => Err(fields.slots.reject(Reason::BadStatus, field::STATUS)),
    }
}

fn is_whole(text: &[u8]) -> bool {
    matches!(number(text), Number::Value { whole: true, .. } | Number::Huge)
}
