//! What envelopes look like: the members around a record are mostly those of the line before.
//!
//! Bytes between values that differ from line to line are compared, and these values are passed over. A line that does not
//! match is read the general way (see [`crate::wrapper::envelope`]), and learned. The result never depends on what was learned.

use std::ops::Range;

use crate::decode::brackets;
use crate::decode::cursor::{Cursor, Token};
use crate::decode::scan;
use crate::wrapper::envelope::{Envelope, Opened, decides_envelope, is_time};
use crate::wrapper::parts::SourceHash;
use crate::wrapper::time_memo::TimeMemo;

/// The most bytes around a record that are learned.
const MAX_TEXT: usize = 64 * 1024;

/// The envelope that was learned last.
#[derive(Debug, Default)]
pub struct EnvelopeTemplate {
    /// The line without its record.
    text: Vec<u8>,
    /// Its values, in order.
    members: Vec<Member>,
    envelope: Option<Envelope>,
}

/// A value of an envelope.
#[derive(Debug)]
struct Member {
    kind: MemberKind,
    variation: Variation,
    /// Where it is in the text. A string is what is between its quotes.
    range: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MemberKind {
    /// The string with the record.
    Record,
    String,
    Scalar,
    Nested,
}

/// How a value may differ from line to line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variation {
    /// Not at all: it says which envelope this is.
    Decides,
    /// It may, and did not.
    Same,
    /// It did.
    Differs,
    /// It may always: it says when the record was written.
    Time,
}

impl Member {
    fn varies(&self) -> bool {
        matches!(self.variation, Variation::Differs | Variation::Time)
    }
}

/// How far a line is as expected.
#[derive(Debug, Clone, Copy, Default)]
pub struct Matched {
    /// The first byte behind it.
    pub at: usize,
    members: usize,
    second: Option<u64>,
}

impl EnvelopeTemplate {
    /// How far `line` matches, if that is up to its record.
    pub fn find_record(&self, line: &[u8], times: &mut TimeMemo) -> Option<Matched> {
        let matched = self.follow(line, Matched::default(), times)?;
        (matched.members < self.members.len()).then_some(matched)
    }

    /// The envelope `line`, which `matched` up to its record; nothing if it does not match behind the `end` of that.
    pub fn finish(&self, line: &[u8], matched: Matched, end: usize, times: &mut TimeMemo) -> Option<Opened> {
        let behind = Matched { at: end, members: matched.members + 1, ..matched };
        let Matched { at, second, .. } = self.follow(line, behind, times)?;
        let last = self.members.iter().rfind(|member| member.varies())?;
        let envelope = self.envelope.filter(|_| line[at..] == self.text[last.range.end..])?;
        // Parts are read the general way.
        Some(Opened { envelope, second, is_marked_part: false, source: SourceHash::default() })
    }

    /// Follows `line` from where it `matched`, up to its record, or else behind the last value that varies.
    fn follow(&self, line: &[u8], matched: Matched, times: &mut TimeMemo) -> Option<Matched> {
        let Matched { mut at, members: first, mut second } = matched;
        let mut from = first.checked_sub(1).map_or(0, |last| self.members[last].range.end);
        for (index, member) in self.members.iter().enumerate().skip(first) {
            if !member.varies() {
                continue;
            }
            let literal = &self.text[from..member.range.start];
            let value = at + literal.len();
            if !line[at..].starts_with(literal) {
                return None;
            }
            at = match member.kind {
                MemberKind::Record => return Some(Matched { at: value, members: index, second }),
                MemberKind::String => {
                    Some(scan::closing_quote(line, value, line.len())).filter(|at| *at < line.len())?
                }
                MemberKind::Scalar => scan::scalar_end(line, value, line.len())?,
                MemberKind::Nested if line.get(value) != Some(&self.text[member.range.start]) => return None,
                MemberKind::Nested => brackets::nested_end(line, value, line.len())?,
            };
            if member.variation == Variation::Time {
                second = times.second(&line[value..at]);
            }
            from = member.range.end;
        }
        Some(Matched { at, members: self.members.len(), second })
    }

