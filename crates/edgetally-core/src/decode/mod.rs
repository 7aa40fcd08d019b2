//! Decoding: from a line to slots, with a lenient decoder of one JSON object.
//!
//! A [`Template`] decodes members that look like those of the lines before. Where a line differs, one member is decoded the
//! general way, here, and the template learns it. The result never depends on what the template expected. Logs with lines
//! of several kinds have a template for each: a cache writes requests and fetches, and pushes mix the lines of edges.
//!
//! The format says what a key means (see [`KeyTree`]). An object that holds fields is entered; any other object is passed
//! over. So the object in which a value stands says where in the line it is, and what stands between two values may lead
//! from one object into another: `"},"bytes_read":`.
//!
//! Decoding is lenient in values (bare `009`, raw control bytes, illegal escapes) and strict in structure, because a broken
//! structure means that a line was cut off or mixed with another.

pub mod brackets;
pub mod columns;
pub mod cursor;
pub mod key_tree;
mod literal;
mod memo;
mod object_decoder;
mod position;
pub mod scan;
mod segment;
mod short_value;
pub mod slots;
mod template;

use std::ops::Range;

use crate::decode::columns::Columns;
use crate::decode::cursor::Cursor;
use crate::decode::key_tree::KeyTree;
use crate::decode::object_decoder::ObjectDecoder;
use crate::decode::position::Position;
use crate::decode::slots::Slots;
use crate::decode::template::Template;
use crate::rejection::Rejection;

/// How lines are written.
#[derive(Debug, Clone)]
pub enum Shape {
    /// One JSON object per line.
    Objects(KeyTree),
    /// Values between tabs.
    Columns(Columns),
}

impl Default for Shape {
    /// Objects with the fields of a canonical record.
    fn default() -> Self {
        Self::Objects(KeyTree::new(&[], true))
    }
}

/// The most kinds of lines that are told apart.
const KINDS: usize = 4;
/// The most lines that are passed over after those that no template knew, before one is looked for again.
const MAX_PASSED_OVER: u32 = 255;

/// Decodes lines into slots, and learns what they look like.
#[derive(Debug)]
pub struct Decoder {
    shape: Shape,
    /// One for each kind of line; there is at least one.
    templates: Vec<Template>,
    /// The template of the last line.
    current: usize,
    /// How many lines that differ are still decoded with the current template, because the last search was in vain.
    passing_over: u32,
    /// How many were passed over before that search.
    passed_over: u32,
    /// The values of the last line.
    pub record: Slots,
    /// The values of each element of its `origins`.
    pub elements: Vec<Slots>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(Shape::default())
    }
}

