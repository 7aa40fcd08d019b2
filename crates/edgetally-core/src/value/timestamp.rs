//! Timestamps: the second in which a request ended, in any of the ways to write it.

use crate::value::date::{SECOND, nanoseconds, offset, spelled, two, unix, year};
use crate::value::number::{Number, number, scale};

/// The value of a field for timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timestamp {
    /// The text is empty: the time of arrival counts.
    Absent,
    /// A Unix time in whole seconds.
    Second(u64),
    /// Not a time.
    Junk,
}

/// Reads Unix time in seconds, milliseconds, microseconds or nanoseconds (by its magnitude), RFC 3339 and its neighbors in
/// ISO 8601, the time of the common log format, that of HTTP and mail headers, or of `date`. A date needs an offset from UTC: it
/// is not guessed.
#[inline]
pub fn timestamp(text: &[u8]) -> Timestamp {
    // Nearly every edge writes ten digits and a fraction.
    if let Some((seconds, [b'.', fraction @ ..])) = text.split_at_checked(10)
        && !fraction.is_empty()
        && fraction.iter().all(u8::is_ascii_digit)
        && let Number::Value { floor, .. } = number(seconds)
    {
        return Timestamp::Second(floor);
    }
    if is_date(text) {
        return rfc3339(text).map_or(Timestamp::Junk, |(second, _)| Timestamp::Second(second));
    }
    match number(text) {
        Number::Absent | Number::Negative => Timestamp::Absent,
        // A date without punctuation has no offset either: `20261122044106`.
        Number::Value { floor: 20_000_000_000_000..21_000_000_000_000, .. } if text.len() == 14 => Timestamp::Junk,
        Number::Value { floor, .. } => Timestamp::Second(whole_seconds(floor)),
        Number::Huge => Timestamp::Junk,
        Number::Junk => date(text).map_or(Timestamp::Junk, |(second, _)| Timestamp::Second(second)),
    }
}

/// The second and its nanoseconds of a date that does not start like RFC 3339.
#[cold]
fn date(text: &[u8]) -> Option<(u64, u64)> {
    basic(text).or_else(|| spelled(text)).or_else(|| slashed(text)).or_else(|| with_comma(text))
}

/// RFC 3339 with slashes: `2026/11/22 04:41:06 +0000`.
fn slashed(text: &[u8]) -> Option<(u64, u64)> {
    let mut text = text.to_vec();
    for at in [4, 7] {
        (*text.get(at)? == b'/').then(|| text[at] = b'-')?;
    }
    rfc3339(&text)
}

/// Unix time with a comma before its fraction: `1795322466,907`.
fn with_comma(text: &[u8]) -> Option<(u64, u64)> {
    let (seconds, fraction) = text.split_at_checked(10)?;
    let (nanoseconds, []) = nanoseconds(fraction)? else { return None };
    let is_plain = seconds.iter().all(u8::is_ascii_digit);
    is_plain.then(|| Some((number(seconds).floor()?, nanoseconds))).flatten()
}

/// Whether `text` is a date that lacks only its offset from UTC.
#[must_use]
pub fn lacks_offset(text: &[u8]) -> bool {
    let with_offset = |offset: &[u8]| matches!(timestamp(&[text, offset].concat()), Timestamp::Second(_));
    // That of `date` stands before its year.
    let is_date = text.iter().any(|byte| matches!(byte, b'-' | b'/' | b':'));
    let in_the_middle = || {
        let (before, year) = text.split_at(text.len().saturating_sub(5));
        matches!(timestamp(&[before, b" UTC", year].concat()), Timestamp::Second(_))
    };
    is_date && timestamp(text) == Timestamp::Junk && (with_offset(b"Z") || in_the_middle())
}

/// The second in which a request ended that started at `text`, which lies in `second`, and took `nanoseconds`.
pub fn end(second: u64, text: &[u8], nanoseconds: u64) -> u64 {
    second.saturating_add((fraction(text) + nanoseconds) / SECOND)
}

/// The nanoseconds of the timestamp `text` within its second.
fn fraction(text: &[u8]) -> u64 {
    if is_date(text) {
        return fraction_of_date(text);
    }
    if number(text) == Number::Junk
        && let Some((_, nanoseconds)) = date(text)
    {
        return nanoseconds;
    }
    let whole = number(text).floor().unwrap_or_default();
    let nanoseconds = SECOND / unit(whole);
    let below_unit = scale(text, i64::from(nanoseconds.ilog10())).floor().map_or(0, |all| all % nanoseconds);
    // Beyond the year 2554 nanoseconds do not fit. No clock is that exact and that wrong.
    whole % unit(whole) * nanoseconds + below_unit
}

