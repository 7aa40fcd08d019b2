//! Recognises lines that are not JSON objects, such as those of other log formats, and names them in the error.

use crate::decode::brackets;
use crate::value::text::trim;

const UTF_16: &str = "UTF-16 text: expected UTF-8, which `iconv --from-code UTF-16 --to-code UTF-8` makes of it";
const COMBINED: &str = "a line of the common or combined log format: expected a JSON object, see `edgetally formats` for what to configure";
const HAPROXY: &str =
    "a line of HAProxy's own log format: expected a JSON object, see `edgetally formats haproxy` for what to configure";
const ENVOY: &str =
    "a line of Envoy's own log format: expected a JSON object, see `edgetally formats envoy` for what to configure";
const LOGFMT: &str = "key=value pairs (logfmt): expected a JSON object";
const MARKUP: &str = "HTML or XML: expected a JSON object";
const SINGLE_QUOTES: &str = "single quotes around a key: expected JSON, with double quotes";
const BARE_KEY: &str = "a key without quotes: expected JSON, with double quotes";
const BASE64: &str = "records in base64, as Kinesis and Firehose carry them: expected them decoded";
const BEHIND_TEXT: &str = "the JSON object does not begin the line: the text before it is of no known wrapper";
const COLUMNS: &str = "values between tabs: expected a JSON object, or a format that has columns";

/// What is said of `line`, which is no JSON object, if it is something that is known.
pub fn foreign(line: &[u8]) -> Option<&'static str> {
    if is_utf_16(&line[..line.len().min(64)]) {
        return Some(UTF_16);
    }
    let line = trim(line);
    match line {
        [b'{', rest @ ..] => {
            return match trim(rest) {
                [b'\'', ..] => Some(SINGLE_QUOTES),
                [first, ..] if first.is_ascii_alphabetic() => Some(BARE_KEY),
                _ => None,
            };
        }
        [b'<', b'!' | b'?' | b'a'..=b'z' | b'A'..=b'Z', ..] => return Some(MARKUP),
        [b'[', b'0'..=b'9', b'0'..=b'9', ..] if memchr::memmem::find(line, b"Z] \"").is_some() => return Some(ENVOY),
        _ => {}
    }
    if let Some(time) = memchr::memchr(b'[', line).map(|bracket| &line[bracket + 1..])
        && matches!(time, [_, _, b'/', _, _, _, b'/', ..])
    {
        return Some(if time.get(20) == Some(&b'.') { HAPROXY } else { COMBINED });
    }
    let key = line.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte)).count();
    if key > 0 && line.get(key) == Some(&b'=') {
        return Some(LOGFMT);
    }
    let brace = memchr::memmem::find(line, b"{\"");
    if let Some(brace) = brace
        && brackets::nested_end(line, brace, line.len()) == Some(line.len())
    {
        return Some(BEHIND_TEXT);
    }
    (memchr::memchr_iter(b'\t', line).count() > 5).then_some(COLUMNS)
}

/// Whether `start` looks like the start of a line in UTF-16: marked as such, or with a zero beside every character.
///
/// A program or an image has zeros, too, but in runs, and control characters.
fn is_utf_16(start: &[u8]) -> bool {
    let zeros = |first: usize| start.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
    // The first byte may be the second half of the newline before.
    let (even, odd) = (zeros(2), zeros(1));
    let is_text = start.iter().all(|byte| matches!(byte, 0 | b'\t' | b'\r' | b' '..));
    start.starts_with(b"\xFF\xFE")
        || start.starts_with(b"\xFE\xFF")
        || (is_text && even.min(odd) == 0 && even + odd > 1 && (even + odd) * 5 >= start.len() * 2)
}

/// What is said of the object `line`, which has neither a status nor an origin, if it is something that is known.
pub fn foreign_object(line: &[u8]) -> Option<&'static str> {
    let has = |text: &[u8]| memchr::memmem::find(line, text).is_some();
    let is_base64 = has(b"\"data\":\"") || has(b"\"data\": \"");
    is_base64.then_some(BASE64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_object_is_named() {
        let utf_16: Vec<_> = "{\"status\":200}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let utf_16_be: Vec<_> = "{\"status\":200}".encode_utf16().flat_map(u16::to_be_bytes).collect();
        let cases: &[(&[u8], &str)] = &[
            (b"\xFF\xFE{\0", UTF_16),
            (&utf_16, UTF_16),
            (&utf_16_be, UTF_16),
            (b"192.0.2.1 - - [22/Nov/2026:04:41:06 +0000] \"GET / HTTP/1.1\" 200 12 \"-\" \"curl\"", COMBINED),
            (b"192.0.2.1:33317 [22/Nov/2026:04:41:06.655] web app/a 10/0/30/69/109 200 2750", HAPROXY),
            (b"[2026-11-22T04:41:06.123Z] \"GET / HTTP/1.1\" 200 - 0 12", ENVOY),
            (b"ts=2026-11-22T04:41:06Z status=200", LOGFMT),
            (b"<!DOCTYPE html>", MARKUP),
            (b"<record status=\"200\"/>", MARKUP),
            (b"{'status': 200}", SINGLE_QUOTES),
            (b"{ status: 200 }", BARE_KEY),
            (b"something before {\"status\":200}", BEHIND_TEXT),
            (b"1\t2\t3\t4\t5\t6\t7", COLUMNS),
        ];
        for (line, want) in cases {
            assert_eq!(Some(*want), foreign(line), "{}", String::from_utf8_lossy(line));
        }
        for line in [
            &b""[..],
            b"x",
            b"{\"status\":200",
            b"a {\"b\":1",
            b"<190>x",
            b"GET / 200",
            b"\0\0{}",
            b"1\t2",
            b"\x7FELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0>\0\x01\0\0\0",
        ] {
            assert_eq!(None, foreign(line), "{}", String::from_utf8_lossy(line));
        }
        assert_eq!(Some(BASE64), foreign_object(b"{\"records\":[{\"data\":\"eyJ9\"}]}"));
        assert_eq!(None, foreign_object(b"{\"domain\":\"a.example\"}"));
    }
}
