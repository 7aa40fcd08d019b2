//! From a line to slots: a lenient reader of one JSON object.
//!
//! Logs repeat themselves: the next line has the same keys in the same order. So the reader remembers the layout of
//! the line before, as the literal bytes from one value to the next (`,"status":"`), and compares whole words with
//! it. Where a line differs from what was expected, that member is read the general way and the layout learns it.
//! What comes out never depends on what was expected.
//!
//! What a key means is the format's business (see [`crate::layout`]). An object that holds fields is entered, any other
//! is passed as a whole; so the object in which a value stands says everything about where in the line we are, and what
//! stands between two values may lead from one object into another: `"},"bytes_read":`.
//!
//! It is lenient in values (bare `009`, raw control bytes, illegal escapes) and strict in structure, because a
//! structure that is broken means a line that was cut or mixed with another.

use std::ops::Range;

use crate::field::{self, SKIP, SLOTS, Slots};
use crate::layout::{Format, Keys, Meaning, ROOT};
use crate::marks;
use crate::reject::{Reason, Reject};
use crate::text::is_blank;

use wide::u8x16;

/// Longest literal between two values that the layout remembers.
const LITERAL: usize = 32;
/// A layout longer than this is not learned further: the line is no access log.
const MAX_STEPS: usize = 256;
const NOWHERE: u16 = u16::MAX;

/// What stands between two values, and where the second one belongs.
#[derive(Debug, Clone, Copy)]
struct Step {
    literal: [u8; LITERAL],
    /// A bit for each byte behind the literal, which may be anything.
    behind: u32,
    len: u8,
    slot: u8,
    kind: Kind,
    /// The object in which the literal begins, and that in which the value stands.
    objects: (u8, u8),
}

/// How a value begins, and where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Quoted,
    Bare,
    /// An object or a list, passed as a whole.
    Nested,
    /// The headers of this object of the format.
    Headers(u8),
}

impl Step {
    fn new(literal: &[u8], slot: usize, kind: Kind, objects: (u8, u8)) -> Option<Self> {
        let mut padded = [0; LITERAL];
        padded.get_mut(..literal.len())?.copy_from_slice(literal);
        let behind = u32::MAX.checked_shl(u32::try_from(literal.len()).ok()?).unwrap_or(0);
        let (len, slot) = (u8::try_from(literal.len()).ok()?, u8::try_from(slot).ok()?);
        Some(Self { literal: padded, behind, len, slot, kind, objects })
    }

    #[inline]
    fn stands_at(&self, bytes: &[u8]) -> bool {
        let Some(bytes) = bytes.first_chunk::<LITERAL>() else {
            return false;
        };
        let (there, wanted) = (halves(bytes), halves(&self.literal));
        let equal = |half: usize| there[half].simd_eq(wanted[half]).to_bitmask();
        equal(0) | equal(1) << 16 | self.behind == u32::MAX
    }

    fn is(&self, literal: &[u8], objects: (u8, u8)) -> bool {
        self.objects == objects && usize::from(self.len) == literal.len() && self.literal[..literal.len()] == *literal
    }
}

#[inline]
fn halves(bytes: &[u8; LITERAL]) -> [u8x16; 2] {
    let (halves, _) = bytes.as_chunks::<16>();
    [u8x16::new(halves[0]), u8x16::new(halves[1])]
}

/// Reads lines into slots, and learns their layout.
#[derive(Debug)]
pub struct Reader {
    format: Format,
    layout: Vec<Step>,
    /// Where in the layout a slot was seen last, to find the way back after optional members.
    seen: [u16; SLOTS],
    /// The flat fields of the line.
    pub record: Slots,
    /// The elements of its `origins`.
    pub elements: Vec<Slots>,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new(Format::default())
    }
}

/// How far a line has been read.
#[derive(Clone, Copy)]
struct Place {
    /// Behind the value before: what comes next begins with a brace or a comma.
    at: usize,
    /// The object that we are in.
    object: u8,
    /// The step that is expected.
    step: usize,
}

enum Value {
    String(Range<usize>),
    Scalar(Range<usize>),
    Nested(Range<usize>),
}

/// Where a line stands: the block, and the end of the line.
#[derive(Clone, Copy)]
struct Line<'a> {
    block: &'a [u8],
    start: usize,
    end: usize,
}

