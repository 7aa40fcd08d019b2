//! Tokens of a prefix: what ends at a blank, and dates as they stand there.

/// Bytes in which a name before `|` or in brackets has to end.
pub const MAX_NAME: usize = 256;
/// The most digits of a count.
pub const MAX_DIGITS: usize = 7;
/// Bytes of a date with its time of day.
pub const DATE: usize = 19;

/// What stands from `at` up to a blank, if a blank ends it.
pub fn token(line: &[u8], at: usize) -> Option<&[u8]> {
    let rest = line.get(at..)?;
    Some(&rest[..memchr::memchr(b' ', rest)?])
}

/// Whether `text` is written like `2026-11-22 04:41:06`, perhaps with slashes, or with `T` or `_` instead of the blank.
pub fn is_date(text: &[u8]) -> bool {
    let fits = |(byte, pattern): (&u8, &u8)| match *pattern {
        b'9' => byte.is_ascii_digit(),
        b'-' => matches!(byte, b'-' | b'/'),
        b' ' => matches!(byte, b' ' | b'T' | b'_'),
        same => *byte == same,
    };
    text.len() == DATE && text.iter().zip(b"9999-99-99 99:99:99").all(fits)
}

/// The length of the fraction of a second at the start of `text`: `.907` or `,907`.
pub fn fraction_len(text: &[u8]) -> usize {
    match text {
        [b'.' | b',', digits @ ..] => 1 + digits.iter().take_while(|byte| byte.is_ascii_digit()).count(),
        _ => 0,
    }
}
