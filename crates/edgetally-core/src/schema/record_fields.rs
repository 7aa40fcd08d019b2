//! The fields of a canonical record, and the slots in which a decoded line holds their values.

/// Declares the fields once: constant, name in a record, and name inside an element of `origins`.
macro_rules! fields {
    ($($constant:ident = $slot:literal, $name:literal $(, $element:literal)?;)*) => {
        $(#[doc = concat!("`", $name, "`")] pub const $constant: usize = $slot;)*

        /// The slot of a field of a record; [`SKIP`] for any other key.
        pub fn of_record(key: &[u8]) -> usize {
            match key {
                $(_ if key == $name.as_bytes() => $slot,)*
                _ => SKIP,
            }
        }

        /// The name of the field in `slot`; empty for a slot without a field.
        pub fn name(slot: usize) -> &'static str {
            match slot {
                $($slot => $name,)*
                _ => "",
            }
        }

        /// The slot of a field inside an element of `origins`; [`SKIP`] for any other key.
        pub fn of_element(key: &[u8]) -> usize {
            match key {
                $($(_ if key == $element.as_bytes() => $slot,)?)*
                _ => SKIP,
            }
        }
    };
}

/// The slot of every other key.
pub const SKIP: usize = 63;
/// How many slots there are.
pub const SLOTS: usize = 64;

// Slots without a field: only single formats fill them.

/// How long the request took in nanoseconds, added to `ts`.
pub const DURATION_NS: usize = 34;
/// Who made the request, as Cloudflare says.
pub const CLIENT_SOURCE: usize = 40;
/// The method of the request.
pub const METHOD: usize = 41;
/// The name of the log that a line belongs to.
pub const LOGGER: usize = 42;
/// The end of the request, if `ts` is absent. Nothing is added to it.
pub const END: usize = 43;
/// What happened, in words.
pub const EVENT: usize = 44;
/// How bad that is.
pub const LEVEL: usize = 45;
/// The start of the request, if `ts` and its end are absent. The time at the edge is added to it.
pub const START: usize = 61;

/// What few edges log: one look says that a line has none of these. From [`DURATION_MS`] to [`COLLAPSED`].
pub const EXTRAS: std::ops::RangeInclusive<usize> = DURATION_MS..=COLLAPSED;

fields! {
    TS = 0, "ts";
    SERVICE_ID = 1, "service_id";
    POP = 2, "pop";
    DOMAIN = 3, "domain";
    WEIGHT = 4, "weight";
    STATUS = 5, "status";
    EDGE = 6, "edge";
    CACHE = 7, "cache";
    REQ_HEADER_BYTES = 8, "req_header_bytes";
    REQ_BODY_BYTES = 9, "req_body_bytes";
    REQ_BYTES = 10, "req_bytes";
    RESP_HEADER_BYTES = 11, "resp_header_bytes";
    RESP_BODY_BYTES = 12, "resp_body_bytes";
    RESP_BYTES = 13, "resp_bytes";
    PROTO = 14, "proto";
    TLS = 15, "tls";
    COMPUTE = 16, "compute";
    COMPUTE_EXECUTION_TIME_MS = 17, "compute_execution_time_ms";
    COMPUTE_REQUEST_TIME_MS = 18, "compute_request_time_ms";
    ORIGIN = 19, "origin", "name";
    ORIGIN_IP = 20, "origin_ip", "ip";
    ORIGIN_ADDR = 21, "origin_addr", "addr";
    ORIGIN_STATUS = 22, "origin_status", "status";
    BEREQ_HEADER_BYTES = 23, "bereq_header_bytes", "bereq_header_bytes";
    BEREQ_BODY_BYTES = 24, "bereq_body_bytes", "bereq_body_bytes";
    BEREQ_BYTES = 25, "bereq_bytes", "bereq_bytes";
    BERESP_HEADER_BYTES = 26, "beresp_header_bytes", "beresp_header_bytes";
    BERESP_BODY_BYTES = 27, "beresp_body_bytes", "beresp_body_bytes";
    BERESP_BYTES = 28, "beresp_bytes", "beresp_bytes";
    ORIGIN_TTFB_MS = 29, "origin_ttfb_ms", "ttfb_ms";
    ORIGIN_TTFB_S = 30, "origin_ttfb_s", "ttfb_s";
    ORIGIN_IS_SHIELD = 31, "origin_is_shield", "is_shield";
    ORIGINS = 32, "origins";
    DURATION_MS = 33, "duration_ms";
    EDGE_TIME_MS = 35, "edge_time_ms";
    EDGE_TIME_S = 36, "edge_time_s";
    IPV6 = 37, "ipv6";
    RESTARTS = 38, "restarts";
    COLLAPSED = 39, "collapsed";
}

/// What the value of a field is. The decoder reads most values on the spot (see [`crate::decode`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Not used.
    Skipped,
    /// A text, used as it was logged.
    Key,
    /// An integer.
    Integer,
    /// A time in milliseconds, read in nanoseconds.
    Milliseconds,
    /// A time in seconds, read in nanoseconds.
    Seconds,
    /// A time in nanoseconds.
    Nanoseconds,
    /// A keyword (see [`crate::value::keyword`]).
    Keyword,
    /// A point in time, read in Unix seconds.
    Timestamp,
}

/// What values of `slot` are.
pub const fn form(slot: usize) -> Form {
    match slot {
        TS => Form::Timestamp,
        SERVICE_ID | POP | DOMAIN | ORIGIN | ORIGIN_IP | ORIGIN_ADDR | CLIENT_SOURCE | METHOD | LOGGER | END
        | EVENT | LEVEL | START | IPV6 => Form::Key,
        EDGE | CACHE | PROTO | TLS | COMPUTE | ORIGIN_IS_SHIELD | COLLAPSED => Form::Keyword,
        COMPUTE_EXECUTION_TIME_MS | COMPUTE_REQUEST_TIME_MS | ORIGIN_TTFB_MS | DURATION_MS | EDGE_TIME_MS => {
            Form::Milliseconds
        }
        ORIGIN_TTFB_S | EDGE_TIME_S => Form::Seconds,
        DURATION_NS => Form::Nanoseconds,
        WEIGHT
        | STATUS
        | ORIGIN_STATUS
        | RESTARTS
        | REQ_HEADER_BYTES..=RESP_BYTES
        | BEREQ_HEADER_BYTES..=BERESP_BYTES => Form::Integer,
        _ => Form::Skipped,
    }
}
