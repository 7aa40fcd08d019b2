//! Brackets: where an object or array ends, by SIMD scans of 16 or 32 bytes at a time.
//!
//! Only brackets of the kind that opens it are counted, so depth costs nothing; those in strings are not.

use wide::u8x16;

use crate::decode::scan::{LANES, lanes, lowest_bit};
use crate::value::text::is_blank;

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

/// Which brackets and strings are open at the end of the first part of a line. It is read piece by piece.
#[derive(Debug, Default)]
pub struct Outline {
    open: Vec<u8>,
    last: Option<u8>,
    in_string: bool,
    is_escaped: bool,
    /// How much was read.
    read: usize,
}

impl Outline {
    /// Whether an object with members may follow `text`: as the value of a member, in a list, or as one of several records.
    ///
    /// `text` starts with all that was asked about before, which is not read again.
    #[cold]
    pub fn may_go_on_with_object(&mut self, text: &[u8]) -> bool {
        for byte in &text[self.read..] {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.in_string => self.is_escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.open.push(*byte),
                b'}' | b']' => drop(self.open.pop()),
                _ => {}
            }
            if self.in_string || !is_blank(*byte) {
                self.last = Some(*byte);
            }
        }
        self.read = text.len();
        let goes_on = match self.open.last() {
            Some(b'{') => self.last == Some(b':'),
            Some(_) => matches!(self.last, Some(b'[' | b',')),
            None => matches!(self.last, None | Some(b'}' | b']' | b',')),
        };
        goes_on && !self.in_string
    }
}

/// The opening bracket `first` and the one that closes it.
#[inline]
fn pair(first: u8) -> (u8, u8) {
    if first == b'{' { (b'{', b'}') } else { (b'[', b']') }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
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
        fn an_outline_does_not_depend_on_when_it_is_asked(
            text in proptest::collection::vec(proptest::sample::select(&b"{[]}\"\\:, a"[..]), 0..40),
            cut in 0..40_usize,
        ) {
            let want = Outline::default().may_go_on_with_object(&text);
            let mut outline = Outline::default();
            outline.may_go_on_with_object(&text[..cut.min(text.len())]);
            proptest::prop_assert_eq!(want, outline.may_go_on_with_object(&text));
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
    }
}
