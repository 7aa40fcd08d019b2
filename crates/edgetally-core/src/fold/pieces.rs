//! The pieces of an unusual line: without the bytes around it, its messages, its records.

use std::ops::Range;

use crate::decode::brackets;
use crate::value::text::{is_blank, trim};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
const RECORD_SEPARATOR: u8 = 0x1E;
const ESCAPE: u8 = 0x1B;
/// The most bytes of a color.
const COLOR: usize = 20;

/// `range` without blanks, zero bytes, byte order marks and colors around it.
pub fn strip(block: &[u8], mut range: Range<usize>) -> Range<usize> {
    range.start = strip_start(block, range.clone());
    while let [.., last] = &block[range.clone()] {
        if matches!(last, b'm' | b'K')
            && let Some(start) = color_at_end(&block[range.clone()])
        {
            range.end = range.start + start;
        } else if is_blank(*last) || matches!(last, 0 | b'\n') {
            range.end -= 1;
        } else {
            break;
        }
    }
    range
}

/// Where `range` starts without blanks, zero bytes, byte order marks, record separators (RFC 7464) and colors before it.
pub fn strip_start(block: &[u8], range: Range<usize>) -> usize {
    let mut start = range.start;
    while let [first, rest @ ..] = &block[start..range.end] {
        start += match *first {
            b' ' | b'\t' | b'\r' | b'\n' | 0 | RECORD_SEPARATOR => 1,
            0xEF if rest.starts_with(b"\xBB\xBF") => 3,
            ESCAPE => match color(&block[start..range.end]) {
                Some(len) => len,
                None => break,
            },
            _ => break,
        };
    }
    start
}

/// The length of the color at the start of `text`, as terminals have them: `ESC[36m`, or `ESC[K` as grep adds.
fn color(text: &[u8]) -> Option<usize> {
    let parameters = text.strip_prefix(&[ESCAPE, b'['])?.iter().take(COLOR);
    let len = parameters.take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
    matches!(text.get(len + 2), Some(b'm' | b'K')).then_some(len + 3)
}

/// Where the color starts that ends `text`.
fn color_at_end(text: &[u8]) -> Option<usize> {
    let from = text.len().saturating_sub(COLOR);
    let start = from + memchr::memrchr(ESCAPE, &text[from..])?;
    (color(&text[start..]) == Some(text.len() - start)).then_some(start)
}

/// The messages of a line that has zero bytes between them, as syslog over TCP and holes in a file have instead of newlines.
/// `None` if there is only one, or if another starts neither with a priority nor with its brace.
pub fn messages(block: &[u8], range: Range<usize>) -> Option<Vec<Range<usize>>> {
    // Most lines that are rejected have none, and allocate nothing.
    memchr::memchr(0, &block[range.clone()])?;
    let mut messages = vec![];
    let mut start = range.start;
    for piece in block[range].split(|byte| *byte == 0) {
        let message = strip(block, start..start + piece.len());
        start += piece.len() + 1;
        match block[message.clone()] {
            [] => {}
            [b'{' | b'<', ..] => messages.push(message),
            _ if messages.is_empty() => messages.push(message),
            _ => return None,
        }
    }
    (messages.len() > 1).then_some(messages)
}

/// The messages of syslog of a line that has several: `{…}<134>1 … {…}83 <134>1 … {…}`. `None` if there is only one, or if
/// anything else follows a record.
pub fn syslog_messages(block: &[u8], range: Range<usize>) -> Option<Vec<Range<usize>>> {
    let (mut messages, mut at) = (vec![], range.start);
    while at < range.end {
        if !messages.is_empty() && !starts_message(&block[at..range.end]) {
            return None;
        }
        // Braces occur in headers. A record goes on with the quote of a key, or ends.
        let is_record = |brace: &usize| matches!(trim(&block[*brace + 1..range.end]), [b'"' | b'}', ..]);
        let record = memchr::memchr_iter(b'{', &block[at..range.end]).map(|brace| at + brace).find(is_record)?;
        let end = brackets::nested_end(block, record, range.end).unwrap_or(range.end);
        messages.push(at..end);
        at = strip_start(block, end..range.end);
    }
    (messages.len() > 1).then_some(messages)
}

/// Whether `text` starts with a priority, perhaps behind a count of octets.
fn starts_message(text: &[u8]) -> bool {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = if count > 0 { text[count..].strip_prefix(b" ") } else { Some(text) };
    let Some([b'<', priority @ ..]) = text else { return false };
    let digits = priority.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=3).contains(&digits) && priority.get(digits) == Some(&b'>')
}

/// The records of a line that has several, or the punctuation of an array: `{…}{…}`, `{…},`, `[{…},`, `]`. `None` if there is
/// anything else.
pub fn records(block: &[u8], range: Range<usize>) -> Option<Vec<Range<usize>>> {
    let (mut records, mut at, mut has_punctuation) = (vec![], range.start, false);
    while at < range.end {
        match block[at] {
            b'{' => match brackets::nested_end(block, at, range.end) {
                Some(end) => {
                    records.push(at..end);
                    at = end;
                }
                // The last one was cut off; one alone is not several.
                None if records.is_empty() => return None,
                None => {
                    records.push(at..range.end);
                    at = range.end;
                }
            },
            b',' | b'[' | b']' => {
                has_punctuation = true;
                at += 1;
            }
            // A text in an envelope may have several lines.
            byte if is_blank(byte) || byte == b'\n' => at += 1,
            // Files that were joined may each have one.
            _ if block[at..range.end].starts_with(BYTE_ORDER_MARK) => at += BYTE_ORDER_MARK.len(),
            _ => return None,
        }
    }
    (has_punctuation || records.len() > 1).then_some(records)
}
