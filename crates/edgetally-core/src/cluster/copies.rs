//! Copies: ids that were counted, and for how long they are remembered.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::cluster::id::Id;

/// How many beats pass between two searches for ids to forget.
const BEATS_BETWEEN_SWEEPS: u32 = 64;

/// The ids that were counted lately.
///
/// Time is counted in beats: while a cluster is away, senders go on repeating, and copies from before and after have to meet.
#[derive(Debug)]
pub struct Copies {
    /// The beat of the last copy of each id.
    last: HashMap<Id, u32, RandomState>,
    beat: u32,
    /// For how many beats an id is remembered.
    memory: u32,
}

impl Copies {
    /// Remembers an id for `memory` beats after its last copy.
    pub fn new(memory: u32) -> Self {
        Self { last: HashMap::default(), beat: 0, memory }
    }

    /// How many beats there were.
    pub fn beats(&self) -> u32 {
        self.beat
    }

    /// How many ids are remembered.
    pub fn len(&self) -> usize {
        self.last.len()
    }

    /// Whether `id` was counted. If so, it is remembered for longer.
    pub fn is_copy(&mut self, id: &Id) -> bool {
        match self.last.get_mut(id) {
            Some(last) if self.beat - *last <= self.memory => {
                *last = self.beat;
                true
            }
            _ => false,
        }
    }

    /// Whether `id` was counted.
    pub fn has(&self, id: &Id) -> bool {
        self.last.get(id).is_some_and(|last| self.beat - *last <= self.memory)
    }

    /// Remembers `id`, which is counted now.
    pub fn count(&mut self, id: Id) {
        self.last.insert(id, self.beat);
    }

    /// Goes on to the next beat.
    pub fn advance(&mut self) {
        self.beat += 1;
        if self.beat.is_multiple_of(BEATS_BETWEEN_SWEEPS) {
            let (beat, memory) = (self.beat, self.memory);
            self.last.retain(|_, last| beat - *last <= memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Id = [1; 16];

    fn advance(copies: &mut Copies, beats: u32) {
        (0..beats).for_each(|_| copies.advance());
    }

    #[test]
    fn an_id_is_remembered_for_some_beats_after_its_last_copy() {
        let mut copies = Copies::new(10);
        assert!(!copies.is_copy(&ID));
        copies.count(ID);
        advance(&mut copies, 10);
        assert!(copies.is_copy(&ID), "and is younger by that");
        advance(&mut copies, 10);
        assert!(copies.has(&ID));
        advance(&mut copies, 1);
        assert!(!copies.has(&ID));
        assert!(!copies.is_copy(&ID));
    }

    #[test]
    fn old_ids_take_no_memory() {
        let mut copies = Copies::new(10);
        for number in 0_u128..1000 {
            copies.count(number.to_le_bytes());
            copies.advance();
        }
        assert!(copies.len() <= 10 + BEATS_BETWEEN_SWEEPS as usize, "{}", copies.len());
    }
}
