//! Dates: their parts, and those that spell their month, as the common log format, headers of HTTP and mails, and `date` do.

/// Nanoseconds in a second.
pub(super) const SECOND: u64 = 1_000_000_000;

/// The names of the months, as logs abbreviate them.
pub const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// The second and its nanoseconds of a date that spells its month.
pub fn spelled(text: &[u8]) -> Option<(u64, u64)> {
    common_log(text).or_else(|| header_date(text)).or_else(|| ctime(text))
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

/// The date of a header of HTTP or a mail: `Sun, 22 Nov 2026 04:41:06 GMT`, `Sunday, 22-Nov-26 04:41:06 GMT`, with an offset
/// instead of `GMT`, or without the day of the week.
fn header_date(text: &[u8]) -> Option<(u64, u64)> {
    let comma = memchr::memchr(b',', &text[..text.len().min(WEEKDAY + 1)]);
    let text = comma.map_or(Some(text), |comma| text[comma + 1..].strip_prefix(b" "))?;
    let (stamp, rest) = text.split_first_chunk::<7>()?;
    let [d1, d2, before @ (b' ' | b'-'), _, _, _, behind] = stamp else { return None };
    if before != behind {
        return None;
    }
    let (year, rest) = match rest {
        [y1, y2, b' ', rest @ ..] => (2000 + two([*y1, *y2])?, rest),
        [y1, y2, y3, y4, b' ', rest @ ..] => (year([*y1, *y2, *y3, *y4])?, rest),
        _ => return None,
    };
    let (time, rest) = clock(rest)?;
    let (nanoseconds, rest) = nanoseconds(rest)?;
    Some((unix((year, month(&stamp[3..])?, two([*d1, *d2])?), time, offset(rest)?)?, nanoseconds))
}

/// The most letters of the day of a week.
const WEEKDAY: usize = 9;

/// What `date` writes: `Sun Nov 22 04:41:06 UTC 2026`.
fn ctime(text: &[u8]) -> Option<(u64, u64)> {
    let (stamp, rest) = text.split_first_chunk::<11>()?;
    let [_, _, _, b' ', _, _, _, b' ', d1, d2, b' '] = stamp else { return None };
    let (time, rest) = clock(rest)?;
    let (nanoseconds, rest) = nanoseconds(rest)?;
    let (zone, [b' ', y1, y2, y3, y4]) = rest.split_last_chunk::<5>()? else { return None };
    let day = two([if *d1 == b' ' { b'0' } else { *d1 }, *d2])?;
    let date = (year([*y1, *y2, *y3, *y4])?, month(&stamp[4..])?, day);
    Some((unix(date, time, offset(zone)?)?, nanoseconds))
}

/// Hour, minute and second.
type Clock = (i64, i64, i64);

/// The time of day `04:41:06`, and what follows.
fn clock(text: &[u8]) -> Option<(Clock, &[u8])> {
    let ([h1, h2, b':', n1, n2, b':', s1, s2], rest) = text.split_first_chunk::<8>()? else { return None };
    Some(((two([*h1, *h2])?, two([*n1, *n2])?, two([*s1, *s2])?), rest))
}

/// The number of the month whose name `text` starts with.
fn month(text: &[u8]) -> Option<i64> {
    (1..).zip(MONTHS).find(|(_, name)| text.starts_with(&name[..])).map(|(number, _)| number)
}

/// The nanoseconds of the fraction that `text` may start with, and what follows; nothing if there is no digit behind its point.
pub(super) fn nanoseconds(text: &[u8]) -> Option<(u64, &[u8])> {
    let [b'.' | b',', fraction @ ..] = text else { return Some((0, text)) };
    let (mut nanoseconds, mut len) = (0, 0);
    while let Some(digit @ b'0'..=b'9') = fraction.get(len) {
        // Digits beyond the ninth are less than a nanosecond.
        if len < UNITS.len() {
            nanoseconds = nanoseconds * 10 + u64::from(digit - b'0');
        }
        len += 1;
    }
    let unit = UNITS[len.checked_sub(1)?.min(UNITS.len() - 1)];
    Some((nanoseconds * unit, &fraction[len..]))
}

/// The nanoseconds of the last of one digit behind the point, of two, and so on.
const UNITS: [u64; 9] = [100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

/// The number of four digits.
pub(super) fn year([y1, y2, y3, y4]: [u8; 4]) -> Option<i64> {
    Some(two([y1, y2])? * 100 + two([y3, y4])?)
}

/// The Unix time of a date (year, month, day) and a time of day at an offset from UTC; nothing if there is no such time.
pub(super) fn unix(
    (year, month, day): (i64, i64, i64),
    (hour, minute, second): (i64, i64, i64),
    offset: i64,
) -> Option<u64> {
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    u64::try_from(seconds).ok()
}

/// The offset from UTC in seconds, perhaps behind a blank: `Z`, `UTC`, `GMT`, `+hh:mm`, `+hhmm` or `+hh`.
pub(super) fn offset(text: &[u8]) -> Option<i64> {
    if let [b'Z' | b'z'] = text {
        return Some(0);
    }
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

/// An offset without the name that Go or Java write behind it: `+0100 CET`, `+01:00[Europe/Berlin]`, `+0000 UTC m=+0.1`.
fn without_zone_name(text: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b' ', b'[', text).unwrap_or(text.len());
    let rest = &text[end..];
    match &rest[..memchr::memmem::find(rest, b" m=").unwrap_or(rest.len())] {
        [b' ', name @ ..] if end > 1 && name.iter().all(u8::is_ascii_uppercase) => &text[..end],
        [b'[', .., b']'] => &text[..end],
        _ => text,
    }
}

/// The number of two digits.
pub(super) fn two([tens, ones]: [u8; 2]) -> Option<i64> {
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
    fn dates_that_spell_their_month_are_read() {
        let texts = [
            "22/Nov/2026:02:20:35 +0000",
            "Sun, 22 Nov 2026 02:20:35 GMT",
            "Sun, 22-Nov-2026 02:20:35 GMT",
            "Sunday, 22-Nov-26 02:20:35 GMT",
            "Wednesday, 22-Nov-26 02:20:35 GMT",
            "22 Nov 2026 03:20:35 +0100",
            "Sun Nov 22 02:20:35 UTC 2026",
            "Sun Nov 22 03:20:35.907 +0100 2026",
        ];
        for text in texts {
            assert_eq!(Some(1_795_314_035), spelled(text.as_bytes()).map(|(second, _)| second), "{text}");
        }
        assert_eq!(Some((1_793_586_035, 500_000_000)), spelled(b"Mon Nov  2 02:20:35.5 UTC 2026"));
        let others = [
            "",
            "Sun Nov 22 02:20:35 2026",
            "Sun Nov 22 02:20:35 CET 2026",
            "Sun, 22 Nov-2026 02:20:35 GMT",
            "Sun, 22 Nov 226 02:20:35 GMT",
            "Sun, 22 nov 2026 02:20:35 GMT",
            "A long word, 22 Nov 2026 02:20:35 GMT",
            "31 Nov 2026 02:20:35 GMT",
        ];
        for text in others {
            assert_eq!(None, spelled(text.as_bytes()), "{text}");
        }
    }
}
