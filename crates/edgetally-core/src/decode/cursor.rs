//! A line of JSON, looked at piece by piece: strict in structure, lenient in values.

use std::ops::Range;

use crate::decode::key_tree::{KeyTree, Meaning};
use crate::decode::scan;
use crate::decode::slots::Slots;
use crate::rejection::{Reason, Reject};
use crate::schema::record_fields::{self as field, SKIP};
use crate::value::text::is_blank;

/// Where a line stands: the block, and the end of the line.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// The block.
    pub block: &'a [u8],
    /// The first byte of the line.
    pub start: usize,
    /// The byte behind its last.
    pub end: usize,
}

/// A value, and where it is.
pub enum Value {
    /// What is between its quotes.
    String(Range<usize>),
    /// A number, or a word without quotes.
    Scalar(Range<usize>),
    /// An object or a list.
    Nested(Range<usize>),
}

/// Notes what `slot` holds.
pub fn put(slots: &mut Slots, slot: usize, block: &[u8], value: &Value) {
    match value {
        Value::Scalar(range) if &block[range.clone()] == b"null" => slots.put(slot, range.start, range.start),
        Value::String(range) | Value::Scalar(range) => slots.put(slot, range.start, range.end),
        Value::Nested(range) => slots.put(slot, range.start, range.start),
    }
}

impl Line<'_> {
    /// The byte at `at`, if the line is that long.
    #[inline]
    pub fn byte(self, at: usize) -> Result<u8, Reject> {
        if at < self.end { Ok(self.block[at]) } else { Err(Reject::new(Reason::Truncated, self.end)) }
    }

    /// The first place from `at` on that is not blank.
    #[inline]
    pub fn skip_blanks(self, mut at: usize) -> usize {
        while at < self.end && is_blank(self.block[at]) {
            at += 1;
        }
        at
    }

    /// The object that began has ended before `at`; so must the line.
    #[inline]
    pub fn finish(self, at: usize) -> Result<(), Reject> {
        if at == self.end { Ok(()) } else { Err(Reject::new(Reason::NotJson, at)) }
    }

    /// Where the object that opens at `at` ends, if it is empty.
    pub fn empty_object(self, at: usize) -> Result<Option<usize>, Reject> {
        let inside = self.skip_blanks(at + 1);
        Ok((self.byte(inside)? == b'}').then_some(inside + 1))
    }

    /// The string whose opening quote is at `at`; its content.
    fn string(self, at: usize) -> Result<Range<usize>, Reject> {
        let to = scan::quote(self.block, at + 1, self.end);
        if to < self.end { Ok(at + 1..to) } else { Err(Reject::new(Reason::Truncated, self.end)) }
    }

    /// The key that begins at or, behind blanks, after `at`; and where its value begins.
    pub fn key(self, at: usize) -> Result<(Range<usize>, usize), Reject> {
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
    pub fn value(self, at: usize) -> Result<(Value, usize), Reject> {
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
                let next = scan::bare(self.block, at, self.end).ok_or(Reject::new(Reason::NotJson, at))?;
                Ok((Value::Scalar(at..next), next))
            }
        }
    }

    /// Where the object or list at `at` has closed; nothing when none stands there.
    #[inline]
    pub fn nested_at(self, at: usize) -> Option<usize> {
        let opens = at < self.end && matches!(self.block[at], b'{' | b'[');
        if opens { scan::nested(self.block, at, self.end) } else { None }
    }

    /// Reads the headers at `start`, which `object` of the format says what they mean; where they end.
    ///
    /// Each is a list of values, of which the first one holds. They are passed as a whole, and looked through for names
    /// that mean something: a string with a colon behind it is a name.
    pub fn headers(self, start: usize, object: u8, keys: &KeyTree, record: &mut Slots) -> Result<usize, Reject> {
        if self.byte(start)? != b'{' {
            return Err(Reject::new(Reason::NotJson, start));
        }
        let end = self.nested_end(start)?;
        for at in keys.beginnings(object, &self.block[start..end]).map(|at| start + at) {
            // A quote behind a backslash is in the midst of a string.
            if self.block[at - 1] != b'\\'
                && let Ok((key, value_at)) = self.key(at)
                && let Meaning::Slot(slot @ ..SKIP) = keys.of(object, &self.block[key])
            {
                let is_list = self.byte(value_at)? == b'[';
                let first = if is_list { self.skip_blanks(value_at + 1) } else { value_at };
                match self.value(first) {
                    Ok((value, _)) => put(record, slot, self.block, &value),
                    Err(_) => record.put_nothing(slot),
                }
            }
        }
        Ok(end)
    }

    /// Where the object or array that opens at `at` has closed.
    fn nested_end(self, at: usize) -> Result<usize, Reject> {
        scan::nested(self.block, at, self.end).ok_or(Reject::new(Reason::Truncated, self.end))
    }

    /// The objects in the array that opens at `start`, with the fields of an origin each; where it ends.
    pub fn elements(self, start: usize, elements: &mut Vec<Slots>) -> Result<usize, Reject> {
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
