//! Numbers as edges write them: with signs, fractions and exponents, or not numbers at all.

/// The value of a field for numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// The text is empty.
    Absent,
    /// A number below 0, which means absent in nearly every field.
    Negative,
    /// Not a number.
    Junk,
    /// A number that 64 bits do not hold.
    Huge,
    /// A number that 64 bits hold.
    Value {
        /// The number without its fraction.
        floor: u64,
        /// Whether it has no fraction.
        is_integer: bool,
    },
}

impl Number {
    /// The number without its fraction, if this is one.
    #[inline]
    pub fn floor(self) -> Option<u64> {
        match self {
            Self::Value { floor, .. } => Some(floor),
            _ => None,
        }
    }
}

/// Reads `text` as a number.
#[inline]
pub fn number(text: &[u8]) -> Number {
    if text.is_empty() {
        return Number::Absent;
    }
    match digits(text) {
        Some(floor) => Number::Value { floor, is_integer: true },
        None => scale(text, 0),
    }
}

/// The number in `text`, if it is 1 to 16 digits and nothing else.
#[inline]
fn digits(text: &[u8]) -> Option<u64> {
    match text.len() {
        1..=3 => short_digits(text),
        4..=8 => four_to_eight_digits(text),
        9..=16 => {
            let (high, low) = text.split_at(text.len() - 8);
            let high = if high.len() < 4 { short_digits(high) } else { four_to_eight_digits(high) };
            Some(high? * 100_000_000 + four_to_eight_digits(low)?)
        }
        _ => None,
    }
}

#[inline]
fn short_digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |floor, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then(|| floor * 10 + u64::from(digit))
    })
}

/// The number in 4 to 8 bytes, if all are digits: computed for all bytes at once, without a loop.
#[inline]
fn four_to_eight_digits(text: &[u8]) -> Option<u64> {
    const ZEROS: u32 = u32::from_le_bytes(*b"0000");
    let first = u64::from(u32::from_le_bytes(*text.first_chunk()?) ^ ZEROS);
    let last = u64::from(u32::from_le_bytes(*text.last_chunk()?) ^ ZEROS);
    // Eight digits with leading zeros: the last four, and before them the ones of the first four that are not among
    // the last.
    let missing = 8 * (8 - text.len());
    let digits = last << 32 | (first << missing) & 0xFFFF_FFFF;
    (not_digits(digits) == 0).then(|| read_eight(digits))
}

/// The digits at the start of eight bytes, found and read together, without a loop and without a branch.
#[derive(Debug, Clone, Copy)]
pub struct Digits(u64);

impl Digits {
    /// The most digits that can be read.
    pub const MAX: usize = 7;

    /// The digits at the start of `bytes`, whose first byte is the lowest.
    #[inline]
    pub fn of(bytes: u64) -> Self {
        Self(bytes ^ u64::from_le_bytes(*b"00000000"))
    }

    /// How many digits there are.
    #[inline]
    pub fn len(self) -> usize {
        not_digits(self.0).trailing_zeros() as usize / 8
    }

    /// The number in the first `len` digits.
    #[inline]
    pub fn value(self, len: usize) -> u64 {
        // Eight digits with leading zeros. Two shifts, because one by 64 would overflow.
        read_eight(self.0 << (8 * (Self::MAX - len % 8)) << 8)
    }
}

/// The highest bit of each byte that is above 9, at least up to the first such byte.
#[inline]
fn not_digits(digits: u64) -> u64 {
    // This sets the highest bit of a byte above 9, unless it is set already.
    (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080
}

/// The number in eight digits, the first one in the lowest byte.
#[inline]
fn read_eight(digits: u64) -> u64 {
    // Pairs of digits, then pairs of these, then both halves.
    let pairs = (digits * 10 + (digits >> 8)) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
    (fours * 10_000 + (fours >> 32)) & 0xFFFF_FFFF
}

/// Reads `text` as a number and multiplies it by ten to the `shift`, exactly.
#[inline(never)]
pub fn scale(text: &[u8], shift: i64) -> Number {
    if text.is_empty() {
        return Number::Absent;
    }
    scale_plain(text, shift).unwrap_or_else(|| scale_any(text, shift))
}

/// The same for any text that is not empty.
fn scale_any(text: &[u8], shift: i64) -> Number {
    let (negative, digits) = match text[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let whole_len = digits_len(digits);
    if whole_len == 0 {
        return Number::Junk;
    }
    let (whole, rest) = digits.split_at(whole_len);
    let (fraction, rest) = match rest.first() {
        Some(b'.') => rest[1..].split_at(digits_len(&rest[1..])),
        _ => rest.split_at(0),
    };
    let Some(exponent) = exponent(rest) else {
        return Number::Junk;
    };
    if negative {
        return Number::Negative;
    }
    let kept = i64::try_from(whole_len).unwrap_or(i64::MAX).saturating_add(exponent + shift);
    shift_point(whole.iter().chain(fraction), whole.len() + fraction.len(), kept)
}

/// The same for short `text`, if it is digits and at most one point, and the `shift` leaves no fraction.
#[inline]
fn scale_plain(text: &[u8], shift: i64) -> Option<Number> {
    /// 64 bits hold any number of so many digits.
    const SAFE: usize = 19;
    if text.len() > SAFE || !text[0].is_ascii_digit() {
        return None;
    }
    let (mut value, mut point) = (0_u64, text.len() - 1);
    for (at, byte) in text.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value * 10 + u64::from(digit);
        } else if *byte == b'.' && point == text.len() - 1 {
            point = at;
        } else {
            return None;
        }
    }
    let fraction = text.len() - 1 - point;
    let zeros = u32::try_from(shift).ok()?.checked_sub(u32::try_from(fraction).ok()?)?;
    let floor = value.checked_mul(10_u64.checked_pow(zeros)?)?;
    Some(Number::Value { floor, is_integer: true })
}

