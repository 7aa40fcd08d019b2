//! The template: what the next line is expected to look like, learned from the lines before.
//!
//! The lines of a log have the same keys in the same order. A template is a list of segments; a segment is the literal
//! bytes from one value to the next (`,"status":"`) and the slot of the second value. While a line matches, a member costs
//! one compare of its literal and a few operations on the bytes after it, which find where a number ends and what it is.
//! Keywords (`HIT`, `TLSv1.3`) are looked up in a memo.
//!
//! The template never decides what a line means. A value that does not have the expected form is stored as text, to be read
//! later. A member that does not match is decoded the general way (see [`crate::decode`]), and the template learns it.

use wide::u8x16;

use crate::decode::cursor::Cursor;
use crate::decode::key_tree::{KeyTree, ROOT};
use crate::decode::memo::{Memo, VALUE, load_u64};
use crate::decode::scan;
use crate::decode::slots::Slots;
use crate::schema::record_fields::{self as field, Form, SKIP, SLOTS};
use crate::value::number::Digits;

/// The longest literal of a segment, plus one. What a longer one has beyond that is its tail.
const LITERAL: usize = 32;
/// The longest tail.
const MAX_TAIL: usize = 64;
/// The most tails. Few keys are that long.
const MAX_TAILS: usize = 64;
/// The most segments. A line with more is not from an access log.
const MAX_SEGMENTS: usize = 256;
const QUOTE: u8 = b'"';
const BACKSLASH: u8 = b'\\';
const COMMA: u8 = b',';
const NOTHING: u8 = 0;
const NOWHERE: u16 = u16::MAX;

/// The literal between two values, and what the second one is.
#[derive(Debug, Clone, Copy)]
struct Segment {
    literal: [u8x16; 2],
    /// A bit for each byte after the literal, which may be anything.
    ignored: u32,
    len: u8,
    slot: u8,
    read_as: ReadAs,
    /// The number of the tail of its literal, if it has one: then it is [`ReadAs::BehindTail`].
    tail: Option<u8>,
    /// What ends the value: a quote, or a comma or brace. Nothing, if the value is not read on the spot.
    stop: u8,
    notation: Notation,
    /// The object in which the literal starts, and the one in which the value is.
    objects: (u8, u8),
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
enum ReadAs {
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
    Integer,
    /// A time, in units of ten to this many nanoseconds.
    Time(u8),
    Word,
    BareWord,
    Timestamp,
}

/// How far a line has been decoded.
#[derive(Debug, Clone, Copy)]
pub struct Position {
    /// The byte after the last value: a brace or a comma.
    pub at: usize,
    /// The object that it is in.
    pub object: u8,
    /// The segment that is expected.
    pub segment: usize,
}

impl Position {
    /// The start of the line of `cursor`.
    #[inline]
    pub fn start(cursor: Cursor<'_>) -> Self {
        Self { at: cursor.start, object: ROOT, segment: 0 }
    }

    /// Whether too little of the block follows to expect anything, so that the rest of the line is decoded the general way.
    #[inline]
    pub fn is_cut_off(self, cursor: Cursor<'_>) -> bool {
        cursor.block.len() < self.at + LITERAL + VALUE
    }

    /// Whether the brace is here that ends the object of the line, of which a part was decoded.
    #[inline]
    pub fn is_end(self, cursor: Cursor<'_>) -> bool {
        self.object == ROOT && self.at > cursor.start && cursor.byte(self.at) == Ok(b'}')
    }
}

impl Segment {
    /// A segment that no line has: its literal is a byte that does not occur in one.
    const NEVER: Self = Self {
        literal: [u8x16::new([b'\n'; 16]); 2],
        ignored: 0,
        len: 0,
        slot: 0,
        read_as: ReadAs::Later,
        tail: None,
        stop: NOTHING,
        notation: Notation::Nested,
        objects: (u8::MAX, u8::MAX),
    };

    fn new(
        literal: &[u8],
        slot: usize,
        notation: Notation,
        objects: (u8, u8),
        tails: &mut Vec<Vec<u8>>,
    ) -> Option<Self> {
        let (literal, rest) = literal.split_at(literal.len().min(LITERAL - 1));
        let len = literal.len();
        let mut padded = [0; LITERAL];
        padded[..len].copy_from_slice(literal);
        let (read_as, stop) = match notation {
            Notation::Quoted => (read_as(slot, true), QUOTE),
            Notation::Bare => (read_as(slot, false), COMMA),
            Notation::Nested | Notation::Headers(_) => (ReadAs::Later, NOTHING),
        };
        let (read_as, stop, tail) = match rest {
            [] => (read_as, stop, None),
            rest => (ReadAs::BehindTail, NOTHING, Some(tail(rest, tails)?)),
        };
        let (literal, ignored) = (halves(&padded), u32::MAX << len);
        let (len, slot) = (u8::try_from(len).ok()?, u8::try_from(slot).ok()?);
        Some(Self { literal, ignored, len, slot, read_as, tail, stop, notation, objects })
    }

