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

/// Reads Unix time in seconds, milliseconds, microseconds or nanoseconds (by its magnitude), or RFC 3339.
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
        return rfc3339(text).map_or(Timestamp::Junk, Timestamp::Second);
    }
    match number(text) {
        Number::Absent | Number::Negative => Timestamp::Absent,
        Number::Value { floor, .. } => Timestamp::Second(whole_seconds(floor)),
        Number::Huge | Number::Junk => Timestamp::Junk,
    }
}

/// The second in which a request ended that started at `text`, which lies in `second`, and took `nanoseconds`.
pub fn end(second: u64, text: &[u8], nanoseconds: u64) -> u64 {
    second.saturating_add((fraction(text) + nanoseconds) / SECOND)
}

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// The nanoseconds of the timestamp `text` within its second.
fn fraction(text: &[u8]) -> u64 {
    if is_date(text) {
        let Some([b'.', digits @ ..]) = text.get(19..) else {
            return 0;
        };
        let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
        let read = |(sum, unit): (u64, u64), byte: &u8| (sum + u64::from(byte - b'0') * unit, unit / 10);
        return digits.fold((0, SECOND / 10), read).0;
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

/// RFC 3339: `2026-11-22T02:51:07.763Z`, with an offset instead of `Z`, or a blank instead of `T`.
fn rfc3339(text: &[u8]) -> Option<u64> {
    let (stamp, rest) = text.split_at_checked(19)?;
    let digits = |at: usize, len: usize| {
        let part = &stamp[at..at + len];
        part.iter().all(u8::is_ascii_digit).then(|| part.iter().fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0')))
    };
    let separators = [stamp[4], stamp[7], stamp[13], stamp[16]];
    if separators != *b"--::" || !matches!(stamp[10], b'T' | b't' | b' ') {
        return None;
    }
    let (year, month, day) = (digits(0, 4)?, digits(5, 2)?, digits(8, 2)?);
    let (hour, minute, second) = (digits(11, 2)?, digits(14, 2)?, digits(17, 2)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let rest = match rest {
        [b'.', fraction @ ..] => {
            let len = fraction.iter().position(|byte| !byte.is_ascii_digit())?;
            if len == 0 {
                return None;
            }
            &fraction[len..]
        }
        rest => rest,
    };
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset(rest)?;
    u64::try_from(seconds).ok()
}

/// The offset from UTC in seconds: `Z` or `+hh:mm`.
fn offset(text: &[u8]) -> Option<i64> {
    match text {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] if [h1, h2, m1, m2].iter().all(|byte| byte.is_ascii_digit()) => {
            let two = |a: &u8, b: &u8| i64::from(a - b'0') * 10 + i64::from(b - b'0');
            let (hours, minutes) = (two(h1, h2), two(m1, m2));
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3_600 + minutes * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
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
            ("now", Timestamp::Junk),
        ];
        for (text, want) in cases {
            assert_eq!(*want, timestamp(text.as_bytes()), "{text}");
        }
    }
}
