//! A short value: where it ends and what it means, by a few operations on the 32 bytes from its start on.
//!
//! A value that is longer, or written in another way, is left to be read later.

use std::num::NonZeroU32;

use wide::u8x16;

use crate::value::number::Digits;

/// How many bytes after a literal are looked at for a value.
pub const VALUE: usize = 32;
const QUOTE: u8 = b'"';
const BACKSLASH: u8 = b'\\';
const COMMA: u8 = b',';

/// The first 32 of `bytes`.
#[inline]
pub fn halves(bytes: &[u8]) -> [u8x16; 2] {
    let half = |at: usize| bytes[at..].first_chunk().map_or(u8x16::default(), |half| u8x16::new(*half));
    [half(0), half(16)]
}

/// The eight bytes at `at`, the first in the lowest.
#[inline]
pub fn load_u64(bytes: &[u8; VALUE], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |eight| u64::from_le_bytes(*eight))
}

/// The length of the quoted text, if it has less than 32 bytes and no escapes. With `IS_ESCAPED`, its quote stands behind a
/// backslash.
#[inline]
pub fn quoted_len<const IS_ESCAPED: bool>(bytes: &[u8; VALUE]) -> Option<usize> {
    let stops = |half: u8x16| {
        let stops = half.simd_eq(u8x16::splat(QUOTE)) | half.simd_eq(u8x16::splat(BACKSLASH));
        NonZeroU32::new(stops.to_bitmask())
    };
    let [first, second] = halves(bytes);
    let len = match stops(first) {
        Some(found) => found.trailing_zeros() as usize % VALUE,
        None => 16 + stops(second)?.trailing_zeros() as usize % 16,
    };
    let is_end = if IS_ESCAPED { bytes[len..].starts_with(b"\\\"") } else { bytes[len] == QUOTE };
    is_end.then_some(len)
}

/// The length of the bare value, if a comma or a brace ends it within 15 bytes.
#[inline]
pub fn bare_len<const IS_ESCAPED: bool>(bytes: &[u8; VALUE]) -> Option<usize> {
    let [first, _] = halves(bytes);
    // Every byte that can end a value or break it is a colon, a bracket (this bit makes both kinds equal), or not above a
    // comma.
    let folded = first | u8x16::splat(0x20);
    let brackets = folded.simd_eq(u8x16::splat(b'{')) | folded.simd_eq(u8x16::splat(b'}'));
    let low = first.min(u8x16::splat(COMMA)).simd_eq(first);
    let mut stops = brackets | low | first.simd_eq(u8x16::splat(b':'));
    if IS_ESCAPED {
        stops |= first.simd_eq(u8x16::splat(BACKSLASH));
    }
    let len = NonZeroU32::new(stops.to_bitmask())?.trailing_zeros() as usize % 16;
    (len > 0 && matches!(bytes[len], b',' | b'}')).then_some(len)
}

/// Whether a value that is not empty can end before byte `len` of `bytes`.
#[inline]
pub fn ends(bytes: &[u8; VALUE], len: usize, stop: u8) -> bool {
    let next = bytes[len % VALUE];
    next == stop || next == b'}' && stop == COMMA
}

/// The length and the value of an integer of one to seven digits.
#[inline]
pub fn integer(bytes: &[u8; VALUE], stop: u8) -> Option<(usize, u64)> {
    let digits = Digits::of(load_u64(bytes, 0));
    let len = digits.len();
    // A length of 0 wraps to the largest number.
    if len.wrapping_sub(1) >= Digits::MAX || !ends(bytes, len, stop) {
        return None;
    }
    Some((len, digits.value(len)))
}

/// The length and the nanoseconds of a time, perhaps with a point, in units of ten to the `unit` nanoseconds.
#[expect(clippy::inline_always, reason = "both kinds of templates call it for each line")]
#[inline(always)]
pub fn nanoseconds(bytes: &[u8; VALUE], stop: u8, unit: u8) -> Option<(usize, u64)> {
    let word = load_u64(bytes, 0);
    let whole = Digits::of(word);
    let before = whole.len();
    if before == 0 {
        return None;
    }
    // Up to seven digits.
    if before <= Digits::MAX {
        let (digits, len, after) = if bytes[before % VALUE] == b'.' {
            // Without the point, the digits before and after it are adjacent.
            let low = u64::MAX >> (64 - 8 * before);
            let digits = Digits::of(word & low | word >> 8 & !low);
            (digits, digits.len() + 1, digits.len() - before)
        } else {
            (whole, before, 0)
        };
        let zeros = usize::from(unit).checked_sub(after)?;
        if ends(bytes, len, stop) {
            return Some((len, digits.value(before + after) * POWERS_OF_10[zeros % POWERS_OF_10.len()]));
        }
    }
    let (len, nanoseconds) = long_nanoseconds(bytes, stop, unit);
    (len > 0).then_some((len, nanoseconds))
}

