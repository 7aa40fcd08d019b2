//! SIMD scans for the byte that ends a string, a bare value or an object, 16 bytes at a time.
//!
//! Most strings and values end within 16 bytes, which one compare finds. A scan depends only on the bytes from where it
//! starts, so there is no index to keep between lines.

use wide::u8x16;

use crate::value::text::is_blank;

/// Bytes that are compared together.
const LANES: usize = 16;

#[inline]
fn lanes(block: &[u8], at: usize) -> Option<u8x16> {
    block.get(at..)?.first_chunk::<LANES>().map(|lanes| u8x16::new(*lanes))
}

/// The index of the lowest bit that is set in `found`.
#[inline]
fn lowest_bit(found: u32) -> usize {
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

/// Which of 32 bytes are in a string, its opening quote included; the byte before them is in one if `in_string` is 1.
#[inline]
fn in_strings(quotes: u32, in_string: u32) -> u32 {
    // Set after an odd number of quotes.
    let mut inside = quotes ^ in_string;
    inside ^= inside << 1;
    inside ^= inside << 2;
    inside ^= inside << 4;
    inside ^= inside << 8;
    inside ^ inside << 16
}

/// Which of 32 bytes a backslash before them escapes, and whether the byte after them is: each 1 if so, like `is_escaped` of the
/// first one.
#[inline]
fn escaped(backslashes: u32, is_escaped: u32) -> (u32, u32) {
    let (mut escaped, mut after) = (is_escaped, 0);
    let mut left = backslashes & !is_escaped;
    while left != 0 {
        let first = left & left.wrapping_neg();
        escaped |= first << 1;
        after = first >> 31;
        left &= !(first | first << 1);
    }
    (escaped, after)
}

/// Where the object or array that opens at `from` has closed; `None` if it does not before `end`.
///
/// Only brackets of its own kind are counted, so depth costs nothing.
#[inline(never)]
pub fn nested_end(block: &[u8], from: usize, end: usize) -> Option<usize> {
    let (open, close) = pair(block[from]);
    let (mut depth, mut in_string, mut is_escaped) = (1_u32, 0_u32, 0_u32);
    let mut at = from + 1;
    while let Some(both) = block.get(at..).and_then(<[u8]>::first_chunk::<{ 2 * LANES }>)
        && at < end
    {
        let (halves, _) = both.as_chunks::<LANES>();
        let [here, next] = [u8x16::new(halves[0]), u8x16::new(halves[1])];
        let find = |byte| [here.simd_eq(u8x16::splat(byte)), next.simd_eq(u8x16::splat(byte))];
        let bits = |[here, next]: [u8x16; 2]| here.to_bitmask() | next.to_bitmask() << LANES;
        let either = |[one, other]: [u8x16; 2], [first, second]: [u8x16; 2]| [one | first, other | second];
        let (opening, backslash) = (find(open), find(b'\\'));
        let brackets = either(opening, find(close));
        let [first, second] = either(brackets, backslash);
        let others = first | second;
        let mut quotes = bits(find(b'"'));
        if others.to_bitmask() | is_escaped == 0 {
            // Strings begin and end here, and nothing else.
            in_string ^= quotes.count_ones() & 1;
            at += 2 * LANES;
            continue;
        }
        let (opens, backslashes) = (bits(opening), bits(backslash));
        let (escaped, after) = escaped(backslashes, is_escaped);
        quotes &= !escaped;
        let inside = in_strings(quotes, in_string);
        if backslashes & !inside & !escaped != 0 {
            // Between strings, a backslash escapes nothing.
            break;
        }
        let mut brackets = bits(brackets) & !inside;
        while brackets != 0 {
            let bracket = lowest_bit(brackets);
            depth = if opens >> bracket & 1 == 1 { depth + 1 } else { depth - 1 };
            if depth == 0 {
                return Some(at + bracket + 1).filter(|to| *to <= end);
            }
            brackets &= brackets - 1;
        }
        (in_string, is_escaped) = (inside >> 31, after);
        at += 2 * LANES;
    }
    let mut walk = Walk { kind: (open, close), depth, in_string: in_string != 0 };
    walk.run(block, at + is_escaped as usize, end).ok()
}

/// Where the object or array that opens at `from` has closed, if its quotes stand behind a backslash; `None` if it does not
/// before `end`, or if there is another backslash in it.
pub fn escaped_end(block: &[u8], from: usize, end: usize) -> Option<usize> {
    let (open, close) = pair(block[from]);
    let (mut depth, mut in_string, mut is_escaped) = (0_u32, 0_u32, 0_u32);
    let mut at = from;
    while at < end {
        let lanes = lanes(block, at)?;
        let found = |byte| lanes.simd_eq(u8x16::splat(byte)).to_bitmask();
        let (quotes, backslashes) = (found(b'"'), found(b'\\'));
        let unpaired = quotes ^ (backslashes << 1 | is_escaped) & 0xFFFF;
        let inside = in_strings(quotes, in_string);
        let opens = found(open);
        let mut brackets = (opens | found(close)) & !inside;
        while brackets != 0 {
            let bracket = lowest_bit(brackets);
            depth = if opens >> bracket & 1 == 1 { depth + 1 } else { depth - 1 };
            if depth == 0 {
                let is_paired = unpaired & ((1 << bracket) - 1) == 0;
                return Some(at + bracket + 1).filter(|to| is_paired && *to <= end);
            }
            brackets &= brackets - 1;
        }
        if unpaired != 0 {
            return None;
        }
        in_string = inside >> (LANES - 1) & 1;
        is_escaped = backslashes >> (LANES - 1);
        at += LANES;
    }
    None
}

/// A walk to the end of an object byte by byte, perhaps over several pieces.
#[derive(Debug)]
pub struct Walk {
    kind: (u8, u8),
    depth: u32,
    in_string: bool,
}

impl Walk {
    /// A walk over an object.
    pub const fn over_object() -> Self {
        Self { kind: (b'{', b'}'), depth: 0, in_string: false }
    }

    /// Whether what was walked over ends within a string.
    pub const fn is_in_string(&self) -> bool {
        self.in_string
    }

    /// Walks from `at` to `end`; returns where all has closed, or else where to continue.
    #[cold]
    pub fn run(&mut self, block: &[u8], mut at: usize, end: usize) -> Result<usize, usize> {
        while at < end {
            match block[at] {
                // It escapes the next byte.
                b'\\' if self.in_string => at += 1,
                b'"' => self.in_string = !self.in_string,
                byte if byte == self.kind.0 && !self.in_string => self.depth += 1,
                byte if byte == self.kind.1 && !self.in_string => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Ok(at + 1);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        Err(at)
    }
}

/// The opening bracket `first` and the one that closes it.
#[inline]
fn pair(first: u8) -> (u8, u8) {
    if first == b'{' { (b'{', b'}') } else { (b'[', b']') }
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
        fn a_scan_for_the_closing_bracket_finds_what_a_walk_finds(
            picks in proptest::collection::vec(proptest::sample::select(&b"{{[[]]}}\"\"\"\\\\ab;\x1b\xfb"[..]), 1..200),
            end in 0..201_usize,
        ) {
            let end = end.min(picks.len());
            for from in (0..end).filter(|from| matches!(picks[*from], b'{' | b'[')) {
                let mut walk = Walk { kind: pair(picks[from]), depth: 0, in_string: false };
                let want = walk.run(&picks, from, end).ok();
                proptest::prop_assert_eq!(want, nested_end(&picks, from, end));
            }
        }

        #[test]
        fn a_scan_over_long_strings_finds_what_a_walk_finds(
            parts in proptest::collection::vec(
                proptest::sample::select(&["\"{\"", "{", "}", "x", "\\", "\"\\\"\"", "\"\\\\\"", r#""ab\\\" long enough for a scan of 32""#][..]), 0..40
            ),
            end in 0..500_usize,
        ) {
            let text = format!("{{{}}}", parts.concat()).into_bytes();
            let end = end.min(text.len());
            let mut walk = Walk { kind: pair(b'{'), depth: 0, in_string: false };
            proptest::prop_assert_eq!(walk.run(&text, 0, end).ok().filter(|_| end > 0), nested_end(&text, 0, end));
        }

        #[test]
        fn the_end_behind_escaped_quotes_is_found_like_the_one_without(
            picks in proptest::collection::vec(proptest::sample::select(&b"{{[]}}\"\"ab;\xfb"[..]), 1..60),
            junk in proptest::collection::vec(proptest::sample::select(&b"\\\"}{a"[..]), 0..20),
        ) {
            let plain = picks;
            let mut escaped = vec![];
            for byte in &plain {
                escaped.extend_from_slice(if *byte == b'"' { b"\\\"" } else { std::slice::from_ref(byte) });
            }
            let len = escaped.len();
            escaped.extend_from_slice(&junk);
            escaped.extend_from_slice(&[b' '; LANES]);
            for from in (0..plain.len()).filter(|from| matches!(plain[*from], b'{' | b'[')) {
                let shift = |at: usize| at + memchr::memchr_iter(b'"', &plain[..at]).count();
                let want = nested_end(&plain, from, plain.len()).map(shift);
                proptest::prop_assert_eq!(want, escaped_end(&escaped, shift(from), len));
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
