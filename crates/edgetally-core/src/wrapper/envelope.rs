//! Records inside a string of another JSON object.
//!
//! ```text
//! {"log":"{\"ts\":…}\n","stream":"stdout","time":"2026-11-22T04:41:06.123456789Z"}    Docker's json-file
//! {"MESSAGE":"{\"ts\":…}","__REALTIME_TIMESTAMP":"1795322466123456",…}                journalctl -o json
//! {"MESSAGE":[123,34,116,…],…}                                                        the same, not valid UTF-8
//! {"message":"{\"ts\":…}",…}                                                          Vector, Logstash, Filebeat
//! {"log":"{\"ts\":…","partial_message":"true","partial_last":"false",…}               Docker's fluentd driver
//! {"short_message":"{\"ts\":…}",…}                                                    GELF
//! ```

use std::ops::Range;

use crate::decode::brackets;
use crate::decode::cursor::{Cursor, Token};
use crate::value::text::{unescape_into, unescape_string};
use crate::wrapper::part_marks::{PartMarks, SourceMarks, is_part_mark};
use crate::wrapper::parts::SourceHash;
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
    /// Whether it is a part because of a mark.
    pub is_marked_part: bool,
    /// Where it came from.
    pub source: SourceHash,
}

/// Writes to `inside` what the envelope `line` holds; nothing if it is none that is known.
///
/// `line` starts with its object. One with a member that `is_of_record` is a record, whatever else is in it. If `known` is a string
/// of it with a whole record, nothing but that may be what it holds, and it is not written. If a marked part of the
/// same source `waits` for such a text, it is its end.
pub fn open(
    line: &[u8],
    known: Option<&Range<usize>>,
    mut waits: impl FnMut(SourceHash, &[u8]) -> bool,
    inside: &mut Vec<u8>,
    times: &mut TimeMemo,
    is_of_record: impl Fn(&[u8], &[u8]) -> bool,
) -> Option<Opened> {
    let cursor = Cursor { block: line, start: 0, end: line.len() };
    let (mut log, mut entry, mut text, mut object) = (None, None, None, None);
    let (mut stream, mut time) = (None, None);
    // The last text that may be a part, and what says whether it is one.
    let (mut held, mut marks, mut is_of_container) = (None, PartMarks::default(), false);
    let mut source = SourceMarks::default();
    // The string that `inside` is of.
    let mut unescaped = None;
    let mut at = 0;
    if line.first() != Some(&b'{') {
        return None;
    }
    loop {
        let (key, value_at) = cursor.key(at + 1).ok()?;
        let name = &line[key];
        let holds = name == b"MESSAGE" || is_holder(name);
        let into = holds.then_some(&mut *inside);
        let (value, next) = value(cursor, value_at, known, into, &mut unescaped)?;
        source.read(name, &line[value_at..next]);
        match (name, value) {
            (b"MESSAGE", value) => entry = Some(value),
            (_, Token::String(range)) if holds => {
                if name == b"log" {
                    log = Some(range);
                } else {
                    held = Some(range.clone());
                    if may_hold_record(&line[range.clone()]) {
                        text = Some(range);
                    }
                }
            }
            (name, Token::Nested(range)) if holds && line[range.start] == b'{' => {
                object = object.filter(|_| is_description(name)).or(Some(range));
            }
            (b"stream", Token::String(range)) => stream = Some(range),
            (name, Token::String(range) | Token::Scalar(range)) if marks.read(name, &line[range.clone()]) => {
                is_of_container |= name.starts_with(b"CONTAINER");
            }
            (name, value) if is_time(name) => time = Some(value),
            (b"CONTAINER_ID" | b"CONTAINER_ID_FULL" | b"CONTAINER_NAME", _) => is_of_container = true,
            (key, _) if is_of_record(key, &line[value_at..next]) => return None,
            _ => {}
        }
        at = cursor.skip_blanks(next);
        match cursor.byte(at).ok()? {
            b',' => {}
            b'}' if cursor.finish(at + 1).is_ok() => break,
            _ => return None,
        }
    }
    let is_known = known.is_some();
    let is_stderr = stream.as_ref().is_some_and(|stream: &Range<usize>| &line[stream.clone()] == b"stderr");
    let source = source.hash(is_stderr);
    let mut unescape = |text: Range<usize>| {
        if unescaped != Some(text.start) {
            (!is_known).then_some(())?;
            unescape_into(&line[text], inside);
        }
        Some(())
    };
    let entry_of_container = if is_of_container { entry_text(entry.as_ref()) } else { None };
    let part = held.or_else(|| log.clone()).or(entry_of_container);
    // Some mark all parts but the last one.
    let is_docker = log.is_some() && stream.is_some();
    let mut is_last = |text: &Range<usize>| !is_docker && waits(source, &line[text.clone()]);
    let part = part.filter(|text| marks.is_part.is_some() || is_last(text));
    if stream.is_none() {
        text = text.or(log.take().filter(|log| may_hold_record(&line[log.clone()])));
    }
    let envelope = match (log, stream, entry, text, object) {
        _ if let Some(part) = part => {
            unescape(part)?;
            Envelope::Docker { is_part: marks.is_part == Some(true), is_stderr }
        }
        (Some(log), Some(_), _, _, _) => {
            unescape(log)?;
            // A shorter text without a newline is the last line of a container, or a shipper cut the newline off.
            let is_part = !is_known && inside.len() >= DOCKER_PART && !inside.ends_with(b"\n") && !is_object(inside);
            Envelope::Docker { is_part, is_stderr }
        }
        (_, _, Some(Token::String(entry)), _, _) => {
            unescape(entry)?;
            Envelope::Journal
        }
        (_, _, Some(Token::Nested(list)), _, _) if !is_known => {
            bytes_into(&line[list], inside)?;
            Envelope::Journal
        }
        (_, _, None, Some(text), _) => {
            unescape(text)?;
            Envelope::Message
        }
        // A shipper that parsed the record.
        (_, _, None, None, Some(object)) if !is_known => {
            inside.clear();
            inside.extend_from_slice(&line[object]);
            Envelope::Message
        }
        _ => return None,
    };
    let second = match time {
        Some(Token::String(range) | Token::Scalar(range)) => times.second(&line[range]),
        _ => None,
    };
    Some(Opened { envelope, second, is_marked_part: marks.is_part == Some(true), source })
}

