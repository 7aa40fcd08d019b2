//! From a line to slots: a lenient reader of one JSON object.
//!
//! Logs repeat themselves: the next line has the same keys in the same order. So the reader remembers the layout of
//! the line before, as the literal bytes from one value to the next (`,"status":"`), and compares whole words with
//! it. Where a line differs from what was expected, that member is read the general way and the layout learns it.
//! What comes out never depends on what was expected.
//!
//! It is lenient in values (bare `009`, raw control bytes, illegal escapes) and strict in structure, because a
//! structure that is broken means a line that was cut or mixed with another.

use std::ops::Range;

use crate::field::{self, SKIP, SLOTS, Slots};
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
    quoted: bool,
}

impl Step {
    fn new(literal: &[u8], slot: usize, quoted: bool) -> Option<Self> {
        let mut padded = [0; LITERAL];
        padded.get_mut(..literal.len())?.copy_from_slice(literal);
        let behind = u32::MAX.checked_shl(u32::try_from(literal.len()).ok()?).unwrap_or(0);
        let (len, slot) = (u8::try_from(literal.len()).ok()?, u8::try_from(slot).ok()?);
        Some(Self { literal: padded, behind, len, slot, quoted })
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

    fn is(&self, literal: &[u8]) -> bool {
        usize::from(self.len) == literal.len() && self.literal[..literal.len()] == *literal
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
        Self { layout: Vec::new(), seen: [NOWHERE; SLOTS], record: Slots::default(), elements: Vec::new() }
    }
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
    end: usize,
}

impl Reader {
    /// Reads the object that is `block[line]`, which has no blanks around it.
    pub fn read(&mut self, block: &[u8], line: Range<usize>) -> Result<(), Reject> {
        self.record.clear();
        self.elements.clear();
        let start = line.start;
        let line = Line { block, end: line.end };
        if block[start] != b'{' {
            return Err(Reject::new(Reason::NotJson, start));
        }
        if let Some(end) = line.empty_object(start)? {
            return line.finish(end);
        }

        let (mut at, mut step) = (start, 0);
        loop {
            (at, step) = match self.expected(line, at, step) {
                (next, _) if next == at => self.unexpected(line, at, step)?,
                expected => expected,
            };
            at = line.skip_blanks(at);
            match line.byte(at)? {
                b',' => {}
                b'}' => return line.finish(at + 1),
                _ => return Err(Reject::new(Reason::NotJson, at)),
            }
        }
    }

    /// Reads members from the one at `at` on, as long as they begin as the layout says from `step` on; where that
    /// ended, and the step after it.
    ///
    /// What is broken ends it too. No literal but the first begins with anything but a comma, so each member is
    /// known to be separated from the one before.
    #[inline]
    fn expected(&mut self, line: Line<'_>, mut at: usize, mut step: usize) -> (usize, usize) {
        for expected in &self.layout[step..] {
            if !expected.stands_at(&line.block[at..]) {
                break;
            }
            let from = at + usize::from(expected.len);
            if expected.quoted {
                let to = marks::quote(line.block, from, line.end);
                if to >= line.end {
                    break;
                }
                self.record.put(usize::from(expected.slot), from, to);
                at = to + 1;
            } else {
                let Some(to) = line.scalar_end(from) else {
                    break;
                };
                let known = if &line.block[from..to] == b"null" { from } else { to };
                self.record.put(usize::from(expected.slot), from, known);
                at = to;
            }
            step += 1;
        }
        (at, step)
    }

    /// The member at `at`, read the general way, which teaches the layout; where it ends and the step after it.
    #[inline(never)]
    fn unexpected(&mut self, line: Line<'_>, at: usize, step: usize) -> Result<(usize, usize), Reject> {
        let (key, value_at) = line.key(at + 1)?;
        let slot = field::of_record(&line.block[key]);
        if slot == field::ORIGINS {
            // Said twice, the last one holds.
            self.elements.clear();
            if line.byte(value_at)? == b'[' {
                return Ok((line.elements(value_at, &mut self.elements)?, step));
            }
        }
        let (value, next) = line.value(value_at)?;
        let literal_end = if let Value::String(content) = &value { content.start } else { value_at };
        let step = self.learn(&line.block[at..literal_end], slot, &value, step);
        put(&mut self.record, slot, line.block, &value);
        Ok((next, step))
    }

    /// Notes that `literal` stands before a value of `slot` at `step`; returns the step that follows.
    fn learn(&mut self, literal: &[u8], slot: usize, value: &Value, step: usize) -> usize {
        // What has an end of its own, or more to it than a slot, is always read the general way.
        if slot == field::ORIGINS || matches!(value, Value::Nested(_)) {
            return step;
        }
        let known = usize::from(self.seen[slot]);
        if slot != SKIP && self.layout.get(known).is_some_and(|other| other.is(literal)) {
            return known + 1;
        }
        let Some(new) = Step::new(literal, slot, matches!(value, Value::String(_))) else {
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
    fn a_million_brackets_cost_no_stack() {
        let line = format!("{{\"x\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(read(&mut Reader::default(), &line).is_ok());
    }
}