impl Reader {
    /// A reader of lines in `format`.
    pub fn new(format: Format) -> Self {
        Self { format, layout: Vec::new(), seen: [NOWHERE; SLOTS], record: Slots::default(), elements: Vec::new() }
    }

    /// The format of the lines.
    #[inline]
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// Reads the object that is `block[line]`, which has no blanks around it.
    pub fn read(&mut self, block: &[u8], line: Range<usize>) -> Result<(), Reject> {
        self.record.clear();
        self.elements.clear();
        if let Some(columns) = self.format.columns() {
            return columns.read(block, line, &mut self.record);
        }
        let start = line.start;
        let line = Line { block, start, end: line.end };
        if block[start] != b'{' {
            return Err(Reject::new(Reason::NotJson, start));
        }
        if let Some(end) = line.empty_object(start)? {
            return line.finish(end);
        }

        let mut place = Place { at: start, object: ROOT, step: 0 };
        loop {
            place = match self.expected(line, place) {
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

    /// Reads members from `place` on, as long as they begin as the layout says; where that ended.
    ///
    /// What is broken ends it too. No literal but the first begins with anything but a comma or a closing brace, so each
    /// member is known to be separated from the one before.
    #[inline]
    fn expected(&mut self, line: Line<'_>, mut place: Place) -> Place {
        for expected in &self.layout[place.step..] {
            let (from_object, object) = expected.objects;
            if from_object != place.object || !expected.stands_at(&line.block[place.at..]) {
                break;
            }
            let from = place.at + usize::from(expected.len);
            place.at = match expected.kind {
                Kind::Quoted => {
                    let to = marks::quote(line.block, from, line.end);
                    if to >= line.end {
                        break;
                    }
                    self.record.put(usize::from(expected.slot), from, to);
                    to + 1
                }
                Kind::Bare => {
                    let Some(to) = line.scalar_end(from) else {
                        break;
                    };
                    let known = if &line.block[from..to] == b"null" { from } else { to };
                    self.record.put(usize::from(expected.slot), from, known);
                    to
                }
                Kind::Nested => {
                    let Some(to) = line.nested_at(from) else {
                        break;
                    };
                    self.record.put(usize::from(expected.slot), from, from);
                    to
                }
                Kind::Headers(headers) => {
                    let Ok(to) = line.headers(from, headers, self.format.keys(), &mut self.record) else {
                        break;
                    };
                    to
                }
            };
            place.object = object;
            place.step += 1;
        }
        place
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
                    (at, object, opens) = (line.skip_blanks(at + 1), self.format.keys().parent(object), false);
                    if object == ROOT && line.byte(at)? == b'}' {
                        return Ok(Place { at, object, step });
                    }
                    continue;
                }
                _ => return Err(Reject::new(Reason::NotJson, at)),
            }
            let (key, value_at) = line.key(at + 1)?;
            let is_object = line.byte(value_at)? == b'{';
            let meaning = self.format.keys().of(object, &line.block[key]);
            let is_plain = matches!(meaning, Meaning::Slot(_));
            let slot = match meaning {
                Meaning::Object(inner) if is_object && line.empty_object(value_at)?.is_none() => {
                    (at, object, opens) = (value_at, inner, true);
                    continue;
                }
                Meaning::Headers(inner) if is_object => {
                    let next = line.headers(value_at, inner, self.format.keys(), &mut self.record)?;
                    let literal = &line.block[place.at..value_at];
                    let step = self.learn(literal, SKIP, Kind::Headers(inner), (place.object, object), step);
                    return Ok(Place { at: next, object, step });
                }
                Meaning::Slot(slot) => slot,
                Meaning::Object(_) | Meaning::Headers(_) => SKIP,
            };
            if slot == field::ORIGINS {
                // Said twice, the last one holds.
                self.elements.clear();
                if line.byte(value_at)? == b'[' {
                    return Ok(Place { at: line.elements(value_at, &mut self.elements)?, object, step });
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
            let step = kind.map_or(step, |kind| self.learn(literal, slot, kind, (place.object, object), step));
            put(&mut self.record, slot, line.block, &value);
            return Ok(Place { at: next, object, step });
        }
    }

    /// Notes that `literal`, which leads from one object to another, stands before a value of `slot` at `step`; returns
    /// the step that follows.
    fn learn(&mut self, literal: &[u8], slot: usize, kind: Kind, objects: (u8, u8), step: usize) -> usize {
        // There is more to it than a slot, so it is always read the general way.
        if slot == field::ORIGINS {
            return step;
        }
        let known = usize::from(self.seen[slot]);
        if slot != SKIP && self.layout.get(known).is_some_and(|other| other.is(literal, objects)) {
            return known + 1;
        }
        let Some(new) = Step::new(literal, slot, kind, objects) else {
            return step;
        };
        if let Some(old) = self.layout.get_mut(step) {
            *old = new;
        } else if step < MAX_STEPS {
            self.layout.push(new);
        } else {
            return step;
        }
        self.seen[slot] = u16::try_from(step).unwrap_or(NOWHERE);
        step + 1
    }
}

fn put(slots: &mut Slots, slot: usize, block: &[u8], value: &Value) {
    match value {
        Value::Scalar(range) if &block[range.clone()] == b"null" => slots.put(slot, range.start, range.start),
        Value::String(range) | Value::Scalar(range) => slots.put(slot, range.start, range.end),
        Value::Nested(range) => slots.put(slot, range.start, range.start),
    }
}

impl Line<'_> {
    #[inline]
    fn byte(self, at: usize) -> Result<u8, Reject> {
        if at < self.end { Ok(self.block[at]) } else { Err(Reject::new(Reason::Truncated, self.end)) }
    }

    #[inline]
    fn skip_blanks(self, mut at: usize) -> usize {
        while at < self.end && is_blank(self.block[at]) {
            at += 1;
        }
        at
    }

    /// The object that began has ended before `at`; so must the line.
    #[inline]
    fn finish(self, at: usize) -> Result<(), Reject> {
        if at == self.end { Ok(()) } else { Err(Reject::new(Reason::NotJson, at)) }
    }

    /// Where the object that opens at `at` ends, if it is empty.
    fn empty_object(self, at: usize) -> Result<Option<usize>, Reject> {
        let inside = self.skip_blanks(at + 1);
        Ok((self.byte(inside)? == b'}').then_some(inside + 1))
    }

    /// The string whose opening quote is at `at`; its content.
    fn string(self, at: usize) -> Result<Range<usize>, Reject> {
        let to = marks::quote(self.block, at + 1, self.end);
        if to < self.end { Ok(at + 1..to) } else { Err(Reject::new(Reason::Truncated, self.end)) }
    }

    /// Where the bare scalar at `from` ends; nothing when none stands there.
    #[inline]
    fn scalar_end(self, from: usize) -> Option<usize> {
        let to = marks::scalar(self.block, from, self.end);
        let broken = to < self.end && matches!(self.block[to], b'"' | b'{' | b'[' | b':');
        (to > from && !broken).then_some(to)
    }

    /// The key that begins at or, behind blanks, after `at`; and where its value begins.
    fn key(self, at: usize) -> Result<(Range<usize>, usize), Reject> {
        let at = self.skip_blanks(at);
        if self.byte(at)? != b'"' {
            return Err(Reject::new(Reason::NotJson, at));
        }
        let key = self.string(at)?;
        let at = self.skip_blanks(key.end + 1);
        if self.byte(at)? != b':' {
            return Err(Reject::new(Reason::NotJson, at));
        }
        Ok((key, self.skip_blanks(at + 1)))
    }

    /// The value at `at`, and where it ends.
    fn value(self, at: usize) -> Result<(Value, usize), Reject> {
        match self.byte(at)? {
            b'"' => {
                let content = self.string(at)?;
                let next = content.end + 1;
                Ok((Value::String(content), next))
            }
            b'{' | b'[' => {
                let next = self.nested_end(at)?;
                Ok((Value::Nested(at..next), next))
            }
            _ => {
                let next = self.scalar_end(at).ok_or(Reject::new(Reason::NotJson, at))?;
                Ok((Value::Scalar(at..next), next))
            }
        }
    }

    /// Where the object or list at `at` has closed; nothing when none stands there.
    #[inline]
    fn nested_at(self, at: usize) -> Option<usize> {
        if at < self.end && matches!(self.block[at], b'{' | b'[') { self.nested_end(at).ok() } else { None }
    }

    /// Reads the headers at `start`, which `object` of the format says what they mean; where they end.
    ///
    /// Each is a list of values, of which the first one holds.
    fn headers(self, start: usize, object: u8, keys: &Keys, record: &mut Slots) -> Result<usize, Reject> {
        if self.byte(start)? != b'{' {
            return Err(Reject::new(Reason::NotJson, start));
        }
        if let Some(end) = self.empty_object(start)? {
            return Ok(end);
        }
        let mut at = start;
        loop {
            let (key, value_at) = self.key(at + 1)?;
            let (mut value, next) = self.value(value_at)?;
            if let Meaning::Slot(slot @ ..SKIP) = keys.of(object, &self.block[key]) {
                if self.block[value_at] == b'[' {
                    value = self.value(self.skip_blanks(value_at + 1)).map_or(value, |(first, _)| first);
                }
                put(record, slot, self.block, &value);
            }
            at = self.skip_blanks(next);
            match self.byte(at)? {
                b',' => {}
                b'}' => return Ok(at + 1),
                _ => return Err(Reject::new(Reason::NotJson, at)),
            }
        }
    }

    /// Where the object or array that opens at `at` has closed. Counts brackets, so depth costs nothing.
    fn nested_end(self, mut at: usize) -> Result<usize, Reject> {
        let mut depth = 0_usize;
        loop {
            match self.byte(at)? {
                b'"' => at = self.string(at)?.end,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            at += 1;
            if depth == 0 {
                return Ok(at);
            }
        }
    }

    /// The objects in the array that opens at `start`, with the fields of an origin each; where it ends.
    fn elements(self, start: usize, elements: &mut Vec<Slots>) -> Result<usize, Reject> {
        let mut at = self.skip_blanks(start + 1);
        if self.byte(at)? == b']' {
            return Ok(at + 1);
        }
        loop {
            at = if self.byte(at)? == b'{' {
                let (slots, next) = self.element(at)?;
                elements.push(slots);
                next
            } else {
                self.value(at)?.1
            };
            at = self.skip_blanks(at);
            match self.byte(at)? {
                b',' => at = self.skip_blanks(at + 1),
                b']' => return Ok(at + 1),
                _ => return Err(Reject::new(Reason::NotJson, at)),
            }
        }
    }

    fn element(self, start: usize) -> Result<(Slots, usize), Reject> {
        let mut slots = Slots::default();
        if let Some(end) = self.empty_object(start)? {
            return Ok((slots, end));
        }
        let mut at = start;
        loop {
            let (key, value_at) = self.key(at + 1)?;
            let (value, next) = self.value(value_at)?;
            put(&mut slots, field::of_element(&self.block[key]), self.block, &value);
            at = self.skip_blanks(next);
            match self.byte(at)? {
                b',' => {}
                b'}' => return Ok((slots, at + 1)),
                _ => return Err(Reject::new(Reason::NotJson, at)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reader: &mut Reader, line: &str) -> Result<Vec<String>, Reason> {
        reader.read(line.as_bytes(), 0..line.len()).map_err(|reject| reject.reason)?;
        let show = |slot| String::from_utf8_lossy(reader.record.text(line.as_bytes(), slot)).into_owned();
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
            assert_eq!(want, read(&mut Reader::default(), line), "{line}");
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
        let mut learned = Reader::default();
        for first in lines {
            for second in lines {
                for line in [first, second] {
                    assert_eq!(read(&mut Reader::default(), line), read(&mut learned, line), "{line}");
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
        let caddy = || Reader::new(Format::named("caddy").expect("there is one"));
        let slots = [field::DOMAIN, field::STATUS, field::TLS, field::ORIGIN_ADDR, field::RESP_BODY_BYTES];
        let read = |reader: &mut Reader, line: &str| {
            reader.read(line.as_bytes(), 0..line.len()).map_err(|reject| (reject.reason, reject.at))?;
            let show = |slot| String::from_utf8_lossy(reader.record.text(line.as_bytes(), slot)).into_owned();
            Ok::<_, (Reason, usize)>(slots.map(show))
        };
        let tls_and_headers = Ok(["b.example", "", "772", "o", ""].map(String::from));
        assert_eq!(tls_and_headers, read(&mut caddy(), lines[2]));
        let mut learned = caddy();
        for first in lines {
            for second in lines {
                for third in lines {
                    for line in [first, second, third] {
                        assert_eq!(read(&mut caddy(), line), read(&mut learned, line), "{line}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_million_brackets_cost_no_stack() {
        let line = format!("{{\"x\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(read(&mut Reader::default(), &line).is_ok());
    }
}