/// The value at `at`, and where it ends. The first string that goes `into` a buffer is unescaped on the way.
fn value(
    cursor: Cursor<'_>,
    at: usize,
    known: Option<&Range<usize>>,
    into: Option<&mut Vec<u8>>,
    unescaped: &mut Option<usize>,
) -> Option<(Token, usize)> {
    if let Some(&Range { start, end }) = known
        && at + 1 == start
    {
        *unescaped = Some(start);
        return Some((Token::String(start..end), end + 1));
    }
    match into {
        Some(inside) if unescaped.is_none() && cursor.byte(at).ok()? == b'"' => {
            let from = at + 1;
            let to = from + unescape_string(&cursor.block[from..], inside)?;
            *unescaped = Some(from);
            Some((Token::String(from..to), to + 1))
        }
        _ => cursor.token(at).ok(),
    }
}

/// Whether shippers and log drivers put a line, or the object that they made of it, into a member called `name`.
fn is_holder(name: &[u8]) -> bool {
    HOLDERS.contains(&name)
}

/// Bytes at which Docker splits a line.
const DOCKER_PART: usize = 16 * 1024;

const HOLDERS: [&[u8]; 25] = [
    b"log",
    b"message",
    b"msg",
    b"line",
    b"event",
    b"original",
    b"body",
    b"json",
    b"log_processed",
    // GELF
    b"short_message",
    b"full_message",
    // Google Cloud
    b"textPayload",
    b"jsonPayload",
    // Azure
    b"properties",
    b"LogEntry",
    b"LogMessage",
    // CloudWatch
    b"@message",
    // OpenTelemetry
    b"stringValue",
    // Kafka
    b"payload",
    // Log Analytics
    b"Log_s",
    // rsyslog
    b"rawmsg",
    // Elasticsearch
    b"_source",
    b"hits",
    // Splunk
    b"_raw",
    b"result",
];

/// Whether shippers describe the file and the event in an object called `name`, too.
fn is_description(name: &[u8]) -> bool {
    matches!(name, b"log" | b"event")
}

/// The text of an entry of the journal.
fn entry_text(entry: Option<&Token>) -> Option<Range<usize>> {
    match entry {
        Some(Token::String(range)) => Some(range.clone()),
        _ => None,
    }
}

/// Whether a member called `name` says when the record was written.
pub fn is_time(name: &[u8]) -> bool {
    matches!(
        name,
        b"time"
            | b"__REALTIME_TIMESTAMP"
            | b"@timestamp"
            | b"timestamp"
            | b"date"
            | b"timereported"
            | b"ISODATE"
            | b"TimeGenerated"
            | b"timeUnixNano"
    )
}