    /// Learns that `line` is this `envelope` around `record`.
    #[cold]
    pub fn learn(
        &mut self,
        line: &[u8],
        record: &Range<usize>,
        envelope: Envelope,
        is_of_record: impl Fn(&[u8], &[u8]) -> bool,
    ) {
        let text = [&line[..record.start], &line[record.end..]].concat();
        let Some(members) = members(line, record, is_of_record).filter(|_| text.len() <= MAX_TEXT) else { return };
        let mut learned = Self { text, members, envelope: Some(envelope) };
        if learned.has_members_of(self) {
            for (member, before) in learned.members.iter_mut().zip(&self.members) {
                let differs = before.varies() || learned.text[member.range.clone()] != self.text[before.range.clone()];
                if member.variation == Variation::Same && differs {
                    member.variation = Variation::Differs;
                }
            }
        }
        *self = learned;
    }

    /// Whether both have the same kinds of values, and the same between them.
    fn has_members_of(&self, other: &Self) -> bool {
        let (mut from, mut other_from) = (0, 0);
        let is_same = |(member, of_other): (&Member, &Member)| {
            let between = &self.text[from..member.range.start];
            let is_same = member.kind == of_other.kind && *between == other.text[other_from..of_other.range.start];
            (from, other_from) = (member.range.end, of_other.range.end);
            is_same
        };
        self.members.len() == other.members.len() && self.members.iter().zip(&other.members).all(is_same)
    }
}

