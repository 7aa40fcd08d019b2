//! The fold: lines in, rows of counters out.
//!
//! A [`Fold`] adds up one stretch of input. It keeps three promises, and each has a test:
//!
//! 1. **Folding never fails.** A line that cannot be read is rejected, counted and reported; the lines around it count.
//! 2. **Cutting does not matter.** A log may be fed whole or in blocks cut anywhere, into one fold or into several whose
//!    partials are merged: the entries are the same.
//! 3. **Memory grows with keys, not lines.** A line whose second and keys were seen before allocates nothing.
//!
//! Keys are compared as they were logged. They are normalized (case, ports, escapes) once per key when the fold is drained,
//! and not once per line.
//!
//! ```text
//! block ──framing──▶ lines ──decode──▶ slots ──record──▶ Record ──counting_rules──▶ rows ──drain──▶ partial
//!                             format.decoder()     format.correct()
//! ```

mod chunked_vec;
mod counting_rules;
mod key_interner;
pub mod report;
mod row_table;
pub mod settings;
pub mod unknown_words;
mod unusual;

use std::ops::Range;

use crate::decode::Decoder;
use crate::fold::counting_rules::{FoldRows, MAX_RAW_KEY, bound};
use crate::fold::key_interner::{Key, KeyInterner, to_index};
use crate::fold::report::{MAX_SAMPLE, Report};
use crate::fold::settings::{Framing, Settings};
use crate::framing::json_array::ArraySplitter;
use crate::framing::syslog_stream::SyslogSplitter;
use crate::partial::Writer;
use crate::record::{record, second, weight};
use crate::rejection::{Reason, Rejection};
use crate::schema::record_fields as field;
use crate::value::cache_status::CacheStatus;
use crate::value::key;
use crate::value::text::{is_blank, trim};
use crate::wrapper::{Unwrapper, Wrapper};

/// Bytes of an array or a syslog stream that are split into lines together: few enough to stay in the cache.
const CHUNK: usize = 128 * 1024;
/// Bytes that rows may take until they are spilled: written as a section of the next partial, which takes a fraction of
/// them. The rows of 100,000 keys fit.
const SPILL: usize = 40 << 20;

/// A service and a POP, and how many records they had by second.
#[derive(Debug)]
struct ScopeRecords {
    service_id: String,
    pop: String,
    records: Vec<(u64, u64)>,
}

/// Rows of what was fed since the last drain.
#[derive(Debug, Default)]
pub struct Fold {
    settings: Settings,
    decoder: Decoder,
    scopes: Vec<ScopeRecords>,
    /// Services and POPs as they were logged; the number of a key is that of its scope.
    scope_keys: KeyInterner<()>,
    rows: FoldRows,
    /// Sections of the next partial.
    spilled: Vec<u8>,
    /// The start of a line whose end has not come yet.
    unfinished: Vec<u8>,
    /// Whether the unfinished line is too long already; then the rest of it is dropped.
    is_too_long: bool,
    /// Splits the input, if it is one array.
    array: Option<ArraySplitter>,
    syslog: SyslogSplitter,
    unwrapper: Unwrapper,
    /// The last line was an object around a record, so the next one probably is, too.
    is_enveloped: bool,
    /// A record that is spread over several lines, up to here.
    spread: Vec<u8>,
    /// The line in which that starts.
    spread_line: u64,
    /// The second that the wrapper of the record says.
    wrapped_at: Option<u64>,
    /// For records that have to be put together.
    buffer: Vec<u8>,
    has_started: bool,
    line: u64,
    report: Report,
}

