//! Traefik's access log, `format: json`.

use crate::decode::slots::Slots;
use crate::format::spec::FormatSpec;
use crate::record::Record;
use crate::record::origin_fetch::{Fetches, Sizes};
use crate::schema::record_fields::{BERESP_BODY_BYTES, SKIP};
use crate::schema::record_fields::{
    DOMAIN, DURATION_NS, END, IPV6, LOGGER, ORIGIN, ORIGIN_ADDR, ORIGIN_STATUS, PROTO, REQ_BODY_BYTES, RESP_BODY_BYTES,
    STATUS, TLS, TS,
};
use crate::value::key::is_address;
use crate::value::number::number;

/// `StartUTC` is the start of the request, `Duration` is in nanoseconds. `time` is its end, but only to the second.
pub static FORMAT: FormatSpec = FormatSpec {
    name: "traefik",
    fields: &[
        ("StartUTC", TS),
        // The same moment, where `StartUTC` is dropped to log local times.
        ("StartLocal", TS),
        ("time", END),
        ("RouterName", LOGGER),
        ("Duration", DURATION_NS),
        ("RequestHost", DOMAIN),
        ("RequestProtocol", PROTO),
        ("TLSVersion", TLS),
        ("ClientHost", IPV6),
        ("DownstreamStatus", STATUS),
        ("RequestContentSize", REQ_BODY_BYTES),
        ("DownstreamContentSize", RESP_BODY_BYTES),
        ("ServiceName", ORIGIN),
        ("ServiceAddr", ORIGIN_ADDR),
        ("OriginStatus", ORIGIN_STATUS),
        ("OriginContentSize", BERESP_BODY_BYTES),
        ("OriginDuration", SKIP),
    ],
    is_other_log: Some(is_other_log),
    correct: Some(correct),
    ..FormatSpec::OBJECTS
};

/// What Traefik answers if an origin did not respond: the status, and the length of its text.
const OWN_ANSWERS: [(&[u8], u64); 4] = [
    (b"500", "Internal Server Error".len() as u64),
    (b"502", "Bad Gateway".len() as u64),
    (b"504", "Gateway Timeout".len() as u64),
    (b"499", "Client Closed Request".len() as u64),
];

/// Traefik's own log has no status. Its internal services (ping, dashboard, metrics) are logged only if asked for.
fn is_other_log(slots: &Slots, block: &[u8]) -> bool {
    let is_internal = slots.text(block, LOGGER).ends_with(b"@internal");
    is_internal || (slots.is_empty(STATUS) && slots.is_empty(ORIGIN_STATUS) && !slots.is_empty(END))
}

fn correct(record: &mut Record<'_>, slots: &Slots, block: &[u8]) {
    if matches!(record.fetches, Fetches::None) {
        return;
    }
    // Without an address Traefik answered itself: from an internal service, or because no server was up.
    if !is_address(slots.text(block, ORIGIN_ADDR)) {
        record.fetches = Fetches::None;
        return;
    }
    // Traefik logs its own answer as if it were the origin's.
    let status = slots.text(block, ORIGIN_STATUS);
    let Some((_, text)) = OWN_ANSWERS.iter().find(|(own, _)| *own == status) else {
        return;
    };
    if number(slots.text(block, BERESP_BODY_BYTES)).floor() == Some(*text) {
        for fetch in record.fetches.as_mut_slice() {
            fetch.status = None;
            fetch.beresp = Sizes::default();
        }
    }
}
