//! Text before a record: syslog headers, and what container tools put in front of a line.
//!
//! ```text
//! <134>1 2026-11-22T04:41:06Z edge1 haproxy 12 - [ex@32473 a="{b}"] {"ts":…}     RFC 5424
//! <134>Nov 22 04:41:06 edge1 nginx[12]: {"ts":…}                                 RFC 3164, also without <134>
//! 2026-11-22T04:41:06.907+00:00 edge1 nginx: {"ts":…}                            rsyslog, in a file
//! 2026-11-22T04:41:06.123456789Z stdout F {"ts":…}                               CRI: containerd, CRI-O
//! 2026-11-22T04:41:06.123456789Z {"ts":…}                                        docker logs --timestamps
//! nginx-1  | {"ts":…}                                                            docker compose logs
//! [pod/edge-7d9/nginx] {"ts":…}                                                  kubectl logs --prefix
//! ```

use crate::decode::scan;
use crate::value::text::is_blank;
use crate::value::timestamp::MONTHS;
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
        b'[' => bracketed_name(line),
        b'0'..=b'9' => timestamped(line, times).or_else(|| named(line)),
        b'J' | b'F' | b'M' | b'A' | b'S' | b'O' | b'N' | b'D' => month(line, 0).or_else(|| named(line)),
        b'a'..=b'z' | b'A'..=b'Z' => named(line),
        _ => None,
    }
}

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

/// RFC 3164 from its time on: `Nov 22 04:41:06 host tag[pid]: `.
fn month(line: &[u8], start: usize) -> Option<Found> {
    let (stamp, behind) = line[start..].split_first_chunk::<15>()?;
    let [_, _, _, b' ', day, b'0'..=b'9', b' ', h1, h2, b':', m1, m2, b':', s1, s2] = stamp else {
        return None;
    };
    let has_month = MONTHS.iter().any(|month| stamp.starts_with(&month[..]));
    let has_digits = [h1, h2, m1, m2, s1, s2].iter().all(|byte| byte.is_ascii_digit());
    if !has_month || !has_digits || !matches!(day, b' ' | b'0'..=b'9') || behind.first() != Some(&b' ') {
        return None;
    }
    Some(Found { prefix: Prefix::Syslog, end: message(line, start + 16), second: None })
}

/// Where the message begins behind `host tag[pid]: `, each of which a sender may leave out, or write braces in.
fn message(line: &[u8], start: usize) -> usize {
    let record_at = |at: usize| (line.get(at) == Some(&b'{')).then_some(at);
    let behind_tag = |at: usize| {
        let tag = token(line, at)?;
        tag.ends_with(b":").then(|| at + tag.len() + 1)
    };
    let host = token(line, start).map_or(start, |host| start + host.len() + 1);
    let usual = [behind_tag(host), behind_tag(start), Some(host), Some(start)];
    if let Some(at) = usual.into_iter().flatten().find_map(record_at) {
        return at;
    }
    // No usual header: the record is the object that ends where the line does.
    let end = line.iter().rposition(|byte| !is_blank(*byte) && *byte != 0).map_or(start, |last| last + 1).max(start);
    let braces = memchr::memchr_iter(b'{', &line[start..end]).map(|at| start + at).take(MAX_BRACES);
    let record = braces.into_iter().find(|at| scan::nested_end(line, *at, end) == Some(end));
    record.or(behind_tag(host)).or(behind_tag(start)).unwrap_or(start)
}

/// Braces in a header that are looked at as the possible beginning of a record.
const MAX_BRACES: usize = 16;

/// A line that begins with a time: of a container runtime, of `docker logs -t`, or of rsyslog.
fn timestamped(line: &[u8], times: &mut TimeMemo) -> Option<Found> {
    let time = token(line, 0)?;
    let second = Some(times.second_of_date(time)?);
    let at = time.len() + 1;
    let rest = &line[at..];
    for (stream, is_stderr) in [(&b"stdout "[..], false), (b"stderr ", true)] {
        let Some(tag) = rest.strip_prefix(stream) else { continue };
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
    if matches!(rest.first(), Some(b'{')) {
        return Some(Found { prefix: Prefix::Time, end: at, second });
    }
    Some(Found { prefix: Prefix::Syslog, end: message(line, at), second })
}

/// `name  | `, as `docker compose logs` shows it.
fn named(line: &[u8]) -> Option<Found> {
    let bar = memchr::memchr(b'|', &line[..line.len().min(MAX_NAME)])?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'@' | b' ' | b'/');
    let end = bar + 1 + line[bar + 1..].iter().take_while(|byte| is_blank(**byte)).count();
    line[..bar].iter().all(is_name).then_some(Found { prefix: Prefix::Name, end, second: None })
}

/// `[pod/name/container] `, as `kubectl logs --prefix` shows it.
fn bracketed_name(line: &[u8]) -> Option<Found> {
    let bracket = memchr::memchr(b']', &line[..line.len().min(MAX_NAME)])?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'/' | b':');
    let name = &line[1..bracket];
    if name.is_empty() || !name.iter().all(is_name) || line.get(bracket + 1) != Some(&b' ') {
        return None;
    }
    Some(Found { prefix: Prefix::Name, end: bracket + 2, second: None })
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
            ("<190>", Prefix::Syslog, None),
            ("Nov 22 04:41:06 edge1 nginx[12]: ", Prefix::Syslog, None),
            ("2026-11-22T04:41:06.907+00:00 edge1 nginx[12]: ", Prefix::Syslog, SECOND),
            ("2026-11-22T04:41:06.123456789Z stdout F ", cri(false, false), SECOND),
            ("2026-11-22T04:41:06.123456789Z stderr P ", cri(true, true), SECOND),
            ("2026-11-22T04:41:06.1Z stdout P:x:y ", cri(true, false), SECOND),
            ("2026-11-22T05:41:06.1+01:00 stdout F ", cri(false, false), SECOND),
            ("2026-11-22T04:41:06.123456789Z ", Prefix::Time, SECOND),
            ("nginx-1  | ", Prefix::Name, None),
            ("web.1.x7k@node-2    | ", Prefix::Name, None),
            ("[pod/edge-7d9/nginx] ", Prefix::Name, None),
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
            "<",
            "<1234>x",
            "<13",
            "12345",
            "2026-11-22T04:41:06Z",
            "1.5\t200\t9\tGET\ta.example",
            "GET / HTTP/1.1",
            "domain\":\"a\",\"status\":200}",
            "November rain",
            "2026/11/22 04:41:06 [error] 12#12: *1 open() failed",
        ];
        for line in lines {
            assert_eq!(None, prefix(line.as_bytes(), &mut TimeMemo::default()), "{line}");
        }
    }

    #[test]
    fn the_message_of_another_program_is_found_too() {
        let line = b"<187>Nov 22 04:41:06 edge1 nginx: 2026/11/22 04:41:06 [error] 12#12: *1 upstream {x} failed";
        let found = prefix(line, &mut TimeMemo::default()).map(|found| &line[found.end..]);
        assert_eq!(Some(&b"2026/11/22 04:41:06 [error] 12#12: *1 upstream {x} failed"[..]), found);
    }
}
