//! Typed access to the fields of one object.

#![expect(clippy::inline_always, reason = "called twenty times per line, and a call costs more than its result")]

use crate::decode::slots::Slots;
use crate::value::keyword;
use crate::value::number::{Number, number, scale};
use crate::value::timestamp::{Timestamp, timestamp};

/// Longer times than these 292 years are ignored.
const MAX_NANOSECONDS: u64 = 1 << 63;

/// Nanoseconds in a millisecond.
pub const NANOSECONDS_PER_MS: u64 = 1_000_000;

/// Typed access to the fields of one object.
pub trait FieldAccess<'a>: Copy {
    /// The value of `slot` as it was logged; empty if it is absent.
    fn text(self, slot: usize) -> &'a [u8];

    /// Whether `slot` is absent, or an empty string.
    fn is_empty(self, slot: usize) -> bool;

    /// The meaning of the value of `slot`, if it was read on the spot.
    fn value(self, slot: usize) -> Option<u64>;

    /// The number in `slot`.
    #[inline(always)]
    fn number(self, slot: usize) -> Number {
        match self.value(slot) {
            Some(floor) => Number::Value { floor, is_integer: true },
            None => number_slowly(self.text(slot)),
        }
    }

    /// The number in `slot` without its fraction, if there is one.
    #[inline(always)]
    fn integer(self, slot: usize) -> Option<u64> {
        match self.value(slot) {
            None if self.is_empty(slot) => None,
            None => number_slowly(self.text(slot)).floor(),
            value => value,
        }
    }

    /// The meaning of the keyword in `slot` (see [`crate::value::keyword`]).
    #[inline(always)]
    fn keyword(self, slot: usize) -> u8 {
        match self.value(slot) {
            // The meaning of a keyword fits into a byte.
            Some(meaning) => meaning.to_le_bytes()[0],
            None if self.is_empty(slot) => keyword::NONE,
            None => keyword::meaning(slot, self.text(slot)),
        }
    }

    /// The timestamp in `slot`.
    #[inline(always)]
    fn timestamp(self, slot: usize) -> Timestamp {
        match self.value(slot) {
            Some(second) => Timestamp::Second(second),
            None => timestamp(self.text(slot)),
        }
    }

    /// The time in `slot`, in units of ten to the `unit` nanoseconds.
    #[inline(always)]
    fn time(self, slot: usize, unit: u8) -> Option<Nanoseconds> {
        match self.value(slot) {
            Some(floor) => Some(Nanoseconds { floor, has_fraction: false }),
            None if self.is_empty(slot) => None,
            None => Nanoseconds::of(self.text(slot), unit),
        }
    }
}

#[inline(never)]
fn number_slowly(text: &[u8]) -> Number {
    number(text)
}

/// The fields of an object in a block.
#[derive(Clone, Copy)]
pub struct LineFields<'s, 'a> {
    /// Where the values are.
    pub slots: &'s Slots,
    /// The block.
    pub block: &'a [u8],
}

impl<'a> FieldAccess<'a> for LineFields<'_, 'a> {
    #[inline(always)]
    fn text(self, slot: usize) -> &'a [u8] {
        self.slots.text(self.block, slot)
    }

    #[inline(always)]
    fn is_empty(self, slot: usize) -> bool {
        self.slots.is_empty(slot)
    }

    #[inline(always)]
    fn value(self, slot: usize) -> Option<u64> {
        self.slots.value(slot)
    }
}

/// A time, as exact as 64 bits hold it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nanoseconds {
    /// Nanoseconds without a fraction.
    pub floor: u64,
    /// Whether there was a fraction.
    pub has_fraction: bool,
}

impl Nanoseconds {
    /// The time in `text`, in units of ten to the `unit` nanoseconds.
    #[inline(never)]
    pub fn of(text: &[u8], unit: u8) -> Option<Self> {
        match scale(text, i64::from(unit)) {
            Number::Value { floor, is_integer }
                if floor < MAX_NANOSECONDS || (floor == MAX_NANOSECONDS && is_integer) =>
            {
                Some(Self { floor, has_fraction: !is_integer })
            }
            _ => None,
        }
    }

    /// Microseconds without a fraction.
    pub fn microseconds(self) -> u64 {
        self.floor / 1_000
    }

