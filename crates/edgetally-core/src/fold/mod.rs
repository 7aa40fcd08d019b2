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
//! block ──framing──▶ lines ──decode──▶ slots ──record──▶ Record ──batch──▶ rows ──drain──▶ partial
//!                             format.decoder()     format.correct()
//! ```

mod batch;
mod channel_rows;
mod chunked_vec;
mod counting_rules;
mod input;
mod key_interner;
mod pending;
mod pieces;
pub mod report;
mod row_table;
mod scopes;
pub mod settings;
mod spread_record;
pub mod unknown_words;
mod unusual;
mod waiting;

use std::ops::Range;

use crate::decode::Decoder;
use crate::fold::batch::Batch;
use crate::fold::counting_rules::FoldRows;
use crate::fold::report::{Distance, Report};
use crate::fold::scopes::Scopes;
use crate::fold::settings::Settings;
use crate::fold::spread_record::SpreadRecord;
use crate::fold::waiting::Waiting;
use crate::format::compressed::{compressed, is_plain_text};
use crate::framing::json_array::ArraySplitter;
use crate::framing::syslog_stream::SyslogSplitter;
use crate::partial::Writer;
use crate::record::extras::extras;
use crate::record::{record, second, weight};
use crate::rejection::{Reason, Rejection};
use crate::schema::record_fields as field;
use crate::value::cache_status::CacheStatus;
use crate::value::text::{is_blank, trim};
use crate::wrapper::{Unwrapper, Wrapper};

/// Bytes that rows may take until they are spilled: written as a section of the next partial, which takes a fraction of
/// them. The rows of 100,000 keys fit.
const SPILL: usize = 40 << 20;

/// Rows of what was fed since the last drain.
#[derive(Debug, Default)]
pub struct Fold {
    settings: Settings,
    decoder: Decoder,
    scopes: Scopes,
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
    spread: SpreadRecord,
    /// The second that the wrapper of the record says.
    wrapped_at: Option<u64>,
    /// For records that have to be put together.
    buffer: Vec<u8>,
    has_started: bool,
    /// A line of the input was compressed.
    has_compressed: bool,
    /// Of the last record that was too old or too new.
    distance: Option<Distance>,
    line: u64,
    report: Report,
}

impl Fold {
    /// An empty fold.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { decoder: settings.format.decoder(), settings, ..Self::default() }
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
        self.rows.size() + self.scopes.size()
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

    /// Spills the rows if they take much memory.
    fn spill_if_large(&mut self) {
        if self.rows_size() > SPILL {
            self.spill();
        }
    }

    /// Writes the rows as a section of the next partial, and removes them.
    fn spill(&mut self) {
        if !self.scopes.is_empty() {
            let mut partial = std::mem::take(&mut self.spilled);
            // Encoded rows take about a fifth. To grow in steps would copy them again and again.
            partial.reserve(self.rows_size() / 5);
            let mut writer = Writer::append(partial, self.scopes.iter());
            self.rows.write(&mut writer);
            self.spilled = writer.finish();
        }
        self.scopes.clear();
        self.rows.clear();
    }

