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
mod scan;
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
                ObjectDecoder { keys, template, record, elements }.decode(cursor)
            }
        }
    }
}

/// Decodes one line that is an object.
struct ObjectDecoder<'d> {
    keys: &'d KeyTree,
    template: &'d mut Template,
    record: &'d mut Slots,
    elements: &'d mut Vec<Slots>,
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

    /// Decodes the next value after `position` the general way, and teaches the template; returns where it ends.
    ///
    /// If the line itself ends instead, returns the position of its brace.
    #[inline(never)]
    fn decode_member(&mut self, cursor: Cursor<'_>, position: Position) -> Result<Position, Rejection> {
        let Position { mut at, mut object, segment } = position;
        // Whether the byte at `at` opens the object that we are in.
        let mut opens = at == cursor.start;
        loop {
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
                    let segment = self.template.learn(literal, SKIP, Notation::Headers(inner), objects, segment);
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
            (r#"{"a":}"#, Err(Reason::NotJson)),
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
    fn the_template_never_changes_what_is_decoded() {
        let lines = [
            r#"{"domain":"a.example","status":"200","cache":"HIT","url":"/a/long/enough/path/to/fill/a/word"}"#,
            r#"{"domain":"b.example","cache":"MISS","url":"/a/long/enough/path/to/fill/a/word"}"#,
            r#"{"status":404,"domain":"c.example","url":"/a/long/enough/path/to/fill/a/word"}"#,
            r#"{"domain":"a.example","status":null,"cache":"HIT","url":"/a/long/enough/path/to/fill/a/word"}"#,
            r#"{"domain":"a.example","status":{"x":1},"cache":"HIT","url":"/a/long/enough/path/to/fill/a/word"}"#,
            r#"{"domain":"a.example","origins":[{}],"status":7,"url":"/a/long/enough/path/to/fill/a/word"}"#,
        ];
        let mut learned = Decoder::default();
        for first in lines {
            for second in lines {
                for line in [first, second] {
                    assert_eq!(decode(&mut Decoder::default(), line), decode(&mut learned, line), "{line}");
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
