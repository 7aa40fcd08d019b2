//! Lines in parts: what came of each, until its end does.

use std::collections::VecDeque;

use crate::decode::brackets::Outline;
use crate::value::text::trim;

/// Most lines of which parts wait, each of another container.
const MAX_LINES: usize = 64;

/// Where lines come from, as far as their wrappers say. Equal for parts of one line, and different for most other lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceHash(u64);

impl SourceHash {
    /// Adds what a wrapper says. The order does not matter.
    pub fn add(&mut self, text: &[u8]) {
        // FNV-1a
        let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3);
        self.0 = self.0.wrapping_add(text.iter().fold(0xCBF2_9CE4_8422_2325, hash));
    }

    /// This and `other` together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// The standard output there, or standard error.
    #[must_use]
    pub fn of_stream(self, is_stderr: bool) -> Self {
        Self(self.0.wrapping_add(u64::from(is_stderr)))
    }
}

/// Lines of which parts wait for their end, the oldest first.
#[derive(Debug, Default)]
pub struct Parts {
    lines: VecDeque<Line>,
    pushed_out: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Line {
    source: SourceHash,
    bytes: Vec<u8>,
    is_too_long: bool,
    /// Whether its last part was one because of a mark. Some mark all parts but the last one.
    is_marked: bool,
    outline: Outline,
}

/// The parts of a line are longer than a line may be.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

impl Line {
    fn push(&mut self, text: &[u8], max_line: usize) {
        self.is_too_long |= self.bytes.len() + text.len() > max_line;
        if !self.is_too_long {
            self.bytes.extend_from_slice(text);
        }
    }

    /// Whether `text` begins another line: an object with a key, where the parts up to here do not go on with one.
    fn is_ended_by(&mut self, text: &[u8]) -> bool {
        // In a string, the quote would be its end, and no key follows that.
        let begins =
            matches!(text, [b'{', b'"', first, ..] if first.is_ascii_alphanumeric() || matches!(first, b'_' | b'@'));
        begins && !self.is_too_long && !self.outline.may_go_on_with_object(&self.bytes)
    }
}

impl Parts {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether a part of `source` waits.
    pub fn has(&self, source: SourceHash) -> bool {
        self.lines.iter().any(|line| line.source == source)
    }

    /// Pushes out the parts of `source` if `text` is from another line: their end did not come, as when a container is killed.
    pub fn end_before(&mut self, source: SourceHash, text: &[u8]) {
        let ended = self.lines.iter_mut().position(|line| line.source == source && line.is_ended_by(text));
        let line = ended.and_then(|at| self.lines.remove(at));
        self.pushed_out.extend(line.map(|line| line.bytes));
    }

    /// Whether a part of `source` waits that was marked as one, and `text`, which has its escapes, may be its end: it does not begin
    /// with a key where none can be.
    pub fn may_end(&mut self, source: SourceHash, text: &[u8]) -> bool {
        let line = self.lines.iter_mut().find(|line| line.source == source && line.is_marked);
        let begins = text.strip_prefix(b"{").is_some_and(|rest| trim(rest).starts_with(b"\\\""));
        line.is_some_and(|line| !begins || line.outline.may_go_on_with_object(&line.bytes))
    }

    /// Keeps the part `text`. Of too many, or of too many bytes, the oldest are pushed out.
    pub fn push(&mut self, source: SourceHash, text: &[u8], is_marked: bool, max_line: usize) {
        let at = self.lines.iter().position(|line| line.source == source);
        if at.is_none() && text.is_empty() {
            return;
        }
        let mut line = at.and_then(|at| self.lines.remove(at)).unwrap_or_else(|| Line {
            source,
            bytes: vec![],
            is_too_long: false,
            is_marked,
            outline: Outline::default(),
        });
        line.is_marked = is_marked;
        line.push(text, max_line);
        self.lines.push_back(line);
        let mut bytes = self.lines.iter().map(|line| line.bytes.len()).sum::<usize>();
        while self.lines.len() > MAX_LINES || bytes > 2 * max_line {
            let Some(oldest) = self.lines.pop_front() else { break };
            bytes -= oldest.bytes.len();
            self.pushed_out.push(oldest.bytes);
        }
    }

    /// The line of `source` with its last part `text`; `None` if no part of it waits.
    pub fn end(&mut self, source: SourceHash, text: &[u8], max_line: usize) -> Option<Result<Vec<u8>, TooLong>> {
        let at = self.lines.iter().position(|line| line.source == source)?;
        let mut line = self.lines.remove(at)?;
        line.push(text, max_line);
        Some(if line.is_too_long { Err(TooLong) } else { Ok(line.bytes) })
    }

