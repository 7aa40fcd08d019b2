//! Text: JSON while it is written, and the memory in which it is.

use crate::digits;

/// JSON, in bytes that are used again: the first `len` of them count.
#[derive(Debug, Default)]
pub struct Text {
    bytes: Vec<u8>,
    len: usize,
}

/// More bytes than these do not rest until the next entry.
const KEPT: usize = 1 << 20;

impl Text {
    pub fn clear(&mut self) {
        self.len = 0;
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn written(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Gives back memory, if it is much.
    pub fn let_go(&mut self) {
        if self.bytes.len() > KEPT {
            self.bytes = vec![];
        }
    }

    /// Lets `write` write into `LEN` bytes behind what is written; it says how many of them count.
    #[inline]
    pub fn within<const LEN: usize>(&mut self, write: impl FnOnce(&mut [u8; LEN]) -> usize) {
        if self.bytes.len() - self.len < LEN {
            self.grow(LEN);
        }
        let room = self.bytes[self.len..].first_chunk_mut().expect("it was made");
        self.len += write(room);
    }

    #[cold]
    fn grow(&mut self, len: usize) {
        self.bytes.resize((self.len + len) * 2, 0);
    }

    #[inline]
    pub fn append(&mut self, bytes: &[u8]) {
        if self.bytes.len() - self.len < bytes.len() {
            self.grow(bytes.len());
        }
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    #[inline]
    pub fn push(&mut self, text: &str) {
        self.append(text.as_bytes());
    }

    pub fn integer(&mut self, value: u64) {
        self.within(|room| digits::write(value, room));
    }

    /// `"name":`, escaped.
    pub fn key(&mut self, name: &str) {
        self.push("\"");
        // Looks at every byte, which costs less than stopping at the first.
        let odd = |byte: u8| u8::from(byte < b' ') | u8::from(byte == b'"') | u8::from(byte == b'\\');
        if name.bytes().fold(0, |found, byte| found | odd(byte)) == 0 {
            self.push(name);
        } else {
            self.escaped(name);
        }
        self.push("\":");
    }

    #[cold]
    fn escaped(&mut self, name: &str) {
        for char in name.chars() {
            match char {
                '"' => self.push("\\\""),
                '\\' => self.push("\\\\"),
                // Names that were read have none of these; a default or another's partial may.
                ..' ' => self.push(&format!("\\u{:04x}", u32::from(char))),
                _ => self.push(char.encode_utf8(&mut [0; 4])),
            }
        }
    }
}
