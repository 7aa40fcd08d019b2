//! Numbers as edges write them: bare or quoted, with signs, fractions and exponents, or not numbers at all.

/// What the text of a number field says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// Nothing: the text is empty.
    Absent,
    /// A number below 0, which for nearly every field means absent.
    Negative,
    /// No number.
    Junk,
    /// A number above what 64 bits hold.
    Huge,
    /// `floor`, and whether there was more behind it.
    Value {
        /// The value, cut off to a whole number.
        floor: u64,
        /// Whether `floor` is all of it.
        whole: bool,
    },
}

impl Number {
    /// The value without its fraction, if this is one.
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
    if text.len() <= 19 && !text.is_empty() {
        let mut floor = 0_u64;
        for byte in text {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return scaled(text, 0);
            }
            floor = floor * 10 + u64::from(digit);
        }
        return Number::Value { floor, whole: true };
    }
    scaled(text, 0)
}

/// Reads `text` as a number and multiplies it by ten to the `shift`, exactly.
pub fn scaled(text: &[u8], shift: i64) -> Number {
    if text.is_empty() {
        return Number::Absent;
    }
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
    place(whole.iter().chain(fraction), whole.len() + fraction.len(), kept)
}

fn digits_len(text: &[u8]) -> usize {
    text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len())
}

/// The exponent that `text` is: 0 when it is empty, nothing when it is something else.
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

/// The number whose first `kept` digits stand before the point.
fn place<'a>(digits: impl Iterator<Item = &'a u8>, len: usize, kept: i64) -> Number {
    let (mut floor, mut whole) = (0_u64, true);
    for (at, byte) in digits.enumerate() {
        let digit = u64::from(byte - b'0');
        if i64::try_from(at).is_ok_and(|at| at >= kept) {
            whole &= digit == 0;
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
    Number::Value { floor, whole }
}

/// What a flag says, when it says something.
#[inline]
pub fn flag(text: &[u8]) -> Option<bool> {
    match text {
        b"1" => Some(true),
        b"0" => Some(false),
        _ if text.eq_ignore_ascii_case(b"true") => Some(true),
        _ if text.eq_ignore_ascii_case(b"false") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_edges_write_them() {
        let value = |floor, whole| Number::Value { floor, whole };
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
            assert_eq!(*want, scaled(text.as_bytes(), *shift), "{text}");
            if *shift == 0 {
                assert_eq!(*want, number(text.as_bytes()), "{text}, the short way");
            }
        }
    }
}
