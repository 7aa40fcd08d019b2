//! Wrappers: what log drivers, shippers and syslog put around a record on its way.
//!
//! A line is either the record itself, or text before it ([`prefix`]), or an object with the record in a string
//! ([`envelope`]). Container runtimes split long lines; the parts are put together again here, per stream.
//!
//! Lines of one input are mostly wrapped alike, so what the last line was wrapped in is tried first.

mod envelope;
mod envelope_template;
mod list;
mod part_marks;
mod parts;
mod prefix;
mod time_memo;

pub use crate::wrapper::envelope::Envelope;
pub use crate::wrapper::list::Element;
pub use crate::wrapper::prefix::found::Prefix;

use crate::value::text::is_blank;
use crate::wrapper::envelope_template::{EnvelopeTemplate, Matched};
use crate::wrapper::parts::{Parts, SourceHash, TooLong};
use crate::wrapper::time_memo::TimeMemo;

/// Prefixes that may stand behind each other: `nginx-1  | 2026-11-22T04:41:06Z {…}`.
const MAX_PREFIXES: usize = 3;

/// Behind a record that was put together, so that decoding finds room to look ahead.
const PADDING: usize = 64;

/// What a line was wrapped in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapper {
    /// Text before it.
    Prefix(Prefix),
    /// An object around it.
    Envelope(Envelope),
    /// An object with a list of records.
    List,
}

impl Wrapper {
    /// The name that is shown for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prefix(Prefix::Syslog) => "syslog",
            Self::Prefix(Prefix::Cri { .. }) => "cri",
            Self::Prefix(Prefix::Time) => "timestamp",
            Self::Prefix(Prefix::Name) => "container name",
            Self::Prefix(Prefix::Event) => "server-sent event",
            Self::Prefix(Prefix::Console) => "caddy console",
            Self::Envelope(Envelope::Docker { .. }) => "docker json-file",
            Self::Prefix(Prefix::Field) | Self::Envelope(Envelope::Journal) => "journald",
            Self::Envelope(Envelope::Message) => "message",
            Self::List => "list of records",
        }
    }
}

/// What was found in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The line from this byte on.
    Line(usize),
    /// This many bytes at the beginning of the buffer that was handed in.
    Buffer(usize),
    /// A part of a line, which goes on in another one.
    Part,
    /// The end of a line whose parts are longer than a line may be.
    TooLong,
}

/// A line out of its wrapper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unwrapped {
    /// The outermost wrapper.
    pub wrapper: Wrapper,
    /// Where its content is.
    pub content: Content,
    /// The second that the wrapper says, for records that say none.
    pub second: Option<u64>,
}

/// Where the record in an envelope may start.
#[derive(Debug, Clone, Copy)]
pub struct RecordStart {
    /// The first byte behind its quote.
    pub at: usize,
    matched: Option<Matched>,
}

/// Takes lines out of their wrappers, and puts the parts of split ones together.
#[derive(Debug, Default)]
pub struct Unwrapper {
    /// Parts of lines that have not ended.
    parts: Parts,
    /// Where the text came from, as the wrappers around it say.
    source: SourceHash,
    last: Option<Wrapper>,
    is_enveloped: bool,
    template: EnvelopeTemplate,
    times: TimeMemo,
}

impl Unwrapper {
    /// Begins a line, or a message of one: nothing is around it.
    pub fn begin(&mut self) {
        self.source = SourceHash::default();
    }

