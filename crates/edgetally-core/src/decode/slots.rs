//! Slots: where in a block the values of one object are.

use crate::rejection::{Reason, Reject};
use crate::schema::record_fields::SLOTS;
use crate::value::text::content;

/// Where in a block the values of one object's fields are, and what those say that were read on the spot.
#[derive(Debug, Clone)]
pub struct Slots {
    /// What is known of each slot.
    known: [Known; SLOTS],
    slots: [Slot; SLOTS],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It is absent, or an empty string.
    Nothing,
    /// Where its text is.
    Text,
    /// What it says, too.
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
        Self { known: [Known::Nothing; SLOTS], slots: [Slot::default(); SLOTS] }
    }
}

impl Slots {
    /// Forgets the object before.
    #[inline]
    pub fn clear(&mut self) {
        self.known = [Known::Nothing; SLOTS];
    }

    /// Notes that the value of `slot` is `block[from..to]`. Said twice, the last one holds.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a line is at most a few MiB")]
    pub fn put(&mut self, slot: usize, from: usize, to: usize) {
        let slot = slot % SLOTS;
        self.known[slot] = if from < to { Known::Text } else { Known::Nothing };
        (self.slots[slot].from, self.slots[slot].to) = (from as u32, to as u32);
    }

    /// The same, of a value that is not empty and says `value` in its form.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a line is at most a few MiB")]
    pub fn put_value(&mut self, slot: usize, from: usize, to: usize, value: u64) {
        let slot = slot % SLOTS;
        self.known[slot] = Known::Value;
        self.slots[slot] = Slot { from: from as u32, to: to as u32, value };
    }

    /// Notes that `slot` is an empty string.
    #[inline]
    pub fn put_nothing(&mut self, slot: usize) {
        self.known[slot % SLOTS] = Known::Nothing;
    }

    /// Whether `slot` is absent, or an empty string.
    #[inline]
    pub fn is_empty(&self, slot: usize) -> bool {
        self.known[slot] == Known::Nothing
    }

    /// What `slot` says in its [`Form`], if that was read on the spot.
    #[inline]
    pub fn value(&self, slot: usize) -> Option<u64> {
        (self.known[slot] == Known::Value).then(|| self.slots[slot].value)
    }

    /// The value of `slot` without blanks around it; empty when it is absent (`-` included).
    #[inline]
    pub fn text<'a>(&self, block: &'a [u8], slot: usize) -> &'a [u8] {
        if self.is_empty(slot) {
            return &[];
        }
        let Slot { from, to, .. } = self.slots[slot];
        content(&block[from as usize..to as usize])
    }

    /// A refusal that points at the value of `slot`.
    #[cold]
    pub fn reject(&self, reason: Reason, slot: usize) -> Reject {
        let at = if self.is_empty(slot) { 0 } else { self.slots[slot].from as usize };
        Reject::new(reason, at)
    }
}
