//! A record that is spread over several lines, as pretty-printers write it.

use crate::decode::brackets::{Outline, Walk};
use crate::value::text::{is_blank, trim};

/// The lines of a record up to here, with blanks instead of newlines; empty if there is none.
#[derive(Debug)]
pub struct SpreadRecord {
    text: Vec<u8>,
    /// How far the end was looked for. Lines before are not looked at again.
    walk: Walk,
    walked: usize,
    outline: Outline,
    /// The line in which it starts.
    pub line: u64,
    /// Whether its lines are in wrappers.
    pub is_wrapped: bool,
    /// The second that the wrapper of its first line says.
    pub second: Option<u64>,
}

impl Default for SpreadRecord {
    fn default() -> Self {
        Self {
            text: vec![],
            walk: Walk::over_object(),
            walked: 0,
            outline: Outline::default(),
            line: 0,
            is_wrapped: false,
            second: None,
        }
    }
}

impl SpreadRecord {
    /// A record of which there is `text`.
    pub fn new(text: &[u8], line: u64, is_wrapped: bool, second: Option<u64>) -> Self {
        Self { text: text.to_vec(), line, is_wrapped, second, ..Self::default() }
    }

    /// Whether there is no such record.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// What there is of it.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether a line of `text` without blanks around it may belong to it.
    ///
    /// Its second line has a key or the end. Those after it are indented, or start like a member or an end. Another record, or
    /// a line of another log, starts in the first column, or with an object where none may follow.
    pub fn goes_on(&mut self, text: &[u8], is_indented: bool) -> bool {
        match text {
            [b'"' | b'}', ..] => true,
            _ if self.text == b"{" => false,
            [b'{', rest @ ..] => {
                (is_indented || trim(rest).first() != Some(&b'"')) && self.outline.may_go_on_with_object(&self.text)
            }
            [b']' | b',', ..] => true,
            _ => is_indented,
        }
    }

    /// Appends a line.
    pub fn push(&mut self, text: &[u8]) {
        self.text.push(b' ');
        self.text.extend_from_slice(text);
    }

    /// Where it ends; nothing if its end has not come.
    pub fn end(&mut self) -> Option<usize> {
        match self.walk.run(&self.text, self.walked, self.text.len()) {
            Ok(end) => Some(end),
            Err(next) => {
                self.walked = next;
                None
            }
        }
    }
}

/// What of `text` begins a record that is spread over several lines: its brace, perhaps behind the bracket of an array and before
/// members, of which the last is followed by a comma or has no value yet. Nothing if it does not.
pub fn spread_start(text: &[u8]) -> Option<&[u8]> {
    let before = text.iter().take_while(|byte| is_blank(**byte) || matches!(byte, b',' | b'[')).count();
    let first = trim(&text[before..]);
    let goes_on = matches!(first, [b'{', .., b',' | b'{' | b'[' | b':'] | b"{");
    let mut walk = Walk::over_object();
    // A line that was cut mostly ends within a string.
    (goes_on && walk.run(first, 0, first.len()).is_err() && !walk.is_in_string()).then_some(first)
}