/// The same if it is written like RFC 3339.
fn fraction_of_date(text: &[u8]) -> u64 {
    let after_seconds =
        text.get(16..).map_or(&[][..], |rest| if let [b':', _, _, rest @ ..] = rest { rest } else { rest });
    nanoseconds(after_seconds).map_or(0, |(nanoseconds, _)| nanoseconds)
}

/// Whether the timestamp `text` is a date: no number has a dash there.
#[inline]
fn is_date(text: &[u8]) -> bool {
    matches!(text, [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-', ..])
}

#[inline]
fn whole_seconds(value: u64) -> u64 {
    value / unit(value)
}

/// How many of the unit in which `value` counts make a second.
#[inline]
fn unit(value: u64) -> u64 {
    // Seconds reach this far in the year 5138, milliseconds and microseconds just as far.
    const FAR: u64 = 100_000_000_000;
    [1, 1_000, 1_000_000].into_iter().find(|unit| value < FAR * unit).unwrap_or(SECOND)
}

/// RFC 3339: `2026-11-22T02:51:07.763Z`, with an offset instead of `Z`, a blank or `_` instead of `T`, a comma before the fraction, or
/// without seconds, as ISO 8601 has them.
fn rfc3339(text: &[u8]) -> Option<(u64, u64)> {
    let (stamp, rest) = text.split_first_chunk::<16>()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T' | b't' | b' ' | b'_', h1, h2, b':', n1, n2] = stamp else {
        return None;
    };
    let date = (year([*y1, *y2, *y3, *y4])?, two([*m1, *m2])?, two([*d1, *d2])?);
    let (second, rest) = match rest {
        [b':', s1, s2, rest @ ..] => (two([*s1, *s2])?, rest),
        [b'.' | b',', ..] => return None,
        rest => (0, rest),
    };
    let (nanoseconds, rest) = nanoseconds(rest)?;
    Some((unix(date, (two([*h1, *h2])?, two([*n1, *n2])?, second), offset(rest)?)?, nanoseconds))
}

/// The basic format of ISO 8601: `20261122T024107Z`.
fn basic(text: &[u8]) -> Option<(u64, u64)> {
    let (stamp, rest) = text.split_first_chunk::<15>()?;
    let [y1, y2, y3, y4, m1, m2, d1, d2, b'T' | b't', h1, h2, n1, n2, s1, s2] = stamp else {
        return None;
    };
    let date = (year([*y1, *y2, *y3, *y4])?, two([*m1, *m2])?, two([*d1, *d2])?);
    let (nanoseconds, rest) = nanoseconds(rest)?;
    let time = (two([*h1, *h2])?, two([*n1, *n2])?, two([*s1, *s2])?);
    Some((unix(date, time, offset(rest)?)?, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_added_to_the_start() {
        let cases: &[(&str, u64, u64)] = &[
            ("1795314035", 999_999_999, 0),
            ("1795314035.632", 367_999_999, 0),
            ("1795314035.632", 368_000_000, 1),
            ("1795314035632", 1_368_000_000, 2),
            ("1795314035632123", 367_877_000, 1),
            ("1795314035632123456", 367_876_543, 0),
            ("1795314035632123456", 367_876_544, 1),
            ("2026-11-22T02:20:35.632Z", 368_000_000, 1),
            ("2026-11-22T02:20:35.63200000001+00:00", 367_999_999, 0),
            ("2026-11-22T02:20:35,632Z", 368_000_000, 1),
            ("20261122T022035.632Z", 367_999_999, 0),
            ("20261122T022035.632Z", 368_000_000, 1),
            ("22/Nov/2026:02:20:35.632 +0000", 368_000_000, 1),
            ("2026-11-22T02:20Z", 999_999_999, 0),
            ("2026-11-22T02:20:35Z", 1_000_000_000, 1),
            ("2026-11-22T02:20:35-09:30", 999_999_999, 0),
        ];
        for (text, took, later) in cases {
            let Timestamp::Second(second) = timestamp(text.as_bytes()) else { panic!("{text}") };
            assert_eq!(second + later, end(second, text.as_bytes(), *took), "{text} + {took}");
        }
    }

    #[test]
    fn a_date_that_lacks_its_offset_is_known() {
        let dates = [
            "2026-11-22T02:20:35",
            "2026/11/22 02:20:35.907",
            "22/Nov/2026:02:20:35",
            "Sun, 22 Nov 2026 02:20:35",
            "Sun Nov 22 02:20:35 2026",
        ];
        for text in dates {
            assert!(lacks_offset(text.as_bytes()), "{text}");
        }
        for text in ["", "now", "1795314035", "2026-11-22", "2026-11-22T02:20:35Z", "2026-11-22T02:20:99", "-", "2026"]
        {
            assert!(!lacks_offset(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn times_are_read_in_every_unit() {
        let at = Timestamp::Second(1_795_314_035);
        let cases: &[(&str, Timestamp)] = &[
            ("1795314035", at),
            ("1795314035.632", at),
            ("1795314035632", at),
            ("1795314035632123", at),
            ("1795314035632123456", at),
            ("1.795314035e9", at),
            ("123e-5", Timestamp::Second(0)),
            ("2026-11-22T02:20:35Z", at),
            ("2026-11-22T02:20:35.76349387Z", at),
            ("2026-11-22t03:20:35+01:00", at),
            ("2026-11-21 21:20:35-05:00", at),
            ("2026-11-22T03:20:35.632+0100", at),
            ("2026-11-22T01:20:35-01", at),
            ("2026-11-22 03:20:35.632 +0100", at),
            ("2026-11-22 02:20:35 Z", at),
            ("22/Nov/2026:02:20:35 +0000", at),
            ("[22/Nov/2026:03:20:35 +0100]", at),
            ("2026-11-22T02:20:35,632Z", at),
            ("2026-11-22 02:20:35 UTC", at),
            ("Sun, 22 Nov 2026 02:20:35 GMT", at),
            ("Sun, 22 Nov 2026 03:20:35 +0100", at),
            ("2026-11-22T02:20Z", Timestamp::Second(1_795_314_000)),
            ("2026-11-22 03:20+01:00", Timestamp::Second(1_795_314_000)),
            ("20261122T022035Z", at),
            ("2026-11-22 03:20:35.632 +0100 CET", at),
            ("2026-11-22T03:20:35+01:00[Europe/Berlin]", at),
            ("20261122T032035.907+0100", at),
            ("22/Nov/2026:02:20:35.123 +0000", at),
            ("[22/Nov/2026:03:20:35,123 +0100]", at),
            ("2000-02-29T00:00:00Z", Timestamp::Second(951_782_400)),
            ("", Timestamp::Absent),
            ("-1", Timestamp::Absent),
            ("2026-02-29T00:00:00Z", Timestamp::Junk),
            ("2026-11-22T02:20:35", Timestamp::Junk),
            ("2026-11-22_02:20:35Z", at),
            ("2026/11/22 02:20:35 +0000", at),
            ("2026/11/22T02:20:35.907Z", at),
            ("2026-11-22 02:20:35.763 +0000 UTC m=+0.000001", at),
            ("1795314035,632", at),
            ("2026/11/22 02:20:35", Timestamp::Junk),
            ("2026/11-22 02:20:35Z", Timestamp::Junk),
            ("20261122022035", Timestamp::Junk),
            ("179531403,632", Timestamp::Junk),
            ("1795314035,", Timestamp::Junk),
            ("1795314035,6x", Timestamp::Junk),
            ("2026-11-22T02:20:35.Z", Timestamp::Junk),
            ("1969-12-31T23:59:59Z", Timestamp::Junk),
            ("60000-01-01T00:00:00Z", Timestamp::Junk),
            ("99999999999999999999999", Timestamp::Junk),
            ("1795314035.63x", Timestamp::Junk),
            ("2026-11-22T02:20:35+010", Timestamp::Junk),
            ("2026-11-22T02:20:35+2400", Timestamp::Junk),
            ("2026-11-22T02:20:35  +0100", Timestamp::Junk),
            ("2026-11-22T02:20:35x01:00", Timestamp::Junk),
            ("22/Nov/2026:02:20:35", Timestamp::Junk),
            ("22/Nov/2026:02:20:35.123", Timestamp::Junk),
            ("22/Nov/2026:02:20:35. +0000", Timestamp::Junk),
            ("20261122T0220Z", Timestamp::Junk),
            ("20261322T022035Z", Timestamp::Junk),
            ("2026-11-22T02Z", Timestamp::Junk),
            ("2026-11-22T02:20.5Z", Timestamp::Junk),
            ("22/nov/2026:02:20:35 +0000", Timestamp::Junk),
            ("31/Nov/2026:02:20:35 +0000", Timestamp::Junk),
            ("[22/Nov/2026:02:20:35 +0000", Timestamp::Junk),
            ("Sun, 22 Nov 2026 02:20:35", Timestamp::Junk),
            ("Sun, 31 Nov 2026 02:20:35 GMT", Timestamp::Junk),
            ("2026-11-22T02:20:35,Z", Timestamp::Junk),
            ("now", Timestamp::Junk),
        ];
        for (text, want) in cases {
            assert_eq!(*want, timestamp(text.as_bytes()), "{text}");
        }
    }
}
