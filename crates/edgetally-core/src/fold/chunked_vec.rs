//! A vector in chunks, whose elements stay where they are while it grows.
//!
//! A vector that grows moves its elements into new memory, and new memory is expensive. This one adds a chunk twice as long
//! as the last one instead.

/// The length of the first chunk.
const FIRST: usize = 16;

/// Elements, numbered from 0.
#[derive(Debug)]
pub struct ChunkedVec<T> {
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for ChunkedVec<T> {
    fn default() -> Self {
        Self { chunks: vec![], len: 0 }
    }
}

/// The chunk of element `index`, and where it is in there.
#[inline]
const fn locate(index: usize) -> (usize, usize) {
    let shifted = index + FIRST;
    let chunk = shifted.ilog2();
    ((chunk - FIRST.ilog2()) as usize, shifted - (1 << chunk))
}

impl<T> ChunkedVec<T> {
    /// Element `index`.
    #[inline]
    pub fn get(&self, index: usize) -> &T {
        let (chunk, at) = locate(index);
        &self.chunks[chunk][at]
    }

    /// The same, to be changed.
    #[inline]
    pub fn get_mut(&mut self, index: usize) -> &mut T {
        let (chunk, at) = locate(index);
        &mut self.chunks[chunk][at]
    }

    /// Appends an element.
    pub fn push(&mut self, element: T) {
        let (chunk, _) = locate(self.len);
        if chunk == self.chunks.len() {
            self.chunks.push(Vec::with_capacity(FIRST << chunk));
        }
        self.chunks[chunk].push(element);
        self.len += 1;
    }

    /// All elements in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    /// Removes all elements and keeps their memory.
    pub fn clear(&mut self) {
        self.chunks.iter_mut().for_each(Vec::clear);
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_by_index_and_in_order() {
        let mut elements = ChunkedVec::default();
        for round in 0..2 {
            for number in 0..1_000 {
                elements.push(number + round);
                *elements.get_mut(number / 2) += 1;
                *elements.get_mut(number / 2) -= 1;
            }
            assert_eq!((round..1_000 + round).collect::<Vec<_>>(), elements.iter().copied().collect::<Vec<_>>());
            elements.clear();
            assert_eq!(0, elements.iter().count());
        }
    }
}
