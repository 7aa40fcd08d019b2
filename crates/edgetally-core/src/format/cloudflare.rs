//! Cloudflare Logpush, dataset `http_requests`, as newline-delimited JSON.

use std::ops::RangeInclusive;

use crate::decode::slots::Slots;
use crate::format::spec::FormatSpec;
use crate::record::Record;
use crate::schema::record_fields::{
    CACHE, CLIENT_SOURCE, DOMAIN, EDGE_TIME_MS, IPV6, ORIGIN, ORIGIN_IP, ORIGIN_STATUS, ORIGIN_TTFB_MS, POP, PROTO,
    REQ_BYTES, RESP_BODY_BYTES, RESP_BYTES, START, STATUS, TLS, TS,
};
use crate::value::number::{Number, number};

/// `EdgeEndTimestamp` is in seconds, nanoseconds or RFC 3339, as the job is configured. Without a fetch, `OriginIP`
/// is empty and `OriginResponseStatus` is 0.
pub static FORMAT: FormatSpec = FormatSpec {
    name: "cloudflare",
    fields: &[
        ("EdgeEndTimestamp", TS),
        // Where the end is not delivered, with the time up to the first byte of the response.
        ("EdgeStartTimestamp", START),
        ("EdgeColoCode", POP),
        ("ClientRequestHost", DOMAIN),
        ("ClientRequestSource", CLIENT_SOURCE),
        ("ClientRequestBytes", REQ_BYTES),
        ("ClientRequestProtocol", PROTO),
        ("ClientSSLProtocol", TLS),
        ("ClientIP", IPV6),
        ("CacheCacheStatus", CACHE),
        ("EdgeResponseStatus", STATUS),
        ("EdgeResponseBytes", RESP_BYTES),
        ("EdgeResponseBodyBytes", RESP_BODY_BYTES),
        ("EdgeTimeToFirstByteMs", EDGE_TIME_MS),
        ("EdgeRequestHost", ORIGIN),
        ("OriginIP", ORIGIN_IP),
        ("OriginResponseStatus", ORIGIN_STATUS),
        ("OriginResponseHeaderReceiveDurationMs", ORIGIN_TTFB_MS),
    ],
    test_line: br#"{"content":"tests"}"#,
    correct: Some(correct),
    ..FormatSpec::OBJECTS
};

/// Statuses that Cloudflare generates if an origin did not respond. Origins do not send them.
const NO_RESPONSE: RangeInclusive<u64> = 520..=527;
/// Sources of requests that end users make: also through the zone of another customer, or for a challenge.
const END_USERS: [&[u8]; 4] = [b"", b"eyeball", b"orangeToOrange", b"inBrowserChallenge"];
/// No origin responds to Cloudflare within a millisecond.
const NOT_MEASURED: RangeInclusive<u64> = 0..=0;

fn correct(record: &mut Record<'_>, slots: &Slots, block: &[u8]) {
    // Any other source is Cloudflare itself, mostly a Worker that serves an end user. Like requests of a shield, these count
    // as requests and their fetches count, but no end user got the responses.
    if let Some(client) = &mut record.client {
        client.edge = END_USERS.contains(&slots.text(block, CLIENT_SOURCE));
    }
    let lies_in = |slot, range: RangeInclusive<u64>| {
        let number = number(slots.text(block, slot));
        matches!(number, Number::Value { floor, is_integer: true } if range.contains(&floor))
    };
    if record.fetches.as_slice().is_empty() {
        return;
    }
    let (unanswered, untimed) = (lies_in(ORIGIN_STATUS, NO_RESPONSE), lies_in(ORIGIN_TTFB_MS, NOT_MEASURED));
    for fetch in record.fetches.as_mut_slice() {
        fetch.status = fetch.status.filter(|_| !unanswered);
        fetch.ttfb = fetch.ttfb.filter(|_| !untimed);
    }
}
