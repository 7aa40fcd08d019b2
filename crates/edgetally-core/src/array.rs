//! One JSON array of records, turned into lines while it streams by.

/// Where in an array the stream is.
#[derive(Debug, Default)]
pub struct ArrayLines {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl ArrayLines {
    /// The elements in `piece`, a newline behind each; what surrounds them becomes blanks.
    pub fn split(&mut self, piece: &[u8]) -> Vec<u8> {
        piece.iter().map(|byte| self.translate(*byte)).collect()
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
                self.depth = 0;
                return b'\n';
            }
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        byte
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_become_lines_wherever_the_stream_is_cut() {
        let array = b" [ {\"a\":[1,2],\"b\":\"x,]\\\"\"},\n\t{\"c\":\n{\"d\":1}} ] ";
        let want = b"   {\"a\":[1,2],\"b\":\"x,]\\\"\"}\n \t{\"c\": {\"d\":1}} \n ";
        for cut in 0..array.len() {
            let mut lines = ArrayLines::default();
            let mut got = lines.split(&array[..cut]);
            got.extend(lines.split(&array[cut..]));
            assert_eq!(String::from_utf8_lossy(want), String::from_utf8_lossy(&got), "cut at {cut}");
        }
    }
}
