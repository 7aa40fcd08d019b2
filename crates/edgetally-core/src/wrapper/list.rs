//! Lists of records in another JSON object.
//!
//! ```text
//! {"records":[{"ts":…},{"ts":…}]}                      Azure
//! {"logEvents":[{"message":"{\"ts\":…}"},…]}           CloudWatch
//! {"MESSAGE":["{\"ts\":…}",…]}                         journalctl -o json, of a repeated field
//! {"stream":{…},"values":[["1795322466…","{\"ts\":…}"]]} Loki, in a list of `streams`
//! {"resourceLogs":[{"scopeLogs":[{"logRecords":[…]}]}]} OpenTelemetry, as JSON
//! ```

use std::ops::Range;

use crate::decode::cursor::{Cursor, Token};
use crate::value::text::unescape_into;
use crate::wrapper::envelope::{bytes_into, is_time};
use crate::wrapper::time_memo::TimeMemo;

/// Lists of records, or of envelopes, that an object may have.
fn is_list(name: &[u8]) -> bool {
    matches!(
        name,
        b"records"
            | b"Records"
            | b"logEvents"
            | b"events"
            | b"entries"
            | b"MESSAGE"
            | b"streams"
            | b"values"
            | b"resourceLogs"
            | b"scopeLogs"
            | b"logRecords"
            | b"hits"
    )
}

/// What is in a list.
#[derive(Debug, PartialEq, Eq)]
pub enum Element {
    /// An object, which is there in the line.
    Object(Range<usize>),
    /// A text without its escapes, and the second that is said of it.
    Text(Vec<u8>, Option<u64>),
}

/// The records in the object `line`, if it has a list of them, and the second that it says.
///
/// A field that an entry of the journal has several times is such a list, too. An object with a member that `is_of_record` has
/// none.
pub fn list(
    line: &[u8],
    times: &mut TimeMemo,
    is_of_record: impl Fn(&[u8], &[u8]) -> bool,
) -> Option<(Vec<Element>, Option<u64>)> {
    let cursor = Cursor { block: line, start: 0, end: line.len() };
    let (mut list, mut second, mut at) = (None, None, 0);
    loop {
        let (key, value_at) = cursor.key(at + 1).ok()?;
        let (value, next) = cursor.token(value_at).ok()?;
        match (&line[key], value) {
            (name, Token::Nested(range)) if is_list(name) && line[range.start] == b'[' => list = Some(range),
            (name, Token::String(range) | Token::Scalar(range)) if is_time(name) => second = times.second(&line[range]),
            (name, _) if is_of_record(name, &line[value_at..next]) => return None,
            _ => {}
        }
        at = cursor.skip_blanks(next);
        match cursor.byte(at).ok()? {
            b',' => {}
            b'}' if cursor.finish(at + 1).is_ok() => break,
            _ => return None,
        }
    }
    Some((elements(cursor, list?.start, times)?, second))
}

/// The elements of the array at `at`; nothing if one is neither an object nor a text.
fn elements(cursor: Cursor<'_>, mut at: usize, times: &mut TimeMemo) -> Option<Vec<Element>> {
    let mut elements = vec![];
    if cursor.byte(cursor.skip_blanks(at + 1)).ok()? == b']' {
        return Some(elements);
    }
    loop {
        let (value, next) = cursor.token(cursor.skip_blanks(at + 1)).ok()?;
        let mut text = vec![];
        elements.push(match value {
            Token::Nested(range) if cursor.block[range.start] == b'{' => Element::Object(range),
            Token::Nested(range) if let Some((time, line)) = pair(cursor, range.start) => {
                unescape_into(&cursor.block[line], &mut text);
                Element::Text(text, times.second(&cursor.block[time]))
            }
            Token::Nested(range) => {
                bytes_into(&cursor.block[range], &mut text)?;
                Element::Text(text, None)
            }
            Token::String(range) => {
                unescape_into(&cursor.block[range], &mut text);
                Element::Text(text, None)
            }
            Token::Scalar(_) => return None,
        });
        at = cursor.skip_blanks(next);
        match cursor.byte(at).ok()? {
            b',' => {}
            b']' => return Some(elements),
            _ => return None,
        }
    }
}

/// A time and a line, as Loki writes them: the first two texts of the list at `at`.
fn pair(cursor: Cursor<'_>, at: usize) -> Option<(Range<usize>, Range<usize>)> {
    let (Token::String(time), next) = cursor.token(cursor.skip_blanks(at + 1)).ok()? else { return None };
    let comma = cursor.skip_blanks(next);
    let (Token::String(line), _) = cursor.token(cursor.skip_blanks(comma + 1)).ok()? else { return None };
    (cursor.byte(comma).ok()? == b',').then_some((time, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"domain":"a.example","status":200}"#;

    #[test]
    fn the_records_of_a_list_are_found() {
        let escaped = RECORD.replace('"', "\\\"");
        let bytes: Vec<_> = RECORD.bytes().map(|byte| byte.to_string()).collect();
        for (line, count) in [
            (format!(r#"{{"records":[{RECORD}, {RECORD}],"time":"2026-11-22T04:41:06Z"}}"#), 2),
            (format!(r#"{{"time":1795322466,"MESSAGE":[ "{escaped}",[{}]]}}"#, bytes.join(",")), 2),
            (r#"{"logEvents":[ ],"time":1795322466}"#.to_owned(), 0),
            (format!(r#"{{"time":1795322466,"values":[ [ "1" , "{escaped}"],["2","{escaped}",{{"a":"b"}}]]}}"#), 2),
        ] {
            let (elements, second) =
                list(line.as_bytes(), &mut TimeMemo::default(), |key, _| key == b"status").expect("it has a list");
            assert_eq!((count, Some(1_795_322_466)), (elements.len(), second), "{line}");
            for element in elements {
                let text = match element {
                    Element::Object(range) => line.as_bytes()[range].to_vec(),
                    Element::Text(text, _) => text,
                };
                assert_eq!(RECORD.as_bytes(), text, "{line}");
            }
        }
        for line in [
            r#"{"records":[1]}"#,
            r#"{"records":{}}"#,
            r#"{"a":[{}]}"#,
            r#"{"records":[{}"#,
            r#"{"records":[{}]"#,
            r#"{"records":[{}],"status":1}"#,
        ] {
            assert_eq!(None, list(line.as_bytes(), &mut TimeMemo::default(), |key, _| key == b"status"), "{line}");
        }
    }
}