    /// Nanoseconds, rounded up.
    pub fn ceil(self) -> u64 {
        self.floor + u64::from(self.has_fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Decoder;
    use crate::schema::record_fields::{self as field, Form, SLOTS, form};
    use crate::value::keyword::{as_cache_status, as_flag};

    /// Everything that can be read of the fields of a line.
    fn shown(decoder: &Decoder, line: &str) -> Vec<String> {
        let fields = LineFields { slots: &decoder.record, block: line.as_bytes() };
        let all = (0..SLOTS).filter(|slot| *slot != field::SKIP).map(|slot| {
            let text = String::from_utf8_lossy(fields.text(slot)).into_owned();
            let value = match form(slot) {
                Form::Integer => format!("{:?} {:?}", fields.number(slot), fields.integer(slot)),
                Form::Milliseconds => format!("{:?}", fields.time(slot, 6)),
                Form::Seconds => format!("{:?}", fields.time(slot, 9)),
                Form::Nanoseconds => format!("{:?}", fields.time(slot, 0)),
                Form::Keyword => {
                    format!("{:?}", (as_flag(fields.keyword(slot)), as_cache_status(fields.keyword(slot))))
                }
                Form::Timestamp => format!("{:?}", fields.timestamp(slot)),
                Form::Key | Form::Skipped => String::new(),
            };
            format!("{slot} {} {text} {value}", fields.is_empty(slot))
        });
        all.collect()
    }

    const VALUES: [&str; 56] = [
        r#""""#,
        r#""-""#,
        "null",
        r#""null""#,
        "0",
        r#""0""#,
        "7",
        r#""1234567""#,
        r#""12345678""#,
        "12345678901234567",
        "-1",
        r#""-1""#,
        "1.5",
        r#""0.001""#,
        r#""12.3456789""#,
        r#""1234567.""#,
        r#"".5""#,
        r#""1e3""#,
        "1795314035.632",
        "1795314035",
        r#""1795314036.1""#,
        "1795314035632",
        "1795314035.12345678",
        "0.004234589",
        r#""12.345678901""#,
        "12.3456789012",
        r#""123456789.123456789""#,
        "1234567890.5",
        "12345678901234.5",
        r#""123456789012""#,
        "99999999999999",
        "0.12345678",
        "12345678.",
        "772",
        "HIT",
        "false",
        "1",
        r#""772""#,
        "TLSv1.3",
        "true",
        r#""false""#,
        r#""HIT""#,
        r#""HIT\"""#,
        r#""hit""#,
        r#""REVALIDATED""#,
        r#""UPDATING""#,
        r#""TLSv1.3""#,
        r#""HTTP/1.1""#,
        r#""HTTP\/1.1""#,
        r#""h2""#,
        r#"" HIT""#,
        r#""H""#,
        r#""fifteen letters""#,
        r#""sixteen letters.""#,
        r#""a\"b,c}""#,
        r#"{"status":1}"#,
    ];

    proptest::proptest! {
        #[test]
        fn values_are_the_same_however_they_are_decoded(
            slots in proptest::collection::vec(proptest::sample::select(&NAMES[..]), 1..8),
            values in proptest::collection::vec(proptest::collection::vec(0..VALUES.len(), 8), 1..6),
            padding in 0..100_usize,
        ) {
            let mut learned = Decoder::default();
            for values in values {
                let members: Vec<_> =
                    slots.iter().zip(values).map(|(name, value)| format!("\"{name}\":{}", VALUES[value])).collect();
                let line = format!("{{{}}}", members.join(","));
                // The template needs bytes after a value to read it on the spot, even if they are not part of the line.
                let block = format!("{line}\n{}", "\"7".repeat(padding));
                proptest::prop_assert!(learned.decode(block.as_bytes(), 0..line.len()).is_ok(), "{line}");
                let mut fresh = Decoder::default();
                proptest::prop_assert!(fresh.decode(line.as_bytes(), 0..line.len()).is_ok());
                proptest::prop_assert_eq!(shown(&fresh, &line), shown(&learned, &block), "{}", line);
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn empty_values_are_the_same_however_they_are_decoded(
            names in proptest::collection::vec(proptest::sample::select(&NAMES[..]), 3..12),
            lines in proptest::collection::vec(
                (proptest::collection::vec(proptest::sample::select(&SPARSE[..]), 12), 0..4_usize), 1..12
            ),
            padding in 0..200_usize,
        ) {
            let mut learned = Decoder::default();
            for (values, odd) in lines {
                let mut members: Vec<_> =
                    names.iter().zip(values).map(|(name, value)| format!("\"{name}\":{value}")).collect();
                // Members come and go, so that different bytes follow an empty value.
                if odd == 0 {
                    members.remove(0);
                }
                let line = format!("{{{}}}", members.join(","));
                let block = format!("{line}\n{}", ",\"ts\":\"\"".repeat(padding));
                for end in (1..=line.len()).rev().step_by(7) {
                    let mut fresh = Decoder::default();
                    let want = fresh.decode(&line.as_bytes()[..end], 0..end).map_err(|rejection| (rejection.reason, rejection.at));
                    let got = learned.decode(block.as_bytes(), 0..end).map_err(|rejection| (rejection.reason, rejection.at));
                    proptest::prop_assert_eq!(want, got, "{} cut at {}", line, end);
                    if end == line.len() {
                        proptest::prop_assert_eq!(shown(&fresh, &line), shown(&learned, &block), "{}", line);
                    }
                }
            }
        }
    }

    /// Values most of which are empty.
    const SPARSE: [&str; 12] =
        [r#""""#, r#""""#, r#""""#, r#""""#, r#""""#, r#""""#, r#""""#, r#""-""#, "null", r#""7""#, r#""\"""#, "7"];

    const NAMES: [&str; 14] = [
        "ts",
        "domain",
        "service_id",
        "status",
        "cache",
        "proto",
        "tls",
        "edge",
        "weight",
        "resp_bytes",
        "origin_ttfb_s",
        "duration_ms",
        "origin_addr",
        "url",
    ];
}
