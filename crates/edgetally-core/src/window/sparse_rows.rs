//! Packed counters: rows of which only what is not 0 takes memory.
//!
//! A key has some 12 of its 72 counters in a second, and an open second has as many rows as strangers send hosts. So a
//! row keeps its values in the order of their places, without gaps, and a set of bits says which places these are.

use crate::partial::Encoded;
use crate::schema::counters::{CounterSet, add};

/// Rows have room for so many values; one that needs more moves.
const ROOMS: [usize; 5] = [4, 8, 16, 32, 128];

/// Where the values of a row are, and which places they belong to.
#[derive(Debug, Clone, Copy)]
struct Row {
    places: CounterSet,
    at: u32,
    room: u8,
    count: u8,
}

/// Rows of up to 128 counters, by number.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    rows: Vec<Row>,
    values: Vec<u64>,
    /// Where rows that have moved have left room, by how much.
    left: [Vec<u32>; ROOMS.len()],
}

impl Packed {
    /// A new row of zeros with room for `count` values; its number.
    ///
    /// # Panics
    ///
    /// When there are more than 4 billion rows or values; limits on keys keep far from that.
    pub fn push(&mut self, count: usize) -> u32 {
        let number = u32::try_from(self.rows.len()).expect("rows are bounded");
        let room = ROOMS.iter().position(|room| *room >= count).unwrap_or(ROOMS.len() - 1);
        let at = self.take(room);
        self.rows.push(Row { places: [0; 2], at, room: u8::try_from(room).unwrap_or(0), count: 0 });
        number
    }

    /// Adds `counters` to row `number`.
    #[inline]
    pub fn add(&mut self, number: u32, counters: Encoded<'_>) {
        let Row { places: [low, high], .. } = self.rows[number as usize];
        // Both are in the order of their places, so this walks over both together. What is left of the row begins with
        // its value `next`.
        let (mut left, mut next) = (u128::from(low) | u128::from(high) << 64, 0);
        counters.each(|place, value| {
            while (left.trailing_zeros() as usize) < place {
                left &= left - 1;
                next += 1;
            }
            if left.trailing_zeros() as usize == place {
                left &= left - 1;
                add(&mut self.values[self.rows[number as usize].at as usize + next], value);
            } else if value == 0 {
                return;
            } else {
                self.insert(number, place, next, value);
            }
            next += 1;
        });
    }

    /// Gives row `number` a value for a place in which it has none yet; `next` of its values stand before.
    fn insert(&mut self, number: u32, place: usize, next: usize, value: u64) {
        let Row { count, room, .. } = self.rows[number as usize];
        if usize::from(count) == ROOMS[usize::from(room)] {
            self.move_up(number);
        }
        let row = &mut self.rows[number as usize];
        row.places[place / 64] |= 1 << (place % 64);
        row.count += 1;
        let at = row.at as usize + next;
        self.values.copy_within(at..row.at as usize + usize::from(count), at + 1);
        self.values[at] = value;
    }

    /// Moves row `number` to where there is more room.
    #[cold]
    fn move_up(&mut self, number: u32) {
        let Row { at: old, room, .. } = self.rows[number as usize];
        let at = self.take(usize::from(room) + 1);
        let values = old as usize..old as usize + ROOMS[usize::from(room)];
        self.values.copy_within(values, at as usize);
        self.left[usize::from(room)].push(old);
        let row = &mut self.rows[number as usize];
        (row.at, row.room) = (at, room + 1);
    }

    /// Where there is room of this size.
    fn take(&mut self, room: usize) -> u32 {
        self.left[room].pop().unwrap_or_else(|| {
            let at = u32::try_from(self.values.len()).expect("values are bounded");
            self.values.resize(self.values.len() + ROOMS[room], 0);
            at
        })
    }

    /// Which counters of row `number` are not 0, and these in the order of their places.
    pub fn get(&self, number: u32) -> (CounterSet, &[u64]) {
        let row = &self.rows[number as usize];
        (row.places, &self.values[row.at as usize..][..row.count.into()])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::partial::write_counters;

    proptest! {
        #[test]
        fn rows_hold_what_was_added_to_them(
            additions in prop::collection::vec((0..4_u32, prop::collection::btree_map(0..128_usize, 0..300_u64, 0..40)), 0..40),
        ) {
            let mut packed = Packed::default();
            let numbers = [3, 0, 100, 12].map(|count| packed.push(count));
            let mut want: [BTreeMap<usize, u64>; 4] = Default::default();
            for (number, counters) in additions {
                let mut bytes = vec![];
                write_counters(&mut bytes, counters.iter().map(|(place, value)| (*place, *value)));
                packed.add(numbers[number as usize], Encoded::at(&bytes, 0));
                for (place, value) in counters.into_iter().filter(|(_, value)| *value != 0) {
                    *want[number as usize].entry(place).or_default() += value;
                }
            }
            for (number, want) in numbers.into_iter().zip(want) {
                let ([low, high], values) = packed.get(number);
                let places = (0..128).filter(|place| (u128::from(low) | u128::from(high) << 64) >> place & 1 == 1);
                prop_assert_eq!(want, places.zip(values.iter().copied()).collect::<BTreeMap<_, _>>());
            }
        }
    }
}