/// The values of the object `line` around `record`.
fn members(line: &[u8], record: &Range<usize>, is_of_record: impl Fn(&[u8], &[u8]) -> bool) -> Option<Vec<Member>> {
    let cursor = Cursor { block: line, start: 0, end: line.len() };
    let (mut members, mut time, mut at) = (vec![], None, 0);
    loop {
        let (key, value_at) = cursor.key(at + 1).ok()?;
        let name = &line[key];
        let (kind, range, next) = if value_at + 1 == record.start {
            (MemberKind::Record, record.clone(), record.end + 1)
        } else {
            match cursor.token(value_at).ok()? {
                (Token::String(range), next) => (MemberKind::String, range, next),
                (Token::Scalar(range), next) => (MemberKind::Scalar, range, next),
                (Token::Nested(range), next) => (MemberKind::Nested, range, next),
            }
        };
        if is_time(name) {
            // If there are several, the last one counts.
            time = Some(members.len());
        }
        let variation = match kind {
            MemberKind::Record => Variation::Differs,
            // With another value, the line might be a record.
            MemberKind::String | MemberKind::Scalar if decides_envelope(name) || is_of_record(name, b"1") => {
                Variation::Decides
            }
            _ => Variation::Same,
        };
        // The record is no part of the text.
        let in_text = |at: usize| if at > record.start { at - record.len() } else { at };
        members.push(Member { kind, variation, range: in_text(range.start)..in_text(range.end) });
        at = cursor.skip_blanks(next);
        match cursor.byte(at).ok()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    if let Some(time) = time.map(|time: usize| &mut members[time]).filter(|time| time.kind != MemberKind::Nested) {
        time.variation = Variation::Time;
    }
    Some(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wrapper::envelope::open;

    const RECORD: &str = r#"{\"domain\":\"a.example\",\"status\":200}"#;

    /// What `line` is, read the general way.
    fn opened(line: &[u8], record: &Range<usize>) -> Option<Opened> {
        open(line, Some(record), |_, _| false, &mut vec![], &mut TimeMemo::default(), is_status)
    }

    /// Whether a member is one of a record.
    fn is_status(key: &[u8], value: &[u8]) -> bool {
        key == b"status" && matches!(value, [b'0'..=b'9', ..])
    }

    /// What `line` is, as the template expects it.
    fn expected(template: &EnvelopeTemplate, line: &[u8], record: &Range<usize>) -> Option<Opened> {
        let mut times = TimeMemo::default();
        let matched = template.find_record(line, &mut times).filter(|matched| matched.at == record.start)?;
        template.finish(line, matched, record.end, &mut times)
    }

    /// `line` with a record instead of its `@`, and where that is.
    fn with_record(line: &str) -> Option<(Vec<u8>, Range<usize>)> {
        let at = line.find('@')?;
        Some((line.replacen('@', RECORD, 1).into_bytes(), at..at + RECORD.len()))
    }

    #[test]
    fn a_line_like_those_before_is_as_expected() {
        let lines = [
            r#"{"cursor":"a","n":1,"MESSAGE":"@","__REALTIME_TIMESTAMP":"1795322466123456","pid":"7","x":[1]}"#,
            r#"{"cursor":"bc","n":22,"MESSAGE":"@","__REALTIME_TIMESTAMP":"1795322466123457","pid":"7","x":["]"]}"#,
            r#"{"cursor":"d\"","n":-3,"MESSAGE":"@","__REALTIME_TIMESTAMP":"1795322468123456","pid":"7","x":[]}"#,
        ];
        let mut template = EnvelopeTemplate::default();
        for line in &lines[..2] {
            let (line, record) = with_record(line).expect("it has a record");
            assert_eq!(None, expected(&template, &line, &record));
            let found = opened(&line, &record).expect("it is an envelope");
            template.learn(&line, &record, found.envelope, is_status);
        }
        let (line, record) = with_record(lines[2]).expect("it has a record");
        let (envelope, source) = (Envelope::Journal, SourceHash::default());
        let want = Opened { envelope, second: Some(1_795_322_468), is_marked_part: false, source };
        assert_eq!(Some(want), expected(&template, &line, &record));
    }

    const KEYS: [&str; 12] = [
        "log",
        "message",
        "MESSAGE",
        "stream",
        "logtag",
        "partial_last",
        "_partial",
        "time",
        "date",
        "status",
        "x",
        "y",
    ];
    const VALUES: [&str; 20] = [
        "true",
        r#""true""#,
        r#""@""#,
        r#""@""#,
        r#""@""#,
        r#""""#,
        r#""stdout""#,
        r#""P""#,
        r#""F\"""#,
        r#""{\"a\":1}""#,
        "1",
        "null",
        "1795322466.5",
        r#""2026-11-22T04:41:06Z""#,
        r#""2026-11-22T04:41:07Z""#,
        r#"{"a":"}"}"#,
        "{}",
        "[1]",
        r#"["]",2]"#,
        "",
    ];

    proptest::proptest! {
        #[test]
        fn the_template_never_changes_what_a_line_is(
            keys in proptest::collection::vec(proptest::sample::select(&KEYS[..]), 1..5),
            lines in proptest::collection::vec(
                (
                    proptest::collection::vec(proptest::sample::select(&VALUES[..]), 5),
                    proptest::sample::select(&["{", "{ "][..]),
                    proptest::sample::select(&["}", "}", "},", "}}", " }", ""][..]),
                ),
                1..20,
            ),
        ) {
            let mut template = EnvelopeTemplate::default();
            for (values, start, end) in lines {
                let members: Vec<_> = keys.iter().zip(values).map(|(key, value)| format!("\"{key}\":{value}")).collect();
                let line = format!("{start}{}{end}", members.join(","));
                let Some((line, record)) = with_record(&line) else { continue };
                let want = opened(&line, &record).filter(|opened| !opened.is_marked_part);
                let found = expected(&template, &line, &record);
                if found.is_some() {
                    proptest::prop_assert_eq!(want, found, "{}", String::from_utf8_lossy(&line));
                } else if let Some(want) = want {
                    template.learn(&line, &record, want.envelope, is_status);
                    proptest::prop_assert_eq!(Some(want), expected(&template, &line, &record));
                }
            }
        }
    }
}
