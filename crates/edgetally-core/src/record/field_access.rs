//! Values: what the fields of one object say, each asked for in its form.

#![expect(clippy::inline_always, reason = "asked twenty times per line, and a call costs more than the answer")]

use crate::schema::field::Slots;
use crate::value::keyword;
use crate::value::number::{Number, number, scaled};
use crate::value::timestamp::{Moment, moment};

/// Times above this many nanoseconds, 292 years, are not known.
const MAX_NANOSECONDS: u64 = 1 << 63;

/// Nanoseconds in a millisecond.
pub const NANOSECONDS_PER_MS: u64 = 1_000_000;

/// The fields of one object.
pub trait Values<'a>: Copy {
    /// The value of `slot` as it was logged; empty when it is absent.
    fn text(self, slot: usize) -> &'a [u8];

    /// Whether `slot` is absent, or an empty string.
    fn is_empty(self, slot: usize) -> bool;

    /// What the value of `slot` says, if that is known already.
    fn value(self, slot: usize) -> Option<u64>;

    /// The number in `slot`.
    #[inline(always)]
    fn number(self, slot: usize) -> Number {
        match self.value(slot) {
            Some(floor) => Number::Value { floor, whole: true },
            None => number_slowly(self.text(slot)),
        }
    }

    /// The number in `slot` without its fraction, if there is one.
    #[inline(always)]
    fn whole(self, slot: usize) -> Option<u64> {
        match self.value(slot) {
            None if self.is_empty(slot) => None,
            None => number_slowly(self.text(slot)).floor(),
            value => value,
        }
    }

    /// What the word in `slot` means (see [`crate::value::keyword`]).
    #[inline(always)]
    fn word(self, slot: usize) -> u8 {
        match self.value(slot) {
            // The meaning of a word is small.
            Some(meaning) => meaning.to_le_bytes()[0],
            None if self.is_empty(slot) => keyword::NONE,
            None => keyword::meaning(slot, self.text(slot)),
        }
    }

    /// The moment in `slot`.
    #[inline(always)]
    fn moment(self, slot: usize) -> Moment {
        match self.value(slot) {
            Some(second) => Moment::Second(second),
            None => moment(self.text(slot)),
        }
    }

    /// The time in `slot`, which counts in ten to the `unit` nanoseconds.
    #[inline(always)]
    fn time(self, slot: usize, unit: u8) -> Option<Nanoseconds> {
        match self.value(slot) {
            Some(floor) => Some(Nanoseconds { floor, more: false }),
            None if self.is_empty(slot) => None,
            None => Nanoseconds::of(self.text(slot), unit),
        }
    }
}

#[inline(never)]
fn number_slowly(text: &[u8]) -> Number {
    number(text)
}

/// The fields of an object in a line.
#[derive(Clone, Copy)]
pub struct Fields<'s, 'a> {
    /// Where they are.
    pub slots: &'s Slots,
    /// In which block.
    pub block: &'a [u8],
}

impl<'a> Values<'a> for Fields<'_, 'a> {
    #[inline(always)]
    fn text(self, slot: usize) -> &'a [u8] {
        self.slots.text(self.block, slot)
    }

    #[inline(always)]
    fn is_empty(self, slot: usize) -> bool {
        self.slots.is_empty(slot)
    }

    #[inline(always)]
    fn value(self, slot: usize) -> Option<u64> {
        self.slots.value(slot)
    }
}

/// A time as exact as 64 bits hold it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nanoseconds {
    /// Whole ones.
    pub floor: u64,
    /// Whether there was more behind them.
    pub more: bool,
}

impl Nanoseconds {
    /// The time that `text` is, which counts in ten to the `unit` nanoseconds.
    #[inline(never)]
    pub fn of(text: &[u8], unit: u8) -> Option<Self> {
        match scaled(text, i64::from(unit)) {
            Number::Value { floor, whole } if floor < MAX_NANOSECONDS || (floor == MAX_NANOSECONDS && whole) => {
                Some(Self { floor, more: !whole })
            }
            _ => None,
        }
    }

    /// Whole nanoseconds, a part of one counted as one.
    pub fn ceil(self) -> u64 {
        self.floor + u64::from(self.more)
    }
}
