//! Lines that are not one record each: wrapped, joined, split over several lines, or of another log.
//!
//! Everything here is off the usual path: a line gets here if it does not start with a brace, or could not be folded.

use std::ops::Range;

use crate::fold::pieces::{messages, records, strip, strip_start, syslog_messages};
use crate::fold::settings::Framing;
use crate::fold::spread_record::{SpreadRecord, spread_start};
use crate::fold::{Fold, is_worth_a_look};
use crate::format::other_log::is_other_log;
use crate::rejection::{Reason, Rejection};
use crate::value::text::is_blank;
use crate::wrapper::{Content, Element};

/// Envelopes within envelopes that are opened.
const MAX_DEPTH: u8 = 6;

impl Fold {
    /// Folds a line of values between tabs.
    fn fold_columns(&mut self, block: &[u8], range: Range<usize>, now: u64) -> Result<(), Rejection> {
        let range = strip(block, range);
        if block[range.clone()].starts_with(b"#") {
            return Err(Rejection::new(Reason::OtherLog, 0));
        }
        self.fold_record(block, range, now)
    }

    /// Folds a line that does not start with a brace, as values between tabs do not, or that comes after an unusual one.
    #[inline(never)]
    pub(super) fn fold_unusual(&mut self, block: &[u8], range: Range<usize>, now: u64) -> Result<(), Rejection> {
        if self.settings.format.has_columns() {
            return self.fold_columns(block, range, now);
        }
        if !self.spread.is_empty() && !self.spread.is_wrapped {
            let text = &block[strip(block, range.clone())];
            if self.spread.goes_on(text, block.first().is_some_and(|byte| is_blank(*byte))) {
                return self.join(text, now);
            }
            self.reject_spread();
        }
        if self.spread.is_empty() && self.fold_in_envelope(block, range.clone(), now).is_some() {
            return Ok(());
        }
        // The end of a part may be blank.
        let range = strip_start(block, range.clone())..range.end;
        if let Some(result) = self.unwrap(block, range.clone(), None, now, 0) {
            return result;
        }
        self.reject_spread();
        self.fold_content(block, range, None, now, 0)
    }

    /// Folds the record in the envelope `block[range]` as it stands there, without unescaping it; nothing if that cannot be done,
    /// or if the record does not count.
    fn fold_in_envelope(&mut self, block: &[u8], range: Range<usize>, now: u64) -> Option<()> {
        let line = &block[range.clone()];
        let start = self.unwrapper.find_record(line)?;
        let end = self.decoder.decode_escaped(block, range.start + start.at..range.end)? - range.start;
        let to =
            [&b"\""[..], b"\\n\"", b"\\r\\n\""].into_iter().find(|rest| line[end..].starts_with(rest))?.len() + end - 1;
        let decoder = &self.decoder;
        let found = self.unwrapper.unwrap_record(line, start, to, |key, value| decoder.is_of_record(key, value))?;
        self.wrapped_at = found.second.filter(|second| self.may_be_right(*second, now));
        let result = self.fold_decoded(block, now);
        self.wrapped_at = None;
        result.ok()
    }

