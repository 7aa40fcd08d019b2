//! Times before a record: alone, or with what container runtimes, loggers and servers put behind them.

use crate::value::text::is_blank;
use crate::value::timestamp::lacks_offset;
use crate::wrapper::prefix::found::{Found, Prefix};
use crate::wrapper::prefix::syslog::{message, usual_message};
use crate::wrapper::prefix::token::{DATE, fraction_len, is_date};
use crate::wrapper::time_memo::TimeMemo;

/// A time between brackets, right before a record: `[22/Nov/2026:04:41:06 +0000] `.
pub fn bracketed_time(line: &[u8], times: &mut TimeMemo) -> Option<Found> {
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
pub fn tai64n(line: &[u8]) -> Option<Found> {
    let end = LABEL + 1;
    let (label, is_before_record) = (line.get(1..LABEL)?, line[LABEL..].starts_with(b" {"));
    let is_label = label.starts_with(b"4") && label.iter().all(u8::is_ascii_hexdigit);
    let seconds = u64::from_str_radix(std::str::from_utf8(&label[1..16]).ok()?, 16).ok()?;
    (is_before_record && is_label).then_some(Found { prefix: Prefix::Time, end, second: seconds.checked_sub(10) })
}

/// Bytes of the label of multilog.
const LABEL: usize = 25;

/// An access line of Caddy's console format: a time without an offset, the level, the logger and the message, before tabs.
pub fn console(line: &[u8]) -> Option<Found> {
    let date = line.get(..DATE).filter(|date| date[4] == b'/' && is_date(date))?;
    let mut tabs = memchr::memchr_iter(b'\t', line);
    let (time_end, level_end, logger_end, end) = (tabs.next()?, tabs.next()?, tabs.next()?, tabs.next()? + 1);
    let is_time = date.len() + fraction_len(&line[date.len()..]) == time_end;
    let is_access = line[level_end + 1..logger_end].starts_with(b"http.log.access");
    let is_before_record = line.get(end) == Some(&b'{');
    (is_time && is_access && is_before_record).then_some(Found { prefix: Prefix::Console, end, second: None })
}

/// A date and a time of day with a blank between, right before a record: `2026-11-22 04:41:06.123 `. Without an offset from
/// UTC, it says no second. Behind an offset, a tag may follow, as in the output of Fluentd: `2026-11-22 04:41:06 +0000 edge: `.
pub fn blank_date(line: &[u8], start: usize, times: &mut TimeMemo) -> Option<Found> {
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

/// A line that begins with a time: of a container runtime, of `docker logs -t`, of rsyslog or of journalctl.
pub fn timestamped(line: &[u8], times: &mut TimeMemo) -> Option<Found> {
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