/// The same for more digits: up to the nanosecond, and no longer than 64 bits hold for sure. The length is 0 if there are
/// none: an optional pair would be returned in memory.
#[inline(never)]
fn long_nanoseconds(bytes: &[u8; VALUE], stop: u8, unit: u8) -> (usize, u64) {
    let read = || {
        let (whole, before) = digits(bytes, 0)?;
        let (fraction, after) = if bytes[before] == b'.' { digits(bytes, before + 1)? } else { (0, 0) };
        let unit = usize::from(unit);
        let zeros = unit.checked_sub(after).filter(|_| before + unit <= 18)?;
        let len = before + after + usize::from(after > 0);
        ends(bytes, len, stop).then(|| (len, whole * POWERS_OF_10[unit] + fraction * POWERS_OF_10[zeros]))
    };
    read().unwrap_or_default()
}

/// The number in the digits at `from`, and how many there are; nothing if there are none, or more than 14.
#[inline]
fn digits(bytes: &[u8; VALUE], from: usize) -> Option<(u64, usize)> {
    let first = Digits::of(load_u64(bytes, from));
    match first.len() {
        0 => None,
        len @ ..=Digits::MAX => Some((first.value(len), len)),
        _ => {
            let second = Digits::of(load_u64(bytes, from + Digits::MAX));
            let len = second.len();
            let number = first.value(Digits::MAX) * POWERS_OF_10[len] + second.value(len);
            (len <= Digits::MAX).then_some((number, Digits::MAX + len))
        }
    }
}

const POWERS_OF_10: [u64; 10] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::number::{Number, number, scale};

    /// `text`, and what may stand behind it in a line.
    fn ahead(text: &[u8], rest: &[u8]) -> [u8; VALUE] {
        let mut ahead = [b'x'; VALUE];
        let both = [text, rest].concat();
        let len = both.len().min(VALUE);
        ahead[..len].copy_from_slice(&both[..len]);
        ahead
    }

    #[test]
    fn the_end_of_a_text_is_found_within_32_bytes() {
        for len in 0..VALUE {
            let text = vec![b'a'; len];
            assert_eq!(Some(len), quoted_len::<false>(&ahead(&text, b"\",")), "{len}");
            assert_eq!(None, quoted_len::<false>(&ahead(&text, b"\\\",")), "{len}");
            let is_whole = len + 1 < VALUE;
            assert_eq!(is_whole.then_some(len), quoted_len::<true>(&ahead(&text, b"\\\",")), "{len}");
        }
        assert_eq!(None, quoted_len::<false>(&ahead(&[b'a'; VALUE], b"\"")));
    }

    #[test]
    fn a_bare_value_ends_at_a_comma_or_a_brace_within_16_bytes() {
        for len in 0..20 {
            for (stop, ends_it) in
                [(b',', true), (b'}', true), (b' ', false), (b':', false), (b'"', false), (b']', false), (b'{', false)]
            {
                let found = bare_len::<false>(&ahead(&vec![b'7'; len], &[stop]));
                assert_eq!((ends_it && (1..16).contains(&len)).then_some(len), found, "{len} {}", char::from(stop));
            }
        }
        assert_eq!(Some(1), bare_len::<false>(&ahead(b"\\", b",")));
        assert_eq!(None, bare_len::<true>(&ahead(b"\\", b",")));
    }

    #[test]
    fn numbers_are_those_of_their_text_or_not_read() {
        let numbers = [
            "0",
            "7",
            "007",
            "1234567",
            "12345678",
            "12345678901234",
            "0.5",
            "1.25",
            "12.000000001",
            "0.0000000001",
            "1.",
            ".5",
            "-1",
            "1e3",
            "1 ",
            "",
            "123456789.123456789",
            "0.004234589",
            "9999999.9999999",
        ];
        let (mut integers, mut times) = (0, 0);
        for text in numbers {
            for (stop, behind) in [(QUOTE, &b"\","[..]), (COMMA, b","), (COMMA, b"}")] {
                let ahead = ahead(text.as_bytes(), behind);
                if let Some((len, read)) = integer(&ahead, stop) {
                    let want = Number::Value { floor: read, is_integer: true };
                    assert_eq!((want, text.len()), (number(text.as_bytes()), len), "{text}");
                    integers += 1;
                }
                for unit in [0, 6, 9] {
                    if let Some((len, read)) = nanoseconds(&ahead, stop, unit) {
                        let want = scale(text.as_bytes(), i64::from(unit)).floor();
                        assert_eq!((want, text.len()), (Some(read), len), "{text}");
                        times += 1;
                    }
                }
            }
        }
        assert!(integers >= 4 * 3 && times >= 4 * 3 * 3, "{integers} {times}");
        assert_eq!(None, integer(&ahead(b"1", b"}"), QUOTE));
    }
}