impl Decoder {
    /// A decoder of lines of this shape.
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            templates: vec![Template::default()],
            current: 0,
            passing_over: 0,
            passed_over: 0,
            record: Slots::default(),
            elements: vec![],
        }
    }

    /// Decodes `block[line]`, which has no blanks around it.
    #[inline]
    pub fn decode(&mut self, block: &[u8], line: Range<usize>) -> Result<(), Rejection> {
        self.record.clear();
        self.elements.clear();
        match &self.shape {
            Shape::Columns(columns) => columns.decode(block, line, &mut self.record),
            Shape::Objects(keys) => {
                let cursor = Cursor { block, start: line.start, end: line.end };
                let template = &mut self.templates[self.current];
                let position = template.follow::<false>(cursor, Position::start(cursor), keys, &mut self.record);
                // Nearly every line is as expected.
                if position.is_end(cursor) && position.at + 1 == line.end {
                    return Ok(());
                }
                self.decode_other(cursor, position)
            }
        }
    }

    /// Decodes a line that differs from what the current template expects at `position`.
    #[inline(never)]
    fn decode_other(&mut self, cursor: Cursor<'_>, mut position: Position) -> Result<(), Rejection> {
        let Shape::Objects(keys) = &self.shape else { return Ok(()) };
        let before = self.current;
        let mut is_new = false;
        if self.passing_over > 0 {
            self.passing_over -= 1;
        } else if self.templates[before].is_known() && !position.is_cut_off(cursor) {
            // The next one knows most lines that the current one does not.
            for other in 1..self.templates.len() {
                self.current = (before + other) % self.templates.len();
                self.record.clear();
                let template = &mut self.templates[self.current];
                position = template.follow::<false>(cursor, Position::start(cursor), keys, &mut self.record);
                if position.is_end(cursor) && position.at + 1 == cursor.end {
                    self.passed_over = 0;
                    return Ok(());
                }
                if position.is_cut_off(cursor) {
                    break;
                }
            }
            if !position.is_cut_off(cursor) {
                self.record.clear();
                position = Position::start(cursor);
                is_new = self.templates.len() < KINDS;
                if is_new {
                    self.current = self.templates.len();
                    self.templates.push(Template::default());
                } else {
                    self.current = before;
                    position = self.templates[before].follow::<false>(cursor, position, keys, &mut self.record);
                    self.passed_over = (2 * self.passed_over + 1).min(MAX_PASSED_OVER);
                    self.passing_over = self.passed_over;
                }
            }
        }
        let (template, record) = (&mut self.templates[self.current], &mut self.record);
        let end = ObjectDecoder::new(keys, template, record, &mut self.elements).decode(cursor, position);
        if end.is_err() && is_new {
            // A line that is no record is not worth a template.
            self.templates.pop();
            self.current = before;
        }
        cursor.finish(end?)
    }

    /// Decodes the record at `line.start` in a string of another object, without unescaping it; returns where it ends.
    ///
    /// Only a record that looks like those before, and has no escapes but those of its quotes, can be decoded so.
    #[inline]
    pub fn decode_escaped(&mut self, block: &[u8], line: Range<usize>) -> Option<usize> {
        let Shape::Objects(keys) = &self.shape else { return None };
        self.record.clear();
        self.elements.clear();
        let cursor = Cursor { block, start: line.start, end: line.end };
        let template = &mut self.templates[self.current];
        let position = template.follow::<true>(cursor, Position::start(cursor), keys, &mut self.record);
        position.is_end(cursor).then_some(position.at + 1)
    }

    /// Whether a line with this member is meant to be a record: it says that there was a request, or a fetch. `value` is as it
    /// was logged, in quotes if it has any.
    pub fn is_of_record(&self, key: &[u8], value: &[u8]) -> bool {
        let Shape::Objects(keys) = &self.shape else { return false };
        keys.is_of_record(key, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::Reason;
    use crate::schema::record_fields as field;

    fn decode(decoder: &mut Decoder, line: &str) -> Result<Vec<String>, Reason> {
        decoder.decode(line.as_bytes(), 0..line.len()).map_err(|rejection| rejection.reason)?;
        let show = |slot| String::from_utf8_lossy(decoder.record.text(line.as_bytes(), slot)).into_owned();
        Ok(vec![show(field::DOMAIN), show(field::STATUS), show(field::CACHE)])
    }

    #[test]
    fn structure_is_strict_and_values_are_not() {
        let cases: &[(&str, Result<[&str; 3], Reason>)] = &[
            ("{}", Ok(["", "", ""])),
            (r#"{"domain":"a","status":200}"#, Ok(["a", "200", ""])),
            (r#"{ "status" : "009" , "domain" : "a" }"#, Ok(["a", "009", ""])),
            (r#"{"status":009,"cache":null}"#, Ok(["", "009", ""])),
            (r#"{"x":{"status":1,"y":["}"]},"status":2}"#, Ok(["", "2", ""])),
            (r#"{"domain":{"a":1},"status":2}"#, Ok(["", "2", ""])),
            (r#"{"status":1,"status":2}"#, Ok(["", "2", ""])),
            (r#"{"domain":"a\"b"}"#, Ok([r#"a\"b"#, "", ""])),
            ("[1]", Err(Reason::NotJson)),
            (r#"{"status":}"#, Err(Reason::NotJson)),
            (r#"{"a":1,}"#, Ok(["", "", ""])),
            (r#"{"a" 1}"#, Err(Reason::NotJson)),
            (r#"{"a":1 "b":2}"#, Err(Reason::NotJson)),
            (r#"{"a":1}x"#, Err(Reason::NotJson)),
            (r#"{"a":1}}"#, Err(Reason::NotJson)),
            (r#"{"a":"b"#, Err(Reason::Truncated)),
            (r#"{"a":1"#, Err(Reason::Truncated)),
            (r#"{"a":{"b":1}"#, Err(Reason::Truncated)),
            ("{", Err(Reason::Truncated)),
        ];
        for (line, want) in cases {
            let want = want.map(|texts| texts.map(str::to_owned).to_vec());
            assert_eq!(want, decode(&mut Decoder::default(), line), "{line}");
        }
    }

    #[test]
    fn a_value_that_no_field_asks_for_may_be_anything_without_quotes() {
        let skipped = [
            r#"{"x":,"status":2}"#,
            r#"{"x": , "status":2}"#,
            r#"{"status":2,"x":}"#,
            r#"{"status":2,"x": }"#,
            r#"{"x":0.1, 0.2,"status":2}"#,
            r#"{"x":0.1, 0.2 : 0.3, -,"status":2}"#,
            r#"{"status":2,"x":0.1, 0.2}"#,
            r#"{"x":,"y":1,"z":,"status":2,"y":-, 1}"#,
            r#"{"a":"b","x":"c", d,"status":2}"#,
            r#"{"x":10.0.0.7:80,"status":2}"#,
            r#"{"x":Mozilla/5.0 (X11; Linux), like,"status":2}"#,
            r#"{"status":2,"x":1 2}"#,
            r#"{"status":2,"x":1,}"#,
            r#"{"status":2,"x":, }"#,
            r#"{"x":1,, ,"status":2}"#,
            r#"{,"status":2}"#,
            r#"{"x":{"y":1},,"status":2,}"#,
        ];
        // Also where lines like it were learned before, and in between.
        let mut decoder = Decoder::default();
        for line in skipped.into_iter().chain([r#"{"x":0.1,"status":2}"#]).chain(skipped) {
            assert_eq!(Ok(vec![String::new(), "2".to_owned(), String::new()]), decode(&mut decoder, line), "{line}");
        }
        let rejected = [
            r#"{"status":,"x":1}"#,
            r#"{"x":1,"status":}"#,
            r#"{"status":200, 404,"x":1}"#,
            r#"{"domain":a b,"status":200}"#,
            r#"{"status":2,"x":1,{}}"#,
            r#"{"status":2,"x":1,y"z":1}"#,
            r#"{"status":2,"x":}}"#,
            r#"{"status":2,"x":1, 2"#,
            r#"{"origins":[{"ip":}],"status":2}"#,
            r#"{"x":a"b","status":2}"#,
            r#"{"status":2{,"x":1}"#,
            r#"{"status":"2"{,"x":1}"#,
            r#"{"x":a{"status":2}"#,
            r#"{"x":a["status":2]}"#,
        ];
        for line in rejected {
            assert!(decode(&mut decoder, line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_template_never_changes_what_is_decoded() {
        let lines = [
            r#"{"domain":"a.example","status":"200","cache":"HIT","url":"/a/long/enough/path/to/fill/a/word"}"#,
            r#"{"domain":"b.example","cache":"MISS","url":"/a/long/enough/path/to/fill/a/word"}"#,
            r#"{"status":404,"domain":"c.example","url":"/a/long/enough/path/to/fill/a/word"}"#,
            r#"{"domain":"a.example","status":null,"cache":"HIT","url":"/a/long/enough/path/to/fill/a/word"}"#,
            r#"{"domain":"a.example","status":{"x":1},"cache":"HIT","url":"/a/long/enough/path/to/fill/a/word"}"#,
            r#"{"domain":"a.example","origins":[{}],"status":7,"url":"/a/long/enough/path/to/fill/a/word"}"#,
            r#"{"ts":"2026-11-22T02:20:35Z","domain":"a.example","status":7,"url":"/a/long/path/to/fill/a/word"}"#,
            r#"{"ts":1795314035,"domain":"a.example","status":7,"url":"/a/long/enough/path/to/fill/a/word"}"#,
            r#"{"ts":2026-11-22T02:20:35Z,"domain":"a.example","status":7,"url":"/a/long/path/to/fill/a/word"}"#,
        ];
        let mut learned = Decoder::default();
        for first in lines {
            for second in lines {
                for third in lines {
                    for line in [first, second, third] {
                        assert_eq!(decode(&mut Decoder::default(), line), decode(&mut learned, line), "{line}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_template_never_changes_what_is_decoded_of_objects() {
        let lines = [
            r#"{"request":{"remote_ip":"::1","host":"a.example","headers":{"A":["b"]}},"size":1,"status":200}"#,
            r#"{"request":{"host":"b.example","headers":{"A":["}"],"B":[]},"tls":{"resumed":false,"version":772}},"status":1}"#,
            r#"{"request":{"host":"b.example","tls":{"version":772}},"resp_headers":{"A":["b"],"X-Edgetally-Origin-Addr":["o"]}}"#,
            r#"{"request":{},"status":2,"cache":"HIT"}"#,
            r#"{"request":null,"status":2,"cache":"HIT","size":{"a":1}}"#,
            r#"{"request":[1],"status":2,"cache":"HIT","resp_headers":{}}"#,
            r#"{"request":{"host":{"a":1}},"resp_headers":[{}],"status":3}"#,
            r#"{"request":{"host":"c.example" } , "status":3, "request":{ "host" : "d.example" }}"#,
            r#"{"status":4,"host":"no","request":{"x":{"host":"no"},"host":"e.example"}}"#,
            r#"{"request":{"host":"c.example"},"status":3"#,
            r#"{"request":{"host":"c.example","status":3}"#,
            r#"{"request":{"host":"c.example",},"status":3}"#,
            r#"{"request":{"host":"c.example"}}"#,
            r#"{"request":{"host":"c.example"}}}"#,
            r#"{"request":{"host":"c.example"},}"#,
            r#"{"status":9,"request":{"tls":{"version":769}}}"#,
        ];
        let fields = [
            ("request>host", field::DOMAIN),
            ("request>tls>version", field::TLS),
            ("size", field::RESP_BODY_BYTES),
            ("resp_headers[X-Edgetally-Origin-Addr]", field::ORIGIN_ADDR),
        ];
        let nested = || Decoder::new(Shape::Objects(KeyTree::new(&fields, true)));
        let slots = [field::DOMAIN, field::STATUS, field::TLS, field::ORIGIN_ADDR, field::RESP_BODY_BYTES];
        let decode = |decoder: &mut Decoder, line: &str| {
            decoder.decode(line.as_bytes(), 0..line.len()).map_err(|rejection| (rejection.reason, rejection.at))?;
            let show = |slot| String::from_utf8_lossy(decoder.record.text(line.as_bytes(), slot)).into_owned();
            Ok::<_, (Reason, usize)>(slots.map(show))
        };
        let tls_and_headers = Ok(["b.example", "", "772", "o", ""].map(String::from));
        assert_eq!(tls_and_headers, decode(&mut nested(), lines[2]));
        let mut learned = nested();
        for first in lines {
            for second in lines {
                for third in lines {
                    for line in [first, second, third] {
                        assert_eq!(decode(&mut nested(), line), decode(&mut learned, line), "{line}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_stands_behind_a_line_does_not_change_what_is_decoded() {
        let line = r#"{"domain":"a.example","status":"200","x":7,"y":"\"","ts":1795314035.5,"cache":"HIT","z":{"a":["b"]},"a":"b","compute":1}"#;
        let result = |decoder: &mut Decoder, block: &[u8], end: usize| {
            decoder.decode(block, 0..end).map_err(|rejection| (rejection.reason, rejection.at))?;
            Ok::<_, (Reason, usize)>(
                [field::DOMAIN, field::STATUS, field::TS, field::CACHE]
                    .map(|slot| String::from_utf8_lossy(decoder.record.text(block, slot)).into_owned()),
            )
        };
        for end in 1..=line.len() {
            let (before, after) = line.split_at(end);
            let want = result(&mut Decoder::default(), before.as_bytes(), end);
            for between in ["", "\"", "\",", ",", "}", "1", "\n", "\\"] {
                let block = [before, between, after, "\n", line].concat();
                let mut learned = Decoder::default();
                for _ in 0..2 {
                    result(&mut learned, [line, line].concat().as_bytes(), line.len()).expect("it is a record");
                }
                assert_eq!(want, result(&mut learned, block.as_bytes(), end), "{before} | {between}{after}");
            }
        }
    }

    #[test]
    fn every_kind_of_line_has_a_template() {
        let kinds = [
            r#"{"domain":"a.example","status":"200","cache":"HIT","proto":"HTTP/1.1"}"#,
            r#"{"domain":"b.example","origin":"o","origin_status":"200"}"#,
            r#"{"ts":1795314035.1,"domain":"c.example","status":"404"}"#,
        ];
        let block = kinds.repeat(50).join("\n") + &" ".repeat(64);
        let mut decoder = Decoder::default();
        let mut decode_all = || {
            let mut at = 0;
            for line in kinds.repeat(50) {
                assert_eq!(Ok(()), decoder.decode(block.as_bytes(), at..at + line.len()));
                assert!(line.contains(&*String::from_utf8_lossy(decoder.record.text(block.as_bytes(), field::DOMAIN))));
                at += line.len() + 1;
            }
            (decoder.templates.len(), decoder.passed_over)
        };
        assert_eq!((kinds.len(), 0), decode_all(), "each was learned once, and found from then on");
    }

    #[test]
    fn a_million_brackets_need_no_stack() {
        let line = format!("{{\"x\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(decode(&mut Decoder::default(), &line).is_ok());
    }
}
