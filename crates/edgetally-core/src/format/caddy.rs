//! Caddy's access log, `format json`.
//!
//! `log_append` (Caddy 2.8 and newer) adds members to the line itself. Older versions can only log headers, which the client
//! gets, too. Either way may add fields of the record.

use crate::decode::slots::Slots;
use crate::format::spec::FormatSpec;
use crate::schema::record_fields::{
    DOMAIN, EDGE_TIME_S, EVENT, IPV6, LEVEL, LOGGER, METHOD, ORIGIN, ORIGIN_ADDR, ORIGIN_STATUS, ORIGIN_TTFB_MS, PROTO,
    REQ_BODY_BYTES, RESP_BODY_BYTES, TLS,
};

/// `ts` is the end of the request in seconds. `status` is 0 if the client left first.
pub static FORMAT: FormatSpec = FormatSpec {
    name: "caddy",
    fields: &[
        ("request>host", DOMAIN),
        ("request>proto", PROTO),
        ("request>tls>version", TLS),
        ("bytes_read", REQ_BODY_BYTES),
        ("size", RESP_BODY_BYTES),
        ("duration", EDGE_TIME_S),
        ("request>remote_ip", IPV6),
        ("logger", LOGGER),
        ("msg", EVENT),
        ("level", LEVEL),
        ("request>method", METHOD),
        ("resp_headers[X-Edgetally-Origin]", ORIGIN),
        ("resp_headers[X-Edgetally-Origin-Addr]", ORIGIN_ADDR),
        ("resp_headers[X-Edgetally-Origin-Status]", ORIGIN_STATUS),
        ("resp_headers[X-Edgetally-Origin-Ttfb-Ms]", ORIGIN_TTFB_MS),
    ],
    has_canonical_fields: true,
    is_other_log: Some(is_other_log),
    ..FormatSpec::OBJECTS
};

/// Access loggers are `http.log.access` and what is named below it. The error logger repeats requests that failed. A line with a
/// level and without a logger is one of them if it has a request, and the message that all requests have, or none.
fn is_other_log(slots: &Slots, block: &[u8]) -> bool {
    let logger = slots.text(block, LOGGER);
    if !logger.is_empty() {
        return !logger.starts_with(b"http.log.access");
    }
    let has_request = [DOMAIN, METHOD, PROTO, TLS, IPV6].iter().any(|slot| !slots.is_empty(*slot));
    let is_access = has_request && matches!(slots.text(block, EVENT), b"" | b"handled request");
    !slots.is_empty(LEVEL) && !is_access
}
