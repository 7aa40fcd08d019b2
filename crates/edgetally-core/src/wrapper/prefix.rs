//! Text before a record: syslog headers, and what container tools put in front of a line.
//!
//! ```text
//! <134>1 2026-11-22T04:41:06Z edge1 haproxy 12 - [ex@32473 a="{b}"] {"ts":…}     RFC 5424
//! <134>Nov 22 04:41:06 edge1 nginx[12]: {"ts":…}                                 RFC 3164, also without <134>
//! 2026-11-22T04:41:06.907+00:00 edge1 nginx: {"ts":…}                            rsyslog, in a file
//! 2026-11-22T04:41:06.123456789Z stdout F {"ts":…}                               CRI: containerd, CRI-O
//! 2026-11-22T04:41:06.123456789Z {"ts":…}                                        docker logs --timestamps
//! Sun 2026-11-22 04:41:06 UTC edge1 nginx[12]: {"ts":…}                          journalctl -o short-full
//! 1795322466.123456 edge1 nginx[12]: {"ts":…}                                    journalctl -o short-unix
//! [ 1234.567890] edge1 nginx[12]: {"ts":…}                                       journalctl -o short-monotonic
//! nginx-1  | {"ts":…}                                                            docker compose logs
//! [pod/edge-7d9/nginx] {"ts":…}                                                  kubectl logs --prefix
//! MESSAGE={"ts":…}                                                               journalctl -o export, verbose
//! access.log:12:{"ts":…}                                                         grep
//! @400000006ba29e2c1a2b3c4d {"ts":…}                                             multilog
//! 2026/11/22 04:41:06.123⇥INFO⇥http.log.access⇥handled request⇥{"status":…}  Caddy, `format console`
//! ```

use crate::decode::brackets;
use crate::value::date::MONTHS;
use crate::value::text::{is_blank, trim};
use crate::value::timestamp::lacks_offset;
use crate::wrapper::time_memo::TimeMemo;

/// Bytes in which a name before `|` or in brackets has to end.
const MAX_NAME: usize = 256;

/// What stands before a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// A syslog header, with or without its priority.
    Syslog,
    /// The header of a container runtime's log.
    Cri {
        /// Whether the line goes on in the next one of its stream.
        is_part: bool,
        /// Whether it came from standard error.
        is_stderr: bool,
    },
    /// A time alone.
    Time,
    /// The name of a container.
    Name,
    /// The name of a field of a server-sent event.
    Event,
    /// The name of a field of an entry of the journal of systemd.
    Field,
    /// The columns of Caddy's console format.
    Console,
}

/// A prefix, and what it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Which prefix it is.
    pub prefix: Prefix,
    /// The first byte behind it.
    pub end: usize,
    /// The second that stands in it, if that is complete: a year and an offset from UTC.
    pub second: Option<u64>,
}

/// The prefix of `line`, if there is one that is known.
pub fn prefix(line: &[u8], times: &mut TimeMemo) -> Option<Found> {
    match line.first()? {
        b'<' => priority(line, times),
        b'@' => cookie(line).or_else(|| tai64n(line)),
        b'[' => bracketed_name(line).or_else(|| monotonic(line)).or_else(|| bracketed_time(line, times)),
        b'0'..=b'9' => counted(line, times)
            .or_else(|| timestamped(line, times))
            .or_else(|| console(line))
            .or_else(|| blank_date(line, 0, times))
            .or_else(|| named(line))
            .or_else(|| line_number(line))
            .or_else(|| id(line)),
        b'J' | b'F' | b'M' | b'A' | b'S' | b'O' | b'N' | b'D' | b'T' | b'W' => month(line, 0)
            .or_else(|| weekday(line, times))
            .or_else(|| field(line))
            .or_else(|| named(line))
            .or_else(|| tagged(line)),
        b'a'..=b'z' | b'A'..=b'Z' => event(line)
            .or_else(|| pod_and_container(line))
            .or_else(|| named(line))
            .or_else(|| tagged(line))
            .or_else(|| id(line)),
        b'/' | b'.' => tagged(line),
        _ => None,
    }
}

