//! Input: from the blocks of a source to lines, as its framing says.

use crate::fold::Fold;
use crate::fold::batch::Batch;
use crate::fold::report::MAX_SAMPLE;
use crate::fold::settings::Framing;
use crate::framing::json_array::ArraySplitter;
use crate::framing::syslog_stream::SyslogSplitter;
use crate::rejection::{Reason, Rejection};
use crate::value::text::{is_blank, trim};

/// Bytes of an array or a syslog stream that are split into lines together: few enough to stay in the cache.
const CHUNK: usize = 128 * 1024;

impl Fold {
    /// Folds every line that ends in `block`, and keeps the unfinished last line for the next block.
    ///
    /// `now` is the Unix second in which `block` arrived.
    pub fn feed(&mut self, mut block: &[u8], now: u64) {
        if self.may_be_array() {
            let Some(records) = self.start(block) else {
                return;
            };
            block = records;
        }
        if self.array.is_some() {
            self.fold_array(block, now);
        } else if self.settings.framing == Framing::Stream {
            for chunk in block.chunks(CHUNK) {
                let lines = self.syslog.split(chunk);
                self.fold_block(&lines, now);
            }
        } else {
            self.fold_block(block, now);
        }
        self.spill_if_large();
    }

    /// Folds the elements of the array, and what follows from a record on as lines.
    fn fold_array(&mut self, mut block: &[u8], now: u64) {
        while let Some(mut array) = self.array.take() {
            let chunk = &block[..block.len().min(CHUNK)];
            let (lines, rest) = array.split_arrays(chunk);
            self.fold_block(&lines, now);
            block = &block[chunk.len() - rest.len()..];
            if rest.is_empty() {
                self.array = Some(array);
                if block.is_empty() {
                    return;
                }
            }
        }
        self.fold_block(block, now);
    }

    /// Whether what was fed so far does not say if the input is an array or lines.
    fn may_be_array(&self) -> bool {
        self.settings.framing == Framing::Arrays && !self.has_started && !self.settings.format.has_columns()
    }

    /// Decides by the start of the input whether it is an array or lines; returns what of `block` is left to be folded, and
    /// nothing if more has to come.
    fn start<'a>(&mut self, mut block: &'a [u8]) -> Option<&'a [u8]> {
        let has_bracket = !self.unfinished.is_empty();
        if !has_bracket {
            // Blanks before the first record decide nothing, wherever they are cut.
            let blanks = block.iter().take_while(|byte| is_blank(**byte) || **byte == b'\n').count();
            self.line += memchr::memchr_iter(b'\n', &block[..blanks]).count() as u64;
            block = &block[blanks..];
        }
        if block.is_empty() {
            return None;
        }
        if has_bracket || block[0] == b'[' {
            // What follows the bracket decides: a time or the name of a container may be in it, as in `[pod/edge/nginx] {…}`.
            let from = usize::from(!has_bracket);
            let blanks = block[from..].iter().take_while(|byte| is_blank(**byte)).count();
            match block.get(from + blanks) {
                None if self.unfinished.len() < MAX_SAMPLE => {
                    self.unfinished.extend_from_slice(block);
                    return None;
                }
                Some(byte) if byte.is_ascii_alphanumeric() => {}
                _ => self.start_array(),
            }
        }
        self.has_started = true;
        Some(block)
    }

    /// Starts an array, with the bracket that was kept, if one was.
    fn start_array(&mut self) {
        let mut array = ArraySplitter::new(MAX_SAMPLE);
        self.unfinished = array.split(&self.unfinished);
        self.array = Some(array);
        // Elements are numbered, and not the blank lines before the array.
        self.line = 0;
    }

    /// Ends the input: folds the last line, even if no newline ended it, and rejects a wrong end of an array.
    pub fn finish(&mut self, now: u64) {
        if self.may_be_array() && !self.unfinished.is_empty() {
            // A bracket is all that came.
            self.start_array();
        }
        let array = self.array.take();
        if array.is_some() && !self.is_too_long && trim(&self.unfinished).is_empty() {
            // Blanks are not an element.
            self.unfinished.clear();
        }
        let truncated = self.report.rejected[Reason::Truncated as usize];
        if self.is_too_long || !self.unfinished.is_empty() {
            self.fold_block(b"\n", now);
        }
        self.reject_incomplete();
        let is_reported = self.report.rejected[Reason::Truncated as usize] > truncated;
        if let Some((reason, sample)) = array.as_ref().and_then(ArraySplitter::error_at_end)
            && !is_reported
        {
            self.line += 1;
            self.report.lines += 1;
            self.report.reject_end_of_array(self.line, reason, sample);
        }
        self.has_started = false;
        self.has_compressed = false;
        self.syslog = SyslogSplitter::default();
        self.line = 0;
    }

    /// Folds every line that ends in `block`, the unfinished line first, and keeps the new unfinished line.
    fn fold_block(&mut self, block: &[u8], now: u64) {
        let mut left = block;
        if self.is_too_long || !self.unfinished.is_empty() {
            let Some(newline) = memchr::memchr(b'\n', left) else {
                return self.keep_unfinished(left);
            };
            self.keep_unfinished(&left[..newline]);
            left = &left[newline + 1..];
            if std::mem::take(&mut self.is_too_long) {
                self.line += 1;
                self.report.lines += 1;
                let sample = std::mem::take(&mut self.unfinished);
                self.reject_line(Rejection::new(Reason::TooLong, self.settings.max_line), &sample);
            } else {
                let mut line = std::mem::take(&mut self.unfinished);
                line.push(b'\n');
                self.fold_lines(&line, now);
                line.clear();
                self.unfinished = line;
            }
        }
        let left = self.fold_lines(left, now);
        self.keep_unfinished(left);
    }

    /// Appends to the unfinished line; once it is too long, only as much as a sample has.
    fn keep_unfinished(&mut self, bytes: &[u8]) {
        if self.unfinished.len() + bytes.len() > self.settings.max_line {
            self.is_too_long = true;
        }
        let kept = if self.is_too_long {
            MAX_SAMPLE.saturating_sub(self.unfinished.len()).min(bytes.len())
        } else {
            bytes.len()
        };
        self.unfinished.extend_from_slice(&bytes[..kept]);
    }

    /// Folds every line that ends in `block`; returns the bytes after the last newline.
    fn fold_lines<'a>(&mut self, block: &'a [u8], now: u64) -> &'a [u8] {
        let mut left = block;
        let mut batch = Batch::new();
        while let Some(end) = memchr::memchr(b'\n', left) {
            self.line += 1;
            self.report.lines += 1;
            if let Err(rejection) = self.fold_line(left, end, now, &mut batch) {
                self.reject_line(rejection, &left[..end]);
            }
            left = &left[end + 1..];
        }
        batch.count(&mut self.rows);
        left
    }
}
