//! A segment of a template: the literal between two values, and what the second one is.

use crate::decode::cursor::Cursor;
use crate::decode::key_tree::KeyTree;
use crate::decode::literal::{Literal, MAX_LITERAL, Tails};
use crate::decode::memo::Memo;
use crate::decode::scan;
use crate::decode::slots::Slots;
use crate::schema::record_fields::{self as field, Form};

const QUOTE: u8 = b'"';
const BACKSLASH: u8 = b'\\';
const COMMA: u8 = b',';
const NOTHING: u8 = 0;

/// The literal between two values, and what the second one is.
#[derive(Debug, Clone, Copy)]
pub struct Segment {
    /// What stands before the value.
    pub literal: Literal,
    slot: u8,
    /// How the value is read.
    pub read_as: ReadAs,
    /// The number of the tail of its literal, if it has one: then it is [`ReadAs::BehindTail`].
    tail: Option<u8>,
    /// What ends the value: a quote, or a comma or brace. Nothing, if the value is not read on the spot.
    pub stop: u8,
    /// The bytes of that quote, if it is one.
    closing: u8,
    notation: Notation,
    /// The object in which the literal starts, and the one in which the value is.
    pub objects: (u8, u8),
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// Between quotes.
    Quoted,
    /// Up to a comma or a brace.
    Bare,
    /// An object or an array that is passed over.
    Nested,
    /// The headers of this object of the format.
    Headers(u8),
}

/// How a value is read on the spot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadAs {
    /// Not at all.
    Later,
    /// Not at all, and the rest of the literal comes first.
    BehindTail,
    /// Up to a comma or a brace, of a member that no field asks for.
    Bare,
    /// Up to its quote.
    Text,
    /// The same of a member that no field asks for.
    SkippedText,
    /// An integer.
    Integer,
    /// A time, in units of ten to this many nanoseconds.
    Time(u8),
    /// A keyword between quotes.
    Word,
    /// A keyword without quotes.
    BareWord,
    /// A point in time.
    Timestamp,
}

impl Segment {
    /// A segment that no line has.
    const NEVER: Self = Self {
        literal: Literal::NEVER,
        slot: 0,
        read_as: ReadAs::Later,
        tail: None,
        stop: NOTHING,
        closing: 0,
        notation: Notation::Nested,
        objects: (u8::MAX, u8::MAX),
    };

    /// The segment with `literal`, which leads from one of `objects` into the other, before a value of `slot`; nothing if the
    /// literal is too long.
    pub fn new(literal: &[u8], slot: usize, notation: Notation, objects: (u8, u8), tails: &mut Tails) -> Option<Self> {
        let (literal, tail) = Literal::new(literal);
        let (read_as, stop) = match notation {
            Notation::Quoted => (read_as(slot, true), QUOTE),
            Notation::Bare => (read_as(slot, false), COMMA),
            Notation::Nested | Notation::Headers(_) => (ReadAs::Later, NOTHING),
        };
        let (read_as, stop, tail) = match tail {
            [] => (read_as, stop, None),
            tail => (ReadAs::BehindTail, NOTHING, Some(tails.number(tail)?)),
        };
        let slot = u8::try_from(slot).ok()?;
        let closing = u8::from(stop == QUOTE);
        Some(Self { literal, slot, read_as, tail, stop, closing, notation, objects })
    }

    /// The segment of a record in the string of another object, where a backslash stands before each quote. It never matches
    /// if its literal would be too long.
    pub fn escaped(literal: &[u8], slot: usize, notation: Notation, objects: (u8, u8), tails: &mut Tails) -> Self {
        let (mut escaped, mut len) = ([0; MAX_LITERAL], 0);
        for byte in literal {
            let backslash = usize::from(matches!(*byte, QUOTE | BACKSLASH));
            let Some([first, second]) = escaped.get_mut(len..len + 2) else { return Self::NEVER };
            (*first, *second) = if backslash == 1 { (BACKSLASH, *byte) } else { (*byte, 0) };
            len += 1 + backslash;
        }
        let mut new = Self::new(&escaped[..len], slot, notation, objects, tails).unwrap_or(Self::NEVER);
        if new.stop == QUOTE {
            (new.stop, new.closing) = (BACKSLASH, 2);
        }
        new
    }

