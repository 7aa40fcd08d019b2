//! SIMD scans for the byte that ends a string or a bare value, 16 bytes at a time.
//!
//! Most strings and values end within 16 bytes, which one compare finds. A scan depends only on the bytes from where it
//! starts, so there is no index to keep between lines.

use wide::u8x16;

use crate::value::text::is_blank;

/// Bytes that are compared together.
pub const LANES: usize = 16;

/// The bytes at `at` that are compared together; nothing if fewer follow.
#[inline]
pub fn lanes(block: &[u8], at: usize) -> Option<u8x16> {
    block.get(at..)?.first_chunk::<LANES>().map(|lanes| u8x16::new(*lanes))
}

/// The index of the lowest bit that is set in `found`.
#[inline]
pub fn lowest_bit(found: u32) -> usize {
    found.trailing_zeros() as usize
}

/// The quote that ends the string whose content starts at `from`; `end` or more if there is none before `end`.
///
/// A quote after a backslash does not end a string.
#[inline(never)]
pub fn closing_quote(block: &[u8], from: usize, end: usize) -> usize {
    let (quote, backslash) = (u8x16::splat(b'"'), u8x16::splat(b'\\'));
    let mut at = from;
    // Long strings have few of either, so 32 bytes at a time.
    while let Some(both) = block.get(at..).and_then(<[u8]>::first_chunk::<{ 2 * LANES }>)
        && at < end
    {
        let (halves, _) = both.as_chunks::<LANES>();
        let [here, next] = [u8x16::new(halves[0]), u8x16::new(halves[1])];
        let found = here.simd_eq(quote) | here.simd_eq(backslash) | next.simd_eq(quote) | next.simd_eq(backslash);
        if found.to_bitmask() != 0 {
            break;
        }
        at += 2 * LANES;
    }
    while let Some(lanes) = lanes(block, at) {
        let quotes = lanes.simd_eq(quote).to_bitmask();
        let backslashes = lanes.simd_eq(backslash).to_bitmask();
        if backslashes != 0 && lowest_bit(backslashes) < lowest_bit(quotes) {
            // A backslash escapes the next byte, whatever it is.
            at += lowest_bit(backslashes) + 2;
        } else if quotes != 0 {
            return at + lowest_bit(quotes);
        } else {
            at += LANES;
        }
        if at >= end {
            return at;
        }
    }
    quote_slowly(block, at, end)
}

/// The same for the last 15 bytes of a block.
#[cold]
fn quote_slowly(block: &[u8], mut at: usize, end: usize) -> usize {
    while at < end && block[at] != b'"' {
        at += if block[at] == b'\\' { 2 } else { 1 };
    }
    at
}

/// Where the string at `from` ends whose quotes stand behind a backslash; nothing if there is another backslash before.
#[inline]
pub fn escaped_quote(block: &[u8], from: usize, end: usize) -> Option<usize> {
    let at = from + memchr::memchr2(b'\\', b'"', block.get(from..end)?)?;
    block[at..end].starts_with(b"\\\"").then_some(at)
}

/// The byte at or after `from` that ends a bare value or may not be in one; `end` if there is none before it.
#[inline]
fn scalar_stop(block: &[u8], from: usize, end: usize) -> usize {
    let mut at = from;
    while let Some(lanes) = lanes(block, at) {
        // This bit distinguishes `[` from `{` and `]` from `}`. Other bytes that it makes equal are below the blank.
        let folded = lanes | u8x16::splat(0x20);
        let brackets = folded.simd_eq(u8x16::splat(b'{')) | folded.simd_eq(u8x16::splat(b'}'));
        let separators = lanes.simd_eq(u8x16::splat(b',')) | lanes.simd_eq(u8x16::splat(b':'));
        // Blanks and the quote. Other bytes of this range are checked one by one.
        let low = lanes.min(u8x16::splat(b'"')).simd_eq(lanes);
        let found = (brackets | separators | low).to_bitmask();
        let to = at + lowest_bit(found | 1 << LANES);
        if to >= end {
            return end;
        }
        if found != 0 && ends_scalar(block[to]) {
            return to;
        }
        at = if found == 0 { to } else { to + 1 };
    }
    while at < end && !ends_scalar(block[at]) {
        at += 1;
    }
    at.min(end)
}

/// Where the bare value at `from` ends; `None` if there is none.
#[inline]
pub fn scalar_end(block: &[u8], from: usize, end: usize) -> Option<usize> {
    let to = scalar_stop(block, from, end);
    let is_broken = to < end && matches!(block[to], b'"' | b'{' | b'[' | b':');
    (to > from && !is_broken).then_some(to)
}

/// Where the rest of a member ends, of which quotes and brackets are no part: at the comma before the next key or before another
/// comma or a brace, or at the brace. Nothing if a quote or a bracket comes first, or `end`.
pub fn member_end(block: &[u8], from: usize, end: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += block[at..end].iter().position(|byte| matches!(byte, b',' | b'}' | b'"' | b'{' | b'['))?;
        match block[at] {
            b',' => {
                let next = block[at + 1..end].iter().find(|byte| !is_blank(**byte))?;
                if matches!(next, b'"' | b',' | b'}') {
                    return Some(at);
                }
                at += 1;
            }
            b'}' => return Some(at),
            _ => return None,
        }
    }
}

#[inline]
fn ends_scalar(byte: u8) -> bool {
    matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'"' | b'{' | b'[' | b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same byte by byte.
    fn quote_slowly(block: &[u8], from: usize) -> usize {
        let mut escaped = false;
        for (at, byte) in block.iter().enumerate().skip(from) {
            if *byte == b'"' && !escaped {
                return at;
            }
            escaped = *byte == b'\\' && !escaped;
        }
        block.len()
    }

    fn scalar_slowly(block: &[u8], from: usize) -> usize {
        block[from..].iter().position(|byte| ends_scalar(*byte)).map_or(block.len(), |at| from + at)
    }

    proptest::proptest! {
        #[test]
        fn a_scan_for_a_quote_finds_what_a_walk_finds(
            picks in proptest::collection::vec(proptest::sample::select(&b"\\\\\\\"\nabcdefghij"[..]), 0..100),
            end in 0..100_usize,
        ) {
            let end = end.min(picks.len());
            for from in 0..=end {
                proptest::prop_assert_eq!(quote_slowly(&picks[..end], from), closing_quote(&picks, from, end).min(end));
            }
        }

        #[test]
        fn a_scan_for_the_end_of_a_bare_value_finds_what_a_walk_finds(
            picks in proptest::collection::vec(
                proptest::sample::select(&b"0123456789.-eE!\x01\x1b\x1d\xfb, {}[]:\"\t\r"[..]), 0..100
            ),
            end in 0..100_usize,
        ) {
            let end = end.min(picks.len());
            for from in 0..=end {
                proptest::prop_assert_eq!(scalar_slowly(&picks[..end], from), scalar_stop(&picks, from, end));
            }
        }

        #[test]
        fn other_bytes_end_nothing(picks in proptest::collection::vec(0..=u8::MAX, 0..100)) {
            for from in 0..picks.len() {
                proptest::prop_assert_eq!(scalar_slowly(&picks, from), scalar_stop(&picks, from, picks.len()));
                proptest::prop_assert_eq!(
                    quote_slowly(&picks, from), closing_quote(&picks, from, picks.len()).min(picks.len())
                );
            }
        }
    }
}
