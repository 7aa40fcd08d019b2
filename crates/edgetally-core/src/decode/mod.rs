//! Decoding: from a line to slots, with a lenient decoder of one JSON object.
//!
//! A [`Template`] decodes members that look like those of the lines before. Where a line differs, one member is decoded the
//! general way, here, and the template learns it. The result never depends on what the template expected.
//!
//! The format says what a key means (see [`KeyTree`]). An object that holds fields is entered; any other object is passed
//! over. So the object in which a value stands says where in the line it is, and what stands between two values may lead
//! from one object into another: `"},"bytes_read":`.
//!
//! Decoding is lenient in values (bare `009`, raw control bytes, illegal escapes) and strict in structure, because a broken
//! structure means that a line was cut off or mixed with another.

pub mod columns;
pub mod cursor;
pub mod key_tree;
mod memo;
pub mod scan;
pub mod slots;
mod template;

use std::ops::Range;

use crate::decode::columns::Columns;
use crate::decode::cursor::{Cursor, Token, put};
use crate::decode::key_tree::{KeyTree, Meaning, ROOT};
use crate::decode::slots::Slots;
use crate::decode::template::{Notation, Position, Template};
use crate::rejection::{Reason, Rejection};
use crate::schema::record_fields::{self as field, SKIP};

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

/// Decodes lines into slots, and learns what they look like.
#[derive(Debug, Default)]
pub struct Decoder {
    shape: Shape,
    template: Template,
    /// The values of the last line.
    pub record: Slots,
    /// The values of each element of its `origins`.
    pub elements: Vec<Slots>,
}

impl Decoder {
    /// A decoder of lines of this shape.
    pub fn new(shape: Shape) -> Self {
        Self { shape, ..Self::default() }
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
                let (template, record, elements) = (&mut self.template, &mut self.record, &mut self.elements);
                let mut decoder = ObjectDecoder { keys, template, record, elements, skipping: None };
                match decoder.decode(cursor) {
                    Err(rejection) if rejection.reason == Reason::NotJson => decoder.decode_again(cursor, rejection),
                    result => result,
                }
            }
        }
    }

    /// Whether a line with this key is meant to be a record: it says that there was a request, or a fetch.
    pub fn is_of_record(&self, key: &[u8]) -> bool {
        let Shape::Objects(keys) = &self.shape else { return false };
        let parts = [field::STATUS, field::ORIGIN_IP, field::ORIGIN_ADDR, field::ORIGIN_STATUS, field::ORIGINS];
        matches!(keys.meaning(ROOT, key), Meaning::Slot(slot) if parts.contains(&slot))
    }
}

/// Decodes one line that is an object.
struct ObjectDecoder<'d> {
    keys: &'d KeyTree,
    template: &'d mut Template,
    record: &'d mut Slots,
    elements: &'d mut Vec<Slots>,
    /// In the second pass over a broken line: the last member that was decoded.
    skipping: Option<LastMember>,
}

/// A member before the one that is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastMember {
    /// Its value counts.
    Counts,
    /// No field of a record has its key.
    Ignored,
}

