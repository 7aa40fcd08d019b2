//! Compressed data where lines are expected.

/// How compressed data starts, where `9` stands for a digit from 1 to 9 and `P` for one of the letters from P to _, and what is said
/// of it.
const STARTS: [(&[u8], &str); 8] = [
    (b"\x1F\x8B", "gzip-compressed data: expected lines of text"),
    (b"\x28\xB5\x2F\xFD", "zstd-compressed data: expected lines of text"),
    // A frame that decoders skip.
    (b"P\x2A\x4D\x18", "zstd-compressed data: expected lines of text"),
    (b"\xFD7zXZ", "xz-compressed data: expected lines of text"),
    (b"BZh91AY&SY", "bzip2-compressed data: expected lines of text"),
    (b"\x04\x22\x4D\x18", "lz4-compressed data: expected lines of text"),
    (b"x\x9C", "zlib-compressed data: expected lines of text"),
    (b"x\xDA", "zlib-compressed data: expected lines of text"),
];

/// What is said of `line` if it starts like compressed data.
pub fn compressed(line: &[u8]) -> Option<&'static str> {
    let fits = |pattern: u8, byte: u8| match pattern {
        b'9' => byte.is_ascii_digit() && byte != b'0',
        b'P' => (b'P'..=b'_').contains(&byte),
        _ => pattern == byte,
    };
    let is_start =
        |start: &[u8]| line.len() >= start.len() && start.iter().zip(line).all(|(pattern, byte)| fits(*pattern, *byte));
    STARTS.iter().find(|(start, _)| is_start(start)).map(|(_, sentence)| *sentence)
}

/// Whether `line` can be text: it is UTF-8, and has no control characters but tabs and carriage returns.
pub fn is_plain_text(line: &[u8]) -> bool {
    let is_shown = |byte: &u8| *byte >= b' ' && *byte != 0x7F || matches!(byte, b'\t' | b'\r');
    line.iter().all(is_shown) && std::str::from_utf8(line).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_data_is_told_from_text() {
        for (start, sentence) in STARTS {
            assert_eq!(Some(sentence), compressed(&[start, b"\n{}"].concat()));
            assert_eq!(None, compressed(&start[..start.len() - 1]), "{sentence}");
        }
        assert!(compressed(b"BZh11AY&SY").is_some());
        assert!(compressed(b"_\x2A\x4D\x18").is_some());
        for text in [&b""[..], b"{\"status\":200}", b"BZh01AY&SY", b"BZh", b"O\x2A\x4D\x18", b"xyz", b"\xEF\xBB\xBF{}"]
        {
            assert_eq!(None, compressed(text));
        }
        for (line, is_text) in [("b\u{fc}cher\t\r", true), ("", true), ("a\u{1}", false), ("\u{7f}", false)] {
            assert_eq!(is_text, is_plain_text(line.as_bytes()), "{line:?}");
        }
        assert!(!is_plain_text(b"\xFF"));
    }
}
