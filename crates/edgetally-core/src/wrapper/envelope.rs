//! Records inside a string of another JSON object.
//!
//! ```text
//! {"log":"{\"ts\":…}\n","stream":"stdout","time":"2026-11-22T04:41:06.123456789Z"}    Docker's json-file
//! {"MESSAGE":"{\"ts\":…}","__REALTIME_TIMESTAMP":"1795322466123456",…}                journalctl -o json
//! {"MESSAGE":[123,34,116,…],…}                                                        the same, not valid UTF-8
//! {"message":"{\"ts\":…}",…}                                                          Vector, Logstash, Filebeat
//! ```

use std::ops::Range;

use crate::decode::cursor::{Cursor, Token};
use crate::decode::scan;
use crate::value::text::{unescape_into, unescape_string};
use crate::wrapper::time_memo::TimeMemo;

/// An object that may have a record in one of its strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// A line of a container, or a part of one.
    Docker {
        /// Whether the line goes on in the next one of its stream.
        is_part: bool,
        /// Whether it came from standard error.
        is_stderr: bool,
    },
    /// An entry of the journal of systemd.
    Journal,
    /// An event of a log shipper.
    Message,
}

/// An envelope that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Which envelope it is.
    pub envelope: Envelope,
    /// The second at which what is inside was written.
    pub second: Option<u64>,
}

/// Writes to `inside` what the envelope `line` holds; nothing if it is none that is known.
///
/// `line` starts with its object. One with a key that `is_of_record` is a record, whatever else is in it.
pub fn open(
    line: &[u8],
    inside: &mut Vec<u8>,
    times: &mut TimeMemo,
    is_of_record: impl Fn(&[u8]) -> bool,
) -> Option<Opened> {
    let cursor = Cursor { block: line, start: 0, end: line.len() };
    let (mut log, mut message, mut entry, mut stream, mut tag, mut time) = (None, None, None, None, None, None);
    // The text that `inside` is of.
    let mut unescaped = None;
    let mut at = 0;
    if line.first() != Some(&b'{') {
        return None;
    }
    loop {
        let (key, value_at) = cursor.key(at + 1).ok()?;
        let name = &line[key];
        let may_hold = matches!(name, b"log" | b"message" | b"MESSAGE");
        let (value, next) = if may_hold && unescaped.is_none() && cursor.byte(value_at).ok()? == b'"' {
            let from = value_at + 1;
            let to = from + unescape_string(&line[from..], inside)?;
            unescaped = Some(from);
            (Token::String(from..to), to + 1)
        } else {
            cursor.token(value_at).ok()?
        };
        match name {
            b"log" => log = Some(value),
            b"message" => message = Some(value),
            b"MESSAGE" => entry = Some(value),
            b"stream" => stream = Some(value),
            b"logtag" => tag = Some(value),
            b"time" | b"__REALTIME_TIMESTAMP" | b"@timestamp" | b"timestamp" => time = Some(value),
            key if is_of_record(key) => return None,
            _ => {}
        }
        at = cursor.skip_blanks(next);
        match cursor.byte(at).ok()? {
            b',' => {}
            b'}' if cursor.skip_blanks(at + 1) == line.len() => break,
            _ => return None,
        }
    }
    let mut unescape = |text: Range<usize>| {
        if unescaped != Some(text.start) {
            unescape_into(&line[text], inside);
        }
    };
    let envelope = match (log, stream, entry, message) {
        (Some(Token::String(text)), Some(Token::String(stream)), _, _) => {
            unescape(text);
            let is_part = match tag {
                // A shipper that reads logs of CRI, and keeps the tag.
                Some(Token::String(tag)) => line[tag].starts_with(b"P"),
                // Docker splits long lines. Shippers may cut the newline off: what is a whole object is no part.
                _ => !inside.ends_with(b"\n") && !is_object(inside),
            };
            Envelope::Docker { is_part, is_stderr: &line[stream] == b"stderr" }
        }
        (_, _, Some(Token::String(text)), _) => {
            unescape(text);
            Envelope::Journal
        }
        (_, _, Some(Token::Nested(list)), _) => {
            bytes_into(&line[list], inside)?;
            Envelope::Journal
        }
        // Any log may have such a key: what is in it has to look like a record.
        (_, _, None, Some(Token::String(text))) if line[text.clone()].starts_with(b"{") => {
            unescape(text);
            Envelope::Message
        }
        _ => return None,
    };
    let second = match time {
        Some(Token::String(range) | Token::Scalar(range)) => times.second(&line[range]),
        _ => None,
    };
    Some(Opened { envelope, second })
}

