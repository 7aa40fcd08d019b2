//! A buffer for the JSON of entries.

use std::ops::Range;

use crate::entry::itoa;

/// A buffer that is used again: the first `len` bytes are written.
#[derive(Debug, Default)]
pub struct JsonBuffer {
    bytes: Vec<u8>,
    pub len: usize,
}

/// The most bytes that are kept until the next entry.
const KEPT: usize = 1 << 20;

/// No key is as long as this. An index modulo this needs no check.
pub const KEY_END: usize = 64;

/// Space for one measurement: its key and the longest number.
pub const FIELD: usize = KEY_END + itoa::MAX_DIGITS + 4;

/// Space for every measurement of a dataset, and the braces around them.
pub const OBJECT: usize = 192 * FIELD;

impl JsonBuffer {
    /// What is written.
    pub fn written(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Gives back the memory of a large entry.
    pub fn shrink(&mut self) {
        if self.bytes.len() > KEPT {
            self.bytes = vec![];
        }
    }

    /// The space after what is written, `len` bytes or more.
    #[inline]
    pub fn reserve(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() - self.len < len {
            self.grow(len);
        }
        &mut self.bytes[self.len..]
    }

    #[cold]
    fn grow(&mut self, len: usize) {
        self.bytes.resize((self.len + len) * 2, 0);
    }

    /// Writes a text as it is.
    #[inline]
    pub fn text(&mut self, text: &str) {
        self.reserve(text.len())[..text.len()].copy_from_slice(text.as_bytes());
        self.len += text.len();
    }

    /// Writes a part of what is written again.
    pub fn repeat(&mut self, range: Range<usize>) {
        let (at, len) = (self.len, range.len());
        self.reserve(len);
        self.bytes.copy_within(range, at);
        self.len += len;
    }

    /// Writes a number.
    pub fn integer(&mut self, value: u64) {
        let space = self.reserve(OBJECT).first_chunk_mut().expect("a number fits");
        self.len += itoa::write(value, space);
    }

    /// `"name":`, escaped.
    pub fn key(&mut self, name: &str) {
        self.string(name);
        self.text(":");
    }

    /// `"text"`, escaped.
    pub fn string(&mut self, name: &str) {
        self.text("\"");
        // Checking every byte is faster than stopping at the first.
        let odd = |byte: u8| u8::from(byte < b' ') | u8::from(byte == b'"') | u8::from(byte == b'\\');
        if name.bytes().fold(0, |found, byte| found | odd(byte)) == 0 {
            self.text(name);
        } else {
            self.escape(name);
        }
        self.text("\"");
    }

    #[cold]
    fn escape(&mut self, name: &str) {
        for char in name.chars() {
            match char {
                '"' => self.text("\\\""),
                '\\' => self.text("\\\\"),
                // Names from logs have no control characters. Defaults and partials of other processes may.
                ..' ' => self.text(&format!("\\u{:04x}", u32::from(char))),
                _ => self.text(char.encode_utf8(&mut [0; 4])),
            }
        }
    }
}
