//! Piles: many things of one kind that stay where they are while more come.
//!
//! A vector moves all it has into new memory whenever it grows, and new memory is dear. A pile adds a vector twice as
//! long as the one before instead.

/// How many things are in the first vector.
const FIRST: usize = 16;

/// Things, numbered from 0.
#[derive(Debug)]
pub struct Pile<T> {
    parts: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Pile<T> {
    fn default() -> Self {
        Self { parts: vec![], len: 0 }
    }
}

/// In which part the thing of this number is, and where in it.
#[inline]
const fn place(number: usize) -> (usize, usize) {
    let counted = number + FIRST;
    let part = counted.ilog2();
    ((part - FIRST.ilog2()) as usize, counted - (1 << part))
}

impl<T> Pile<T> {
    /// The thing of this number.
    #[inline]
    pub fn get_mut(&mut self, number: usize) -> &mut T {
        let (part, at) = place(number);
        &mut self.parts[part][at]
    }

    /// Adds one; it gets the next number.
    pub fn push(&mut self, thing: T) {
        let (part, _) = place(self.len);
        if part == self.parts.len() {
            self.parts.push(Vec::with_capacity(FIRST << part));
        }
        self.parts[part].push(thing);
        self.len += 1;
    }

    /// All of them, by number.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.parts.iter().flatten()
    }

    /// Forgets all, and keeps their memory for others.
    pub fn clear(&mut self) {
        self.parts.iter_mut().for_each(Vec::clear);
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_found_by_number_and_in_order() {
        let mut pile = Pile::default();
        for round in 0..2 {
            for number in 0..1_000 {
                pile.push(number + round);
                *pile.get_mut(number / 2) += 1;
                *pile.get_mut(number / 2) -= 1;
            }
            assert_eq!((round..1_000 + round).collect::<Vec<_>>(), pile.iter().copied().collect::<Vec<_>>());
            pile.clear();
            assert_eq!(0, pile.iter().count());
        }
    }
}