fn digits_len(text: &[u8]) -> usize {
    text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len())
}

/// The exponent in `text`: 0 if it is empty, `None` if it is something else.
fn exponent(text: &[u8]) -> Option<i64> {
    let [b'e' | b'E', rest @ ..] = text else {
        return text.is_empty().then_some(0);
    };
    let (sign, digits) = match rest {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] | digits => (1, digits),
    };
    if digits.is_empty() || digits.len() > 3 || digits_len(digits) != digits.len() {
        return None;
    }
    Some(sign * digits.iter().fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0')))
}

/// The number of `len` digits of which the first `kept` stand before the point.
fn shift_point<'a>(digits: impl Iterator<Item = &'a u8>, len: usize, kept: i64) -> Number {
    let (mut floor, mut is_integer) = (0_u64, true);
    for (at, byte) in digits.enumerate() {
        let digit = u64::from(byte - b'0');
        if i64::try_from(at).is_ok_and(|at| at >= kept) {
            is_integer &= digit == 0;
            continue;
        }
        let Some(next) = floor.checked_mul(10).and_then(|ten| ten.checked_add(digit)) else {
            return Number::Huge;
        };
        floor = next;
    }
    let zeros = kept - i64::try_from(len).unwrap_or(i64::MAX);
    if floor > 0 {
        for _ in 0..zeros {
            let Some(next) = floor.checked_mul(10) else {
                return Number::Huge;
            };
            floor = next;
        }
    }
    Number::Value { floor, is_integer }
}

/// The flag in `text`, if there is one.
#[inline]
pub fn flag(text: &[u8]) -> Option<bool> {
    match text {
        b"1" => Some(true),
        b"0" => Some(false),
        _ => {
            let is_one_of = |words: [&[u8]; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
            let is_on = is_one_of([b"true", b"yes", b"on"]);
            (is_on || is_one_of([b"false", b"no", b"off"])).then_some(is_on)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn short_cuts_read_the_same_number(
            text in proptest::collection::vec(
                proptest::sample::select(&b"0123456789012345678901234567899999..e-/:\xb5"[..]), 1..24
            ),
            digits in "[0-9]{1,21}",
            point in 0..22_usize,
        ) {
            let mut fraction = digits.clone();
            fraction.insert(point.min(digits.len()), '.');
            for text in [&text, digits.as_bytes(), fraction.as_bytes()] {
                proptest::prop_assert_eq!(scale_any(text, 0), number(text));
                for shift in [0, 6, 9] {
                    proptest::prop_assert_eq!(scale_any(text, shift), scale(text, shift));
                }
            }
        }
    }

    #[test]
    fn numbers_are_read_as_edges_write_them() {
        let value = |floor, is_integer| Number::Value { floor, is_integer };
        let cases: &[(&str, i64, Number)] = &[
            ("", 0, Number::Absent),
            ("0", 0, value(0, true)),
            ("009", 0, value(9, true)),
            ("+2", 0, value(2, true)),
            ("-1", 0, Number::Negative),
            ("-", 0, Number::Junk),
            ("abc", 0, Number::Junk),
            (".5", 0, Number::Junk),
            ("1.", 0, value(1, true)),
            ("1.0", 0, value(1, true)),
            ("1.5", 0, value(1, false)),
            ("1e3", 0, value(1000, true)),
            ("1.5e1", 0, value(15, true)),
            ("15e-1", 0, value(1, false)),
            ("1e", 0, Number::Junk),
            ("1e9999", 0, Number::Junk),
            ("1e999", 0, Number::Huge),
            ("0e999", 0, value(0, true)),
            ("18446744073709551615", 0, value(u64::MAX, true)),
            ("18446744073709551616", 0, Number::Huge),
            ("0.001", 9, value(1_000_000, true)),
            ("3.9991790000000003", 6, value(3_999_179, false)),
            ("0.0000000001", 9, value(0, false)),
        ];
        for (text, shift, want) in cases {
            assert_eq!(*want, scale(text.as_bytes(), *shift), "{text}");
            if *shift == 0 {
                assert_eq!(*want, number(text.as_bytes()), "{text}, the short cut");
            }
        }
    }
}
