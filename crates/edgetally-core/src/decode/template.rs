//! Steps: what the next line will look like, and its values read right where they are expected.
//!
//! Logs repeat themselves: the next line has the same keys in the same order. A step is the literal bytes from one
//! value to the next (`,"status":"`) and the slot of the second one. As long as a line does as the lines before did, a
//! member costs one compare of its literal and a few operations on the bytes behind it, which tell at once where a
//! number ends and what it says; words that come again (`HIT`, `TLSv1.3`) are looked up.
//!
//! Nothing here decides what a line means. A value that is not of the expected form is only noted, and read from its
//! text later; a member that is not the expected one is read the general way (see [`crate::decode`]), and the steps learn
//! it. What comes out never depends on what was expected.

use wide::u8x16;

use crate::decode::cursor::Line;
use crate::decode::key_tree::KeyTree;
use crate::decode::memo::{Memory, VALUE, eight};
use crate::decode::scan;
use crate::decode::slots::Slots;
use crate::schema::record_fields::{self as field, Form, SKIP, SLOTS};
use crate::value::number::Digits;

/// Longest literal between two values that is remembered, and one more.
const LITERAL: usize = 32;
/// More steps than this are not learned: the line is no access log.
const MAX_STEPS: usize = 256;
const QUOTE: u8 = b'"';
const COMMA: u8 = b',';
const NOTHING: u8 = 0;
const NOWHERE: u16 = u16::MAX;

/// What stands between two values, and where the second one belongs.
#[derive(Debug, Clone, Copy)]
struct Step {
    literal: [u8x16; 2],
    /// A bit for each byte behind the literal, which may be anything.
    behind: u32,
    len: u8,
    slot: u8,
    form: Form,
    /// What ends the value: a quote, or a comma and perhaps a brace; nothing, when more than that has to be looked at.
    stop: u8,
    kind: Kind,
    /// The object in which the literal begins, and that in which the value stands.
    objects: (u8, u8),
}

/// How a value begins, and where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Between quotes.
    Quoted,
    /// Up to a comma or a brace.
    Bare,
    /// An object or a list, passed as a whole.
    Nested,
    /// The headers of this object of the format.
    Headers(u8),
}

/// How far a line has been read.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Behind the value before: what comes next begins with a brace or a comma.
    pub at: usize,
    /// The object that we are in.
    pub object: u8,
    /// The step that is expected.
    pub step: usize,
}

impl Step {
    fn new(literal: &[u8], slot: usize, kind: Kind, objects: (u8, u8)) -> Option<Self> {
        let len = literal.len();
        let mut padded = [0; LITERAL];
        padded.get_mut(..len).filter(|_| len < LITERAL)?.copy_from_slice(literal);
        let (form, stop) = match kind {
            Kind::Quoted => (field::form(slot), QUOTE),
            Kind::Bare => (field::form(slot), COMMA),
            Kind::Nested | Kind::Headers(_) => (Form::Skipped, NOTHING),
        };
        let (len, slot) = (u8::try_from(len).ok()?, u8::try_from(slot).ok()?);
        Some(Self { literal: halves(&padded), behind: u32::MAX << len, len, slot, form, stop, kind, objects })
    }

    #[inline]
    fn begins(&self, bytes: &[u8; LITERAL + VALUE]) -> bool {
        let there = halves(bytes);
        let equal = |half: usize| there[half].simd_eq(self.literal[half]).to_bitmask();
        equal(0) | equal(1) << 16 | self.behind == u32::MAX
    }