    /// Takes all that waits.
    pub fn take(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(self).lines.into_iter().map(|line| line.bytes).collect()
    }

    /// Takes what was pushed out.
    pub fn take_pushed_out(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.pushed_out)
    }

    /// All that waits, as [`Parts::from_bytes`] reads it; empty if nothing does.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![];
        for line in &self.lines {
            bytes.extend_from_slice(&line.source.0.to_le_bytes());
            bytes.push(u8::from(line.is_too_long) | u8::from(line.is_marked) << 1);
            bytes.extend_from_slice(&(line.bytes.len() as u64).to_le_bytes());
            bytes.extend_from_slice(&line.bytes);
        }
        bytes
    }

    /// What waits according to `bytes`; what is anything else is ignored.
    pub fn from_bytes(mut bytes: &[u8]) -> Self {
        let mut parts = Self::default();
        while let Some((source, [flags, rest @ ..])) = bytes.split_first_chunk::<8>() {
            let Some((len, rest)) = rest.split_first_chunk::<8>() else { break };
            let len = usize::try_from(u64::from_le_bytes(*len)).unwrap_or(usize::MAX);
            let Some((line, rest)) = rest.split_at_checked(len) else { break };
            parts.lines.push_back(Line {
                source: SourceHash(u64::from_le_bytes(*source)),
                bytes: line.to_vec(),
                is_too_long: flags & 1 == 1,
                is_marked: flags & 2 == 2,
                outline: Outline::default(),
            });
            bytes = rest;
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_begins_another_line_where_none_may_follow() {
        let texts = [
            ("", true),
            (" ", true),
            (r#"{"a":"#, true),
            (r#"{"a":{"b": "#, true),
            (r#"{"a":["#, true),
            (r#"{"a":[{"b":1} , "#, true),
            (r#"{"a":1}"#, true),
            (r#"[{"a":1},"#, true),
            (r#"<190>nginx: {"a":1}{"b":"#, true),
            (r#"{"a""#, false),
            (r#"{"a":1"#, false),
            (r#"{"a":1,"#, false),
            (r#"{"a":":"#, false),
            (r#"{"a":"x\":["#, false),
            (r#"{"a":["b" , "c,"#, false),
            (r#"{"a":[{"b":1}"#, false),
            (r#"{"a":1}{"b":20"#, false),
            ("panic: out of memory", false),
        ];
        for (text, want) in texts {
            assert_eq!(want, Outline::default().may_go_on_with_object(text.as_bytes()), "{text}");
            let mut parts = Parts::default();
            parts.push(source("a"), text.as_bytes(), true, 1000);
            parts.end_before(source("a"), b"{\",");
            parts.end_before(source("b"), b"{\"b\":1}");
            assert_eq!(!text.is_empty(), parts.has(source("a")), "{text}");
            parts.end_before(source("a"), b"{\"b\":1}");
            assert_eq!(want && !text.is_empty(), parts.has(source("a")), "{text}");
            assert_eq!(usize::from(!want), parts.take_pushed_out().len(), "{text}");
        }
    }

    fn source(name: &str) -> SourceHash {
        let mut source = SourceHash::default();
        source.add(name.as_bytes());
        source
    }

    #[test]
    fn what_waits_is_bounded_and_the_oldest_is_pushed_out() {
        let mut parts = Parts::default();
        for number in 0..MAX_LINES {
            parts.push(source(&number.to_string()), b"x", true, 1000);
            assert!(parts.take_pushed_out().is_empty());
        }
        // The first one is the newest after another part of it.
        parts.push(source("0"), b"y", true, 1000);
        parts.push(source("new"), b"z", true, 1000);
        assert_eq!(vec![b"x".to_vec()], parts.take_pushed_out());
        assert_eq!(Some(Ok(b"xy!".to_vec())), parts.end(source("0"), b"!", 1000));
        assert_eq!(None, parts.end(source("1"), b"!", 1000));
        for number in 0..5 {
            parts.push(source(&format!("long {number}")), &[b'x'; 900], true, 1000);
        }
        assert!(parts.take().iter().map(Vec::len).sum::<usize>() <= 2000);
    }

    #[test]
    fn a_line_may_be_too_long() {
        let mut parts = Parts::default();
        parts.push(source("a"), b"12345", false, 8);
        assert_eq!(Some(Err(TooLong)), parts.end(source("a"), b"6789", 8));
        assert!(parts.is_empty());
    }

    #[test]
    fn anything_else_than_parts_is_ignored() {
        for bytes in [&b""[..], b"x", &[0xFF; 40]] {
            assert!(Parts::from_bytes(bytes).is_empty());
        }
    }
}