    /// Folds the line `block[range]` out of its wrapper; nothing if it has none.
    fn unwrap(
        &mut self,
        block: &[u8],
        range: Range<usize>,
        second: Option<u64>,
        now: u64,
        depth: u8,
    ) -> Option<Result<(), Rejection>> {
        if depth == 0 {
            self.unwrapper.begin();
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let (decoder, max_line) = (&self.decoder, self.settings.max_line);
        let is_of_record = |key: &[u8], value: &[u8]| decoder.is_of_record(key, value);
        let unwrapped = self.unwrapper.unwrap(&block[range.clone()], &mut buffer, max_line, is_of_record);
        for text in self.unwrapper.take_pushed_out() {
            self.reject_cut(self.line, &text);
        }
        let result = unwrapped.map(|found| {
            let second = found.second.or(second);
            match found.content {
                Content::Line(at) => {
                    let result = self.fold_content(block, range.start + at..range.end, second, now, depth + 1);
                    // Some logs start with what may be a prefix, too.
                    let is_other = |reason| reason == Reason::NotJson && is_other_log(&block[range.clone()]);
                    result.map_err(|rejection| {
                        let is_other = is_other(rejection.reason);
                        if is_other { Rejection::new(Reason::OtherLog, 0) } else { rejection }
                    })
                }
                Content::Buffer(len) => {
                    if let Err(rejection) = self.fold_content(&buffer, 0..len, second, now, depth + 1) {
                        self.reject(rejection, &buffer[..len]);
                    }
                    Ok(())
                }
                Content::Part => self.skip_part(),
                Content::TooLong => Err(Rejection::new(Reason::TooLong, max_line)),
            }
        });
        self.buffer = buffer;
        result
    }

    /// Folds what was in a wrapper, or a line without one, if `depth` is 0.
    fn fold_content(
        &mut self,
        block: &[u8],
        range: Range<usize>,
        second: Option<u64>,
        now: u64,
        depth: u8,
    ) -> Result<(), Rejection> {
        let is_indented = block.get(range.start).is_some_and(|byte| is_blank(*byte));
        let range = strip(block, range);
        if range.is_empty() {
            return Ok(());
        }
        let text = &block[range.clone()];
        let is_object = text[0] == b'{';
        if !is_object
            && (1..MAX_DEPTH).contains(&depth)
            && let Some(result) = self.unwrap(block, range.clone(), second, now, depth)
        {
            return result;
        }
        if !self.spread.is_empty() && depth > 0 {
            if self.spread.goes_on(text, is_indented) {
                return self.join(text, now);
            }
            self.reject_spread();
        }
        let result = if is_object {
            self.fold_wrapped(block, range.clone(), second, now)
        } else {
            Err(Rejection::new(Reason::NotJson, range.start))
        };
        match result {
            Err(rejection) if is_worth_a_look(rejection.reason) => {
                self.fold_broken_at(block, range, second, rejection, now, depth)
            }
            result => result,
        }
    }

    /// Folds a line that could not be folded as one record, if it is something else; otherwise returns its rejection.
    #[inline(never)]
    pub(super) fn fold_broken(
        &mut self,
        block: &[u8],
        range: Range<usize>,
        rejection: Rejection,
        now: u64,
    ) -> Result<(), Rejection> {
        if self.settings.format.has_columns() {
            return Err(rejection);
        }
        let stripped = strip(block, range.clone());
        if stripped != range {
            return self.fold_content(block, stripped, None, now, 0);
        }
        self.fold_broken_at(block, range, None, rejection, now, 0)
    }

    fn fold_broken_at(
        &mut self,
        block: &[u8],
        range: Range<usize>,
        second: Option<u64>,
        rejection: Rejection,
        now: u64,
        depth: u8,
    ) -> Result<(), Rejection> {
        let text = &block[range.clone()];
        if !matches!(rejection.reason, Reason::NotJson | Reason::Truncated) {
            return self.open(block, range, second, rejection, now, depth);
        }
        if let Some(first) = spread_start(text) {
            self.spread = SpreadRecord::new(first, self.line, depth > 0, second);
            return self.skip_part();
        }
        if let Some(records) = records(block, range.clone()) {
            // Records are counted as lines.
            self.report.lines = (self.report.lines + records.len() as u64).saturating_sub(1);
            for record in records {
                if let Some(first) = spread_start(&block[record.clone()]) {
                    self.report.lines -= 1;
                    self.spread = SpreadRecord::new(first, self.line, depth > 0, second);
                    continue;
                }
                let result = self.fold_wrapped(block, record.clone(), second, now);
                if let Err(rejection) =
                    result.or_else(|rejection| self.open(block, record.clone(), second, rejection, now, depth))
                {
                    self.reject(rejection, &block[record]);
                }
            }
            return Ok(());
        }
        if let Some(messages) = messages(block, range.clone()).or_else(|| syslog_messages(block, range)) {
            return self.fold_messages(block, messages, second, now, depth);
        }
        if is_other_log(text) { Err(Rejection::new(Reason::OtherLog, 0)) } else { Err(rejection) }
    }

    /// Folds several messages of a line, which may have wrappers of their own.
    #[expect(clippy::unnecessary_wraps, reason = "it is what becomes of a line")]
    fn fold_messages(
        &mut self,
        block: &[u8],
        messages: Vec<Range<usize>>,
        second: Option<u64>,
        now: u64,
        depth: u8,
    ) -> Result<(), Rejection> {
        // Messages are counted as lines.
        self.report.lines += messages.len() as u64 - 1;
        for message in messages {
            self.unwrapper.begin();
            if let Err(rejection) = self.fold_content(block, message.clone(), second, now, depth.max(1)) {
                self.reject(rejection, &block[message]);
            }
        }
        Ok(())
    }

    /// Folds what is in the object `block[range]`, which was rejected as a record.
    fn open(
        &mut self,
        block: &[u8],
        range: Range<usize>,
        second: Option<u64>,
        rejection: Rejection,
        now: u64,
        depth: u8,
    ) -> Result<(), Rejection> {
        let may_be_envelope = is_worth_a_look(rejection.reason)
            && !matches!(rejection.reason, Reason::NotJson | Reason::Truncated)
            && depth < MAX_DEPTH;
        if !may_be_envelope {
            return Err(rejection);
        }
        let opened = self.unwrap(block, range.clone(), second, now, depth);
        opened.or_else(|| self.fold_list(block, range, second, now, depth)).unwrap_or(Err(rejection))
    }

    /// Folds the records of which the object `block[range]` has a list; nothing if it has none.
    fn fold_list(
        &mut self,
        block: &[u8],
        range: Range<usize>,
        second: Option<u64>,
        now: u64,
        depth: u8,
    ) -> Option<Result<(), Rejection>> {
        let decoder = &self.decoder;
        let is_of_record = |key: &[u8], value: &[u8]| decoder.is_of_record(key, value);
        let (elements, own_second) = self.unwrapper.list(&block[range.clone()], is_of_record)?;
        let second = own_second.or(second);
        // Records are counted as lines.
        self.report.lines = (self.report.lines + elements.len() as u64).saturating_sub(1);
        for element in elements {
            let (text, place, second) = match &element {
                Element::Object(object) => (block, range.start + object.start..range.start + object.end, second),
                Element::Text(text, own_second) => (&text[..], 0..text.len(), own_second.or(second)),
            };
            if let Err(rejection) = self.fold_content(text, place.clone(), second, now, depth + 1) {
                self.reject(rejection, &text[place]);
            }
        }
        Some(Ok(()))
    }

    /// Appends a line to the record that is spread over several, and folds that once it is complete.
    fn join(&mut self, text: &[u8], now: u64) -> Result<(), Rejection> {
        if self.spread.text().len() + text.len() > self.settings.max_line {
            self.spread = SpreadRecord::default();
            return Err(Rejection::new(Reason::TooLong, self.settings.max_line));
        }
        self.spread.push(text);
        let Some(end) = self.spread.end() else {
            return self.skip_part();
        };
        let SpreadRecord { line, is_wrapped, second, .. } = self.spread;
        let spread = std::mem::take(&mut self.spread);
        let spread = spread.text();
        let is_between = |byte: &u8| is_blank(*byte) || matches!(byte, b',' | b'[' | b']');
        let next = end + spread[end..].iter().take_while(|byte| is_between(byte)).count();
        if !matches!(spread[next..], [] | [b'{', ..]) {
            self.reject_at(line, Rejection::new(Reason::NotJson, end), spread);
            return Ok(());
        }
        let depth = u8::from(is_wrapped);
        if let Err(rejection) = self.fold_content(spread, 0..end, second, now, depth) {
            self.reject_at(line, rejection, spread);
        }
        if next < spread.len() {
            // The next record starts in the line in which this one ends.
            self.report.lines += 1;
            if let Err(rejection) = self.fold_content(spread, next..spread.len(), second, now, depth) {
                self.reject(rejection, &spread[next..]);
            }
        }
        Ok(())
    }

    /// Whether the time of a wrapper can be that of its record. Syslog arrives at once: if its time is outside the limits, the
    /// sender's clock is wrong, and the time of arrival is right.
    fn may_be_right(&self, second: u64, now: u64) -> bool {
        let settings = &self.settings;
        let is_late = settings.max_lateness.is_some_and(|lateness| second.saturating_add(lateness) < now);
        let is_ahead = settings.max_ahead.is_some_and(|ahead| second > now.saturating_add(ahead));
        !matches!(settings.framing, Framing::Datagrams | Framing::Stream) || !(is_late || is_ahead)
    }

    /// Folds the record `block[range]`. If it says no time, it counts in `second`.
    fn fold_wrapped(
        &mut self,
        block: &[u8],
        range: Range<usize>,
        second: Option<u64>,
        now: u64,
    ) -> Result<(), Rejection> {
        self.wrapped_at = second.filter(|second| self.may_be_right(*second, now));
        let result = self.fold_record(block, range, now);
        self.wrapped_at = None;
        result
    }

    /// Counts a line that is a part of one together with its last part.
    #[expect(clippy::unnecessary_wraps, reason = "it is what becomes of a line")]
    fn skip_part(&mut self) -> Result<(), Rejection> {
        self.report.lines -= 1;
        Ok(())
    }

    /// Rejects records whose end has not come when the input ends.
    pub(super) fn reject_incomplete(&mut self) {
        for text in self.unwrapper.take_parts() {
            self.reject_cut(self.line, &text);
        }
        self.reject_spread();
    }

    /// Rejects a record over several lines whose end does not come.
    fn reject_spread(&mut self) {
        let spread = std::mem::take(&mut self.spread);
        self.reject_cut(spread.line, spread.text());
    }

    fn reject_cut(&mut self, line: u64, text: &[u8]) {
        if !text.is_empty() {
            self.report.lines += 1;
            self.reject_at(line, Rejection::new(Reason::Truncated, text.len()), text);
        }
    }
}
