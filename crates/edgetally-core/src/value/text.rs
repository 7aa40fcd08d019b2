//! Text: the bytes inside a JSON string as text that can be shown.
//!
//! Edges write invalid UTF-8, raw control bytes and escapes that JSON does not have (`\xHH`, `\]`). A key is shown to people
//! and sent as JSON, so U+FFFD replaces what cannot be shown. No line is rejected for it.

use std::borrow::Cow;

use wide::u8x16;

/// Bytes that are compared together.
const LANES: usize = 16;

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
    let mut bytes = vec![];
    unescape_into(raw, &mut bytes);
    bytes
}

/// Writes to `bytes`, instead of what was there, what `raw` stands for without escapes.
pub fn unescape_into(raw: &[u8], bytes: &mut Vec<u8>) {
    bytes.clear();
    let mut left = raw;
    while let Some(at) = memchr::memchr(b'\\', left) {
        bytes.extend_from_slice(&left[..at]);
        let escape = Escape::of(&left[at + 1..]);
        bytes.extend_from_slice(&escape.bytes[..escape.len]);
        left = &left[at + 1 + escape.used..];
    }
    bytes.extend_from_slice(left);
}

/// The same for a string of which only the start is known: `raw` begins with its content. Returns where its quote is in `raw`;
/// nothing if there is none.
pub fn unescape_string(raw: &[u8], bytes: &mut Vec<u8>) -> Option<usize> {
    bytes.clear();
    bytes.resize(raw.len() + LANES, 0);
    let (mut at, mut to) = (0, 0);
    // The byte behind a backslash is copied with those that follow it.
    let mut is_escaped = false;
    loop {
        let Some((chunk, room)) = raw[at..].first_chunk::<LANES>().zip(bytes[to..].first_chunk_mut::<LANES>()) else {
            return unescape_slowly(raw, at, to, is_escaped, bytes);
        };
        *room = *chunk;
        let lanes = u8x16::new(*chunk);
        let stops = (lanes.simd_eq(u8x16::splat(b'"')) | lanes.simd_eq(u8x16::splat(b'\\'))).to_bitmask();
        let stops = stops & (u32::MAX << u32::from(is_escaped));
        if stops == 0 {
            (at, to, is_escaped) = (at + LANES, to + LANES, false);
            continue;
        }
        let len = stops.trailing_zeros() as usize;
        (at, to) = (at + len, to + len);
        match raw[at..] {
            [b'"', ..] => {
                bytes.truncate(to);
                return Some(at);
            }
            [_, b'"' | b'\\' | b'/', ..] => (at, is_escaped) = (at + 1, true),
            [_, ref after @ ..] => {
                let escape = Escape::of(after);
                bytes[to..to + escape.len].copy_from_slice(&escape.bytes[..escape.len]);
                (at, to, is_escaped) = (at + 1 + escape.used, to + escape.len, false);
            }
            [] => return None,
        }
    }
}

/// The same for the last 15 bytes.
#[cold]
fn unescape_slowly(raw: &[u8], at: usize, to: usize, is_escaped: bool, bytes: &mut Vec<u8>) -> Option<usize> {
    bytes.truncate(to);
    let mut end = at + usize::from(is_escaped);
    while *raw.get(end)? != b'"' {
        end += if raw[end] == b'\\' { 2 } else { 1 };
    }
    let mut left = at;
    if is_escaped {
        bytes.push(raw[at]);
        left += 1;
    }
    bytes.extend_from_slice(&unescape(&raw[left..end]));
    Some(end)
}

/// What an escape stands for.
struct Escape {
    bytes: [u8; 4],
    len: usize,
    /// Bytes behind the backslash that belong to it.
    used: usize,
}

impl Escape {
    /// The escape that `after` a backslash is; a backslash, if there is none.
    fn of(after: &[u8]) -> Self {
        Self::known(after).unwrap_or(Self { bytes: [b'\\', 0, 0, 0], len: 1, used: 0 })
    }

    fn known(after: &[u8]) -> Option<Self> {
        let (kind, rest) = after.split_first()?;
        let byte = |byte, used| Some(Self { bytes: [byte, 0, 0, 0], len: 1, used });
        match kind {
            b'"' | b'\\' | b'/' => byte(*kind, 1),
            b'b' => byte(8, 1),
            b'f' => byte(12, 1),
            b'n' => byte(b'\n', 1),
            b'r' => byte(b'\r', 1),
            b't' => byte(b'\t', 1),
            b'x' => byte(u8::try_from(hex(rest, 2)?).ok()?, 3),
            b'u' => Some(Self::code_point(hex(rest, 4)?, &rest[4..])),
            _ => None,
        }
    }

    /// The code point that starts with `unit`: joins a surrogate pair and replaces a lone surrogate.
    fn code_point(unit: u32, rest: &[u8]) -> Self {
        let (mut point, mut used) = (unit, 5);
        if (0xD800..0xDC00).contains(&unit)
            && let [b'\\', b'u', low @ ..] = rest
            && let Some(low) = hex(low, 4).filter(|low| (0xDC00..0xE000).contains(low))
        {
            point = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
            used += 6;
        }
        let mut bytes = [0; 4];
        let len = char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut bytes).len();
        Self { bytes, len, used }
    }
}

/// The number of the first `len` digits.
fn hex(text: &[u8], len: usize) -> Option<u32> {
    let mut value = 0;
    for byte in text.get(..len)? {
        value = value * 16 + char::from(*byte).to_digit(16)?;
    }
    Some(value)
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

    #[test]
    fn a_string_is_unescaped_up_to_its_quote() {
        let mut bytes = vec![];
        for (raw, want) in [
            ("", None),
            ("no end", None),
            ("no end\\\"", None),
            ("\"", Some("")),
            ("a\"b\"", Some("a")),
            ("{\\\"a\\\":\\\"\\\\\\\"\\\"}\\n\",\"stream\":\"stdout\"}", Some("{\"a\":\"\\\"\"}\n")),
            ("a long text without any escape in it\" and what follows", Some("a long text without any escape in it")),
        ] {
            let end = unescape_string(raw.as_bytes(), &mut bytes);
            assert_eq!(want.map(str::as_bytes), end.map(|_| &*bytes), "{raw}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_string_is_unescaped_like_its_content(
            picks in proptest::collection::vec(proptest::sample::select(&b"\\\\\\\"/nux041defghij{}"[..]), 0..100),
        ) {
            let mut end = 0;
            while end < picks.len() && picks[end] != b'"' {
                end += if picks[end] == b'\\' { 2 } else { 1 };
            }
            let want = (end < picks.len()).then(|| (end, unescape(&picks[..end])));
            let mut bytes = vec![];
            let got = unescape_string(&picks, &mut bytes).map(|end| (end, bytes));
            proptest::prop_assert_eq!(want, got);
        }
    }
}
