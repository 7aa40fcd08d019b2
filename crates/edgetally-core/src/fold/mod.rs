//! Fold: lines in, tallies per second and key out.
//!
//! A [`Fold`] is what one stretch of input adds up to. Three promises hold, and each has a test:
//!
//! 1. **Folding never fails.** A line that cannot be read is refused, counted and reported; the lines around it count.
//! 2. **Cutting does not matter.** Feed a log whole or in pieces cut anywhere, into one fold or into several whose
//!    partials are merged: the entries are the same.
//! 3. **Memory follows keys, not lines.** A line whose second and keys were seen before allocates nothing.
//!
//! Keys are compared as the bytes that were logged. What they mean (case, ports, escapes) is worked out once per key
//! when the fold is drained, not once per line.

mod chunked_vec;
mod counting_rules;
mod key_interner;
pub mod report;
mod row_table;
pub mod settings;
pub mod unknown_words;

use crate::decode::Decoder;
use crate::fold::counting_rules::{MAX_RAW_KEY, Tables, bounded};
use crate::fold::key_interner::{Key, Numbered};
use crate::fold::report::{MAX_SAMPLE, Report};
use crate::fold::settings::{Framing, Settings};
use crate::framing::json_array::ArrayLines;
use crate::framing::syslog_stream::Frames;
use crate::partial::Writer;
use crate::record::{record, second, weight};
use crate::rejection::{Reason, Reject};
use crate::schema::record_fields as field;
use crate::value::cache_status::Cache;
use crate::value::key;
use crate::value::text::{is_blank, trim};

/// Bytes of an array that are turned into lines together: small enough to stay in the cache.
const CHUNK: usize = 128 * 1024;
/// Bytes that rows may take until they are written away as part of the next partial, which takes a fraction of them:
/// those of 100,000 keys fit.
const SPILL: usize = 40 << 20;

/// A service and a POP, and how many records of each second they had.
#[derive(Debug)]
struct Scope {
    service_id: String,
    pop: String,
    records: Vec<(u64, u64)>,
}

/// Tallies of what was fed since the last drain.
#[derive(Debug, Default)]
pub struct Fold {
    settings: Settings,
    decoder: Decoder,
    scopes: Vec<Scope>,
    /// Services and POPs as logged; each has the number of its scope.
    scope_keys: Numbered<()>,
    tables: Tables,
    /// Sections of the next partial: rows that were so many that they were written away.
    spilled: Vec<u8>,
    /// The beginning of a line whose end has not come yet.
    unfinished: Vec<u8>,
    /// The unfinished line is too long already, and what comes of it is dropped.
    overlong: bool,
    /// Set when the input turned out to be one array.
    array: Option<ArrayLines>,
    frames: Frames,
    started: bool,
    line: u64,
    report: Report,
}

