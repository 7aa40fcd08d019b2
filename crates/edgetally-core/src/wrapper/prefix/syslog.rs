//! Syslog headers: of RFC 5424 and RFC 3164, whole or in part, and as journalctl shows them.

use crate::decode::brackets;
use crate::value::date::MONTHS;
use crate::value::text::{is_blank, trim};
use crate::wrapper::prefix::found::{Found, Prefix};
use crate::wrapper::prefix::token::{DATE, MAX_DIGITS, MAX_NAME, fraction_len, is_date, token};
use crate::wrapper::time_memo::TimeMemo;

/// A syslog message behind the count of its octets (RFC 6587), in what was saved from TCP: `83 <134>`.
pub fn counted(line: &[u8], times: &mut TimeMemo) -> Option<Found> {
    let at = line.iter().take(MAX_DIGITS).take_while(|byte| byte.is_ascii_digit()).count() + 1;
    let found = line
        .get(at)
        .filter(|byte| **byte == b'<' && line[at - 1] == b' ')
        .and_then(|_| priority(&line[at..], times))?;
    Some(Found { end: at + found.end, ..found })
}

/// A syslog message with its priority: `<134>`.
pub fn priority(line: &[u8], times: &mut TimeMemo) -> Option<Found> {
    let digits = line[1..].iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=3).contains(&digits) || line.get(1 + digits) != Some(&b'>') {
        return None;
    }
    let start = digits + 2;
    match &line[start..] {
        [b'1'..=b'9', b' ', ..] => return structured(line, start + 2, times),
        [b'0'..=b'9', ..] if let Some(found) = dated(line, start, times) => return Some(found),
        _ => {}
    }
    month(line, start).or_else(|| Some(Found { prefix: Prefix::Syslog, end: message(line, start), second: None }))
}

/// RFC 5424 behind the version: five fields, structured data, and a message that may begin with a byte order mark.
fn structured(line: &[u8], start: usize, times: &mut TimeMemo) -> Option<Found> {
    let time = token(line, start)?;
    let mut at = start + time.len() + 1;
    for _ in 1..5 {
        at += token(line, at)?.len() + 1;
    }
    at = match line.get(at)? {
        b'-' => at + 1,
        b'[' => structured_data(line, at)?,
        // A sender that leaves it out.
        _ => at,
    };
    at += line[at..].iter().take_while(|byte| is_blank(**byte)).count();
    Some(Found { prefix: Prefix::Syslog, end: at, second: times.second_of_date(time) })
}

/// The end of `[id name="value" …][…]`, in whose values brackets and quotes stand behind a backslash.
fn structured_data(line: &[u8], mut at: usize) -> Option<usize> {
    while line.get(at) == Some(&b'[') {
        let mut is_quoted = false;
        loop {
            at += 1;
            match line.get(at)? {
                b'\\' if is_quoted => at += 1,
                b'"' => is_quoted = !is_quoted,
                b']' if !is_quoted => break,
                _ => {}
            }
        }
        at += 1;
    }
    Some(at)
}

/// The header of RFC 3164 with a whole date: `2026-11-22T04:41:06Z host tag[pid]: `.
fn dated(line: &[u8], start: usize, times: &mut TimeMemo) -> Option<Found> {
    let time = token(line, start)?;
    let second = Some(times.second_of_date(time)?);
    Some(Found { prefix: Prefix::Syslog, end: message(line, start + time.len() + 1), second })
}

/// RFC 3164 from its time on: `Nov 22 04:41:06 host tag[pid]: `, perhaps with a fraction of the second.
pub fn month(line: &[u8], start: usize) -> Option<Found> {
    let (stamp, behind) = line[start..].split_first_chunk::<15>()?;
    let [_, _, _, b' ', day, b'0'..=b'9', b' ', h1, h2, b':', m1, m2, b':', s1, s2] = stamp else {
        return None;
    };
    let has_month = MONTHS.iter().any(|month| stamp.starts_with(&month[..]));
    let has_digits = [h1, h2, m1, m2, s1, s2].iter().all(|byte| byte.is_ascii_digit());
    let fraction = fraction_len(behind);
    if !has_month || !has_digits || !matches!(day, b' ' | b'0'..=b'9') || behind.get(fraction) != Some(&b' ') {
        return None;
    }
    Some(Found { prefix: Prefix::Syslog, end: message(line, start + 16 + fraction), second: None })
}

