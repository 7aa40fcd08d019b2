//! Slots: where in a block the values of one object are.

use crate::rejection::{Reason, Rejection};
use crate::schema::record_fields::SLOTS;
use crate::value::text::content;

/// The values of one object: where each is in the block, and its meaning if it was read on the spot.
#[derive(Debug, Clone)]
pub struct Slots {
    states: [SlotState; SLOTS],
    slots: [Slot; SLOTS],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SlotState {
    /// The value is absent, or an empty string.
    Empty,
    /// The slot says where the text of the value is.
    Text,
    /// The slot has the meaning of the value, too.
    Value,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    from: u32,
    to: u32,
    value: u64,
}

impl Default for Slots {
    fn default() -> Self {
        Self { states: [SlotState::Empty; SLOTS], slots: [Slot::default(); SLOTS] }
    }
}

impl Slots {
    /// Empties every slot.
    #[inline]
    pub fn clear(&mut self) {
        self.states = [SlotState::Empty; SLOTS];
    }

    /// Stores that the value of `slot` is `block[from..to]`. If a key is repeated, the last value counts.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a line is at most a few MiB")]
    pub fn put(&mut self, slot: usize, from: usize, to: usize) {
        let slot = slot % SLOTS;
        self.states[slot] = if from < to { SlotState::Text } else { SlotState::Empty };
        (self.slots[slot].from, self.slots[slot].to) = (from as u32, to as u32);
    }

    /// The same for a value that is not empty and means `value` in its form.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a line is at most a few MiB")]
    pub fn put_value(&mut self, slot: usize, from: usize, to: usize, value: u64) {
        let slot = slot % SLOTS;
        self.states[slot] = SlotState::Value;
        self.slots[slot] = Slot { from: from as u32, to: to as u32, value };
    }

    /// Empties `slot`.
    #[inline]
    pub fn put_empty(&mut self, slot: usize) {
        self.states[slot % SLOTS] = SlotState::Empty;
    }

    /// Whether the value of `slot` is absent, or an empty string.
    #[inline]
    pub fn is_empty(&self, slot: usize) -> bool {
        self.states[slot] == SlotState::Empty
    }

    /// Whether the values of all these slots are absent, or empty strings.
    #[inline]
    pub fn are_empty(&self, slots: std::ops::RangeInclusive<usize>) -> bool {
        // Without a branch for each.
        self.states[slots].iter().fold(0, |found, state| found | *state as u8) == SlotState::Empty as u8
    }

    /// The meaning of the value of `slot` in its [`Form`](crate::schema::record_fields::Form), if it was read on the spot.
    #[inline]
    pub fn value(&self, slot: usize) -> Option<u64> {
        (self.states[slot] == SlotState::Value).then(|| self.slots[slot].value)
    }

    /// The text of the value of `slot`, without blanks around it; empty if it is absent or a dash.
    #[inline]
    pub fn text<'a>(&self, block: &'a [u8], slot: usize) -> &'a [u8] {
        if self.is_empty(slot) {
            return &[];
        }
        let Slot { from, to, .. } = self.slots[slot];
        content(&block[from as usize..to as usize])
    }

    /// A rejection that points at the value of `slot`.
    #[cold]
    pub fn rejection(&self, reason: Reason, slot: usize) -> Rejection {
        let at = if self.is_empty(slot) { 0 } else { self.slots[slot].from as usize };
        Rejection::new(reason, at)
    }
}
