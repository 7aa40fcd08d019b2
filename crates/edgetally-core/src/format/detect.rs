//! Detection: which format a log has, by the fields that are in it.

use crate::decode::Decoder;
use crate::format::Format;
use crate::schema::record_fields::{EVENT, LEVEL, SKIP, SLOTS};
use crate::value::text::trim;

/// The name of the format that finds the most fields in the lines of `log`, the first of [`Format::names`] if several do.
///
/// `None` if no format finds any.
#[must_use]
pub fn detect_format(log: &[u8]) -> Option<&'static str> {
    let found: Vec<_> = Format::names()
        .map(|name| (name, Format::named(name).map_or(0, |format| count_fields(&format, log))))
        .collect();
    // `max_by_key` returns the last of several.
    let best = found.into_iter().rev().max_by_key(|(_, fields)| *fields);
    best.filter(|(_, fields)| *fields > 0).map(|(name, _)| name)
}

/// How many fields `format` finds in all lines together.
fn count_fields(format: &Format, log: &[u8]) -> usize {
    let mut decoder = format.decoder();
    log.split(|byte| *byte == b'\n').map(|line| count_fields_of_line(format, &mut decoder, line)).sum()
}

fn count_fields_of_line(format: &Format, decoder: &mut Decoder, line: &[u8]) -> usize {
    // A syslog header may precede an object.
    let start = if format.has_columns() { 0 } else { memchr::memchr(b'{', line).unwrap_or(0) };
    let line = trim(&line[start..]);
    if line.is_empty() || decoder.decode(line, 0..line.len()).is_err() {
        return 0;
    }
    // Any log may have a level and a message.
    (0..SLOTS)
        .filter(|slot| !matches!(*slot, SKIP | EVENT | LEVEL) && !decoder.record.text(line, *slot).is_empty())
        .count()
        + decoder.elements.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_that_finds_the_most_fields_is_detected() {
        let cases: &[(Option<&str>, &str)] = &[
            (Some("canonical"), r#"{"ts":1,"status":200,"domain":"a.example"}"#),
            (Some("canonical"), r#"<190>Nov 22 02:20:35 vm edge: {"status":200}"#),
            (Some("canonical"), r#"{"origins":[{"status":200}]}"#),
            (Some("caddy"), r#"{"ts":1,"request":{"host":"a.example","proto":"HTTP/1.1"},"status":200,"size":9}"#),
            (
                Some("traefik"),
                r#"{"DownstreamStatus":200,"RequestHost":"a.example","StartUTC":"2026-11-22T02:20:35Z"}"#,
            ),
            (Some("cloudflare"), r#"{"EdgeResponseStatus":200,"ClientRequestHost":"a.example"}"#),
            (Some("cloudfront"), "1.5\t200\t9\tGET\ta.example\t9\tAMS\tHTTP/2.0\t-\tHit\t9"),
            (None, "127.0.0.1 - - GET /"),
            (None, r#"{"level":"info"}"#),
            (None, "\n"),
        ];
        for (want, text) in cases {
            assert_eq!(*want, detect_format(text.as_bytes()), "{text}");
            assert_eq!(*want, detect_format(format!("junk\n{text}\n\n").as_bytes()), "{text}");
        }
    }
}
