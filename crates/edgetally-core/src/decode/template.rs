//! The template: what the next line is expected to look like, learned from the lines before.
//!
//! The lines of a log have the same keys in the same order. A template is a list of segments; a segment is the literal
//! bytes from one value to the next (`,"status":"`) and the slot of the second value. While a line matches, a member costs
//! one compare of its literal and a few operations on the bytes after it, which find where a number ends and what it is.
//! Keywords (`HIT`, `TLSv1.3`) are looked up in a memo.
//!
//! The template never decides what a line means. A value that does not have the expected form is stored as text, to be read
//! later. A member that does not match is decoded the general way (see [`crate::decode`]), and the template learns it.

use crate::decode::cursor::Cursor;
use crate::decode::key_tree::KeyTree;
use crate::decode::literal::{LOOK_AHEAD, Tails};
use crate::decode::memo::Memo;
use crate::decode::position::Position;
use crate::decode::scan;
use crate::decode::segment::{Notation, ReadAs, Segment, quote_len};
use crate::decode::short_value::{bare_len, ends, integer, nanoseconds, quoted_len};
use crate::decode::slots::Slots;
use crate::schema::record_fields::{self as field, SKIP, SLOTS};

/// The most segments. A line with more is not from an access log.
const MAX_SEGMENTS: usize = 256;
const QUOTE: u8 = b'"';
const BACKSLASH: u8 = b'\\';
const NOWHERE: u16 = u16::MAX;

/// What lines look like.
#[derive(Debug)]
pub struct Template {
    segments: Vec<Segment>,
    /// The same for a record in a string, where a backslash stands before each quote.
    escaped: Vec<Segment>,
    /// The tails of both.
    tails: Tails,
    /// The last segment of each slot, to return to it after optional members.
    by_slot: [u16; SLOTS],
    memo: Memo,
}

impl Default for Template {
    fn default() -> Self {
        Self {
            segments: vec![],
            escaped: vec![],
            tails: Tails::default(),
            by_slot: [NOWHERE; SLOTS],
            memo: Memo::default(),
        }
    }
}

impl Template {
    /// Whether it has learned anything.
    pub fn is_known(&self) -> bool {
        !self.segments.is_empty()
    }

    /// Reads values into `slots` from `position` on, as long as the line matches; returns how far that was.
    ///
    /// A broken line ends it, too. Only the first literal starts with anything but a comma or a closing brace, so members
    /// that match are separated.
    ///
    /// With `IS_ESCAPED`, a backslash stands before each quote. Anything else behind a backslash ends it.
    #[inline(never)]
    pub fn follow<const IS_ESCAPED: bool>(
        &mut self,
        cursor: Cursor<'_>,
        position: Position,
        keys: &KeyTree,
        slots: &mut Slots,
    ) -> Position {
        let memo = &mut self.memo;
        let (quote, quote_len) = (if IS_ESCAPED { BACKSLASH } else { QUOTE }, quote_len(IS_ESCAPED));
        let mut object = position.object;
        let mut left = &cursor.block[position.at..];
        let mut segments = if IS_ESCAPED { &self.escaped[..] } else { &self.segments[position.segment..] };
        while let [segment, others @ ..] = segments
            && let Some(ahead) = left.first_chunk::<LOOK_AHEAD>()
            && segment.objects.0 == object
            && segment.literal.matches(ahead)
        {
            let literal = segment.literal.len();
            let value = segment.literal.value(ahead);
            // Where in the block the value starts.
            let from = || cursor.block.len() - left.len() + literal;
            // Where the line ends does not matter here: if a value goes on behind that, so does the position, and the line is
            // cut off.
            let read = match segment.read_as {
                ReadAs::Bare => match bare_len::<IS_ESCAPED>(value) {
                    Some(len) => {
                        (left, object, segments) = (&left[literal + len..], segment.objects.1, others);
                        continue;
                    }
                    None => None,
                },
                ReadAs::SkippedText => {
                    if let Some(len) = quoted_len::<IS_ESCAPED>(value) {
                        (left, object, segments) = (&left[literal + len + quote_len..], segment.objects.1, others);
                        continue;
                    }
                    let to = if IS_ESCAPED {
                        scan::escaped_quote(cursor.block, from(), cursor.end)
                    } else {
                        Some(scan::closing_quote(cursor.block, from(), cursor.end))
                    };
                    let next = to.and_then(|to| cursor.block.get(to + quote_len..));
                    let Some(next) = next else { break };
                    (left, object, segments) = (next, segment.objects.1, others);
                    continue;
                }
                ReadAs::Text => match quoted_len::<IS_ESCAPED>(value) {
                    Some(len) => {
                        slots.put(segment.slot(), from(), from() + len);
                        (left, object, segments) = (&left[literal + len + quote_len..], segment.objects.1, others);
                        continue;
                    }
                    None => None,
                },
                ReadAs::Integer => integer(value, segment.stop),
                ReadAs::Time(unit) => nanoseconds(value, segment.stop, unit),
                ReadAs::Word => memo.word(value, segment.slot(), quote),
                ReadAs::BareWord => memo.bare_word(value, segment.slot()),
                ReadAs::Timestamp => {
                    let read = memo.timestamp(value, segment.stop == quote);
                    read.filter(|(len, _)| ends(value, *len, segment.stop))
                }
                ReadAs::Later | ReadAs::BehindTail => None,
            };
            let is_end = |len: usize| !IS_ESCAPED || segment.stop != quote || value.get(len + 1) == Some(&QUOTE);
            let next = match read {
                Some((len, meaning)) if is_end(len) => {
                    slots.put_value(segment.slot(), from(), from() + len, meaning);
                    Some(from() + len + segment.closing())
                }
                _ if segment.stop == quote && value[0] == quote && is_end(0) => {
                    slots.put_empty(segment.slot());
                    Some(from() + quote_len)
                }
                _ => segment.store::<IS_ESCAPED>(cursor, from(), keys, &self.tails, memo, slots),
            };
            let Some(next) = next.and_then(|next| cursor.block.get(next..)) else { break };
            (left, object, segments) = (next, segment.objects.1, others);
        }
        let at = cursor.block.len() - left.len();
        Position { at, object, segment: self.segments.len() - segments.len() }
    }

    /// Learns that `literal`, which leads from one of `objects` into the other, stands before a value of `slot`, and puts it
    /// at `segment`; returns the segment after it.
    pub fn learn(
        &mut self,
        literal: &[u8],
        slot: usize,
        notation: Notation,
        objects: (u8, u8),
        segment: usize,
    ) -> usize {
        // Its elements need more than a slot, so it is always decoded the general way.
        if slot == field::ORIGINS {
            return segment;
        }
        let Some(new) = Segment::new(literal, slot, notation, objects, &mut self.tails) else {
            return segment;
        };
        let escaped = Segment::escaped(literal, slot, notation, objects, &mut self.tails);
        let last = usize::from(self.by_slot[slot]);
        if slot != SKIP && self.segments.get(last).is_some_and(|other| other.is_like(&new)) {
            return last + 1;
        }
        if let Some(old) = self.segments.get_mut(segment) {
            (*old, self.escaped[segment]) = (new, escaped);
        } else if segment < MAX_SEGMENTS {
            self.segments.push(new);
            self.escaped.push(escaped);
        } else {
            return segment;
        }
        self.by_slot[slot] = u16::try_from(segment).unwrap_or(NOWHERE);
        segment + 1
    }
}