    /// Where a value ends that begins at `from` and could not be read on the spot, once it is noted.
    #[inline]
    fn note(
        &self,
        line: Line<'_>,
        from: usize,
        keys: &KeyTree,
        memory: &mut Memory,
        slots: &mut Slots,
    ) -> Option<usize> {
        let slot = usize::from(self.slot);
        let to = match self.kind {
            Kind::Quoted => scan::quote(line.block, from, line.end),
            Kind::Bare => scan::bare(line.block, from, line.end)?,
            Kind::Nested => {
                slots.put_nothing(slot);
                return line.nested_at(from);
            }
            Kind::Headers(object) => return line.headers(from, object, keys, slots).ok(),
        };
        if to >= line.end {
            return None;
        }
        let (text, quoted) = (&line.block[from..to], self.kind == Kind::Quoted);
        match self.form {
            Form::Word if quoted => memory.learn_word(text, slot),
            Form::Moment => memory.learn_moment(text),
            _ => {}
        }
        slots.put(slot, from, if !quoted && text == b"null" { from } else { to });
        Some(to + usize::from(quoted))
    }
}

/// The first 32 of `bytes`.
#[inline]
fn halves(bytes: &[u8]) -> [u8x16; 2] {
    let half = |at: usize| bytes[at..].first_chunk().map_or(u8x16::default(), |half| u8x16::new(*half));
    [half(0), half(16)]
}

/// What the lines before looked like.
#[derive(Debug)]
pub struct Steps {
    all: Vec<Step>,
    /// At which step a slot was seen last, to find the way back after optional members.
    seen: [u16; SLOTS],
    memory: Memory,
}

impl Default for Steps {
    fn default() -> Self {
        Self { all: vec![], seen: [NOWHERE; SLOTS], memory: Memory::default() }
    }
}

impl Steps {
    /// Reads values into `slots`, from `place` on, as long as they begin as the steps say; where that ended.
    ///
    /// What is broken ends it too. No literal but the first begins with anything but a comma or a closing brace, so each
    /// member is known to be separated from the one before.
    #[inline(never)]
    pub fn follow(&mut self, line: Line<'_>, place: Place, keys: &KeyTree, slots: &mut Slots) -> Place {
        let (memory, all) = (&mut self.memory, self.all.len());
        let Place { mut at, mut object, .. } = place;
        let mut steps = &self.all[place.step..];
        while let [step, rest @ ..] = steps {
            let Some(ahead) = line.block[at..].first_chunk::<{ LITERAL + VALUE }>() else {
                break;
            };
            if step.objects.0 != object || !step.begins(ahead) {
                break;
            }
            let (len, slot, stop) = (usize::from(step.len), usize::from(step.slot), step.stop);
            let Some(value) = ahead[len % LITERAL..].first_chunk::<VALUE>() else {
                break;
            };
            let from = at + len;
            let read = match step.form {
                Form::Skipped if stop == COMMA => match short_bare(value) {
                    Some(len) if from + len < line.end => {
                        (at, object, steps) = (from + len, step.objects.1, rest);
                        continue;
                    }
                    _ => None,
                },
                Form::Skipped | Form::Key => match short(value, stop) {
                    Some(len) if from + len < line.end => {
                        slots.put(slot, from, from + len);
                        (at, object, steps) = (from + len + 1, step.objects.1, rest);
                        continue;
                    }
                    _ => None,
                },
                Form::Whole => whole(value, stop),
                Form::Milliseconds => time(value, stop, 6),
                Form::Seconds => time(value, stop, 9),
                Form::Word if stop == QUOTE => memory.word(value, slot),
                Form::Word => None,
                Form::Moment => memory.moment(value).filter(|(len, _)| ends(value, *len, stop)),
            };
            at = if let Some((len, said)) = read {
                slots.put_value(slot, from, from + len, said);
                from + len + usize::from(stop == QUOTE)
            } else if value[0] == QUOTE && stop == QUOTE {
                slots.put_nothing(slot);
                from + 1
            } else {
                match step.note(line, from, keys, memory, slots) {
                    Some(next) => next,
                    None => break,
                }
            };
            (object, steps) = (step.objects.1, rest);
        }
        Place { at, object, step: all - steps.len() }
    }