/// `journalctl -o short-full`: `Sun 2026-11-22 04:41:06 UTC host tag[pid]: `.
pub fn weekday(line: &[u8], times: &mut TimeMemo) -> Option<Found> {
    let date = line.get(4..4 + DATE).filter(|date| line[3] == b' ' && is_date(date))?;
    let zone_at = 4 + DATE + fraction_len(&line[4 + DATE..]) + 1;
    let zone = token(line, zone_at).filter(|_| line[zone_at - 1] == b' ')?;
    let second = if zone == b"UTC" { times.second(&[date, b"Z"].concat()) } else { None };
    Some(Found { prefix: Prefix::Syslog, end: message(line, zone_at + zone.len() + 1), second })
}

/// `journalctl -o short-monotonic` and `short-delta`: `[ 1234.567890] host tag[pid]: `, `[ 1234.567890 <    0.000123 >] …`.
pub fn monotonic(line: &[u8]) -> Option<Found> {
    let bracket = memchr::memchr(b']', &line[..line.len().min(MAX_NAME)])?;
    let time = line[1..bracket].trim_ascii_start();
    let is_time = time.contains(&b'.') && time.iter().all(|byte| byte.is_ascii_digit() || b". <>".contains(byte));
    let end = usual_message(line, bracket + 2).filter(|_| is_time && line.get(bracket + 1) == Some(&b' '))?;
    Some(Found { prefix: Prefix::Syslog, end, second: None })
}

/// The cookie of CEE, which rsyslog looks for: `@cee: `.
pub fn cookie(line: &[u8]) -> Option<Found> {
    let end = line.strip_prefix(b"@cee:")?.iter().take_while(|byte| is_blank(**byte)).count() + b"@cee:".len();
    (line.get(end) == Some(&b'{')).then_some(Found { prefix: Prefix::Syslog, end, second: None })
}

/// Where the record begins behind `host tag[pid]: `, each of which a sender may leave out.
pub fn usual_message(line: &[u8], start: usize) -> Option<usize> {
    let host = token(line, start).map_or(start, |host| start + host.len() + 1);
    let (tag, host_and_tag) = (behind_tag(line, start), behind_tag(line, host));
    let is_object = |at: &usize| line.get(*at) == Some(&b'{');
    // Braces occur in names, and objects in a record.
    let is_record = |at: &usize| is_object(at) && matches!(trim(&line[at + 1..]), [b'"' | b'}', ..]);
    let first = [Some(start), Some(host), tag, host_and_tag].into_iter().flatten().find(is_record);
    first.or_else(|| [host_and_tag, tag, Some(host), Some(start)].into_iter().flatten().find(is_object))
}

/// What follows the tag at `at`, if there is one: `nginx[12]: `.
fn behind_tag(line: &[u8], at: usize) -> Option<usize> {
    let tag = token(line, at)?;
    tag.ends_with(b":").then(|| at + tag.len() + 1)
}

/// Where the message begins behind `host tag[pid]: `, each of which a sender may leave out, or write braces in.
pub fn message(line: &[u8], start: usize) -> usize {
    if let Some(at) = usual_message(line, start) {
        return at;
    }
    // No usual header: the record is the object that ends where the line does.
    let end = line.iter().rposition(|byte| !is_blank(*byte) && *byte != 0).map_or(start, |last| last + 1).max(start);
    let braces = memchr::memchr_iter(b'{', &line[start..end]).map(|at| start + at).take(MAX_BRACES);
    let record = braces.into_iter().find(|at| brackets::nested_end(line, *at, end) == Some(end));
    let host = token(line, start).map_or(start, |host| start + host.len() + 1);
    record.or(behind_tag(line, host)).or(behind_tag(line, start)).unwrap_or(start)
}

/// Braces in a header that are looked at as the possible beginning of a record.
const MAX_BRACES: usize = 16;
