//! From a line to slots: a lenient decoder of one JSON object.
//!
//! Members that come as the lines before had them are read by [`Steps`]. Where a line differs from what was expected,
//! that member is read the general way, here, and the steps learn it. What comes out never depends on what was expected.
//!
//! What a key means is the format's business (see [`crate::format`]). An object that holds fields is entered, any other
//! is passed as a whole; so the object in which a value stands says everything about where in the line we are, and what
//! stands between two values may lead from one object into another: `"},"bytes_read":`.
//!
//! It is lenient in values (bare `009`, raw control bytes, illegal escapes) and strict in structure, because a
//! structure that is broken means a line that was cut or mixed with another.

pub mod columns;
pub mod cursor;
pub mod key_tree;
mod memo;
mod scan;
pub mod slots;
mod template;

use std::ops::Range;

use crate::decode::columns::Columns;
use crate::decode::cursor::{Line, Value, put};
use crate::decode::key_tree::{KeyTree, Meaning, ROOT};
use crate::decode::slots::Slots;
use crate::decode::template::{Kind, Place, Steps};
use crate::rejection::{Reason, Reject};
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
    steps: Steps,
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
    pub fn decode(&mut self, block: &[u8], line: Range<usize>) -> Result<(), Reject> {
        self.record.clear();
        self.elements.clear();
        match &self.shape {
            Shape::Columns(columns) => columns.read(block, line, &mut self.record),
            Shape::Objects(keys) => {
                let line = Line { block, start: line.start, end: line.end };
                let (steps, record, elements) = (&mut self.steps, &mut self.record, &mut self.elements);
                ObjectDecoder { keys, steps, record, elements }.decode(line)
            }
        }
    }
}

/// Decodes one line that is an object.
struct ObjectDecoder<'d> {
    keys: &'d KeyTree,
    steps: &'d mut Steps,
    record: &'d mut Slots,
    elements: &'d mut Vec<Slots>,
}

impl ObjectDecoder<'_> {
    fn decode(&mut self, line: Line<'_>) -> Result<(), Reject> {
        if line.block[line.start] != b'{' {
            return Err(Reject::new(Reason::NotJson, line.start));
        }
        if let Some(end) = line.empty_object(line.start)? {
            return line.finish(end);
        }

        let mut place = Place { at: line.start, object: ROOT, step: 0 };
        loop {
            place = match self.steps.follow(line, place, self.keys, self.record) {
                Place { at, .. } if at == place.at => self.unexpected(line, place)?,
                expected => expected,
            };
            place.at = line.skip_blanks(place.at);
            // Where objects end is part of what stands before the next value, so they are left there; the line's is not.
            if place.object == ROOT && line.byte(place.at)? == b'}' {
                return line.finish(place.at + 1);
            }
        }
    }

    /// The next value behind `place`, read the general way, which teaches the layout; where it ends.
    ///
    /// Where the line itself ends instead, this is where it stops.
    #[inline(never)]
    fn unexpected(&mut self, line: Line<'_>, place: Place) -> Result<Place, Reject> {
        let Place { mut at, mut object, step } = place;
        // Whether the byte at `at` opens the object that we are in.
        let mut opens = at == line.start;
        loop {
            match line.byte(at)? {
                b'{' if opens => {}
                b',' if !opens => {}
                b'}' if object != ROOT => {
                    (at, object, opens) = (line.skip_blanks(at + 1), self.keys.parent(object), false);
                    if object == ROOT && line.byte(at)? == b'}' {
                        return Ok(Place { at, object, step });
                    }
                    continue;
                }
                _ => return Err(Reject::new(Reason::NotJson, at)),
            }
            let (key, value_at) = line.key(at + 1)?;
            let is_object = line.byte(value_at)? == b'{';
            let meaning = self.keys.of(object, &line.block[key]);
            let is_plain = matches!(meaning, Meaning::Slot(_));
            let slot = match meaning {
                Meaning::Object(inner) if is_object && line.empty_object(value_at)?.is_none() => {
                    (at, object, opens) = (value_at, inner, true);
                    continue;
                }
                Meaning::Headers(inner) if is_object => {
                    let next = line.headers(value_at, inner, self.keys, self.record)?;
                    let literal = &line.block[place.at..value_at];
                    let step = self.steps.learn(literal, SKIP, Kind::Headers(inner), (place.object, object), step);
                    return Ok(Place { at: next, object, step });
                }
                Meaning::Slot(slot) => slot,
                Meaning::Object(_) | Meaning::Headers(_) => SKIP,
            };
            if slot == field::ORIGINS {
                // Said twice, the last one holds.
                self.elements.clear();
                if line.byte(value_at)? == b'[' {
                    return Ok(Place { at: line.elements(value_at, self.elements)?, object, step });
                }
            }
            let (value, next) = line.value(value_at)?;
            let (literal_end, kind) = match &value {
                Value::String(content) => (content.start, Some(Kind::Quoted)),
                Value::Scalar(_) => (value_at, Some(Kind::Bare)),
                Value::Nested(_) if is_plain => (value_at, Some(Kind::Nested)),
                // The next one may be what the format looks into.
                Value::Nested(_) => (value_at, None),
            };
            let literal = &line.block[place.at..literal_end];
            let step = kind.map_or(step, |kind| self.steps.learn(literal, slot, kind, (place.object, object), step));
            put(self.record, slot, line.block, &value);
            return Ok(Place { at: next, object, step });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(decoder: &mut Decoder, line: &str) -> Result<Vec<String>, Reason> {
        decoder.decode(line.as_bytes(), 0..line.len()).map_err(|reject| reject.reason)?;
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
    fn what_was_expected_never_changes_what_is_read() {
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
    fn what_was_expected_of_objects_never_changes_what_is_read() {
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
            decoder.decode(line.as_bytes(), 0..line.len()).map_err(|reject| (reject.reason, reject.at))?;
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
    fn a_million_brackets_cost_no_stack() {
        let line = format!("{{\"x\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(decode(&mut Decoder::default(), &line).is_ok());
    }
}