impl ObjectDecoder<'_> {
    fn decode(&mut self, cursor: Cursor<'_>) -> Result<(), Rejection> {
        if cursor.block[cursor.start] != b'{' {
            return Err(Rejection::new(Reason::NotJson, cursor.start));
        }
        if let Some(end) = cursor.empty_object(cursor.start)? {
            return cursor.finish(end);
        }

        let mut position = Position { at: cursor.start, object: ROOT, segment: 0 };
        loop {
            position = match self.template.follow(cursor, position, self.keys, self.record) {
                Position { at, .. } if at == position.at => self.decode_member(cursor, position)?,
                expected => expected,
            };
            position.at = cursor.skip_blanks(position.at);
            // The end of an inner object is part of the literal before the next value. Only the line's own end is handled here.
            if position.object == ROOT && cursor.byte(position.at)? == b'}' {
                return cursor.finish(position.at + 1);
            }
        }
    }

    /// Decodes a line that is not JSON a second time, without its members that no field asks for.
    ///
    /// nginx writes `"x":,` and `"x":0.1, 0.2,` for variables that are empty or lists, if they are not between quotes. Nothing
    /// is learned from such a line. If it is still broken, it is rejected as before.
    #[cold]
    fn decode_again(&mut self, cursor: Cursor<'_>, rejection: Rejection) -> Result<(), Rejection> {
        if cursor.block[cursor.start] != b'{' {
            return Err(rejection);
        }
        self.record.clear();
        self.elements.clear();
        self.skipping = Some(LastMember::Counts);
        let mut position = Position { at: cursor.start, object: ROOT, segment: 0 };
        loop {
            position = self.decode_member(cursor, position).map_err(|_| rejection)?;
            position.at = cursor.skip_blanks(position.at);
            match cursor.byte(position.at) {
                Ok(b'}') if position.object == ROOT => return cursor.finish(position.at + 1).map_err(|_| rejection),
                Ok(_) => {}
                Err(_) => return Err(rejection),
            }
        }
    }

    /// Where the list ends whose first element stands before the separator at `at`, if there is one.
    #[cold]
    fn skip_list(&self, cursor: Cursor<'_>, at: usize) -> Option<usize> {
        if self.skipping != Some(LastMember::Ignored) || !matches!(cursor.byte(at).ok()?, b',' | b':') {
            return None;
        }
        let element = cursor.skip_blanks(at + 1);
        Some(cursor.skip_blanks(scan::scalar_end(cursor.block, element, cursor.end)?))
    }

    /// Decodes the next value after `position` the general way, and teaches the template; returns where it ends.
    ///
    /// If the line itself ends instead, returns the position of its brace.
    #[inline(never)]
    fn decode_member(&mut self, cursor: Cursor<'_>, position: Position) -> Result<Position, Rejection> {
        let Position { mut at, mut object, segment } = position;
        // Whether the byte at `at` opens the object that we are in.
        let mut opens = at == cursor.start;
        loop {
            if self.skipping.is_some() {
                while let Some(end) = self.skip_list(cursor, at) {
                    at = end;
                }
                if object == ROOT && cursor.byte(at)? == b'}' {
                    return Ok(Position { at, object, segment });
                }
            }
            match cursor.byte(at)? {
                b'{' if opens => {}
                b',' if !opens => {}
                b'}' if object != ROOT => {
                    (at, object, opens) = (cursor.skip_blanks(at + 1), self.keys.parent(object), false);
                    if object == ROOT && cursor.byte(at)? == b'}' {
                        return Ok(Position { at, object, segment });
                    }
                    continue;
                }
                _ => return Err(Rejection::new(Reason::NotJson, at)),
            }
            let (key, value_at) = cursor.key(at + 1)?;
            let is_object = cursor.byte(value_at)? == b'{';
            let meaning = self.keys.meaning(object, &cursor.block[key]);
            if let Some(last) = &mut self.skipping {
                *last = if meaning == Meaning::Slot(SKIP) { LastMember::Ignored } else { LastMember::Counts };
                if *last == LastMember::Ignored && matches!(cursor.byte(value_at)?, b',' | b'}') {
                    return Ok(Position { at: value_at, object, segment });
                }
            }
            let is_plain = matches!(meaning, Meaning::Slot(_));
            let slot = match meaning {
                Meaning::Object(inner) if is_object && cursor.empty_object(value_at)?.is_none() => {
                    (at, object, opens) = (value_at, inner, true);
                    continue;
                }
                Meaning::Headers(inner) if is_object => {
                    let next = cursor.headers(value_at, inner, self.keys, self.record)?;
                    let literal = &cursor.block[position.at..value_at];
                    let objects = (position.object, object);
                    let segment = if self.skipping.is_none() {
                        self.template.learn(literal, SKIP, Notation::Headers(inner), objects, segment)
                    } else {
                        segment
                    };
                    return Ok(Position { at: next, object, segment });
                }
                Meaning::Slot(slot) => slot,
                Meaning::Object(_) | Meaning::Headers(_) => SKIP,
            };
            if slot == field::ORIGINS {
                // If a key is repeated, the last value counts.
                self.elements.clear();
                if cursor.byte(value_at)? == b'[' {
                    return Ok(Position { at: cursor.elements(value_at, self.elements)?, object, segment });
                }
            }
            let (token, next) = cursor.token(value_at)?;
            if self.skipping.is_some() {
                put(self.record, slot, cursor.block, &token);
                return Ok(Position { at: next, object, segment });
            }
            let (literal_end, notation) = match &token {
                Token::String(content) => (content.start, Some(Notation::Quoted)),
                Token::Scalar(_) => (value_at, Some(Notation::Bare)),
                Token::Nested(_) if is_plain => (value_at, Some(Notation::Nested)),
                // The next line may have an object here that the format looks into.
                Token::Nested(_) => (value_at, None),
            };
            let literal = &cursor.block[position.at..literal_end];
            let objects = (position.object, object);
            let segment =
                notation.map_or(segment, |notation| self.template.learn(literal, slot, notation, objects, segment));
            put(self.record, slot, cursor.block, &token);
            return Ok(Position { at: next, object, segment });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            (r#"{"a":1,}"#, Err(Reason::NotJson)),
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
    fn a_broken_member_that_no_field_asks_for_is_skipped() {
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
            r#"{"status":2,"x":1,}"#,
            r#"{"status":2,"x":,}"#,
            r#"{"status":2,"x":,,"y":1}"#,
            r#"{"status":2,"x":1 2}"#,
            r#"{"status":2,"x":1,{}}"#,
            r#"{"status":2,"x":1,y"z":1}"#,
            r#"{"status":2,"x":}}"#,
            r#"{"status":2,"x":1, 2"#,
            r#"{"origins":[{"ip":}],"status":2}"#,
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
    fn a_million_brackets_need_no_stack() {
        let line = format!("{{\"x\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(decode(&mut Decoder::default(), &line).is_ok());
    }
}
