//! A cursor over one line of JSON that reads a token at a time: strict in structure, lenient in values.

use std::ops::Range;

use crate::decode::brackets;
use crate::decode::key_tree::{KeyTree, Meaning};
use crate::decode::scan;
use crate::decode::slots::Slots;
use crate::rejection::{Reason, Rejection};
use crate::schema::record_fields::{self as field, SKIP};
use crate::value::text::is_blank;

/// A line within its block. Every method is told where to read.
#[derive(Clone, Copy)]
pub struct Cursor<'a> {
    /// The block.
    pub block: &'a [u8],
    /// The first byte of the line.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
}

/// A value, and where it is.
pub enum Token {
    /// A string: what is between its quotes.
    String(Range<usize>),
    /// A number or a word without quotes.
    Scalar(Range<usize>),
    /// An object or an array.
    Nested(Range<usize>),
}

/// Stores a token in `slot`.
pub fn put(slots: &mut Slots, slot: usize, block: &[u8], token: &Token) {
    match token {
        Token::Scalar(range) if &block[range.clone()] == b"null" => slots.put(slot, range.start, range.start),
        Token::String(range) | Token::Scalar(range) => slots.put(slot, range.start, range.end),
        Token::Nested(range) => slots.put(slot, range.start, range.start),
    }
}

impl Cursor<'_> {
    /// The byte at `at`. The line is truncated if it ends before.
    #[inline]
    pub fn byte(self, at: usize) -> Result<u8, Rejection> {
        if at < self.end { Ok(self.block[at]) } else { Err(Rejection::new(Reason::Truncated, self.end)) }
    }

    /// The first byte from `at` on that is not blank.
    #[inline]
    pub fn skip_blanks(self, mut at: usize) -> usize {
        while at < self.end && is_blank(self.block[at]) {
            at += 1;
        }
        at
    }

    /// Checks that the line ends where its object ends, or that only the punctuation of an array follows.
    #[inline]
    pub fn finish(self, object_end: usize) -> Result<(), Rejection> {
        if object_end == self.end { Ok(()) } else { self.finish_element(object_end) }
    }

    #[cold]
    fn finish_element(self, object_end: usize) -> Result<(), Rejection> {
        let is_between = |byte: &u8| is_blank(*byte) || matches!(byte, b',' | b'[' | b']');
        let rest = &self.block[object_end..self.end];
        if rest.iter().all(is_between) { Ok(()) } else { Err(Rejection::new(Reason::NotJson, object_end)) }
    }

    /// Where the object that opens at `at` ends, if it is empty.
    pub fn empty_object(self, at: usize) -> Result<Option<usize>, Rejection> {
        let inside = self.skip_blanks(at + 1);
        Ok((self.byte(inside)? == b'}').then_some(inside + 1))
    }

    /// The content of the string whose opening quote is at `at`.
    fn string(self, at: usize) -> Result<Range<usize>, Rejection> {
        let to = scan::closing_quote(self.block, at + 1, self.end);
        if to < self.end { Ok(at + 1..to) } else { Err(Rejection::new(Reason::Truncated, self.end)) }
    }

    /// The key at `at`, perhaps after blanks, and where its value starts.
    pub fn key(self, at: usize) -> Result<(Range<usize>, usize), Rejection> {
        let at = self.skip_blanks(at);
        if self.byte(at)? != b'"' {
            return Err(Rejection::new(Reason::NotJson, at));
        }
        let key = self.string(at)?;
        let at = self.skip_blanks(key.end + 1);
        if self.byte(at)? != b':' {
            return Err(Rejection::new(Reason::NotJson, at));
        }
        Ok((key, self.skip_blanks(at + 1)))
    }

    /// The value at `at`, and where it ends.
    pub fn token(self, at: usize) -> Result<(Token, usize), Rejection> {
        match self.byte(at)? {
            b'"' => {
                let content = self.string(at)?;
                let next = content.end + 1;
                Ok((Token::String(content), next))
            }
            b'{' | b'[' => {
                let next = self.nested_end(at)?;
                Ok((Token::Nested(at..next), next))
            }
            _ => {
                let next = scan::scalar_end(self.block, at, self.end).ok_or(Rejection::new(Reason::NotJson, at))?;
                Ok((Token::Scalar(at..next), next))
            }
        }
    }

    /// Where the object or array at `at` has closed; `None` if there is none.
    #[inline]
    pub fn skip_nested(self, at: usize) -> Option<usize> {
        let opens = at < self.end && matches!(self.block[at], b'{' | b'[');
        if opens { brackets::nested_end(self.block, at, self.end) } else { None }
    }

    /// The same where a backslash stands before each quote, and nowhere else.
    pub fn skip_escaped(self, at: usize) -> Option<usize> {
        let opens = at < self.end && matches!(self.block[at], b'{' | b'[');
        if opens { brackets::escaped_end(self.block, at, self.end) } else { None }
    }

    /// Decodes the headers at `start` and returns where they end; `object` of `keys` says what they mean.
    ///
    /// Each header is a list of values, of which the first one counts. The object is passed over, and then searched for
    /// names that mean something: a string before a colon is a name.
    pub fn headers(self, start: usize, object: u8, keys: &KeyTree, record: &mut Slots) -> Result<usize, Rejection> {
        if self.byte(start)? != b'{' {
            return Err(Rejection::new(Reason::NotJson, start));
        }
        let end = self.nested_end(start)?;
        for at in keys.find_candidates(object, &self.block[start..end]).map(|at| start + at) {
            // A quote after a backslash is inside a string.
            if self.block[at - 1] != b'\\'
                && let Ok((key, value_at)) = self.key(at)
                && let Meaning::Slot(slot @ ..SKIP) = keys.meaning(object, &self.block[key])
            {
                let is_list = self.byte(value_at)? == b'[';
                let first = if is_list { self.skip_blanks(value_at + 1) } else { value_at };
                match self.token(first) {
                    Ok((token, _)) => put(record, slot, self.block, &token),
                    Err(_) => record.put_empty(slot),
                }
            }
        }
        Ok(end)
    }

    /// Where the object or array that opens at `at` has closed.
    fn nested_end(self, at: usize) -> Result<usize, Rejection> {
        brackets::nested_end(self.block, at, self.end).ok_or(Rejection::new(Reason::Truncated, self.end))
    }

    /// Decodes the objects in the array that opens at `start`, with the fields of one origin each; returns where it ends.
    pub fn elements(self, start: usize, elements: &mut Vec<Slots>) -> Result<usize, Rejection> {
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
                self.token(at)?.1
            };
            at = self.skip_blanks(at);
            match self.byte(at)? {
                b',' => at = self.skip_blanks(at + 1),
                b']' => return Ok(at + 1),
                _ => return Err(Rejection::new(Reason::NotJson, at)),
            }
        }
    }

    fn element(self, start: usize) -> Result<(Slots, usize), Rejection> {
        let mut slots = Slots::default();
        if let Some(end) = self.empty_object(start)? {
            return Ok((slots, end));
        }
        let mut at = start;
        loop {
            let (key, value_at) = self.key(at + 1)?;
            let (token, next) = self.token(value_at)?;
            put(&mut slots, field::of_element(&self.block[key]), self.block, &token);
            at = self.skip_blanks(next);
            match self.byte(at)? {
                b',' => {}
                b'}' => return Ok((slots, at + 1)),
                _ => return Err(Rejection::new(Reason::NotJson, at)),
            }
        }
    }
}
