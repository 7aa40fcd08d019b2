//! A guess at the layout of a log, for whoever did not say.

use crate::decode::Reader;
use crate::format::{ALL, Format};
use crate::schema::field::{SKIP, SLOTS};
use crate::value::text::trim;

/// The name of the layout that finds the most fields in the lines of `text`; between equals, that of records.
///
/// Nothing when no line is of any layout.
#[must_use]
pub fn guess(text: &[u8]) -> Option<&'static str> {
    let found =
        ALL.iter().map(|layout| (layout.name, Format::named(layout.name).map_or(0, |format| fields(format, text))));
    // Of the largest ones this is the first.
    let best = found.rev().max_by_key(|(_, found)| *found);
    best.filter(|(_, found)| *found > 0).map(|(name, _)| name)
}

/// How many fields `format` finds in all lines together.
fn fields(format: Format, text: &[u8]) -> usize {
    let mut reader = Reader::new(format);
    text.split(|byte| *byte == b'\n').map(|line| fields_of(&mut reader, line)).sum()
}

fn fields_of(reader: &mut Reader, line: &[u8]) -> usize {
    // As in datagrams, something may stand before an object.
    let start = if reader.format().columns().is_some() { 0 } else { memchr::memchr(b'{', line).unwrap_or(0) };
    let line = trim(&line[start..]);
    if line.is_empty() || reader.read(line, 0..line.len()).is_err() {
        return 0;
    }
    (0..SLOTS).filter(|slot| *slot != SKIP && !reader.record.text(line, *slot).is_empty()).count()
        + reader.elements.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_that_finds_the_most_is_it() {
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
            assert_eq!(*want, guess(text.as_bytes()), "{text}");
            assert_eq!(*want, guess(format!("junk\n{text}\n\n").as_bytes()), "{text}");
        }
    }
}