impl Fold {
    /// An empty fold.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { decoder: settings.format.decoder(), settings, ..Self::default() }
    }

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
        if let Some(mut array) = self.array.take() {
            for chunk in block.chunks(CHUNK) {
                let lines = array.split(chunk);
                self.fold_block(&lines, now);
            }
            self.array = Some(array);
        } else if self.settings.framing == Framing::Stream {
            for chunk in block.chunks(CHUNK) {
                let lines = self.syslog.split(chunk);
                self.fold_block(&lines, now);
            }
        } else {
            self.fold_block(block, now);
        }
        if self.rows_size() > SPILL {
            self.spill();
        }
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
        let second = match (has_bracket, block) {
            (_, []) => return None,
            (true, [second, ..]) | (false, [b'[', second, ..]) => Some(*second),
            (false, [b'[']) => {
                self.unfinished.push(b'[');
                return None;
            }
            (false, _) => None,
        };
        self.has_started = true;
        // Not an array: `[pod/edge/nginx] {…}`.
        if second.is_some_and(|second| !second.is_ascii_alphabetic()) {
            self.start_array();
        }
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
            self.report.reject(self.line, Rejection::new(reason, 0), sample);
        }
        self.has_started = false;
        self.is_enveloped = false;
        self.syslog = SyslogSplitter::default();
        self.line = 0;
    }

    /// Feeds `inputs`, finishes each of them, and drains: one partial of all, and one report per input. The first input may
    /// continue what was fed before.
    ///
    /// `None` if the rows take more than `max_bytes`, approximately.
    pub fn fold_all(&mut self, inputs: &[Vec<&[u8]>], now: u64, max_bytes: usize) -> Option<(Vec<u8>, Vec<Report>)> {
        let mut reports = vec![];
        for input in inputs {
            for block in input {
                self.feed(block, now);
            }
            self.finish(now);
            reports.push(self.report());
            if self.size() > max_bytes {
                return None;
            }
        }
        Some((self.drain(), reports))
    }

    /// Bytes of the unfinished line.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.unfinished.len().max(self.syslog.pending())
    }

    /// Parts of records whose end has not come yet, as [`Fold::resume`] takes them; empty if there are none. They belong to
    /// the checkpoint of a source that does not send them again.
    #[must_use]
    pub fn pending(&self) -> Vec<u8> {
        if self.spread.is_empty() && !self.unwrapper.is_waiting() {
            return vec![];
        }
        let mut bytes = (self.spread.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(&self.spread);
        bytes.append(&mut self.unwrapper.waiting());
        bytes
    }

    /// Continues with what another fold had [`Fold::pending`]. Anything else is ignored.
    pub fn resume(&mut self, pending: &[u8]) {
        self.spread.clear();
        self.unwrapper.take_parts();
        let Some((len, rest)) = pending.split_first_chunk::<8>() else { return };
        let len = usize::try_from(u64::from_le_bytes(*len)).unwrap_or(usize::MAX);
        let Some((spread, waiting)) = rest.split_at_checked(len) else { return };
        (self.spread, self.spread_line) = (spread.to_vec(), 1);
        self.unwrapper.resume(waiting);
    }

    /// The wrapper of the last line that had one.
    #[must_use]
    pub fn wrapper(&self) -> Option<Wrapper> {
        self.unwrapper.last()
    }

    /// Memory that the rows take, in bytes, approximately: when it grows large, drain.
    #[must_use]
    pub fn size(&self) -> usize {
        self.rows_size() + self.spilled.len()
    }

    fn rows_size(&self) -> usize {
        self.rows.size() + self.scope_keys.size() + self.scopes.len() * size_of::<ScopeRecords>()
    }

    /// Takes the report on all lines since the last report.
    pub fn report(&mut self) -> Report {
        std::mem::take(&mut self.report)
    }

    /// Takes the rows as a partial (see [`crate::partial`]), which is empty if there are none.
    pub fn drain(&mut self) -> Vec<u8> {
        self.spill();
        std::mem::take(&mut self.spilled)
    }

    /// Writes the rows as a section of the next partial, and removes them.
    fn spill(&mut self) {
        if self.scopes.iter().any(|scope| !scope.records.is_empty()) {
            let mut partial = std::mem::take(&mut self.spilled);
            // Encoded rows take about a fifth. To grow in steps would copy them again and again.
            partial.reserve(self.rows_size() / 5);
            let scopes = self.scopes.iter().map(|scope| (&*scope.service_id, &*scope.pop, &*scope.records));
            let mut writer = Writer::append(partial, scopes);
            self.rows.write(&mut writer);
            self.spilled = writer.finish();
        }
        self.scopes.clear();
        self.scope_keys.clear();
        self.rows.clear();
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
                self.reject(Rejection::new(Reason::TooLong, self.settings.max_line), &sample);
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
        while let Some(end) = memchr::memchr(b'\n', left) {
            self.line += 1;
            self.report.lines += 1;
            if let Err(rejection) = self.fold_line(left, end, now) {
                self.reject(rejection, &left[..end]);
            }
            left = &left[end + 1..];
        }
        left
    }

    /// Folds the line `block[..end]`.
    #[inline]
    fn fold_line(&mut self, block: &[u8], end: usize, now: u64) -> Result<(), Rejection> {
        if end > self.settings.max_line {
            return Err(Rejection::new(Reason::TooLong, self.settings.max_line));
        }
        let line = &block[..end];
        let text = trim(line);
        if text.is_empty() {
            return Ok(());
        }
        let start = line.iter().take_while(|byte| is_blank(**byte)).count();
        let range = start..start + text.len();
        if text[0] != b'{' || self.is_enveloped || !self.spread.is_empty() {
            return self.fold_unusual(block, start..end, now);
        }
        match self.fold_record(block, range.clone(), now) {
            Err(rejection) if is_worth_a_look(rejection.reason) => self.fold_broken(block, range, rejection, now),
            result => result,
        }
    }

    /// Folds the record `block[range]`. Without a time of its own, it counts in the second of its wrapper, or else in `now`.
    ///
    /// It is not inlined, so that everything that it calls has one caller and is.
    #[inline(never)]
    fn fold_record(&mut self, block: &[u8], range: Range<usize>, now: u64) -> Result<(), Rejection> {
        self.decoder.decode(block, range)?;
        if self.settings.format.is_other_log(&self.decoder.record, block) {
            return Err(Rejection::new(Reason::OtherLog, 0));
        }
        let weight = weight(&self.decoder.record, block, self.settings.weight)?;
        let scope = self.scope(block)?;
        let slots = &self.decoder.record;
        let mut record = record(slots, &self.decoder.elements, block)?;
        self.settings.format.correct(&mut record, slots, block);
        record.check()?;
        let own_second = second(slots, block)?;
        let second = own_second.or(self.wrapped_at).unwrap_or(now);
        if self.settings.max_lateness.is_some_and(|lateness| second.saturating_add(lateness) < now) {
            return Err(slots.rejection(Reason::TooOld, field::TS));
        }
        if self.settings.max_ahead.is_some_and(|ahead| second > now.saturating_add(ahead)) {
            return Err(slots.rejection(Reason::TooNew, field::TS));
        }
        if record.client.as_ref().is_some_and(|client| client.cache == CacheStatus::Unknown) {
            self.report.unknown_cache_words.count(slots.text(block, field::CACHE));
        }
        self.rows.count(&record, second, scope, weight);
        count_record(&mut self.scopes[scope as usize].records, second);
        self.report.accepted += 1;
        if own_second.is_none() {
            let has_wrapper = self.wrapped_at.is_some();
            self.report.with_wrapper_time += u64::from(has_wrapper);
            self.report.without_time += u64::from(!has_wrapper);
        }
        Ok(())
    }

    /// The number of the record's service and POP.
    #[inline]
    fn scope(&mut self, block: &[u8]) -> Result<u32, Rejection> {
        let slots = &self.decoder.record;
        let (service, pop) = (slots.text(block, field::SERVICE_ID), slots.text(block, field::POP));
        if service.len() > MAX_RAW_KEY {
            return Err(slots.rejection(Reason::BadServiceId, field::SERVICE_ID));
        }
        let pop = bound(pop);
        let key = Key { scope: 0, name: service, address: pop };
        let hash = self.scope_keys.hash(key);
        if let Some(scope) = self.scope_keys.find(hash, key) {
            return Ok(to_index(scope));
        }
        let Some(service_id) = key::service_id(service, &self.settings.service_id) else {
            return Err(slots.rejection(Reason::BadServiceId, field::SERVICE_ID));
        };
        // Checked once per service and POP; lines that are rejected here are checked again and again.
        if self.settings.services.as_ref().is_some_and(|allowed| allowed.iter().all(|one| *one != service_id)) {
            return Err(slots.rejection(Reason::ForeignService, field::SERVICE_ID));
        }
        self.scopes.push(ScopeRecords {
            service_id: service_id.into_owned(),
            pop: key::pop(pop, &self.settings.pop).into_owned(),
            records: vec![],
        });
        Ok(to_index(self.scope_keys.insert(hash, key, ())))
    }

    #[cold]
    fn reject(&mut self, rejection: Rejection, line: &[u8]) {
        self.reject_at(self.line, rejection, line);
    }

    #[cold]
    fn reject_at(&mut self, number: u64, rejection: Rejection, line: &[u8]) {
        if self.settings.format.is_test_line(trim(line)) {
            return;
        }
        self.report.reject(number, rejection, line);
    }
}

#[inline]
fn count_record(records: &mut Vec<(u64, u64)>, second: u64) {
    // Logs are nearly in order, so this is nearly always the last second.
    match records.iter_mut().rev().find(|(counted, _)| *counted == second) {
        Some((_, count)) => *count += 1,
        None => records.push((second, 1)),
    }
}

/// Whether a line rejected for this reason may be something else than a broken record.
#[inline]
fn is_worth_a_look(reason: Reason) -> bool {
    // An object around a record may have anything beside it, but no part of a record.
    let has_no_part =
        matches!(reason, Reason::NoPart | Reason::OtherLog | Reason::BadServiceId | Reason::ForeignService);
    has_no_part || matches!(reason, Reason::NotJson | Reason::Truncated | Reason::BadWeight)
}