    /// Folds the line `block[..end]`; a plain record waits in `batch` to be counted.
    #[inline]
    fn fold_line<'b>(&mut self, block: &'b [u8], end: usize, now: u64, batch: &mut Batch<'b>) -> Result<(), Rejection> {
        if end > self.settings.max_line {
            return Err(Rejection::new(Reason::TooLong, self.settings.max_line));
        }
        let line = &block[..end];
        // Nearly every line starts and ends with a brace.
        let range = if let [b'{', .., b'}'] = line {
            0..end
        } else {
            let start = line.iter().take_while(|byte| is_blank(**byte)).count();
            start..start + trim(line).len()
        };
        if range.is_empty() {
            return Ok(());
        }
        if block[range.start] != b'{' || self.unwrapper.is_enveloped() || !self.spread.is_empty() {
            batch.count(&mut self.rows);
            return self.fold_unusual(block, range.start..end, now);
        }
        match self.read_record(block, range.clone(), now, batch.next()) {
            Ok(()) => batch.push(&mut self.rows),
            Err(rejection) if is_worth_a_look(rejection.reason) => {
                batch.count(&mut self.rows);
                return self.fold_broken(block, range, rejection, now);
            }
            Err(rejection) => return Err(rejection),
        }
        Ok(())
    }

    /// Folds the record `block[line]`.
    fn fold_record(&mut self, block: &[u8], line: Range<usize>, now: u64) -> Result<(), Rejection> {
        let mut waiting = [None];
        self.read_record(block, line, now, &mut waiting[0])?;
        self.rows.count(&mut waiting);
        Ok(())
    }

    /// Folds the record that was just decoded.
    fn fold_decoded(&mut self, block: &[u8], now: u64) -> Result<(), Rejection> {
        let mut waiting = [None];
        self.read_decoded(block, now, &mut waiting[0])?;
        self.rows.count(&mut waiting);
        Ok(())
    }

    /// Reads the record `block[line]` into `waiting`, to be counted.
    #[inline]
    fn read_record<'b>(
        &mut self,
        block: &'b [u8],
        line: Range<usize>,
        now: u64,
        waiting: &mut Option<Waiting<'b>>,
    ) -> Result<(), Rejection> {
        self.decoder.decode(block, line)?;
        self.read_decoded(block, now, waiting)
    }

    /// Reads the record that was just decoded into `waiting`. Without a time of its own, it counts in the second of its wrapper, or else in
    /// `now`.
    ///
    /// It is not inlined, so that everything that it calls has one caller and is.
    #[inline(never)]
    fn read_decoded<'b>(
        &mut self,
        block: &'b [u8],
        now: u64,
        waiting: &mut Option<Waiting<'b>>,
    ) -> Result<(), Rejection> {
        if self.settings.format.is_other_log(&self.decoder.record, block) {
            return Err(Rejection::new(Reason::OtherLog, 0));
        }
        let weight = weight(&self.decoder.record, block, self.settings.weight)?;
        let scope = self.scopes.number(&self.decoder.record, block, &self.settings)?;
        let slots = &self.decoder.record;
        let mut record = record(slots, &self.decoder.elements, block)?;
        self.settings.format.correct(&mut record, slots, block);
        record.check()?;
        let own_second = second(slots, block)?;
        let second = own_second.or(self.wrapped_at).unwrap_or(now);
        if self.settings.max_lateness.is_some_and(|lateness| second.saturating_add(lateness) < now) {
            return Err(self.untimely(Reason::TooOld, now - second, self.settings.max_lateness));
        }
        if self.settings.max_ahead.is_some_and(|ahead| second > now.saturating_add(ahead)) {
            return Err(self.untimely(Reason::TooNew, second - now, self.settings.max_ahead));
        }
        if record.client.as_ref().is_some_and(|client| client.cache == CacheStatus::Unknown) {
            self.report.unknown_cache_words.count(slots.text(block, field::CACHE));
        }
        let extras = if record.client.is_some() { extras(slots, block) } else { None };
        self.scopes.count(scope, second);
        self.report.accepted += 1;
        if own_second.is_none() {
            let has_wrapper = self.wrapped_at.is_some();
            self.report.with_wrapper_time += u64::from(has_wrapper);
            self.report.without_time += u64::from(!has_wrapper);
        }
        *waiting = Some(Waiting { record, extras, second, scope, weight, domain: None, origin: None });
        Ok(())
    }

    /// Why the record that was just decoded is too old or too new, `seconds` away; notes how far it is and may be.
    #[cold]
    fn untimely(&mut self, reason: Reason, seconds: u64, limit: Option<u64>) -> Rejection {
        self.distance = limit.map(|limit| Distance { seconds, limit });
        self.decoder.record.rejection(reason, field::TS)
    }

    /// Rejects a line as it came, which may be compressed, or what follows in compressed data behind a newline.
    #[cold]
    fn reject_line(&mut self, rejection: Rejection, line: &[u8]) {
        let is_unreadable =
            matches!(rejection.reason, Reason::TooLong | Reason::NotJson | Reason::Truncated | Reason::BadColumns);
        let is_compressed =
            is_unreadable && (compressed(line).is_some() || self.has_compressed && !is_plain_text(line));
        self.has_compressed |= is_compressed;
        self.reject(if is_compressed { Rejection::new(Reason::Compressed, 0) } else { rejection }, line);
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
        let distance = self.distance.filter(|_| matches!(rejection.reason, Reason::TooOld | Reason::TooNew));
        self.report.reject(number, rejection, line, distance);
    }
}

/// Whether a line rejected for this reason may be something else than a broken record.
#[inline]
fn is_worth_a_look(reason: Reason) -> bool {
    // An object around a record may have anything beside it, but no part of a record. Its status may be a word.
    let has_no_part =
        matches!(reason, Reason::NoPart | Reason::OtherLog | Reason::BadServiceId | Reason::ForeignService);
    has_no_part || matches!(reason, Reason::NotJson | Reason::Truncated | Reason::BadWeight | Reason::BadStatus)
}