/// A syslog message behind the count of its octets (RFC 6587), in what was saved from TCP: `83 <134>`.
fn counted(line: &[u8], times: &mut TimeMemo) -> Option<Found> {
    let at = line.iter().take(MAX_DIGITS).take_while(|byte| byte.is_ascii_digit()).count() + 1;
    let found = line
        .get(at)
        .filter(|byte| **byte == b'<' && line[at - 1] == b' ')
        .and_then(|_| priority(&line[at..], times))?;
    Some(Found { end: at + found.end, ..found })
}

/// The most digits of a count.
const MAX_DIGITS: usize = 7;

/// A syslog message with its priority: `<134>`.
fn priority(line: &[u8], times: &mut TimeMemo) -> Option<Found> {
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
fn month(line: &[u8], start: usize) -> Option<Found> {
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
fn weekday(line: &[u8], times: &mut TimeMemo) -> Option<Found> {
    let date = line.get(4..4 + DATE).filter(|date| line[3] == b' ' && is_date(date))?;
    let zone_at = 4 + DATE + fraction_len(&line[4 + DATE..]) + 1;
    let zone = token(line, zone_at).filter(|_| line[zone_at - 1] == b' ')?;
    let second = if zone == b"UTC" { times.second(&[date, b"Z"].concat()) } else { None };
    Some(Found { prefix: Prefix::Syslog, end: message(line, zone_at + zone.len() + 1), second })
}

/// `journalctl -o short-monotonic` and `short-delta`: `[ 1234.567890] host tag[pid]: `, `[ 1234.567890 <    0.000123 >] …`.
fn monotonic(line: &[u8]) -> Option<Found> {
    let bracket = memchr::memchr(b']', &line[..line.len().min(MAX_NAME)])?;
    let time = line[1..bracket].trim_ascii_start();
    let is_time = time.contains(&b'.') && time.iter().all(|byte| byte.is_ascii_digit() || b". <>".contains(byte));
    let end = usual_message(line, bracket + 2).filter(|_| is_time && line.get(bracket + 1) == Some(&b' '))?;
    Some(Found { prefix: Prefix::Syslog, end, second: None })
}

/// A time between brackets, right before a record: `[22/Nov/2026:04:41:06 +0000] `.
fn bracketed_time(line: &[u8], times: &mut TimeMemo) -> Option<Found> {
    let bracket = memchr::memchr(b']', &line[..line.len().min(MAX_TIME)])?;
    let (time, end) = (&line[1..bracket], bracket + 2);
    let second = if time.first()?.is_ascii_digit() { times.second(time) } else { None };
    let is_before_record = line[bracket + 1..].starts_with(b" {");
    (is_before_record && (second.is_some() || lacks_offset(time))).then_some(Found {
        prefix: Prefix::Time,
        end,
        second,
    })
}

/// The most bytes of a time in brackets.
const MAX_TIME: usize = 48;

/// The label of multilog, right before a record: seconds since 1970 in hexadecimal, and ten more, behind `@4`.
fn tai64n(line: &[u8]) -> Option<Found> {
    let end = LABEL + 1;
    let (label, is_before_record) = (line.get(1..LABEL)?, line[LABEL..].starts_with(b" {"));
    let is_label = label.starts_with(b"4") && label.iter().all(u8::is_ascii_hexdigit);
    let seconds = u64::from_str_radix(std::str::from_utf8(&label[1..16]).ok()?, 16).ok()?;
    (is_before_record && is_label).then_some(Found { prefix: Prefix::Time, end, second: seconds.checked_sub(10) })
}

/// Bytes of the label of multilog.
const LABEL: usize = 25;

/// An access line of Caddy's console format: a time without an offset, the level, the logger and the message, before tabs.
fn console(line: &[u8]) -> Option<Found> {
    let date = line.get(..DATE).filter(|date| date[4] == b'/' && is_date(date))?;
    let mut tabs = memchr::memchr_iter(b'\t', line);
    let (time_end, level_end, logger_end, end) = (tabs.next()?, tabs.next()?, tabs.next()?, tabs.next()? + 1);
    let is_time = date.len() + fraction_len(&line[date.len()..]) == time_end;
    let is_access = line[level_end + 1..logger_end].starts_with(b"http.log.access");
    let is_before_record = line.get(end) == Some(&b'{');
    (is_time && is_access && is_before_record).then_some(Found { prefix: Prefix::Console, end, second: None })
}

/// A field of an entry of the journal, as `journalctl -o export` and `verbose` write it: `MESSAGE=`.
fn field(line: &[u8]) -> Option<Found> {
    let name = b"MESSAGE=";
    line.starts_with(name).then_some(Found { prefix: Prefix::Field, end: name.len(), second: None })
}

/// What a program or `grep` puts before a record: `nginx[12]: `, `edge1 nginx: `, `access.log:`, `access.log:12:`.
fn tagged(line: &[u8]) -> Option<Found> {
    let brace = memchr::memchr(b'{', &line[..line.len().min(MAX_NAME)])?;
    let is_record = matches!(trim(&line[brace + 1..]), [b'"' | b'}', ..]);
    let names = line[..brace].strip_suffix(b" ").unwrap_or(&line[..brace]).strip_suffix(b":")?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-/@[]:".contains(byte);
    // A host may stand before the tag of a program.
    let mut names = names.split(|byte| *byte == b' ');
    let is_tag =
        names.by_ref().take(2).all(|name| !name.is_empty() && name.iter().all(is_name)) && names.next().is_none();
    (is_record && is_tag).then_some(Found { prefix: Prefix::Name, end: brace, second: None })
}

/// The number of a line, as `grep -n` puts it right before a record: `12:`.
fn line_number(line: &[u8]) -> Option<Found> {
    let digits = line.iter().take(MAX_DIGITS + 1).take_while(|byte| byte.is_ascii_digit()).count();
    line[digits..].starts_with(b":{\"").then_some(Found { prefix: Prefix::Name, end: digits + 1, second: None })
}

/// The id of a container, right before a record, as `podman logs` shows it: `3f2a1b9c0d1e `.
fn id(line: &[u8]) -> Option<Found> {
    let id = token(line, 0).filter(|id| matches!(id.len(), 12 | 64))?;
    let is_id = id.iter().all(u8::is_ascii_hexdigit) && is_message(&line[id.len() + 1..]);
    is_id.then_some(Found { prefix: Prefix::Name, end: id.len() + 1, second: None })
}

/// The cookie of CEE, which rsyslog looks for: `@cee: `.
fn cookie(line: &[u8]) -> Option<Found> {
    let end = line.strip_prefix(b"@cee:")?.iter().take_while(|byte| is_blank(**byte)).count() + b"@cee:".len();
    (line.get(end) == Some(&b'{')).then_some(Found { prefix: Prefix::Syslog, end, second: None })
}

/// A date and a time of day with a blank between, right before a record: `2026-11-22 04:41:06.123 `. Without an offset from
/// UTC, it says no second. Behind an offset, a tag may follow, as in the output of Fluentd: `2026-11-22 04:41:06 +0000 edge: `.
fn blank_date(line: &[u8], start: usize, times: &mut TimeMemo) -> Option<Found> {
    let date = line.get(start..start + DATE).filter(|date| is_date(date))?;
    let at = start + date.len();
    let at = at + fraction_len(&line[at..]);
    let blanks = line[at..].iter().take_while(|byte| is_blank(**byte)).count();
    let end = at + blanks;
    if let Some([b'+' | b'-', .., b' ']) = line.get(end..end + 6) {
        let second = Some(times.second(&line[start..end + 5])?);
        return Some(Found { prefix: Prefix::Time, end: usual_message(line, end + 6)?, second });
    }
    let is_before_record = blanks > 0 && line.get(end) == Some(&b'{');
    is_before_record.then_some(Found { prefix: Prefix::Time, end, second: None })
}

/// Bytes of a date with its time of day.
const DATE: usize = 19;

/// Whether `text` is written like `2026-11-22 04:41:06`, perhaps with slashes, or with `T` or `_` instead of the blank.
fn is_date(text: &[u8]) -> bool {
    let fits = |(byte, pattern): (&u8, &u8)| match *pattern {
        b'9' => byte.is_ascii_digit(),
        b'-' => matches!(byte, b'-' | b'/'),
        b' ' => matches!(byte, b' ' | b'T' | b'_'),
        same => *byte == same,
    };
    text.len() == DATE && text.iter().zip(b"9999-99-99 99:99:99").all(fits)
}

/// The length of the fraction of a second at the start of `text`: `.907` or `,907`.
fn fraction_len(text: &[u8]) -> usize {
    match text {
        [b'.' | b',', digits @ ..] => 1 + digits.iter().take_while(|byte| byte.is_ascii_digit()).count(),
        _ => 0,
    }
}

/// An event of a stream of server-sent events, as `journalctl -o json-sse` writes it: `data: `.
fn event(line: &[u8]) -> Option<Found> {
    let is_event = line.starts_with(b"data: {");
    is_event.then_some(Found { prefix: Prefix::Event, end: b"data: ".len(), second: None })
}

/// Where the record begins behind `host tag[pid]: `, each of which a sender may leave out.
fn usual_message(line: &[u8], start: usize) -> Option<usize> {
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
fn message(line: &[u8], start: usize) -> usize {
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

/// A line that begins with a time: of a container runtime, of `docker logs -t`, of rsyslog or of journalctl.
fn timestamped(line: &[u8], times: &mut TimeMemo) -> Option<Found> {
    let time = &line[..line.iter().position(|byte| is_blank(*byte))?];
    let at = time.len() + 1;
    let is_unix = time.len() >= 10 && time.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    if is_unix {
        // `journalctl -o short-unix`. Other logs start with a number, too: it has to lead to a record.
        let end = usual_message(line, at)?;
        return Some(Found { prefix: Prefix::Syslog, end, second: times.second(time) });
    }
    let second = Some(times.second_of_date(time)?);
    let rest = &line[at..];
    for (stream, is_stderr) in [(&b"stdout "[..], false), (b"stderr ", true)] {
        let Some(tag) = rest.strip_prefix(stream) else { continue };
        if tag.starts_with(b"{") {
            // The first runtimes wrote no tags.
            let end = at + stream.len();
            return Some(Found { prefix: Prefix::Cri { is_part: false, is_stderr }, end, second });
        }
        // Nothing may follow the tag of the last part of a line.
        let end = memchr::memchr(b' ', tag).unwrap_or(tag.len());
        // More tags may follow behind a colon.
        let is_part = match tag[..end].split(|byte| *byte == b':').next() {
            Some(b"P") => true,
            Some(b"F") => false,
            _ => return None,
        };
        let end = (at + stream.len() + end + 1).min(line.len());
        return Some(Found { prefix: Prefix::Cri { is_part, is_stderr }, end, second });
    }
    let blanks = rest.iter().take_while(|byte| is_blank(**byte)).count();
    if rest.get(blanks) == Some(&b'{') {
        return Some(Found { prefix: Prefix::Time, end: at + blanks, second });
    }
    Some(Found { prefix: Prefix::Syslog, end: message(line, at), second })
}

/// `name  | `, as `docker compose logs` shows it, or `04:41:06 name  | `, as foreman does.
fn named(line: &[u8]) -> Option<Found> {
    let bar = memchr::memchr(b'|', &line[..line.len().min(MAX_NAME)])?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'@' | b' ' | b'/');
    let end = bar + 1 + usize::from(line.get(bar + 1) == Some(&b' '));
    let from = if matches!(line, [b'0'..=b'2', _, b':', _, _, b':', _, _, b' ', ..]) { 9.min(bar) } else { 0 };
    line[from..bar].iter().all(is_name).then_some(Found { prefix: Prefix::Name, end, second: None })
}

/// `[pod/name/container] `, as `kubectl logs --prefix` shows it.
fn bracketed_name(line: &[u8]) -> Option<Found> {
    let bracket = memchr::memchr(b']', &line[..line.len().min(MAX_NAME)])?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'/' | b':');
    let name = &line[1..bracket];
    if line.get(bracket + 1) != Some(&b' ') {
        return None;
    }
    let end = bracket + 2;
    let is_one = name.contains(&b'/') && name.iter().all(is_name);
    let is_known = is_one || names_len(&[name, b" "].concat()) == Some(name.len() + 1) && is_message(&line[end..]);
    is_known.then_some(Found { prefix: Prefix::Name, end, second: None })
}

/// `pod container `, perhaps with a namespace before it, as `stern` shows it.
fn pod_and_container(line: &[u8]) -> Option<Found> {
    let end = names_len(line)?;
    is_message(&line[end..]).then_some(Found { prefix: Prefix::Name, end, second: None })
}

/// The length of two or three names of Kubernetes, each with a blank behind it. Those of pods have a dash.
fn names_len(text: &[u8]) -> Option<usize> {
    let is_name = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
    let (mut names, mut at) = (0, 0);
    while let Some(name) = token(text, at).filter(|name| names < 3 && !name.is_empty() && name.iter().all(is_name)) {
        (names, at) = (names + 1, at + name.len() + 1);
        if is_message(&text[at..]) {
            break;
        }
    }
    (names > 1 && text[..at].contains(&b'-')).then_some(at)
}

/// Whether `text` starts like a record, or like a time before one.
fn is_message(text: &[u8]) -> bool {
    matches!(text, [b'{', ..] | [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-', ..])
}

/// What stands from `at` up to a blank, if a blank ends it.
fn token(line: &[u8], at: usize) -> Option<&[u8]> {
    let rest = line.get(at..)?;
    Some(&rest[..memchr::memchr(b' ', rest)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Option<u64> = Some(1_795_322_466);

    #[test]
    fn the_record_behind_a_prefix_is_found() {
        let cri = |is_part, is_stderr| Prefix::Cri { is_part, is_stderr };
        let cases: &[(&str, Prefix, Option<u64>)] = &[
            ("<134>1 2026-11-22T04:41:06Z edge1 haproxy 12 - - ", Prefix::Syslog, SECOND),
            ("<134>1 2026-11-22T04:41:06Z edge1 haproxy 12 - [ex@32473 route=\"/a/{id}\"] ", Prefix::Syslog, SECOND),
            ("<134>1 2026-11-22T04:41:06Z edge1 haproxy 12 - [a b=\"\\\"]{\"][c d=\"{\\]}\"] ", Prefix::Syslog, SECOND),
            ("<134>1 - - - - - - ", Prefix::Syslog, None),
            ("<134>1 2026-11-22T05:41:06+01:00 {edge} {app} {1} {x} - ", Prefix::Syslog, SECOND),
            ("<190>Nov 22 04:41:06 edge1 nginx: ", Prefix::Syslog, None),
            ("<190>Nov  2 04:41:06 edge1 nginx[12]: ", Prefix::Syslog, None),
            ("<190>Nov 22 04:41:06 nginx: ", Prefix::Syslog, None),
            ("<190>Nov 22 04:41:06 {edge} {ng}inx{[12]: ", Prefix::Syslog, None),
            ("<190>2026-11-22T04:41:06Z edge1 nginx: ", Prefix::Syslog, SECOND),
            ("<190>nginx: ", Prefix::Syslog, None),
            ("97 <134>1 2026-11-22T04:41:06Z edge1 nginx 12 - - ", Prefix::Syslog, SECOND),
            ("85 <190>Nov 22 04:41:06 edge1 nginx: ", Prefix::Syslog, None),
            ("<190>", Prefix::Syslog, None),
            ("Nov 22 04:41:06 edge1 nginx[12]: ", Prefix::Syslog, None),
            ("2026-11-22T04:41:06.907+00:00 edge1 nginx[12]: ", Prefix::Syslog, SECOND),
            ("2026-11-22T04:41:06.123456789Z stdout F ", cri(false, false), SECOND),
            ("2026-11-22T04:41:06.123456789Z stderr P ", cri(true, true), SECOND),
            ("2026-11-22T04:41:06.1Z stdout P:x:y ", cri(true, false), SECOND),
            ("2026-11-22T05:41:06.1+01:00 stdout F ", cri(false, false), SECOND),
            ("2026-11-22T04:41:06.123456789Z ", Prefix::Time, SECOND),
            ("2026-11-22T04:41:06.123456789Z\t", Prefix::Time, SECOND),
            ("2026-11-22 04:41:06 ", Prefix::Time, None),
            ("2026-11-22 04:41:06,123\t", Prefix::Time, None),
            ("Nov 22 04:41:06.123456 edge1 nginx[12]: ", Prefix::Syslog, None),
            ("Sun 2026-11-22 04:41:06 UTC edge1 nginx[12]: ", Prefix::Syslog, SECOND),
            ("Thu 2026-11-22 05:41:06.123456 CET edge1 nginx.service[12]: ", Prefix::Syslog, None),
            ("1795322466.123456 edge1 nginx[12]: ", Prefix::Syslog, SECOND),
            ("[ 1234.567890] edge1 nginx[12]: ", Prefix::Syslog, None),
            ("data: ", Prefix::Event, None),
            ("nginx-1  | ", Prefix::Name, None),
            ("web.1.x7k@node-2    | ", Prefix::Name, None),
            ("[pod/edge-7d9/nginx] ", Prefix::Name, None),
            ("2026-11-22 05:41:06.123456789 +0100 edge.access: ", Prefix::Time, SECOND),
            ("@cee: ", Prefix::Syslog, None),
            ("@cee:", Prefix::Syslog, None),
            ("[edge-7d9 nginx] ", Prefix::Name, None),
            ("edge-7d9 nginx ", Prefix::Name, None),
            ("default edge-7d9 nginx ", Prefix::Name, None),
            ("default/edge-7d9[nginx]: ", Prefix::Name, None),
            ("nginx: ", Prefix::Name, None),
            ("edge1 nginx[12]: ", Prefix::Name, None),
            ("access.log:", Prefix::Name, None),
            ("/var/log/nginx/access.log-20261122:12:", Prefix::Name, None),
            ("./access.log:", Prefix::Name, None),
            ("12:", Prefix::Name, None),
            ("3f2a1b9c0d1e ", Prefix::Name, None),
            ("af2a1b9c0d1e ", Prefix::Name, None),
            ("04:41:06 web.1  | ", Prefix::Name, None),
            ("[    4.567890 <    0.000123 >] edge1 nginx: ", Prefix::Syslog, None),
            ("[2026-11-22T04:41:06Z] ", Prefix::Time, SECOND),
            ("[1795322466] ", Prefix::Time, SECOND),
            ("[22/Nov/2026:05:41:06 +0100] ", Prefix::Time, SECOND),
            ("[2026-11-22 04:41:06.123] ", Prefix::Time, None),
            ("2026-11-22T04:41:06 ", Prefix::Time, None),
            ("2026-11-22_04:41:06.12345 ", Prefix::Time, None),
            ("2026/11/22 04:41:06 ", Prefix::Time, None),
            ("2026/11/22 04:41:06.123 ", Prefix::Time, None),
            ("2026-11-22T04:41:06Z  ", Prefix::Time, SECOND),
            ("@400000006b02726c1a2b3c4d ", Prefix::Time, SECOND),
            ("2026-11-22T04:41:06Z stdout ", cri(false, false), SECOND),
            ("MESSAGE=", Prefix::Field, None),
            ("2026/11/22 04:41:06.123\tINFO\thttp.log.access\thandled request\t", Prefix::Console, None),
            ("2026/11/22 04:41:06.123\t\u{1b}[34mINFO\u{1b}[0m\thttp.log.access.log0\tx\t", Prefix::Console, None),
        ];
        for (before, want, second) in cases {
            let line = format!("{before}{{\"ts\":1795322466,\"domain\":\"{{a}}\",\"status\":200}}");
            let found = prefix(line.as_bytes(), &mut TimeMemo::default());
            assert_eq!(Some(Found { prefix: *want, end: before.len(), second: *second }), found, "{line}");
        }
    }

    #[test]
    fn what_is_no_prefix_is_left_alone() {
        let lines = [
            "",
            "{\"status\":200}",
            "[{\"status\":200}]",
            "[1,2]",
            "[] {}",
            "[WARNING] (1) : Server app/a is DOWN",
            "<",
            "<1234>x",
            "<13",
            "12345",
            "12345678 <13>{}",
            "12 <13",
            "2026-11-22T04:41:06Z",
            "1.5\t200\t9\tGET\ta.example",
            "GET / HTTP/1.1",
            "domain\":\"a\",\"status\":200}",
            "November rain",
            "1795322466 200 a.example",
            "2026-11-22 04:41:06 INFO started",
            "[123] x",
            "data: x",
            "a b {\"status\":200}",
            "one-word {\"status\":200}",
            "edge-7d9 nginx started",
            "Edge-7d9 nginx {\"status\":200}",
            "[edge-7d9 nginx] started",
            "[warn] {\"status\":200}",
            "2026/11/22 04:41:06 [error] 12#12: *1 open() failed",
            "2026/11/22 04:41:06.123\tERROR\thttp.log.error\tdial tcp\t{\"status\":502}",
            "error: no {\"status\":200}",
            "a b c: {\"status\":200}",
            "nginx: {x}",
            "12: x",
            "MESSAGE_ID=x",
            "@400000006b02726c1a2b3c4d x",
            "@600000006b02726c1a2b3c4d {}",
            "[2026-11-22T04:41:06.123Z] \"GET / HTTP/1.1\" 200",
        ];
        for line in lines {
            assert_eq!(None, prefix(line.as_bytes(), &mut TimeMemo::default()), "{line}");
        }
    }

    #[test]
    fn an_object_in_a_record_is_not_taken_for_it() {
        for before in ["<190>Nov 22 04:41:06 ", "<190>", "2026-11-22T04:41:06Z ", "Nov 22 04:41:06 ", "<190>nginx: "] {
            for record in [r#"{"a": {"b":1}, "c": [ {}]}"#, r#"{ "a":1, "x: {": {"y":2} }"#, "{}"] {
                let line = format!("{before}{record}");
                let found = prefix(line.as_bytes(), &mut TimeMemo::default()).map(|found| found.end);
                assert_eq!(Some(before.len()), found, "{line}");
            }
        }
    }

    #[test]
    fn the_message_of_another_program_is_found_too() {
        let line = b"<187>Nov 22 04:41:06 edge1 nginx: 2026/11/22 04:41:06 [error] 12#12: *1 upstream {x} failed";
        let found = prefix(line, &mut TimeMemo::default()).map(|found| &line[found.end..]);
        assert_eq!(Some(&b"2026/11/22 04:41:06 [error] 12#12: *1 upstream {x} failed"[..]), found);
    }
}
