//! A position in a line: how far it has been decoded, and what is expected next.

use crate::decode::cursor::Cursor;
use crate::decode::key_tree::ROOT;
use crate::decode::literal::LOOK_AHEAD;

/// How far a line has been decoded.
#[derive(Debug, Clone, Copy)]
pub struct Position {
    /// The byte after the last value: a brace or a comma.
    pub at: usize,
    /// The object that it is in.
    pub object: u8,
    /// The segment that is expected.
    pub segment: usize,
}

impl Position {
    /// The start of the line of `cursor`.
    #[inline]
    pub fn start(cursor: Cursor<'_>) -> Self {
        Self { at: cursor.start, object: ROOT, segment: 0 }
    }

    /// Whether too little of the block follows to expect anything, so that the rest of the line is decoded the general way.
    #[inline]
    pub fn is_cut_off(self, cursor: Cursor<'_>) -> bool {
        cursor.block.len() < self.at + LOOK_AHEAD
    }

    /// Whether the brace is here that ends the object of the line, of which a part was decoded.
    #[inline]
    pub fn is_end(self, cursor: Cursor<'_>) -> bool {
        self.object == ROOT && self.at > cursor.start && cursor.byte(self.at) == Ok(b'}')
    }
}
