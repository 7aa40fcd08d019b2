//! One JSON array of records, split into lines.

use crate::rejection::Reason;
use crate::value::text::is_blank;

/// Splits an array into lines, of one element each.
#[derive(Debug)]
pub struct ArraySplitter {
    depth: usize,
    in_string: bool,
    escaped: bool,
    closed: bool,
    /// The start of the data after the end of the array, without blanks before it.
    trailing: Vec<u8>,
    /// The most bytes of it.
    max_sample: usize,
}

impl ArraySplitter {
    /// A splitter that keeps at most `max_sample` bytes of the data after the end of the array.
    pub const fn new(max_sample: usize) -> Self {
        Self { depth: 0, in_string: false, escaped: false, closed: false, trailing: vec![], max_sample }
    }

    /// The elements in `piece`, each with a newline at its end. Bytes around them become blanks.
    pub fn split(&mut self, piece: &[u8]) -> Vec<u8> {
        let lines = self.split_array(piece);
        self.keep_trailing(&piece[lines.len()..]);
        lines
    }

    /// The same, and what follows from a record on, if one follows: the input goes on in lines. Other arrays may come before it, as
    /// several lines with one each.
    pub fn split_arrays<'a>(&mut self, mut piece: &'a [u8]) -> (Vec<u8>, &'a [u8]) {
        let mut elements = vec![];
        loop {
            let array = self.split_array(piece);
            piece = &piece[array.len()..];
            elements.extend_from_slice(&array);
            let blanks = piece.iter().take_while(|byte| is_blank(**byte) || **byte == b'\n').count();
            match piece.get(blanks) {
                Some(b'[') if self.trailing.is_empty() => *self = Self::new(self.max_sample),
                Some(b'{') if self.trailing.is_empty() => return (elements, &piece[blanks..]),
                _ => {
                    self.keep_trailing(piece);
                    return (elements, &[]);
                }
            }
            piece = &piece[blanks..];
        }
    }

    /// The elements of the array in `piece`, up to its end.
    fn split_array(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut lines = if self.closed { vec![] } else { piece.to_vec() };
        let end = lines.iter_mut().position(|byte| {
            *byte = self.translate(*byte);
            self.closed
        });
        lines.truncate(end.map_or(lines.len(), |end| end + 1));
        lines
    }

    /// Why the end of the array is wrong, if the input ends here, and the start of the data after it.
    pub fn error_at_end(&self) -> Option<(Reason, &[u8])> {
        match (self.closed, &*self.trailing) {
            (false, _) => Some((Reason::Truncated, &[])),
            (true, []) => None,
            (true, trailing) => Some((Reason::NotJson, trailing)),
        }
    }

    fn translate(&mut self, byte: u8) -> u8 {
        if self.in_string {
            self.in_string = self.escaped || byte != b'"';
            self.escaped = byte == b'\\' && !self.escaped;
            // A raw newline would split the element.
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
            // An extra brace makes its element invalid and leaves the array open.
            b']' | b'}' => self.depth = self.depth.saturating_sub(1).max(1),
            _ => {}
        }
        byte
    }

    /// Keeps the start of the data after the end of the array.
    fn keep_trailing(&mut self, piece: &[u8]) {
        let blank = |byte: &&u8| self.trailing.is_empty() && (is_blank(**byte) || **byte == b'\n');
        let blanks = piece.iter().take_while(blank).count();
        let room = self.max_sample - self.trailing.len();
        self.trailing.extend(piece[blanks..].iter().take(room));
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
            let mut splitter = ArraySplitter::new(MAX_SAMPLE);
            let mut got = splitter.split(&array[..cut]);
            let error = (cut < array.len() - 1).then_some((Reason::Truncated, &b""[..]));
            assert_eq!(error, splitter.error_at_end(), "cut at {cut}");
            got.extend(splitter.split(&array[cut..]));
            assert_eq!(String::from_utf8_lossy(want), String::from_utf8_lossy(&got), "cut at {cut}");
            assert_eq!(None, splitter.error_at_end());
        }
    }

    #[test]
    fn other_arrays_may_follow_wherever_the_stream_is_cut() {
        let arrays = b"[7,8]\r\n [9]\n[]\n x [1]";
        for cut in 0..arrays.len() {
            let mut splitter = ArraySplitter::new(MAX_SAMPLE);
            let got = [&arrays[..cut], &arrays[cut..]].map(|piece| splitter.split_arrays(piece).0).concat();
            assert_eq!(" 7\n8\n 9\n \n", String::from_utf8_lossy(&got), "cut at {cut}");
            assert_eq!(Some((Reason::NotJson, &b"x [1]"[..])), splitter.error_at_end(), "cut at {cut}");
        }
    }

    #[test]
    fn records_may_follow_wherever_the_stream_is_cut() {
        let input = b"[7,8]\r\n [9]\n {}\n{}";
        for cut in 0..=input.len() {
            let mut splitter = ArraySplitter::new(MAX_SAMPLE);
            let (mut got, rest) = splitter.split_arrays(&input[..cut]);
            let rest = [rest, &input[cut..]].concat();
            let (elements, rest) = if rest.starts_with(b"{") { (vec![], &*rest) } else { splitter.split_arrays(&rest) };
            got.extend(elements);
            assert_eq!((" 7\n8\n 9\n".into(), &b"{}\n{}"[..]), (String::from_utf8_lossy(&got), rest), "cut at {cut}");
        }
    }

    #[test]
    fn data_after_an_array_is_kept_up_to_the_limit_wherever_the_stream_is_cut() {
        let array = [b"[7]\r\n [8] {}\n", &[b'x'; 2 * MAX_SAMPLE][..]].concat();
        let want = &array[6..6 + MAX_SAMPLE];
        for cut in 0..array.len() {
            let mut splitter = ArraySplitter::new(MAX_SAMPLE);
            let got = [splitter.split(&array[..cut]), splitter.split(&array[cut..])].concat();
            assert_eq!(b" 7\n"[..], got, "cut at {cut}");
            assert_eq!(Some((Reason::NotJson, want)), splitter.error_at_end(), "cut at {cut}");
        }
    }
}
