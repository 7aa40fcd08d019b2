//! One line that is an object: members as the template expects them, and any other the general way.

use crate::decode::cursor::{Cursor, Token, put};
use crate::decode::key_tree::{KeyTree, Meaning, ROOT};
use crate::decode::position::Position;
use crate::decode::scan;
use crate::decode::segment::Notation;
use crate::decode::slots::Slots;
use crate::decode::template::Template;
use crate::rejection::{Reason, Rejection};
use crate::schema::record_fields::{self as field, SKIP};

/// Decodes one line that is an object.
pub struct ObjectDecoder<'d> {
    keys: &'d KeyTree,
    template: &'d mut Template,
    record: &'d mut Slots,
    elements: &'d mut Vec<Slots>,
    /// Whether this is the second pass over a broken line.
    is_lenient: bool,
}

impl<'d> ObjectDecoder<'d> {
    /// A decoder that stores values in `record` and `elements`, which are empty.
    #[inline]
    pub fn new(
        keys: &'d KeyTree,
        template: &'d mut Template,
        record: &'d mut Slots,
        elements: &'d mut Vec<Slots>,
    ) -> Self {
        Self { keys, template, record, elements, is_lenient: false }
    }

    /// Decodes the line of `cursor`, from `position` on; returns where its object ends.
    pub fn decode(&mut self, cursor: Cursor<'_>, position: Position) -> Result<usize, Rejection> {
        match self.decode_once(cursor, position) {
            Err(rejection) if rejection.reason == Reason::NotJson => self.decode_again(cursor, rejection),
            result => result,
        }
    }

    fn decode_once(&mut self, cursor: Cursor<'_>, mut position: Position) -> Result<usize, Rejection> {
        if position.at == cursor.start {
            if cursor.block[cursor.start] != b'{' {
                return Err(Rejection::new(Reason::NotJson, cursor.start));
            }
            if let Some(end) = cursor.empty_object(cursor.start)? {
                return Ok(end);
            }
            position = self.decode_member(cursor, position)?;
        }
        loop {
            position.at = cursor.skip_blanks(position.at);
            // The end of an inner object is part of the literal before the next value. Only the line's own end is handled here.
            if position.object == ROOT && cursor.byte(position.at)? == b'}' {
                return Ok(position.at + 1);
            }
            position = match self.template.follow::<false>(cursor, position, self.keys, self.record) {
                Position { at, .. } if at == position.at => self.decode_member(cursor, position)?,
                expected => expected,
            };
        }
    }

    /// Decodes a line that is not JSON a second time: values that no field asks for may be anything without quotes.
    ///
    /// nginx writes `"x":,` and `"x":0.1, 0.2,` for variables that are empty or lists, if they are not between quotes, and the
    /// last comma may be one too many. Nothing is learned from such a line. If it is still broken, it is rejected as before.
    #[cold]
    fn decode_again(&mut self, cursor: Cursor<'_>, rejection: Rejection) -> Result<usize, Rejection> {
        if cursor.block[cursor.start] != b'{' {
            return Err(rejection);
        }
        self.record.clear();
        self.elements.clear();
        self.is_lenient = true;
        let mut position = Position::start(cursor);
        loop {
            position = self.decode_member(cursor, position).map_err(|_| rejection)?;
            position.at = cursor.skip_blanks(position.at);
            match cursor.byte(position.at) {
                Ok(b'}') if position.object == ROOT => return Ok(position.at + 1),
                Ok(_) => {}
                Err(_) => return Err(rejection),
            }
        }
    }

    /// Where the value at `at` ends, which no field asks for: with everything up to the next member, if it has no quotes.
    #[cold]
    fn skip_value(cursor: Cursor<'_>, at: usize) -> Result<usize, Rejection> {
        let is_whole = matches!(cursor.byte(at)?, b'"' | b'{' | b'[');
        let from = if is_whole { cursor.token(at)?.1 } else { at };
        scan::member_end(cursor.block, from, cursor.end).ok_or(Rejection::new(Reason::NotJson, at))
    }

    /// The last of the commas from the comma or the brace at `at` on; the brace that closes the object, if that comes first.
    #[cold]
    fn skip_commas(cursor: Cursor<'_>, mut at: usize) -> Result<usize, Rejection> {
        loop {
            let next = cursor.skip_blanks(at + 1);
            match cursor.byte(next)? {
                b',' => at = next,
                b'}' => return Ok(next),
                _ => return Ok(at),
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
            if self.is_lenient && cursor.byte(at)? == if opens { b'{' } else { b',' } {
                let first = Self::skip_commas(cursor, at)?;
                opens &= first == at;
                at = first;
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
                    let segment = if self.is_lenient {
                        segment
                    } else {
                        self.template.learn(literal, SKIP, Notation::Headers(inner), objects, segment)
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
            if self.is_lenient && meaning == Meaning::Slot(SKIP) {
                return Ok(Position { at: Self::skip_value(cursor, value_at)?, object, segment });
            }
            let (token, next) = cursor.token(value_at)?;
            if self.is_lenient {
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