    /// Takes `line`, which has no blanks before it, out of its wrapper; nothing when it has none.
    ///
    /// Content that had to be put together is written to `buffer`. A line may have `max_line` bytes. An object with a member that
    /// `is_of_record` is no wrapper.
    pub fn unwrap(
        &mut self,
        line: &[u8],
        buffer: &mut Vec<u8>,
        max_line: usize,
        is_of_record: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Option<Unwrapped> {
        let is_object = line.first() == Some(&b'{');
        let found = if is_object {
            self.open(line, buffer, max_line, is_of_record)
        } else {
            self.strip(line, buffer, max_line)
        };
        self.is_enveloped = is_object && found.is_some();
        self.last = found.map(|found| found.wrapper).or(self.last);
        found
    }

    /// Whether the last line was an object around a record: the next one probably is, too.
    #[inline]
    #[must_use]
    pub fn is_enveloped(&self) -> bool {
        self.is_enveloped
    }

    /// Where in the envelope `line` a record may start: where the last one did, or at the first string that starts with a brace
    /// and a quote.
    ///
    /// Parts that wait would come before it.
    #[must_use]
    pub fn find_record(&mut self, line: &[u8]) -> Option<RecordStart> {
        (self.is_enveloped && !self.is_waiting()).then_some(())?;
        let matched = self.template.find_record(line, &mut self.times);
        let matched = matched.filter(|matched| line[matched.at..].starts_with(b"{\\\""));
        let at = match matched {
            Some(matched) => matched.at,
            None => memchr::memmem::find(line, b"\"{\\\"")? + 1,
        };
        Some(RecordStart { at, matched })
    }

    /// Takes the whole record from `start` to `end`, which is a string of `line`, out of its envelope; nothing if the envelope
    /// holds something else.
    pub fn unwrap_record(
        &mut self,
        line: &[u8],
        start: RecordStart,
        end: usize,
        is_of_record: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Option<Unwrapped> {
        let RecordStart { at, matched } = start;
        let expected = matched.and_then(|matched| self.template.finish(line, matched, end, &mut self.times));
        let opened = if let Some(opened) = expected {
            opened
        } else {
            let record = at..end;
            let opened =
                envelope::open(line, Some(&record), |_, _| false, &mut vec![], &mut self.times, &is_of_record)?;
            if !opened.is_marked_part {
                self.template.learn(line, &record, opened.envelope, &is_of_record);
            }
            opened
        };
        (!matches!(opened.envelope, Envelope::Docker { is_part: true, .. })).then_some(())?;
        let wrapper = Wrapper::Envelope(opened.envelope);
        self.last = Some(wrapper);
        Some(Unwrapped { wrapper, content: Content::Line(at), second: opened.second })
    }

    /// The records of which the object `line` has a list, and the second that it says; nothing if it has none.
    pub fn list(
        &mut self,
        line: &[u8],
        is_of_record: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Option<(Vec<Element>, Option<u64>)> {
        let found = list::list(line, &mut self.times, is_of_record)?;
        self.last = Some(Wrapper::List);
        Some(found)
    }

    /// The wrapper of the last line that had one.
    #[must_use]
    pub fn last(&self) -> Option<Wrapper> {
        self.last
    }

    /// Ends an input: takes the parts of lines that have not ended.
    pub fn take_parts(&mut self) -> Vec<Vec<u8>> {
        self.is_enveloped = false;
        self.parts.take()
    }

    /// Whether parts of a line wait for their end.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Takes the parts of lines that others pushed out, or whose end did not come.
    pub fn take_pushed_out(&mut self) -> Vec<Vec<u8>> {
        self.parts.take_pushed_out()
    }

    fn strip(&mut self, line: &[u8], buffer: &mut Vec<u8>, max_line: usize) -> Option<Unwrapped> {
        let (mut at, mut second, mut first) = (0, None, None);
        for _ in 0..MAX_PREFIXES {
            // More blanks than one stand before a second prefix.
            let blanks = line[at..].iter().take_while(|byte| is_blank(**byte)).count();
            let Some(found) = prefix::prefix(&line[at + blanks..], &mut self.times) else { break };
            let found_end = at + blanks + found.end;
            // Lines of other logs start with a time, too: behind another prefix, that has to lead to a record.
            let is_header = matches!(found.prefix, Prefix::Syslog | Prefix::Time);
            if first.is_some() && is_header && line.get(found_end) != Some(&b'{') {
                break;
            }
            if found.prefix == Prefix::Name {
                self.source.add(&line[at..found_end]);
            }
            at = found_end;
            second = found.second.or(second);
            first = first.or(Some(found.prefix));
            if let Prefix::Cri { is_part, is_stderr } = found.prefix {
                let source = self.source.of_stream(is_stderr);
                let content = self.join(&line[at..], is_part, false, source, max_line, buffer);
                let content = content.unwrap_or(Content::Line(at));
                return Some(Unwrapped { wrapper: Wrapper::Prefix(found.prefix), content, second });
            }
        }
        let wrapper = Wrapper::Prefix(first?);
        Some(Unwrapped { wrapper, content: Content::Line(at), second })
    }

    fn open(
        &mut self,
        line: &[u8],
        buffer: &mut Vec<u8>,
        max_line: usize,
        is_of_record: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Option<Unwrapped> {
        let (parts, around) = (&mut self.parts, self.source);
        let waits = |source: SourceHash, text: &[u8]| parts.may_end(around.and(source), text);
        let opened = envelope::open(line, None, waits, buffer, &mut self.times, is_of_record)?;
        self.source = around.and(opened.source);
        let wrapper = Wrapper::Envelope(opened.envelope);
        let mut content = None;
        if let Envelope::Docker { is_part, .. } = opened.envelope {
            let text = std::mem::take(buffer);
            content = self.join(&text, is_part, opened.is_marked_part, self.source, max_line, buffer);
            if content.is_none() {
                *buffer = text;
            }
        }
        let content = content.unwrap_or_else(|| padded(buffer));
        Some(Unwrapped { wrapper, content, second: opened.second })
    }

    /// Joins `text` with the parts before it from the same `source`; nothing when it is a whole line by itself.
    fn join(
        &mut self,
        text: &[u8],
        is_part: bool,
        is_marked: bool,
        source: SourceHash,
        max_line: usize,
        buffer: &mut Vec<u8>,
    ) -> Option<Content> {
        self.parts.end_before(source, text);
        // The last line of a container may have no newline.
        if is_part && (self.parts.has(source) || !envelope::is_object(text)) {
            self.parts.push(source, text, is_marked, max_line);
            return Some(Content::Part);
        }
        // The newline that ends a line is not a part of it.
        match self.parts.end(source, &text[..without_newline(text)], max_line)? {
            Ok(line) => *buffer = line,
            Err(TooLong) => return Some(Content::TooLong),
        }
        Some(padded(buffer))
    }

    /// The parts that wait for their end, as [`Unwrapper::resume`] takes them; empty when there are none.
    #[must_use]
    pub fn waiting(&self) -> Vec<u8> {
        self.parts.to_bytes()
    }

    /// Goes on where another one was that said this when asked what is `waiting`. Anything else is ignored.
    pub fn resume(&mut self, waiting: &[u8]) {
        self.parts = Parts::from_bytes(waiting);
    }
}

/// The content of `buffer` without its newline, and room behind it.
fn padded(buffer: &mut Vec<u8>) -> Content {
    let len = without_newline(buffer);
    buffer.truncate(len);
    buffer.resize(len + PADDING, b' ');
    Content::Buffer(len)
}

/// The length of `text` without the newline at its end.
fn without_newline(text: &[u8]) -> usize {
    text.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"domain":"a.example","status":200}"#;

    /// What every line of `lines` holds: `…` for a part.
    fn unwrapped(lines: &[&str], max_line: usize) -> Vec<Option<String>> {
        let (mut unwrapper, mut buffer) = (Unwrapper::default(), vec![]);
        let mut all = vec![];
        for line in lines {
            unwrapper.begin();
            let found = unwrapper.unwrap(line.as_bytes(), &mut buffer, max_line, |key, _| key == b"status");
            all.push(found.map(|found| match found.content {
                Content::Line(at) => line[at..].to_owned(),
                Content::Buffer(len) => String::from_utf8_lossy(&buffer[..len]).into_owned(),
                Content::Part => "…".to_owned(),
                Content::TooLong => "too long".to_owned(),
            }));
            // Whatever waits can go on elsewhere.
            let waiting = unwrapper.waiting();
            unwrapper = Unwrapper::default();
            unwrapper.resume(&waiting);
        }
        all
    }

    #[test]
    fn parts_are_put_together_per_stream() {
        let (half, other) = RECORD.split_at(17);
        let time = "2026-11-22T04:41:06.1Z";
        let escape = |text: &str| text.replace('"', "\\\"");
        let docker =
            |text: &str, stream: &str| format!(r#"{{"log":"{}","stream":"{stream}","time":"{time}"}}"#, escape(text));
        let long = RECORD.replace('{', &format!("{{{}", " ".repeat(40_000)));
        let (first, second, third) = (&long[..16_384], &long[16_384..32_768], &long[32_768..]);
        let lines = [
            docker(first, "stdout"),
            docker("error {\\n", "stderr"),
            docker(second, "stdout"),
            docker(third, "stdout") + ",",
        ];
        let lines = lines.each_ref().map(String::as_str);
        for (max_line, last) in [(50_000, &*long), (30_000, "too long")] {
            let want = [Some("…"), Some("error {"), Some("…"), Some(last)].map(|text| text.map(str::to_owned));
            assert_eq!(want.to_vec(), unwrapped(&lines, max_line));
        }
        let cri = |tag: &str, text: &str, stream: &str| format!("{time} {stream} {tag} {text}");
        let lines = [
            cri("P", half, "stdout"),
            cri("F", "error {", "stderr"),
            cri("P", other, "stdout"),
            cri("F", "", "stdout"),
        ];
        let lines = lines.each_ref().map(String::as_str);
        for (max_line, last) in [(100, RECORD), (20, "too long")] {
            let want = [Some("…"), Some("error {"), Some("…"), Some(last)].map(|text| text.map(str::to_owned));
            assert_eq!(want.to_vec(), unwrapped(&lines, max_line));
        }
    }

    /// Writes a text of a source, of which it is the last part or not.
    type Writer<'a> = &'a dyn Fn(&str, &str, &str) -> String;

    #[test]
    fn parts_of_several_sources_are_told_apart() {
        let shop = RECORD.replace('{', &format!("{{{}", " ".repeat(16 * 1024)));
        let (half, other) = shop.split_at(16 * 1024 + 17);
        let blog = shop.replace("a.example", "b.example");
        let (blog_half, blog_other) = blog.split_at(16 * 1024 + 20);
        let escape = |text: &str| text.replace('"', "\\\"");
        let journal = |text: &str, id: &str, last: &str| {
            let (text, mark) =
                (escape(text), format!(r#""CONTAINER_PARTIAL_LAST":"{last}","CONTAINER_PARTIAL_ID":"{id}""#));
            format!(r#"{{"MESSAGE":"{text}",{mark}}}"#)
        };
        let podman = |text: &str, id: &str, last: &str| {
            let mark = if last == "true" { "" } else { r#","CONTAINER_PARTIAL_MESSAGE":"true""# };
            format!(r#"{{"MESSAGE":"{}","CONTAINER_ID":"{id}"{mark}}}"#, escape(text))
        };
        let fluent_bit = |text: &str, pod: &str, last: &str| {
            let tag = if last == "true" { "F" } else { "P" };
            let pod = format!(r#""kubernetes":{{"pod_name":"{pod}"}}"#);
            format!(r#"{{"log":"{}","stream":"stdout","_p":"{tag}",{pod}}}"#, escape(text))
        };
        let vector = |text: &str, file: &str, last: &str| {
            let mark = if last == "true" { "" } else { r#","_partial":true"# };
            format!(r#"{{"file":"{file}","message":"{}","stream":"stdout"{mark}}}"#, escape(text))
        };
        let docker = |text: &str, tag: &str, last: &str| {
            let newline = if last == "true" { "\\n" } else { "" };
            format!(r#"{{"log":"{}{newline}","stream":"stdout","attrs":{{"tag":"{tag}"}}}}"#, escape(text))
        };
        let kubectl = |text: &str, pod: &str, last: &str| {
            let tag = if last == "true" { "F" } else { "P" };
            format!("[pod/{pod}/nginx] 2026-11-22T04:41:06Z stdout {tag} {text}")
        };
        let writers: [Writer<'_>; 6] = [&journal, &podman, &fluent_bit, &vector, &docker, &kubectl];
        for write in writers {
            let lines = [
                write(half, "a", "false"),
                write(blog_half, "b", "false"),
                write(other, "a", "true"),
                write(blog_other, "b", "true"),
            ];
            let want = [Some("…"), Some("…"), Some(&*shop), Some(&blog)].map(|text| text.map(str::to_owned));
            assert_eq!(want.to_vec(), unwrapped(&lines.each_ref().map(String::as_str), 100_000), "{}", lines[0]);
        }
    }

    #[test]
    fn prefixes_stand_behind_each_other() {
        let lines = [
            format!("nginx-1  | 2026-11-22T04:41:06Z {RECORD}"),
            format!("[pod/a/b] 2026-11-22T04:41:06Z {RECORD}"),
            format!("web-1 | <190>Nov 22 04:41:06 edge nginx: {RECORD}"),
        ];
        for line in &lines {
            assert_eq!(vec![Some(RECORD.to_owned())], unwrapped(&[line], 1000), "{line}");
        }
    }

    #[test]
    fn a_record_has_no_wrapper() {
        assert_eq!(vec![None, None], unwrapped(&[RECORD, "x"], 1000));
    }
}