    #[inline]
    fn matches(&self, bytes: &[u8; LITERAL + VALUE]) -> bool {
        let there = halves(bytes);
        let equal = |half: usize| there[half].simd_eq(self.literal[half]).to_bitmask();
        equal(0) | equal(1) << 16 | self.ignored == u32::MAX
    }

    /// The segment of a record in the string of another object, where a backslash stands before each quote. It never matches
    /// if its literal would be too long.
    fn escaped(literal: &[u8], slot: usize, notation: Notation, objects: (u8, u8), tails: &mut Vec<Vec<u8>>) -> Self {
        let (mut escaped, mut len) = ([0; LITERAL + MAX_TAIL], 0);
        for byte in literal {
            let backslash = usize::from(matches!(*byte, QUOTE | BACKSLASH));
            let Some([first, second]) = escaped.get_mut(len..len + 2) else { return Self::NEVER };
            (*first, *second) = if backslash == 1 { (BACKSLASH, *byte) } else { (*byte, 0) };
            len += 1 + backslash;
        }
        let mut new = Self::new(&escaped[..len], slot, notation, objects, tails).unwrap_or(Self::NEVER);
        if new.stop == QUOTE {
            new.stop = BACKSLASH;
        }
        new
    }

    /// Stores the value behind the tail of the literal, which is expected at `from`; returns where it ends.
    #[inline(never)]
    fn store_behind_tail<const IS_ESCAPED: bool>(
        &self,
        tail: &[u8],
        cursor: Cursor<'_>,
        from: usize,
        keys: &KeyTree,
        memo: &mut Memo,
        slots: &mut Slots,
    ) -> Option<usize> {
        let is_here = cursor.block.get(from..cursor.end)?.starts_with(tail);
        if is_here { self.store::<IS_ESCAPED>(cursor, from + tail.len(), keys, memo, slots) } else { None }
    }

