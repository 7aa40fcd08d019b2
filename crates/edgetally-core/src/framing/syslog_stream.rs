//! Syslog over TCP, split into lines.
//!
//! RFC 6587 has two framings, and senders mix them: octet counting (`57 <134>1 ...`) and a newline after each message. A
//! message that starts with a digit is counted; any other ends with a newline. Headers stay: decoding starts at the first
//! brace of a line.

/// The most digits of a count.
const MAX_DIGITS: usize = 7;

/// Splits a stream of messages into lines.
#[derive(Debug, Default)]
pub struct SyslogSplitter {
    state: SyslogState,
}

#[derive(Debug, Default, Clone, Copy)]
enum SyslogState {
    /// Before a message.
    #[default]
    Start,
    /// In the count of octets.
    Count { digits: usize, octets: usize },
    /// In a message of which so many octets are left.
    Counted { left: usize },
    /// In a message that ends with a newline.
    Delimited,
}

impl SyslogSplitter {
    /// Bytes of a message that no line contains yet, approximately.
    pub fn pending(&self) -> usize {
        match self.state {
            SyslogState::Count { digits, .. } => digits,
            SyslogState::Counted { .. } => 1,
            SyslogState::Start | SyslogState::Delimited => 0,
        }
    }

    /// The messages in `piece`, each with a newline at its end.
    pub fn split(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut lines = Vec::with_capacity(piece.len() + 16);
        let mut left = piece;
        while let [first, rest @ ..] = left {
            (self.state, left) = match self.state {
                SyslogState::Start => match first {
                    b'0'..=b'9' => (SyslogState::Count { digits: 0, octets: 0 }, left),
                    // Blank lines, and bytes that some senders put between counted messages.
                    b'\n' | b'\r' | b' ' | 0 => (SyslogState::Start, rest),
                    _ => (SyslogState::Delimited, left),
                },
                SyslogState::Count { digits, octets } => read_count(digits, octets, *first, left, &mut lines),
                SyslogState::Counted { left: octets } => {
                    let (message, rest) = left.split_at(octets.min(left.len()));
                    // A newline would split the message.
                    lines.extend(message.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
                    match octets - message.len() {
                        0 => {
                            lines.push(b'\n');
                            (SyslogState::Start, rest)
                        }
                        octets => (SyslogState::Counted { left: octets }, rest),
                    }
                }
                SyslogState::Delimited => {
                    let end = memchr::memchr2(b'\n', 0, left).map_or(left.len(), |last| last + 1);
                    let (message, rest) = left.split_at(end);
                    if let Some((b'\n' | 0, message)) = message.split_last() {
                        lines.extend_from_slice(message);
                        lines.push(b'\n');
                        (SyslogState::Start, rest)
                    } else {
                        lines.extend_from_slice(message);
                        (SyslogState::Delimited, rest)
                    }
                }
            };
        }
        lines
    }
}

/// Reads one more byte of a count.
fn read_count<'a>(
    digits: usize,
    octets: usize,
    byte: u8,
    left: &'a [u8],
    lines: &mut Vec<u8>,
) -> (SyslogState, &'a [u8]) {
    match byte {
        b'0'..=b'9' if digits < MAX_DIGITS => {
            (SyslogState::Count { digits: digits + 1, octets: octets * 10 + usize::from(byte - b'0') }, &left[1..])
        }
        b' ' if octets > 0 => (SyslogState::Counted { left: octets }, &left[1..]),
        _ => {
            // Not a count: the digits are the start of a line.
            lines.extend_from_slice(format!("{octets:0digits$}").as_bytes());
            (SyslogState::Delimited, left)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_framings_and_their_mix_become_lines_wherever_the_stream_is_cut() {
        let cases: &[(&[u8], &str)] = &[
            (b"<134>1 - {\"a\":1}\n{\"b\":2}\n", "<134>1 - {\"a\":1}\n{\"b\":2}\n"),
            (b"7 {\"a\":1}7 {\"b\":2}", "{\"a\":1}\n{\"b\":2}\n"),
            (b"7 {\"a\":1}\n7 {\"b\":2}\n{\"c\":3}\n", "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n"),
            (b"9 {\"a\":\n1}\n", "{\"a\": 1} \n"),
            (b"12x34\n{}\n", "12x34\n{}\n"),
            (b"04:41:06 web.1 | {}\n002 {}\n", "04:41:06 web.1 | {}\n{}\n"),
            (b"\r\n\n{}\r\n", "{}\r\n"),
        ];
        for (stream, want) in cases {
            for cut in 0..=stream.len() {
                let mut splitter = SyslogSplitter::default();
                let mut got = splitter.split(&stream[..cut]);
                got.extend(splitter.split(&stream[cut..]));
                let (want, got) = (want.replace("\n\n", "\n"), String::from_utf8_lossy(&got).replace("\n\n", "\n"));
                assert_eq!(want, got, "cut at {cut}");
            }
        }
    }
}
