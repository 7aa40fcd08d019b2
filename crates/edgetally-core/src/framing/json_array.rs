//! One JSON array of records, turned into lines while it streams by.

use crate::rejection::Reason;
use crate::value::text::is_blank;

/// Where in an array the stream is.
#[derive(Debug)]
pub struct ArrayLines {
    depth: usize,
    in_string: bool,
    escaped: bool,
    closed: bool,
    /// How that begins which stands behind the array, blanks aside.
    behind: Vec<u8>,
    /// Bytes of it that are kept.
    max_sample: usize,
}

impl ArrayLines {
    /// Before an array, of which at most `max_sample` bytes are kept that follow it.
    pub const fn new(max_sample: usize) -> Self {
        Self { depth: 0, in_string: false, escaped: false, closed: false, behind: vec![], max_sample }
    }

    /// The elements in `piece`, a newline behind each; what surrounds them becomes blanks.
    pub fn split(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut lines = if self.closed { vec![] } else { piece.to_vec() };
        let end = lines.iter_mut().position(|byte| {
            *byte = self.translate(*byte);
            self.closed
        });
        lines.truncate(end.map_or(lines.len(), |end| end + 1));
        self.keep(&piece[lines.len()..]);
        lines
    }

    /// What is wrong with how the array ends, if this is all of it, and how that begins.
    pub fn flaw(&self) -> Option<(Reason, &[u8])> {
        match (self.closed, &*self.behind) {
            (false, _) => Some((Reason::Truncated, &[])),
            (true, []) => None,
            (true, behind) => Some((Reason::NotJson, behind)),
        }
    }

    fn translate(&mut self, byte: u8) -> u8 {
        if self.in_string {
            self.in_string = self.escaped || byte != b'"';
            self.escaped = byte == b'\\' && !self.escaped;
            // A raw newline would cut the element in two.
            return if byte == b'\n' { b' ' } else { byte };
        }
        match byte {
            b'"' => self.in_string = true,
            b'\n' => return b' ',
            b',' if self.depth == 1 => return b'\n',
            b'[' if self.depth == 0 => {
                self.depth = 1;
                return b' ';
            }
            b'[' | b'{' => self.depth += 1,
            b']' if self.depth == 1 => {
                self.closed = true;
                return b'\n';
            }
            // One brace too many spoils its element, and leaves the array open.
            b']' | b'}' => self.depth = self.depth.saturating_sub(1).max(1),
            _ => {}
        }
        byte
    }

    /// Keeps what comes behind the array, as far as it is shown to anybody.
    fn keep(&mut self, piece: &[u8]) {
        let blank = |byte: &&u8| self.behind.is_empty() && (is_blank(**byte) || **byte == b'\n');
        let blanks = piece.iter().take_while(blank).count();
        let room = self.max_sample - self.behind.len();
        self.behind.extend(piece[blanks..].iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_SAMPLE: usize = 1024;

    #[test]
    fn elements_become_lines_wherever_the_stream_is_cut() {
        let array = b" [ {\"a\":[1,2],\"b\":\"x,]\\\"\"},\n\t{\"c\":\n{\"d\":1}}, 7}, 8] ";
        let want = b"   {\"a\":[1,2],\"b\":\"x,]\\\"\"}\n \t{\"c\": {\"d\":1}}\n 7}\n 8\n";
        for cut in 0..array.len() {
            let mut lines = ArrayLines::new(MAX_SAMPLE);
            let mut got = lines.split(&array[..cut]);
            let flaw = (cut < array.len() - 1).then_some((Reason::Truncated, &b""[..]));
            assert_eq!(flaw, lines.flaw(), "cut at {cut}");
            got.extend(lines.split(&array[cut..]));
            assert_eq!(String::from_utf8_lossy(want), String::from_utf8_lossy(&got), "cut at {cut}");
            assert_eq!(None, lines.flaw());
        }
    }

    #[test]
    fn what_stands_behind_an_array_is_kept_as_far_as_it_is_shown_wherever_the_stream_is_cut() {
        let array = [b"[7]\r\n [8] {}\n", &[b'x'; 2 * MAX_SAMPLE][..]].concat();
        let want = &array[6..6 + MAX_SAMPLE];
        for cut in 0..array.len() {
            let mut lines = ArrayLines::new(MAX_SAMPLE);
            let got = [lines.split(&array[..cut]), lines.split(&array[cut..])].concat();
            assert_eq!(b" 7\n"[..], got, "cut at {cut}");
            assert_eq!(Some((Reason::NotJson, want)), lines.flaw(), "cut at {cut}");
        }
    }
}
