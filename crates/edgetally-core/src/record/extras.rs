//! What few edges log of a client part: one look says that a line has none of it.

use crate::decode::slots::Slots;
use crate::record::field_access::{FieldAccess, LineFields, Nanoseconds};
use crate::schema::record_fields as field;
use crate::value::keyword::as_flag;
use crate::value::number::flag;

/// What few edges log of a client part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extras {
    /// How long the edge took, in microseconds, if it is known.
    pub edge_time_us: Option<u64>,
    /// Whether the client came over IPv6.
    pub is_ipv6: bool,
    /// How often the request was restarted.
    pub restarts: u64,
    /// Whether it waited for the fetch of another request: then, whether the response of that could be used.
    pub collapsed: Option<bool>,
}

/// The extras of a line in `block` with these slots, if it has any.
#[inline]
pub fn extras(slots: &Slots, block: &[u8]) -> Option<Extras> {
    if slots.are_empty(field::EXTRAS) { None } else { Some(present_extras(LineFields { slots, block })) }
}

#[inline(never)]
fn present_extras(fields: LineFields<'_, '_>) -> Extras {
    let times = [(field::EDGE_TIME_MS, 6), (field::EDGE_TIME_S, 9), (field::DURATION_MS, 6), (field::DURATION_NS, 0)];
    let time = times.into_iter().find_map(|(slot, unit)| fields.time(slot, unit));
    Extras {
        edge_time_us: time.map(Nanoseconds::microseconds),
        is_ipv6: is_ipv6(fields.text(field::IPV6)),
        restarts: fields.integer(field::RESTARTS).unwrap_or(0),
        collapsed: as_flag(fields.keyword(field::COLLAPSED)),
    }
}

/// Whether `text` says so, or is an address of IPv6. One of IPv4 has a point, in the notation of IPv6 too.
fn is_ipv6(text: &[u8]) -> bool {
    // Nearly every text is an address, and none of the words has a point.
    if text.contains(&b'.') {
        return false;
    }
    memchr::memchr_iter(b':', text).count() > 1 || flag(text) == Some(true) || text.eq_ignore_ascii_case(b"ipv6")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_is_said_in_several_ways() {
        for text in ["1", "true", "TRUE", "IPv6", "2001:db8::1", "[2001:db8::1]:443", "::1"] {
            assert!(is_ipv6(text.as_bytes()), "{text}");
        }
        for text in ["", "0", "false", "IPv4", "192.0.2.1", "192.0.2.1:443", "::ffff:192.0.2.1", "localhost:80", "2"] {
            assert!(!is_ipv6(text.as_bytes()), "{text}");
        }
    }
}
