//! Cloudflare Logpush, dataset `http_requests`, as newline-delimited JSON.

use std::ops::RangeInclusive;

use crate::decode::slots::Slots;
use crate::format::spec::FormatSpec;
use crate::record::Record;
use crate::schema::record_fields::{
    CACHE, CLIENT_SOURCE, DOMAIN, ORIGIN, ORIGIN_IP, ORIGIN_STATUS, ORIGIN_TTFB_MS, POP, PROTO, REQ_BYTES,
    RESP_BODY_BYTES, RESP_BYTES, STATUS, TLS, TS,
};
use crate::value::number::{Number, number};

/// `EdgeEndTimestamp` is in seconds, nanoseconds or RFC 3339, as the job says. `OriginIP` is empty, and
/// `OriginResponseStatus` 0, when no origin was asked.
pub static FORMAT: FormatSpec = FormatSpec {
    name: "cloudflare",
    fields: &[
        ("EdgeEndTimestamp", TS),
        ("EdgeColoCode", POP),
        ("ClientRequestHost", DOMAIN),
        ("ClientRequestSource", CLIENT_SOURCE),
        ("ClientRequestBytes", REQ_BYTES),
        ("ClientRequestProtocol", PROTO),
        ("ClientSSLProtocol", TLS),
        ("CacheCacheStatus", CACHE),
        ("EdgeResponseStatus", STATUS),
        ("EdgeResponseBytes", RESP_BYTES),
        ("EdgeResponseBodyBytes", RESP_BODY_BYTES),
        ("EdgeRequestHost", ORIGIN),
        ("OriginIP", ORIGIN_IP),
        ("OriginResponseStatus", ORIGIN_STATUS),
        ("OriginResponseHeaderReceiveDurationMs", ORIGIN_TTFB_MS),
    ],
    test_line: br#"{"content":"tests"}"#,
    correct: Some(correct),
    ..FormatSpec::OBJECTS
};

/// Statuses by which Cloudflare says that it got no response: no origin sends them.
const NO_RESPONSE: RangeInclusive<u64> = 520..=527;
/// No origin answers a POP of Cloudflare's within a millisecond.
const NOT_MEASURED: RangeInclusive<u64> = 0..=0;

fn correct(record: &mut Record<'_>, slots: &Slots, block: &[u8]) {
    // The others are requests that Cloudflare made itself, most of them for a Worker that an eyeball asked. Like those
    // of a shield they are requests, and what they ask of origins counts, but no end user got their answers.
    if let Some(client) = &mut record.client {
        client.edge = matches!(slots.text(block, CLIENT_SOURCE), b"" | b"eyeball");
    }
    let is_none = |slot, none: RangeInclusive<u64>| {
        let said = number(slots.text(block, slot));
        matches!(said, Number::Value { floor, whole: true } if none.contains(&floor))
    };
    if record.fetches.as_slice().is_empty() {
        return;
    }
    let (unanswered, untimed) = (is_none(ORIGIN_STATUS, NO_RESPONSE), is_none(ORIGIN_TTFB_MS, NOT_MEASURED));
    for fetch in record.fetches.as_mut_slice() {
        fetch.status = fetch.status.filter(|_| !unanswered);
        fetch.latency = fetch.latency.filter(|_| !untimed);
    }
}