/// Whether `text` is one object, as far as its braces say.
fn is_object(text: &[u8]) -> bool {
    text.first() == Some(&b'{') && scan::nested_end(text, 0, text.len()) == Some(text.len())
}

/// Writes to `inside` the bytes that a list of numbers stands for: `[123,34]`; nothing if one is not a byte.
fn bytes_into(list: &[u8], inside: &mut Vec<u8>) -> Option<()> {
    inside.clear();
    let numbers = list.strip_prefix(b"[")?.strip_suffix(b"]")?;
    if numbers.trim_ascii().is_empty() {
        return Some(());
    }
    for number in numbers.split(|byte| *byte == b',') {
        let text = std::str::from_utf8(number).ok()?.trim();
        inside.push(text.parse().ok()?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"domain":"a.example","status":200}"#;

    fn opened(line: &str) -> Option<(Opened, String)> {
        let mut inside = vec![];
        let opened = open(line.as_bytes(), &mut inside, &mut TimeMemo::default(), |key| key == b"status")?;
        Some((opened, String::from_utf8(inside).expect("it is text")))
    }

    #[test]
    fn an_envelope_is_opened() {
        let escaped = RECORD.replace('"', "\\\"");
        let bytes: Vec<_> = RECORD.bytes().map(|byte| byte.to_string()).collect();
        let docker = |is_part, is_stderr| Envelope::Docker { is_part, is_stderr };
        let time = r#""time":"2026-11-22T04:41:06.123456789Z""#;
        let cases = [
            (format!(r#"{{"log":"{escaped}\n","stream":"stdout",{time}}}"#), docker(false, false)),
            (format!(r#"{{"log":"{escaped}","stream":"stderr","attrs":{{"a":"b"}}, {time} }}"#), docker(false, true)),
            (format!(r#"{{"log":"{escaped}","stream":"stdout","logtag":"P",{time}}}"#), docker(true, false)),
            (format!(r#"{{"log":"{escaped}\n","stream":"stdout","logtag":"F",{time}}}"#), docker(false, false)),
            (format!(r#"{{"__REALTIME_TIMESTAMP":"1795322466123456","MESSAGE":"{escaped}"}}"#), Envelope::Journal),
            (
                format!(r#"{{"MESSAGE":[{}],"__REALTIME_TIMESTAMP":"1795322466123456"}}"#, bytes.join(",")),
                Envelope::Journal,
            ),
            (format!(r#"{{"@timestamp":"2026-11-22T04:41:06Z","message":"{escaped}"}}"#), Envelope::Message),
        ];
        for (line, envelope) in cases {
            let (found, inside) = opened(&line).expect("it is an envelope");
            assert_eq!((envelope, Some(1_795_322_466)), (found.envelope, found.second), "{line}");
            assert_eq!(RECORD, inside.trim_end(), "{line}");
        }
    }

    #[test]
    fn what_is_no_envelope_is_left_alone() {
        let lines = [
            "",
            "{}",
            RECORD,
            r#"{"log":"x"}"#,
            r#"{"log":"{}\n","stream":"stdout","status":200}"#,
            r#"{"log":{"a":1},"stream":"stdout"}"#,
            r#"{"message":"not a record"}"#,
            r#"{"MESSAGE":[256]}"#,
            r#"{"MESSAGE":[1,"a"]}"#,
            r#"{"MESSAGE":null}"#,
            r#"{"log":"x","stream":"stdout""#,
            r#"{"log":"x","stream":"stdout"}}"#,
        ];
        for line in lines {
            assert_eq!(None, opened(line), "{line}");
        }
    }
}
