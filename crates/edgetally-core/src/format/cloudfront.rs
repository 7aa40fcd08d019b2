//! `CloudFront`'s real-time logs: values between tabs, in the order of the chosen fields.
//!
//! Values are URL-encoded, but need no decoding: a host with encoded characters cannot be an alias of a distribution.

use crate::decode::slots::Slots;
use crate::format::spec::FormatSpec;
use crate::record::Record;
use crate::record::origin_fetch::Sizes;
use crate::schema::record_fields::{
    CACHE, DOMAIN, EDGE_TIME_S, IPV6, METHOD, ORIGIN_ADDR, ORIGIN_TTFB_S, POP, PROTO, REQ_BYTES, RESP_BODY_BYTES,
    RESP_BYTES, SKIP, STATUS, TLS, TS,
};
use crate::value::number::number;

/// `timestamp` is the end of the request. `sc-status` is 000 if the viewer left first.
pub static FORMAT: FormatSpec = FormatSpec {
    name: "cloudfront",
    fields: &[
        ("timestamp", TS),
        ("sc-status", STATUS),
        ("sc-bytes", RESP_BYTES),
        ("cs-method", METHOD),
        ("cs-host", DOMAIN),
        ("cs-bytes", REQ_BYTES),
        ("x-edge-location", POP),
        ("cs-protocol-version", PROTO),
        ("ssl-protocol", TLS),
        ("x-edge-result-type", CACHE),
        ("sc-content-len", RESP_BODY_BYTES),
        ("origin-fbl", ORIGIN_TTFB_S),
        ("r-host", ORIGIN_ADDR),
        ("time-to-first-byte", EDGE_TIME_S),
        ("c-ip-version", IPV6),
        // Fields that do not count.
        ("asn", SKIP),
        ("c-country", SKIP),
        ("c-ip", SKIP),
        ("c-port", SKIP),
        ("cache-behavior-path-pattern", SKIP),
        ("cs-accept", SKIP),
        ("cs-accept-encoding", SKIP),
        ("cs-cookie", SKIP),
        ("cs-header-names", SKIP),
        ("cs-headers", SKIP),
        ("cs-headers-count", SKIP),
        ("cs-protocol", SKIP),
        ("cs-referer", SKIP),
        ("cs-uri-query", SKIP),
        ("cs-uri-stem", SKIP),
        ("cs-user-agent", SKIP),
        ("fle-encrypted-fields", SKIP),
        ("fle-status", SKIP),
        ("origin-lbl", SKIP),
        ("primary-distribution-dns-name", SKIP),
        ("primary-distribution-id", SKIP),
        ("s-ip", SKIP),
        ("sc-content-type", SKIP),
        ("sc-range-end", SKIP),
        ("sc-range-start", SKIP),
        ("sr-reason", SKIP),
        ("ssl-cipher", SKIP),
        ("time-taken", SKIP),
        ("x-edge-detailed-result-type", SKIP),
        ("x-edge-request-id", SKIP),
        ("x-edge-response-result-type", SKIP),
        ("x-forwarded-for", SKIP),
        ("x-host-header", SKIP),
    ],
    columns: &[
        "timestamp",
        "sc-status",
        "sc-bytes",
        "cs-method",
        "cs-host",
        "cs-bytes",
        "x-edge-location",
        "cs-protocol-version",
        "ssl-protocol",
        "x-edge-result-type",
        "sc-content-len",
    ],
    correct: Some(correct),
    ..FormatSpec::OBJECTS
};

fn correct(record: &mut Record<'_>, slots: &Slots, block: &[u8]) {
    // `sc-content-len` is the header of that name, which a response to HEAD has without the body.
    if slots.text(block, METHOD) == b"HEAD"
        && let Some(client) = &mut record.client
    {
        client.resp = Sizes { header: number(slots.text(block, RESP_BYTES)).floor().unwrap_or(0), body: 0 };
    }
}
