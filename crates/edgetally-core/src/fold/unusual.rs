//! Lines that are not one record each: wrapped, joined, split over several lines, or of another log.
//!
//! Everything here is off the usual path: a line gets here if it does not start with a brace, or could not be folded.

use std::ops::Range;

use crate::decode::scan;
use crate::fold::settings::Framing;
use crate::fold::{Fold, is_worth_a_look};
use crate::format::other_log::is_other_log;
use crate::rejection::{Reason, Rejection};
use crate::value::text::is_blank;
use crate::wrapper::Content;

/// Envelopes within envelopes that are opened.
const MAX_DEPTH: u8 = 3;

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
        if !self.spread.is_empty() {
            let stripped = strip(block, range.clone());
            if self.goes_on(block, &stripped) {
                return self.join(&block[stripped], now);
            }
            self.reject_spread();
        }
        // The end of a part may be blank.
        let start = strip_start(block, range.clone());
        let range = start..range.end;
        match self.unwrap(block, range.clone(), None, now, 0) {
            Some(result) => result,
            None => self.fold_content(block, range, None, now, MAX_DEPTH),
        }
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
        let mut buffer = std::mem::take(&mut self.buffer);
        let (decoder, max_line) = (&self.decoder, self.settings.max_line);
        let is_of_record = |key: &[u8]| decoder.is_of_record(key);
        let unwrapped = self.unwrapper.unwrap(&block[range.clone()], &mut buffer, max_line, is_of_record);
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

    fn fold_content(
        &mut self,
        block: &[u8],
        range: Range<usize>,
        second: Option<u64>,
        now: u64,
        depth: u8,
    ) -> Result<(), Rejection> {
        let range = strip(block, range);
        if range.is_empty() {
            return Ok(());
        }
        if block[range.start] == b'{' {
            match self.fold_wrapped(block, range.clone(), second, now) {
                Err(rejection) if is_worth_a_look(rejection.reason) => {
                    self.fold_broken_at(block, range, second, rejection, now, depth)
                }
                result => result,
            }
        } else {
            if depth < MAX_DEPTH
                && let Some(result) = self.unwrap(block, range.clone(), second, now, depth)
            {
                return result;
            }
            let rejection = Rejection::new(Reason::NotJson, range.start);
            self.fold_broken_at(block, range, second, rejection, now, MAX_DEPTH)
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
        if text == b"{" {
            self.spread.extend_from_slice(text);
            self.spread_line = self.line;
            return self.skip_part();
        }
        if !matches!(rejection.reason, Reason::NotJson | Reason::Truncated) {
            let unwrapped = if depth < MAX_DEPTH { self.unwrap(block, range, second, now, depth) } else { None };
            return unwrapped.unwrap_or(Err(rejection));
        }
        if let Some(records) = records(block, range) {
            // Records are counted as lines.
            self.report.lines = (self.report.lines + records.len() as u64).saturating_sub(1);
            for record in records {
                if let Err(rejection) = self.fold_wrapped(block, record.clone(), second, now) {
                    self.reject(rejection, &block[record]);
                }
            }
            return Ok(());
        }
        if is_other_log(text) { Err(Rejection::new(Reason::OtherLog, 0)) } else { Err(rejection) }
    }

    /// Whether the line `block[text]` may belong to the record that is spread over the lines before it.
    ///
    /// Its second line has a key or the end. Those after it are indented, or start like a member or an end. Another record, or
    /// a line of another log, starts in the first column.
    fn goes_on(&self, block: &[u8], text: &Range<usize>) -> bool {
        let is_indented = block.first().is_some_and(|byte| is_blank(*byte));
        match &block[text.clone()] {
            [b'"' | b'}', ..] => true,
            _ if self.spread == b"{" => false,
            [b'{', b'"', ..] => is_indented,
            [b'{' | b']' | b',', ..] => true,
            _ => is_indented,
        }
    }

    /// Appends a line to the record that is spread over several, and folds that once it is complete.
    fn join(&mut self, text: &[u8], now: u64) -> Result<(), Rejection> {
        if self.spread.len() + text.len() > self.settings.max_line {
            self.spread.clear();
            return Err(Rejection::new(Reason::TooLong, self.settings.max_line));
        }
        self.spread.push(b' ');
        self.spread.extend_from_slice(text);
        let Some(end) = scan::nested_end(&self.spread, 0, self.spread.len()) else {
            return self.skip_part();
        };
        let spread = std::mem::take(&mut self.spread);
        let is_alone = spread[end..].iter().all(|byte| is_blank(*byte) || matches!(byte, b',' | b']'));
        let result = if is_alone {
            self.fold_content(&spread, 0..end, None, now, 0)
        } else {
            Err(Rejection::new(Reason::NotJson, end))
        };
        if let Err(rejection) = result {
            self.reject_at(self.spread_line, rejection, &spread);
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
        let text = std::mem::take(&mut self.spread);
        self.reject_cut(self.spread_line, &text);
    }

    fn reject_cut(&mut self, line: u64, text: &[u8]) {
        if !text.is_empty() {
            self.report.lines += 1;
            self.reject_at(line, Rejection::new(Reason::Truncated, text.len()), text);
        }
    }
}

/// `range` without blanks, zero bytes and byte order marks around it.
fn strip(block: &[u8], mut range: Range<usize>) -> Range<usize> {
    range.start = strip_start(block, range.clone());
    while let [.., last] = &block[range.clone()] {
        if !is_blank(*last) && *last != 0 {
            break;
        }
        range.end -= 1;
    }
    range
}

/// Where `range` starts without blanks, zero bytes and byte order marks before it.
fn strip_start(block: &[u8], range: Range<usize>) -> usize {
    let mut start = range.start;
    while let [first, ..] = &block[start..range.end] {
        if block[start..range.end].starts_with(b"\xEF\xBB\xBF") {
            start += 3;
        } else if is_blank(*first) || *first == 0 {
            start += 1;
        } else {
            break;
        }
    }
    start
}

/// The records of a line that has several, or the punctuation of an array: `{…}{…}`, `{…},`, `[{…},`, `]`. `None` if there is
/// anything else.
fn records(block: &[u8], range: Range<usize>) -> Option<Vec<Range<usize>>> {
    let (mut records, mut at, mut has_punctuation) = (vec![], range.start, false);
    while at < range.end {
        match block[at] {
            b'{' => match scan::nested_end(block, at, range.end) {
                Some(end) => {
                    records.push(at..end);
                    at = end;
                }
                // The last one was cut off; one alone is not several.
                None if records.is_empty() => return None,
                None => {
                    records.push(at..range.end);
                    at = range.end;
                }
            },
            b',' | b'[' | b']' => {
                has_punctuation = true;
                at += 1;
            }
            byte if is_blank(byte) => at += 1,
            _ => return None,
        }
    }
    (has_punctuation || records.len() > 1).then_some(records)
}