    /// The slot of the value.
    #[inline]
    pub fn slot(&self) -> usize {
        usize::from(self.slot)
    }

    /// Whether it has the same literal as `other`, and leads from the same object into the same.
    pub fn is_like(&self, other: &Self) -> bool {
        (self.literal, self.tail, self.objects) == (other.literal, other.tail, other.objects)
    }

    /// How many bytes of its closing quote follow the value.
    #[inline]
    pub fn closing(&self) -> usize {
        usize::from(self.closing)
    }

    /// Stores the value as text, if it could not be read on the spot; returns where it ends. At `from` it starts, or the tail
    /// of the literal.
    #[inline(never)]
    pub fn store<const IS_ESCAPED: bool>(
        &self,
        cursor: Cursor<'_>,
        mut from: usize,
        keys: &KeyTree,
        tails: &Tails,
        memo: &mut Memo,
        slots: &mut Slots,
    ) -> Option<usize> {
        if let Some(tail) = self.tail {
            let tail = tails.get(tail)?;
            cursor.block.get(from..cursor.end)?.starts_with(tail).then_some(())?;
            from += tail.len();
        }
        let slot = self.slot();
        let to = match self.notation {
            Notation::Quoted if IS_ESCAPED => scan::escaped_quote(cursor.block, from, cursor.end)?,
            Notation::Quoted => scan::closing_quote(cursor.block, from, cursor.end),
            Notation::Bare => scan::scalar_end(cursor.block, from, cursor.end)?,
            Notation::Nested => {
                slots.put_empty(slot);
                return if IS_ESCAPED { cursor.skip_escaped(from) } else { cursor.skip_nested(from) };
            }
            Notation::Headers(object) if IS_ESCAPED => {
                let end = cursor.skip_escaped(from)?;
                let is_empty = keys.find_candidates(object, &cursor.block[from..end]).next().is_none();
                return is_empty.then_some(end);
            }
            Notation::Headers(object) => return cursor.headers(from, object, keys, slots).ok(),
        };
        if to >= cursor.end {
            return None;
        }
        let (text, quoted) = (&cursor.block[from..to], self.notation == Notation::Quoted);
        if IS_ESCAPED && !quoted && text.contains(&BACKSLASH) {
            return None;
        }
        match self.read_as {
            ReadAs::Word => memo.learn_word(text, slot, true),
            ReadAs::BareWord => memo.learn_word(text, slot, false),
            ReadAs::Timestamp => memo.learn_timestamp(text),
            _ => {}
        }
        slots.put(slot, from, if !quoted && text == b"null" { from } else { to });
        Some(to + usize::from(quoted) * quote_len(IS_ESCAPED))
    }
}

/// How a value of `slot` is read, between quotes or without.
fn read_as(slot: usize, is_quoted: bool) -> ReadAs {
    match field::form(slot) {
        Form::Skipped if is_quoted => ReadAs::SkippedText,
        Form::Key if is_quoted => ReadAs::Text,
        Form::Skipped => ReadAs::Bare,
        Form::Keyword if is_quoted => ReadAs::Word,
        Form::Keyword => ReadAs::BareWord,
        Form::Key => ReadAs::Later,
        Form::Integer => ReadAs::Integer,
        Form::Milliseconds => ReadAs::Time(6),
        Form::Seconds => ReadAs::Time(9),
        Form::Nanoseconds => ReadAs::Time(0),
        Form::Timestamp => ReadAs::Timestamp,
    }
}

/// The bytes of a quote.
pub const fn quote_len(is_escaped: bool) -> usize {
    if is_escaped { 2 } else { 1 }
}
