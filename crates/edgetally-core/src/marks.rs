//! Marks: where the quotes and the newlines of a block are, found 16 bytes at a time.
//!
//! The decoder asks two questions over and over: where does this line end, and where does this string end?
//! Answering them byte by byte would cost more than everything else together, so a block is looked at once,
//! with SIMD compares, and each answer is a bit in a map:
//!
//! ```text
//! block     {"a":"x\"y"}⏎
//! quotes    .1.1.1...1...     a quote behind a backslash ends nothing and is not marked
//! newlines  ............1
//! ```

use wide::u8x16;

/// Bytes that one word of a map covers.
const WORD: usize = 64;

/// The quotes and newlines of one block.
#[derive(Debug, Default)]
pub struct Marks {
    quotes: Vec<u64>,
    newlines: Vec<u64>,
}

impl Marks {
    /// Looks at `block` and forgets the one before.
    pub fn index(&mut self, block: &[u8]) {
        let words = block.len() / WORD + 1;
        self.quotes.clear();
        self.newlines.clear();
        self.quotes.reserve(words + 1);
        self.newlines.reserve(words + 1);

        let (chunks, rest) = block.as_chunks::<WORD>();
        let mut escaping = false;
        for chunk in chunks {
            self.word(chunk, &mut escaping);
        }
        // The tail is padded with zeros, which mark nothing.
        let mut tail = [0; WORD];
        tail[..rest.len()].copy_from_slice(rest);
        self.word(&tail, &mut escaping);
        // One full word behind the end stops every search without a bounds check of its own.
        self.quotes.push(!0);
        self.newlines.push(!0);
    }

    #[inline]
    fn word(&mut self, chunk: &[u8; WORD], escaping: &mut bool) {
        let quote = u8x16::splat(b'"');
        let newline = u8x16::splat(b'\n');
        let backslash = u8x16::splat(b'\\');
        let (mut quotes, mut newlines, mut backslashes) = (0_u64, 0_u64, 0_u64);
        let (lanes, _) = chunk.as_chunks::<16>();
        for (at, lane) in lanes.iter().enumerate() {
            let lane = u8x16::new(*lane);
            quotes |= u64::from(lane.simd_eq(quote).to_bitmask()) << (at * 16);
            newlines |= u64::from(lane.simd_eq(newline).to_bitmask()) << (at * 16);
            backslashes |= u64::from(lane.simd_eq(backslash).to_bitmask()) << (at * 16);
        }
        if backslashes != 0 || *escaping {
            quotes &= !escaped(backslashes, escaping);
        }
        self.quotes.push(quotes);
        self.newlines.push(newlines);
    }

    /// The first quote at or after `from` that ends a string; past the block when there is none.
    #[inline]
    pub fn quote(&self, from: usize) -> usize {
        next(&self.quotes, from)
    }

    /// The first newline at or after `from`; past the block when there is none.
    #[inline]
    pub fn newline(&self, from: usize) -> usize {
        next(&self.newlines, from)
    }
}

#[inline]
fn next(map: &[u64], from: usize) -> usize {
    let mut at = from / WORD;
    let mut word = map[at] & (!0 << (from % WORD));
    while word == 0 {
        at += 1;
        word = map[at];
    }
    at * WORD + word.trailing_zeros() as usize
}

/// Which bytes of a word stand behind a backslash that escapes them.
///
/// Backslashes are rare in logs, so this walks from one to the next.
#[cold]
fn escaped(backslashes: u64, escaping: &mut bool) -> u64 {
    let mut escaped = u64::from(*escaping);
    let mut left = backslashes & !escaped;
    *escaping = false;
    while left != 0 {
        let at = left.trailing_zeros();
        if at == 63 {
            *escaping = true;
            break;
        }
        escaped |= 2 << at;
        // The next byte is used up, be it a backslash or not.
        left &= !(3 << at);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, one byte after the other.
    fn slowly(block: &[u8]) -> (Vec<usize>, Vec<usize>) {
        let (mut quotes, mut newlines, mut escaped) = (vec![], vec![], false);
        for (at, byte) in block.iter().enumerate() {
            if *byte == b'\n' {
                newlines.push(at);
            }
            if *byte == b'"' && !escaped {
                quotes.push(at);
            }
            escaped = *byte == b'\\' && !escaped;
        }
        (quotes, newlines)
    }

    fn quickly(block: &[u8]) -> (Vec<usize>, Vec<usize>) {
        let mut marks = Marks::default();
        marks.index(block);
        let walk = |next: &dyn Fn(usize) -> usize| {
            let (mut found, mut from) = (vec![], 0);
            while next(from) < block.len() {
                found.push(next(from));
                from = next(from) + 1;
            }
            found
        };
        (walk(&|from| marks.quote(from)), walk(&|from| marks.newline(from)))
    }

    proptest::proptest! {
        #[test]
        fn the_map_says_what_a_byte_by_byte_walk_says(
            picks in proptest::collection::vec(proptest::sample::select(&b"\\\\\\\"\"\nab"[..]), 0..300)
        ) {
            proptest::prop_assert_eq!(slowly(&picks), quickly(&picks));
        }
    }
}