    /// Stores the value at `from` as text, if it could not be read on the spot; returns where it ends.
    #[inline(never)]
    fn store<const IS_ESCAPED: bool>(
        &self,
        cursor: Cursor<'_>,
        from: usize,
        keys: &KeyTree,
        memo: &mut Memo,
        slots: &mut Slots,
    ) -> Option<usize> {
        let slot = usize::from(self.slot);
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

/// The number of `tail` in `tails`, where it is put if it is new; nothing if it is too long, or if there are too many.
fn tail(tail: &[u8], tails: &mut Vec<Vec<u8>>) -> Option<u8> {
    let number = tails.iter().position(|other| other == tail).unwrap_or(tails.len());
    if number == tails.len() {
        (number < MAX_TAILS && tail.len() <= MAX_TAIL).then(|| tails.push(tail.to_vec()))?;
    }
    u8::try_from(number).ok()
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

/// The first 32 of `bytes`.
#[inline]
fn halves(bytes: &[u8]) -> [u8x16; 2] {
    let half = |at: usize| bytes[at..].first_chunk().map_or(u8x16::default(), |half| u8x16::new(*half));
    [half(0), half(16)]
}

/// What lines look like.
#[derive(Debug)]
pub struct Template {
    segments: Vec<Segment>,
    /// The same for a record in a string, where a backslash stands before each quote.
    escaped: Vec<Segment>,
    /// The tails of both.
    tails: Vec<Vec<u8>>,
    /// The last segment of each slot, to return to it after optional members.
    by_slot: [u16; SLOTS],
    memo: Memo,
}

impl Default for Template {
    fn default() -> Self {
        Self { segments: vec![], escaped: vec![], tails: vec![], by_slot: [NOWHERE; SLOTS], memo: Memo::default() }
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
        let Position { mut at, mut object, .. } = position;
        let (quote, quote_len) = (if IS_ESCAPED { BACKSLASH } else { QUOTE }, quote_len(IS_ESCAPED));
        let is_quote = |bytes: &[u8; VALUE], len: usize| !IS_ESCAPED || bytes.get(len + 1) == Some(&QUOTE);
        let mut segments = if IS_ESCAPED { &self.escaped[..] } else { &self.segments[position.segment..] };
        while let [segment, rest @ ..] = segments {
            let Some(ahead) = cursor.block[at..].first_chunk::<{ LITERAL + VALUE }>() else {
                break;
            };
            if segment.objects.0 != object || !segment.matches(ahead) {
                break;
            }
            let (len, slot, stop) = (usize::from(segment.len), usize::from(segment.slot), segment.stop);
            let Some(value) = ahead[len % LITERAL..].first_chunk::<VALUE>() else {
                break;
            };
            let from = at + len;
            let read = match segment.read_as {
                ReadAs::Bare => match bare_len::<IS_ESCAPED>(value) {
                    Some(len) if from + len < cursor.end => {
                        (at, object, segments) = (from + len, segment.objects.1, rest);
                        continue;
                    }
                    _ => None,
                },
                ReadAs::Text => match quoted_len(value, quote) {
                    Some(len) if from + len < cursor.end && is_quote(value, len) => {
                        slots.put(slot, from, from + len);
                        (at, object, segments) = (from + len + quote_len, segment.objects.1, rest);
                        continue;
                    }
                    _ => None,
                },
                ReadAs::SkippedText => {
                    let to = match quoted_len(value, quote) {
                        Some(len) if is_quote(value, len) => Some(from + len),
                        _ if IS_ESCAPED => scan::escaped_quote(cursor.block, from, cursor.end),
                        _ => Some(scan::closing_quote(cursor.block, from, cursor.end)),
                    };
                    let Some(to) = to.filter(|to| *to < cursor.end) else { break };
                    (at, object, segments) = (to + quote_len, segment.objects.1, rest);
                    continue;
                }
                ReadAs::Integer => integer(value, stop),
                ReadAs::Time(unit) => nanoseconds(value, stop, unit),
                ReadAs::Word => memo.word(value, slot, quote),
                ReadAs::BareWord => memo.bare_word(value, slot),
                ReadAs::Timestamp => memo.timestamp(value, stop == quote).filter(|(len, _)| ends(value, *len, stop)),
                ReadAs::Later => None,
                ReadAs::BehindTail => {
                    let tail = segment.tail.and_then(|number| self.tails.get(usize::from(number)));
                    let Some(tail) = tail else { break };
                    match segment.store_behind_tail::<IS_ESCAPED>(tail, cursor, from, keys, memo, slots) {
                        Some(next) => (at, object, segments) = (next, segment.objects.1, rest),
                        None => break,
                    }
                    continue;
                }
            };
            let read = if IS_ESCAPED { read.filter(|(len, _)| stop != quote || is_quote(value, *len)) } else { read };
            at = if let Some((len, meaning)) = read {
                slots.put_value(slot, from, from + len, meaning);
                from + len + usize::from(stop == quote) * quote_len
            } else if value[0] == quote && stop == quote && is_quote(value, 0) {
                slots.put_empty(slot);
                from + quote_len
            } else {
                match segment.store::<IS_ESCAPED>(cursor, from, keys, memo, slots) {
                    Some(next) => next,
                    None => break,
                }
            };
            (object, segments) = (segment.objects.1, rest);
        }
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
        let is_new = |other: &Segment| {
            (other.literal, other.len, other.tail, other.objects) == (new.literal, new.len, new.tail, objects)
        };
        if slot != SKIP && self.segments.get(last).is_some_and(is_new) {
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

/// The length of the quoted text, if it has less than 32 bytes and no escapes.
#[inline]
fn quoted_len(bytes: &[u8; VALUE], quote: u8) -> Option<usize> {
    let stops = |half: u8x16| {
        let stops = half.simd_eq(u8x16::splat(QUOTE)) | half.simd_eq(u8x16::splat(b'\\'));
        stops.to_bitmask()
    };
    let [first, second] = halves(bytes);
    let found = match stops(first) {
        0 => stops(second) << 16,
        found => found,
    };
    let len = found.trailing_zeros() as usize;
    (bytes.get(len) == Some(&quote)).then_some(len)
}

/// The bytes of a quote.
const fn quote_len(is_escaped: bool) -> usize {
    if is_escaped { 2 } else { 1 }
}

/// The length of the bare value, if a comma or a brace ends it within 15 bytes.
#[inline]
fn bare_len<const IS_ESCAPED: bool>(bytes: &[u8; VALUE]) -> Option<usize> {
    let [bytes, _] = halves(bytes);
    // Every byte that can end a value or break it is a colon, a bracket (this bit makes both kinds equal), or not above a
    // comma.
    let folded = bytes | u8x16::splat(0x20);
    let brackets = folded.simd_eq(u8x16::splat(b'{')) | folded.simd_eq(u8x16::splat(b'}'));
    let low = bytes.min(u8x16::splat(COMMA)).simd_eq(bytes);
    let mut stops = brackets | low | bytes.simd_eq(u8x16::splat(b':'));
    if IS_ESCAPED {
        stops |= bytes.simd_eq(u8x16::splat(BACKSLASH));
    }
    let len = stops.to_bitmask().trailing_zeros() as usize;
    (len > 0 && matches!(bytes.as_array().get(len), Some(b',' | b'}'))).then_some(len)
}

/// Whether a value that is not empty can end before byte `len` of `bytes`.
#[inline]
fn ends(bytes: &[u8; VALUE], len: usize, stop: u8) -> bool {
    let next = bytes[len % VALUE];
    next == stop || next == b'}' && stop == COMMA
}

/// The length and the value of an integer of one to seven digits.
#[inline]
fn integer(bytes: &[u8; VALUE], stop: u8) -> Option<(usize, u64)> {
    let digits = Digits::of(load_u64(bytes, 0));
    let len = digits.len();
    // A length of 0 wraps to the largest number.
    if len.wrapping_sub(1) >= Digits::MAX || !ends(bytes, len, stop) {
        return None;
    }
    Some((len, digits.value(len)))
}

/// The length and the nanoseconds of a time, perhaps with a point, in units of ten to the `unit` nanoseconds.
#[expect(clippy::inline_always, reason = "both kinds of templates call it for each line")]
#[inline(always)]
fn nanoseconds(bytes: &[u8; VALUE], stop: u8, unit: u8) -> Option<(usize, u64)> {
    let word = load_u64(bytes, 0);
    let whole = Digits::of(word);
    let before = whole.len();
    if before == 0 {
        return None;
    }
    // Up to seven digits.
    if before <= Digits::MAX {
        let (digits, len, after) = if bytes[before % VALUE] == b'.' {
            // Without the point, the digits before and after it are adjacent.
            let low = u64::MAX >> (64 - 8 * before);
            let digits = Digits::of(word & low | word >> 8 & !low);
            (digits, digits.len() + 1, digits.len() - before)
        } else {
            (whole, before, 0)
        };
        let zeros = usize::from(unit).checked_sub(after)?;
        if ends(bytes, len, stop) {
            return Some((len, digits.value(before + after) * POWERS_OF_10[zeros % POWERS_OF_10.len()]));
        }
    }
    let (len, nanoseconds) = long_nanoseconds(bytes, stop, unit);
    (len > 0).then_some((len, nanoseconds))
}

/// The same for more digits: up to the nanosecond, and no longer than 64 bits hold for sure. The length is 0 if there are
/// none: an optional pair would be returned in memory.
#[inline(never)]
fn long_nanoseconds(bytes: &[u8; VALUE], stop: u8, unit: u8) -> (usize, u64) {
    let read = || {
        let (whole, before) = digits(bytes, 0)?;
        let (fraction, after) = if bytes[before] == b'.' { digits(bytes, before + 1)? } else { (0, 0) };
        let unit = usize::from(unit);
        let zeros = unit.checked_sub(after).filter(|_| before + unit <= 18)?;
        let len = before + after + usize::from(after > 0);
        ends(bytes, len, stop).then(|| (len, whole * POWERS_OF_10[unit] + fraction * POWERS_OF_10[zeros]))
    };
    read().unwrap_or_default()
}

/// The number in the digits at `from`, and how many there are; nothing if there are none, or more than 14.
#[inline]
fn digits(bytes: &[u8; VALUE], from: usize) -> Option<(u64, usize)> {
    let first = Digits::of(load_u64(bytes, from));
    match first.len() {
        0 => None,
        len @ ..=Digits::MAX => Some((first.value(len), len)),
        _ => {
            let second = Digits::of(load_u64(bytes, from + Digits::MAX));
            let len = second.len();
            let number = first.value(Digits::MAX) * POWERS_OF_10[len] + second.value(len);
            (len <= Digits::MAX).then_some((number, Digits::MAX + len))
        }
    }
}

const POWERS_OF_10: [u64; 10] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];