/// Whether the text of a member called `name` says which envelope this is.
pub fn decides_envelope(name: &[u8]) -> bool {
    name == b"stream" || is_holder(name) || is_part_mark(name)
}

/// Whether the content of a string may be a record, perhaps with something before it. Any log may have such a key, so there has
/// to be a brace, and a quote behind it.
fn may_hold_record(raw: &[u8]) -> bool {
    memchr::memchr(b'{', raw).is_some_and(|brace| memchr::memmem::find(&raw[brace..], b"\\\"").is_some())
}

/// Whether `text` is one object, as far as its braces say.
pub fn is_object(text: &[u8]) -> bool {
    text.first() == Some(&b'{') && brackets::nested_end(text, 0, text.len()) == Some(text.len())
}

/// Writes to `inside` the bytes that a list of numbers stands for: `[123,34]`; nothing if one is not a byte.
pub fn bytes_into(list: &[u8], inside: &mut Vec<u8>) -> Option<()> {
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
        let opened = open(
            line.as_bytes(),
            None,
            |_, _| false,
            &mut inside,
            &mut TimeMemo::default(),
            |key, _| key == b"status",
        )?;
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
            (format!(r#"{{"date":1795322466.123,"log":"{escaped}"}}"#), Envelope::Message),
            (format!(r#"{{"log":{{"offset":1}},"message":"{escaped}",{time}}},"#), Envelope::Message),
            (format!(r#"{{"log":"{escaped}","stream":"stdout","_p":"P",{time}}}"#), docker(true, false)),
            (format!(r#"{{"log":"{escaped}","stream":"stderr","_p":"F",{time}}}"#), docker(false, true)),
            (
                format!(r#"{{{time},"partial_message":"true","partial_last":"false","log":"{escaped}"}}"#),
                docker(true, false),
            ),
            (
                format!(r#"{{{time},"partial_last":"true","partial_message":"true","log":"{escaped}"}}"#),
                docker(false, false),
            ),
            (format!(r#"{{{time},"message":"{escaped}","_partial":true}}"#), docker(true, false)),
            (format!(r#"{{{time},"CONTAINER_PARTIAL_MESSAGE":"true","MESSAGE":"{escaped}"}}"#), docker(true, false)),
            (format!(r#"{{{time},"CONTAINER_PARTIAL_LAST":"true","MESSAGE":"{escaped}"}}"#), docker(false, false)),
            (format!(r#"{{"version":"1.1","short_message":"{escaped}","timestamp":1795322466.5}}"#), Envelope::Message),
            (format!(r#"{{"jsonPayload":{RECORD},"timestamp":"2026-11-22T04:41:06Z"}}"#), Envelope::Message),
            (format!(r#"{{{time},"event":{{"a":1}},"json":{RECORD},"log":{{"offset":1}}}}"#), Envelope::Message),
            (format!(r#"{{"payload":"{escaped}","timestamp":1795322466123}}"#), Envelope::Message),
        ];
        for (line, envelope) in cases {
            let (found, inside) = opened(&line).expect("it is an envelope");
            assert_eq!((envelope, Some(1_795_322_466)), (found.envelope, found.second), "{line}");
            assert_eq!(RECORD, inside.trim_end(), "{line}");
        }
    }

    #[test]
    fn a_part_may_be_any_text() {
        for (line, is_part) in [
            (r#"{"log":"a","source":"stdout","partial_message":"true","partial_last":"false"}"#, true),
            (r#"{"log":"a","partial_message":"true","partial_last":"true"}"#, false),
            (r#"{"message":"a","_partial":true}"#, true),
            (r#"{"log":"a","stream":"stdout","_p":"P"}"#, true),
            (r#"{"MESSAGE":"a","CONTAINER_PARTIAL_MESSAGE":"true"}"#, true),
        ] {
            let envelope = Envelope::Docker { is_part, is_stderr: false };
            let (found, inside) = opened(line).expect("it is an envelope");
            assert_eq!((envelope, is_part, "a"), (found.envelope, found.is_marked_part, &*inside), "{line}");
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
            r#"{"log":[1],"stream":"stdout"}"#,
            r#"{"message":"not a record"}"#,
            r#"{"message":"not a {record}"}"#,
            r#"{"message":["{\"status\":1}"]}"#,
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
