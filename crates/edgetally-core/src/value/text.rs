//! Text: the bytes inside a JSON string as text that can be shown.
//!
//! Edges write invalid UTF-8, raw control bytes and escapes that JSON does not have (`\xHH`, `\]`). A key is shown to people
//! and sent as JSON, so U+FFFD replaces what cannot be shown. No line is rejected for it.

use std::borrow::Cow;

/// The text of `raw`, without escapes and control characters.
#[must_use]
pub fn text(raw: &[u8]) -> Cow<'_, str> {
    let bytes = if raw.contains(&b'\\') { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) };
    let text = match bytes {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    };
    // Also above ASCII: U+009B starts a command of a terminal, as ESC and `[` do.
    if text.chars().any(char::is_control) {
        return Cow::Owned(
            text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect(),
        );
    }
    text
}

/// Decodes JSON's escapes and Apache's `\xHH`; any other backslash stands for itself.
fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(raw.len());
    unescape_into(raw, &mut bytes);
    bytes
}

/// Appends to `bytes` what `raw` stands for, without escapes.
pub fn unescape_into(raw: &[u8], bytes: &mut Vec<u8>) {
    let mut left = raw;
    while let Some(at) = memchr::memchr(b'\\', left) {
        bytes.extend_from_slice(&left[..at]);
        let rest = &left[at + 1..];
        left = escape(rest, bytes).unwrap_or_else(|| {
            bytes.push(b'\\');
            rest
        });
    }
    bytes.extend_from_slice(left);
}

/// Appends what the escape `after` a backslash means, and returns what follows; `None` if it is not an escape.
fn escape<'a>(after: &'a [u8], bytes: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (kind, rest) = after.split_first()?;
    let plain = match kind {
        b'"' | b'\\' | b'/' => *kind,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'x' => {
            let (value, rest) = hex(rest, 2)?;
            bytes.push(u8::try_from(value).ok()?);
            return Some(rest);
        }
        b'u' => {
            let (unit, rest) = hex(rest, 4)?;
            return Some(code_point(unit, rest, bytes));
        }
        _ => return None,
    };
    bytes.push(plain);
    Some(rest)
}

/// Appends the code point that starts with `unit`, joining a surrogate pair and replacing a lone surrogate.
fn code_point<'a>(unit: u32, rest: &'a [u8], bytes: &mut Vec<u8>) -> &'a [u8] {
    let mut rest = rest;
    let mut point = unit;
    if (0xD800..0xDC00).contains(&unit)
        && let [b'\\', b'u', low @ ..] = rest
        && let Some((low, after)) = hex(low, 4).filter(|(low, _)| (0xDC00..0xE000).contains(low))
    {
        point = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
        rest = after;
    }
    let shown = char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER);
    bytes.extend_from_slice(shown.encode_utf8(&mut [0; 4]).as_bytes());
    rest
}

fn hex(text: &[u8], len: usize) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(len)?;
    let mut value = 0;
    for byte in digits {
        value = value * 16 + char::from(*byte).to_digit(16)?;
    }
    Some((value, rest))
}

/// `text` without the blanks around it.
#[inline]
pub fn trim(text: &[u8]) -> &[u8] {
    match text {
        [first, .., last] if !is_blank(*first) && !is_blank(*last) => text,
        _ => trim_slowly(text),
    }
}

fn trim_slowly(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text {
        if !is_blank(*first) {
            break;
        }
        text = rest;
    }
    while let [rest @ .., last] = text {
        if !is_blank(*last) {
            break;
        }
        text = rest;
    }
    text
}

/// Whether `byte` may stand between the tokens of a line: blank, tab and carriage return.
#[inline]
pub const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

/// The content of a value: `text` without the blanks around it, and empty if it is a dash.
#[inline]
pub fn content(text: &[u8]) -> &[u8] {
    match text {
        // Nearly every value: no blank at either end, and more than a dash.
        [first, .., last] if *first > b' ' && *last > b' ' => text,
        [digit] if digit.is_ascii_digit() => text,
        _ => content_slowly(text),
    }
}

fn content_slowly(text: &[u8]) -> &[u8] {
    let text = trim(text);
    if text == b"-" { &[] } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_edges_write_becomes_text_that_can_be_shown() {
        let cases: &[(&[u8], &str)] = &[
            (b"plain", "plain"),
            (br#"a\/b\"c\\d"#, r#"a/b"c\d"#),
            (br"b\u00fccher", "bücher"),
            (br"b\xc3\xbccher", "bücher"),
            (br"\ud83d\ude00", "\u{1F600}"),
            (br"\ud83d-", "\u{FFFD}-"),
            (br"\udc00", "\u{FFFD}"),
            (b"\xff\xfe", "\u{FFFD}\u{FFFD}"),
            (br"lone \s and \]", r"lone \s and \]"),
            (br"\u12", r"\u12"),
            (br"\xg1", r"\xg1"),
            (b"tab\there", "tab\u{FFFD}here"),
            (br"line\nbreak", "line\u{FFFD}break"),
            (b"end\\", "end\\"),
        ];
        for (raw, want) in cases {
            assert_eq!(*want, text(raw), "{raw:?}");
        }
    }
}
