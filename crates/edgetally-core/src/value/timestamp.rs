//! Timestamps: the second in which a request ended, in any of the ways to write it.

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
/// ISO 8601, the time of the common log format, or that of HTTP and mail headers.
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
        Number::Value { floor, .. } => Timestamp::Second(whole_seconds(floor)),
        Number::Huge => Timestamp::Junk,
        Number::Junk => date(text).map_or(Timestamp::Junk, |(second, _)| Timestamp::Second(second)),
    }
}

/// The second and its nanoseconds of a date that does not start like RFC 3339.
#[cold]
fn date(text: &[u8]) -> Option<(u64, u64)> {
    basic(text).or_else(|| common_log(text)).or_else(|| header_date(text))
}

/// The second in which a request ended that started at `text`, which lies in `second`, and took `nanoseconds`.
pub fn end(second: u64, text: &[u8], nanoseconds: u64) -> u64 {
    second.saturating_add((fraction(text) + nanoseconds) / SECOND)
}

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// The nanoseconds of the timestamp `text` within its second.
fn fraction(text: &[u8]) -> u64 {
    let date = if is_date(text) { rfc3339(text) } else { None };
    if let Some((_, nanoseconds)) = date.or_else(|| if number(text) == Number::Junk { self::date(text) } else { None })
    {
        return nanoseconds;
    }
    let whole = number(text).floor().unwrap_or_default();
    let nanoseconds = SECOND / unit(whole);
    let below_unit = scale(text, i64::from(nanoseconds.ilog10())).floor().map_or(0, |all| all % nanoseconds);
    // Beyond the year 2554 nanoseconds do not fit. No clock is that exact and that wrong.
    whole % unit(whole) * nanoseconds + below_unit
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

/// RFC 3339: `2026-11-22T02:51:07.763Z`, with an offset instead of `Z`, a blank instead of `T`, a comma before the fraction, or
/// without seconds, as ISO 8601 has them.
fn rfc3339(text: &[u8]) -> Option<(u64, u64)> {
    let (stamp, rest) = text.split_first_chunk::<16>()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T' | b't' | b' ', h1, h2, b':', n1, n2] = stamp else {
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

/// The common log format: `22/Nov/2026:04:41:06 +0000`, perhaps with a fraction, perhaps between brackets.
fn common_log(text: &[u8]) -> Option<(u64, u64)> {
    let text = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]")).unwrap_or(text);
    let (stamp, rest) = text.split_first_chunk::<20>()?;
    let [d1, d2, b'/', _, _, _, b'/', y1, y2, y3, y4, b':', h1, h2, b':', n1, n2, b':', s1, s2] = stamp else {
        return None;
    };
    let date = (year([*y1, *y2, *y3, *y4])?, month(&stamp[3..])?, two([*d1, *d2])?);
    let (nanoseconds, rest) = nanoseconds(rest)?;
    let time = (two([*h1, *h2])?, two([*n1, *n2])?, two([*s1, *s2])?);
    Some((unix(date, time, offset(rest)?)?, nanoseconds))
}

/// The date of a header of HTTP or a mail: `Sun, 22 Nov 2026 04:41:06 GMT`, with an offset instead of `GMT`.
fn header_date(text: &[u8]) -> Option<(u64, u64)> {
    let (stamp, rest) = text.split_first_chunk::<25>()?;
    let [_, _, _, b',', b' ', d1, d2, b' ', _, _, _, b' ', y1, y2, y3, y4, b' ', h1, h2, b':', n1, n2, b':', s1, s2] =
        stamp
    else {
        return None;
    };
    let date = (year([*y1, *y2, *y3, *y4])?, month(&stamp[8..])?, two([*d1, *d2])?);
    Some((unix(date, (two([*h1, *h2])?, two([*n1, *n2])?, two([*s1, *s2])?), offset(rest)?)?, 0))
}

/// The nanoseconds of the fraction that `text` may start with, and what follows; nothing if there is no digit behind its point.
fn nanoseconds(text: &[u8]) -> Option<(u64, &[u8])> {
    let [b'.' | b',', fraction @ ..] = text else { return Some((0, text)) };
    let len = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let read = |(sum, unit): (u64, u64), byte: &u8| (sum + u64::from(byte - b'0') * unit, unit / 10);
    let (nanoseconds, _) = fraction[..len].iter().fold((0, SECOND / 10), read);
    (len > 0).then(|| (nanoseconds, &fraction[len..]))
}

/// The number of the month whose name `text` starts with.
fn month(text: &[u8]) -> Option<i64> {
    (1..).zip(MONTHS).find(|(_, name)| text.starts_with(&name[..])).map(|(number, _)| number)
}

/// The number of four digits.
fn year([y1, y2, y3, y4]: [u8; 4]) -> Option<i64> {
    Some(two([y1, y2])? * 100 + two([y3, y4])?)
}

/// The names of the months, as logs abbreviate them.
pub const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// The Unix time of a date (year, month, day) and a time of day at an offset from UTC; nothing if there is no such time.
fn unix((year, month, day): (i64, i64, i64), (hour, minute, second): (i64, i64, i64), offset: i64) -> Option<u64> {
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    u64::try_from(seconds).ok()
}

/// The offset from UTC in seconds, perhaps behind a blank: `Z`, `UTC`, `GMT`, `+hh:mm`, `+hhmm` or `+hh`.
fn offset(text: &[u8]) -> Option<i64> {
    let text = without_zone_name(text.strip_prefix(b" ").unwrap_or(text));
    let (sign, h1, h2, m1, m2) = match text {
        [b'Z' | b'z'] | b"UTC" | b"GMT" => return Some(0),
        [sign, h1, h2, b':', m1, m2] | [sign, h1, h2, m1, m2] => (sign, h1, h2, m1, m2),
        [sign, h1, h2] => (sign, h1, h2, &b'0', &b'0'),
        _ => return None,
    };
    let (hours, minutes) = (two([*h1, *h2])?, two([*m1, *m2])?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = hours * 3_600 + minutes * 60;
    match sign {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

/// An offset without the name that Go or Java write behind it: `+0100 CET`, `+01:00[Europe/Berlin]`.
fn without_zone_name(text: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b' ', b'[', text).unwrap_or(text.len());
    match &text[end..] {
        [b' ', name @ ..] if end > 1 && name.iter().all(u8::is_ascii_uppercase) => &text[..end],
        [b'[', .., b']'] => &text[..end],
        _ => text,
    }
}

/// The number of two digits.
fn two([tens, ones]: [u8; 2]) -> Option<i64> {
    let is_number = tens.is_ascii_digit() && ones.is_ascii_digit();
    is_number.then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar: whole years, then whole months, then days.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let before = |year: i64| {
        let past = year - 1;
        past * 365 + past / 4 - past / 100 + past / 400
    };
    before(year) - before(1970) + (1..month).map(|month| days_in(year, month)).sum::<i64>() + day - 1
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