    /// Notes that `literal`, which leads from one object to another, stands before a value of `slot` at `step`; returns
    /// the step that follows.
    pub fn learn(&mut self, literal: &[u8], slot: usize, kind: Kind, objects: (u8, u8), step: usize) -> usize {
        // There is more to it than a slot, so it is always read the general way.
        if slot == field::ORIGINS {
            return step;
        }
        let Some(new) = Step::new(literal, slot, kind, objects) else {
            return step;
        };
        let known = usize::from(self.seen[slot]);
        let is_new = |other: &Step| (other.literal, other.len, other.objects) == (new.literal, new.len, objects);
        if slot != SKIP && self.all.get(known).is_some_and(is_new) {
            return known + 1;
        }
        if let Some(old) = self.all.get_mut(step) {
            *old = new;
        } else if step < MAX_STEPS {
            self.all.push(new);
        } else {
            return step;
        }
        self.seen[slot] = u16::try_from(step).unwrap_or(NOWHERE);
        step + 1
    }
}

/// How long the quoted text is, if it has no escapes and less than 32 bytes.
#[inline]
fn short(bytes: &[u8; VALUE], stop: u8) -> Option<usize> {
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
    (stop == QUOTE && bytes.get(len) == Some(&QUOTE)).then_some(len)
}

/// How long the bare value is, if it ends within 15 bytes in one of the ways in which nearly all do.
#[inline]
fn short_bare(bytes: &[u8; VALUE]) -> Option<usize> {
    let [bytes, _] = halves(bytes);
    // All that can end a value or break it is a colon, a bracket (this bit makes their kinds equal), or not above a comma.
    let folded = bytes | u8x16::splat(0x20);
    let brackets = folded.simd_eq(u8x16::splat(b'{')) | folded.simd_eq(u8x16::splat(b'}'));
    let low = bytes.min(u8x16::splat(COMMA)).simd_eq(bytes);
    let stops = brackets | low | bytes.simd_eq(u8x16::splat(b':'));
    let len = stops.to_bitmask().trailing_zeros() as usize;
    (len > 0 && matches!(bytes.as_array().get(len), Some(b',' | b'}'))).then_some(len)
}

/// Whether a value that is not empty can end before byte `len` of `bytes`.
#[inline]
fn ends(bytes: &[u8; VALUE], len: usize, stop: u8) -> bool {
    let behind = bytes[len % VALUE];
    behind == stop || behind == b'}' && stop == COMMA
}

/// A whole number of one to seven digits: its length and its value.
#[inline]
fn whole(bytes: &[u8; VALUE], stop: u8) -> Option<(usize, u64)> {
    let digits = Digits::of(eight(bytes, 0));
    let len = digits.len();
    // None is below all in this.
    if len.wrapping_sub(1) >= Digits::MOST || !ends(bytes, len, stop) {
        return None;
    }
    Some((len, digits.value(len)))
}

/// A number of up to seven digits, perhaps with a point, in nanoseconds; it counts in ten to the `unit` of them.
#[inline]
fn time(bytes: &[u8; VALUE], stop: u8, unit: u8) -> Option<(usize, u64)> {
    let word = eight(bytes, 0);
    let whole = Digits::of(word);
    let before = whole.len();
    (1..=Digits::MOST).contains(&before).then_some(())?;
    let (digits, len, behind) = if bytes[before % VALUE] == b'.' {
        // The point taken out, digits before and behind it stand together.
        let low = u64::MAX >> (64 - 8 * before);
        let digits = Digits::of(word & low | word >> 8 & !low);
        (digits, digits.len() + 1, digits.len() - before)
    } else {
        (whole, before, 0)
    };
    let zeros = usize::from(unit).checked_sub(behind)?;
    ends(bytes, len, stop).then(|| (len, digits.value(before + behind) * POWERS_OF_10[zeros % POWERS_OF_10.len()]))
}

const POWERS_OF_10: [u64; 10] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];
