//! Syslog over a stream, turned into lines while it streams by.
//!
//! RFC 6587 knows two ways to tell messages apart, and senders mix them: octet counting (`57 <134>1 ...`), and a
//! newline behind each. A message that begins with a digit is counted; everything else ends with a newline. Headers
//! are left alone: whoever reads a line starts at its first brace.

/// The longest count that is believed, in digits.
const MAX_DIGITS: usize = 7;

/// Where in a stream of messages we are.
#[derive(Debug, Default)]
pub struct Frames {
    state: State,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    /// Before a message.
    #[default]
    Start,
    /// In the count before one.
    Count { digits: usize, octets: usize },
    /// In one that was counted.
    Counted { left: usize },
    /// In one that ends with a newline.
    Delimited,
}

impl Frames {
    /// Bytes of a message that has begun and of which no line has anything yet, about.
    pub fn pending(&self) -> usize {
        match self.state {
            State::Count { digits, .. } => digits,
            State::Counted { .. } => 1,
            State::Start | State::Delimited => 0,
        }
    }

    /// The messages in `piece`, a newline behind each.
    pub fn split(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut lines = Vec::with_capacity(piece.len() + 16);
        let mut left = piece;
        while let [first, rest @ ..] = left {
            (self.state, left) = match self.state {
                State::Start => match first {
                    b'0'..=b'9' => (State::Count { digits: 0, octets: 0 }, left),
                    // Blank lines, and what some senders put between counted messages.
                    b'\n' | b'\r' | b' ' | 0 => (State::Start, rest),
                    _ => (State::Delimited, left),
                },
                State::Count { digits, octets } => count(digits, octets, *first, left, &mut lines),
                State::Counted { left: octets } => {
                    let (message, rest) = left.split_at(octets.min(left.len()));
                    // A newline inside would cut it in two.
                    lines.extend(message.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
                    match octets - message.len() {
                        0 => {
                            lines.push(b'\n');
                            (State::Start, rest)
                        }
                        octets => (State::Counted { left: octets }, rest),
                    }
                }
                State::Delimited => {
                    let end = memchr::memchr(b'\n', left).map_or(left.len(), |newline| newline + 1);
                    lines.extend_from_slice(&left[..end]);
                    (if left[end - 1] == b'\n' { State::Start } else { State::Delimited }, &left[end..])
                }
            };
        }
        lines
    }
}

/// One more byte of a count.
fn count<'a>(digits: usize, octets: usize, byte: u8, left: &'a [u8], lines: &mut Vec<u8>) -> (State, &'a [u8]) {
    match byte {
        b'0'..=b'9' if digits < MAX_DIGITS => {
            (State::Count { digits: digits + 1, octets: octets * 10 + usize::from(byte - b'0') }, &left[1..])
        }
        b' ' if octets > 0 => (State::Counted { left: octets }, &left[1..]),
        _ => {
            // No count after all: the digits are the beginning of a line.
            lines.extend_from_slice(octets.to_string().as_bytes());
            (State::Delimited, left)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_framings_and_a_mix_of_them_become_lines_wherever_the_stream_is_cut() {
        let cases: &[(&[u8], &str)] = &[
            (b"<134>1 - {\"a\":1}\n{\"b\":2}\n", "<134>1 - {\"a\":1}\n{\"b\":2}\n"),
            (b"7 {\"a\":1}7 {\"b\":2}", "{\"a\":1}\n{\"b\":2}\n"),
            (b"7 {\"a\":1}\n7 {\"b\":2}\n{\"c\":3}\n", "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n"),
            (b"9 {\"a\":\n1}\n", "{\"a\": 1} \n"),
            (b"12x34\n{}\n", "12x34\n{}\n"),
            (b"\r\n\n{}\r\n", "{}\r\n"),
        ];
        for (stream, want) in cases {
            for cut in 0..=stream.len() {
                let mut frames = Frames::default();
                let mut got = frames.split(&stream[..cut]);
                got.extend(frames.split(&stream[cut..]));
                let (want, got) = (want.replace("\n\n", "\n"), String::from_utf8_lossy(&got).replace("\n\n", "\n"));
                assert_eq!(want, got, "cut at {cut}");
            }
        }
    }
}