impl Fold {
    /// An empty fold.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { decoder: settings.format.decoder(), settings, ..Self::default() }
    }

    /// Folds every finished line of `block`, and keeps what follows the last newline for the next one.
    ///
    /// `now` is the Unix second in which `block` arrived.
    pub fn feed(&mut self, mut block: &[u8], now: u64) {
        let may_be_array = self.settings.framing == Framing::Arrays && !self.settings.format.has_columns();
        if may_be_array && !self.started {
            // What is blank before the first record says nothing, wherever it is cut.
            let blanks = block.iter().take_while(|byte| is_blank(**byte) || **byte == b'\n').count();
            self.line += memchr::memchr_iter(b'\n', &block[..blanks]).count() as u64;
            block = &block[blanks..];
            let Some(first) = block.first() else {
                return;
            };
            self.started = true;
            if *first == b'[' {
                self.array = Some(ArrayLines::new(MAX_SAMPLE));
                // Elements are numbered, not the blank lines before the array.
                self.line = 0;
            }
        }
        if let Some(mut array) = self.array.take() {
            for piece in block.chunks(CHUNK) {
                let lines = array.split(piece);
                self.lines(&lines, now);
            }
            self.array = Some(array);
        } else if self.settings.framing == Framing::Stream {
            for piece in block.chunks(CHUNK) {
                let lines = self.frames.split(piece);
                self.lines(&lines, now);
            }
        } else {
            self.lines(block, now);
        }
        if self.rows_size() > SPILL {
            self.spill();
        }
    }

    /// Folds the last line, if no newline ended it, and refuses what is wrong with the end of an array.
    pub fn finish(&mut self, now: u64) {
        let array = self.array.take();
        if array.is_some() && !self.overlong && trim(&self.unfinished).is_empty() {
            // Blanks where an element did not come are not one.
            self.unfinished.clear();
        }
        let truncated = self.report.rejected[Reason::Truncated as usize];
        if self.overlong || !self.unfinished.is_empty() {
            self.lines(b"\n", now);
        }
        let said = self.report.rejected[Reason::Truncated as usize] > truncated;
        if let Some((reason, sample)) = array.as_ref().and_then(ArrayLines::flaw)
            && !said
        {
            self.line += 1;
            self.report.lines += 1;
            self.report.refuse(self.line, Reject::new(reason, 0), sample);
        }
        self.started = false;
        self.frames = Frames::default();
        self.line = 0;
    }

    /// Feeds `inputs` and finishes each of them, the first of which may go on with what was fed before: one partial of all,
    /// as [`Fold::drain`] gives it, and what became of the lines of each. Nothing when the tallies take more than
    /// `max_bytes`, about.
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

    /// Bytes of the line whose end has not come yet.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.unfinished.len().max(self.frames.pending())
    }

    /// Bytes that the tallies take, about: when this grows large, drain.
    #[must_use]
    pub fn size(&self) -> usize {
        self.rows_size() + self.spilled.len()
    }

    fn rows_size(&self) -> usize {
        self.tables.size() + self.scope_keys.size() + self.scopes.len() * size_of::<Scope>()
    }

    /// What became of the lines since this was asked last.
    pub fn report(&mut self) -> Report {
        std::mem::take(&mut self.report)
    }

    /// The tallies as a partial (see [`crate::partial`]), empty when there are none; the fold begins anew.
    pub fn drain(&mut self) -> Vec<u8> {
        self.spill();
        std::mem::take(&mut self.spilled)
    }

    /// Writes the rows away.
    fn spill(&mut self) {
        if self.scopes.iter().any(|scope| !scope.records.is_empty()) {
            let mut partial = std::mem::take(&mut self.spilled);
            // Rows take about a fifth when they are written. To grow in steps would move what is written again and again.
            partial.reserve(self.rows_size() / 5);
            let scopes = self.scopes.iter().map(|scope| (&*scope.service_id, &*scope.pop, &*scope.records));
            let mut writer = Writer::behind(partial, scopes);
            self.tables.write(&mut writer);
            self.spilled = writer.finish();
        }
        self.scopes.clear();
        self.scope_keys.clear();
        self.tables.clear();
    }

    /// Folds whole lines, and keeps what follows the last newline.
    fn lines(&mut self, block: &[u8], now: u64) {
        let mut left = block;
        if self.overlong || !self.unfinished.is_empty() {
            let Some(newline) = memchr::memchr(b'\n', left) else {
                return self.keep(left);
            };
            self.keep(&left[..newline]);
            left = &left[newline + 1..];
            if std::mem::take(&mut self.overlong) {
                self.line += 1;
                self.report.lines += 1;
                let sample = std::mem::take(&mut self.unfinished);
                self.refuse(Reject::new(Reason::TooLong, self.settings.max_line), &sample);
            } else {
                let mut line = std::mem::take(&mut self.unfinished);
                line.push(b'\n');
                self.whole_lines(&line, now);
                line.clear();
                self.unfinished = line;
            }
        }
        let left = self.whole_lines(left, now);
        self.keep(left);
    }

    /// Keeps the beginning of a line, as long as it can become one.
    fn keep(&mut self, piece: &[u8]) {
        if self.unfinished.len() + piece.len() > self.settings.max_line {
            self.overlong = true;
        }
        let room =
            if self.overlong { MAX_SAMPLE.saturating_sub(self.unfinished.len()).min(piece.len()) } else { piece.len() };
        self.unfinished.extend_from_slice(&piece[..room]);
    }

    /// Folds every line of `block` that ends in it; what is left.
    fn whole_lines<'a>(&mut self, block: &'a [u8], now: u64) -> &'a [u8] {
        let mut left = block;
        while let Some(end) = memchr::memchr(b'\n', left) {
            self.line += 1;
            self.report.lines += 1;
            if let Err(reject) = self.fold_line(left, end, now) {
                self.refuse(reject, &left[..end]);
            }
            left = &left[end + 1..];
        }
        left
    }

    /// Folds the line that `block` begins with and that ends before byte `end` of it.
    #[inline]
    fn fold_line(&mut self, block: &[u8], end: usize, now: u64) -> Result<(), Reject> {
        if end > self.settings.max_line {
            return Err(Reject::new(Reason::TooLong, self.settings.max_line));
        }
        let (header, line) = self.without_header(&block[..end]);
        let text = trim(line);
        if text.is_empty() {
            return Ok(());
        }
        let start = header + line.iter().take_while(|byte| is_blank(**byte)).count();
        self.decoder.decode(block, start..start + text.len())?;
        let weight = weight(&self.decoder.record, block, self.settings.weight)?;
        let scope = self.scope(block)?;
        let slots = &self.decoder.record;
        let mut record = record(slots, &self.decoder.elements, block)?;
        self.settings.format.correct(&mut record, slots, block);
        record.check()?;
        let second = second(slots, block)?.unwrap_or(now);
        if self.settings.max_lateness.is_some_and(|lateness| second.saturating_add(lateness) < now) {
            return Err(slots.reject(Reason::TooOld, field::TS));
        }
        if self.settings.max_ahead.is_some_and(|ahead| second > now.saturating_add(ahead)) {
            return Err(slots.reject(Reason::TooNew, field::TS));
        }
        if record.client.as_ref().is_some_and(|client| client.cache == Cache::Unknown) {
            self.report.unknown_cache_words.count(slots.text(block, field::CACHE));
        }
        self.tables.count(&record, second, scope, weight);
        count_record(&mut self.scopes[scope as usize].records, second);
        self.report.accepted += 1;
        Ok(())
    }

    /// `line` from its first brace on, and where that is, if a syslog header may stand before the record.
    #[inline]
    fn without_header<'a>(&self, line: &'a [u8]) -> (usize, &'a [u8]) {
        if !self.settings.framing.has_headers() || self.settings.format.has_columns() {
            return (0, line);
        }
        // A message without a record is refused as it came, so that its sender recognises it.
        let start = memchr::memchr(b'{', line).unwrap_or(0);
        // Some senders end a datagram as C ends a string.
        let end = line.iter().rposition(|byte| *byte != 0).map_or(start, |last| last + 1);
        (start, &line[start..end.max(start)])
    }

    /// The number of the record's service and POP.
    #[inline]
    fn scope(&mut self, block: &[u8]) -> Result<u32, Reject> {
        let slots = &self.decoder.record;
        let (service, pop) = (slots.text(block, field::SERVICE_ID), slots.text(block, field::POP));
        if service.len() > MAX_RAW_KEY {
            return Err(slots.reject(Reason::BadServiceId, field::SERVICE_ID));
        }
        let pop = bounded(pop);
        let key = Key { scope: 0, name: service, address: pop };
        let hash = self.scope_keys.hash(key);
        if let Some(scope) = self.scope_keys.find(hash, key) {
            return Ok(u32::try_from(scope).unwrap_or(0));
        }
        let Some(service_id) = key::service_id(service, &self.settings.service_id) else {
            return Err(slots.reject(Reason::BadServiceId, field::SERVICE_ID));
        };
        // Asked once per service and POP, and again only for lines that do not count anyway.
        if self.settings.services.as_ref().is_some_and(|allowed| allowed.iter().all(|one| *one != service_id)) {
            return Err(slots.reject(Reason::ForeignService, field::SERVICE_ID));
        }
        self.scopes.push(Scope {
            service_id: service_id.into_owned(),
            pop: key::pop(pop, &self.settings.pop).into_owned(),
            records: vec![],
        });
        let scope = self.scope_keys.insert(hash, key, ());
        Ok(u32::try_from(scope).unwrap_or(0))
    }

    #[cold]
    fn refuse(&mut self, reject: Reject, line: &[u8]) {
        if self.settings.format.is_test_line(trim(line)) {
            return;
        }
        self.report.refuse(self.line, reject, line);
    }
}

#[inline]
fn count_record(records: &mut Vec<(u64, u64)>, second: u64) {
    // Logs are nearly in order, so the second wanted is nearly always the last.
    match records.iter_mut().rev().find(|(known, _)| *known == second) {
        Some((_, count)) => *count += 1,
        None => records.push((second, 1)),
    }
}
