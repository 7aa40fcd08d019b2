//! A minute that is still open: sealed seconds of a service, added up.

use std::collections::BTreeSet;

use crate::partial::{EncodedCounters, write_counters};
use crate::rollup::adding::merge_minutes;
use crate::rollup::columns::{LINES, column_of};
use crate::rollup::container::{Head, MinuteWriter};
use crate::rollup::error::HistoryError;
use crate::rollup::name_sum::NameSum;
use crate::schema::counters::add;
use crate::schema::dataset::Dataset;
use crate::window::sealed::{Sealed, SealedRow};
use crate::window::string_interner::SortedStrings;
use crate::window::tally::{Limits, Tally};

/// Seconds of a minute.
pub const MINUTE: u64 = 60;

/// The sum of the sealed seconds of one service in one minute.
#[derive(Debug)]
pub struct Rollup {
    start: u64,
    limits: Limits,
    tally: Tally,
    /// Records, late ones, and rows that were added under `_other` in a second.
    lines: [u64; 3],
    /// Rows that were added under `_other` because of a limit here.
    overflowed: u64,
    /// The counters of one row, encoded.
    counters: Vec<u8>,
}

impl Rollup {
    /// Starts with nothing. `start` is the first second; at most `names` domains have rows, and as many origins.
    #[must_use]
    pub fn new(start: u64, names: usize) -> Self {
        let limits = Limits { domains: names, origins: names, addresses: usize::MAX, pops: usize::MAX };
        Self { start, limits, tally: Tally::default(), lines: [0; 3], overflowed: 0, counters: vec![] }
    }

    /// Adds a sealed second, once. It may be any second of the minute.
    pub fn add(&mut self, sealed: &Sealed) -> Result<(), HistoryError> {
        if !(self.start..self.start.saturating_add(MINUTE)).contains(&sealed.second) {
            return Err(HistoryError::OtherMinute(sealed.second));
        }
        for row in &sealed.domain_rows {
            self.add_row(sealed, row, sealed.domains.get(row.name()));
        }
        for row in &sealed.origin_rows {
            self.add_row(sealed, row, sealed.origins.get(row.name()));
        }
        for row in &sealed.channel_rows {
            self.add_row(sealed, row, "");
        }
        self.overflowed += std::mem::take(&mut self.tally.overflowed);
        let lines = [sealed.records, sealed.late, sealed.overflowed];
        self.lines.iter_mut().zip(lines).for_each(|(sum, count)| add(sum, count));
        Ok(())
    }

    fn add_row(&mut self, sealed: &Sealed, row: &SealedRow, name: &str) {
        self.counters.clear();
        let mut found = vec![];
        sealed.for_each_counter(row, |counter, value| found.push((counter, value)));
        write_counters(&mut self.counters, found.into_iter());
        let pop = self.tally.pop(sealed.pops.get(row.pop()), &self.limits);
        let counters = EncodedCounters::at(&self.counters, 0);
        self.tally.add(row.kind, pop, name.as_bytes(), b"", counters, &self.limits, || false);
    }

    /// How many rows were added under `_other` because of a limit here.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// The minute so far, by dataset, without those that have no rows. Beyond `names`, those with the fewest requests count as
    /// `_other`.
    ///
    /// # Panics
    ///
    /// If this crate cannot read what it wrote.
    #[must_use]
    pub fn minute(&self, names: usize) -> Vec<(Dataset, Vec<u8>)> {
        let sealed = Sealed::new(&self.tally, "", self.start);
        let mut minutes = vec![];
        for (dataset, rows, totals, strings, channel, lines) in [
            (
                Dataset::Domains,
                &sealed.domain_rows,
                &sealed.domain_totals,
                &sealed.domains,
                &sealed.channel_rows[..],
                self.lines,
            ),
            (Dataset::Origins, &sealed.origin_rows, &sealed.origin_totals, &sealed.origins, &[], [0; 3]),
        ] {
            if rows.is_empty() && channel.is_empty() && lines == [0; 3] {
                continue;
            }
            let all = if totals.is_empty() { rows } else { totals };
            let minute = write_minute(&sealed, rows, strings, all.iter().chain(channel), lines);
            let bounded = if strings.len() > names { merge_minutes(&[&minute], names) } else { Ok(minute) };
            minutes.push((dataset, bounded.expect("it was written here")));
        }
        minutes
    }

    /// The same; the rollup is empty then.
    pub fn close(&mut self, names: usize) -> Vec<(Dataset, Vec<u8>)> {
        let minutes = self.minute(names);
        (self.tally, self.lines) = (Tally::default(), [0; 3]);
        minutes
    }
}

/// The rows of one dataset as a minute, and in front the sum of `all`.
fn write_minute<'a>(
    sealed: &Sealed,
    rows: &[SealedRow],
    strings: &SortedStrings,
    all: impl Iterator<Item = &'a SealedRow> + Clone,
    lines: [u64; 3],
) -> Vec<u8> {
    // Lines are in a POP without a name.
    let pops: BTreeSet<&str> = sealed.pop_names().chain(lines.iter().any(|count| *count != 0).then_some("")).collect();
    let head = Head { step: MINUTE, first: sealed.second / MINUTE, pops: pops.into_iter().collect() };
    let shift = u32::from(head.pops.len() > sealed.pops.len());
    let mut writer = MinuteWriter::new(head);
    let mut sum = NameSum::default();
    add_rows(&mut sum, sealed, all, shift, lines);
    writer.push("", &sum.finish());
    for rows in rows.chunk_by(|one, other| one.name() == other.name()) {
        add_rows(&mut sum, sealed, rows.iter(), shift, [0; 3]);
        writer.push(strings.get(rows[0].name()), &sum.finish());
    }
    writer.finish()
}

/// Starts a sum of `rows`, whose POPs are shifted.
fn add_rows<'a>(
    sum: &mut NameSum,
    sealed: &Sealed,
    rows: impl Iterator<Item = &'a SealedRow> + Clone,
    shift: u32,
    lines: [u64; 3],
) {
    let has_lines = lines.iter().any(|count| *count != 0);
    sum.start(has_lines.then_some((0, 0)).into_iter().chain(rows.clone().map(|row| (row.pop() + shift, 0))));
    for (column, value) in LINES.into_iter().zip(lines).filter(|(_, value)| *value != 0) {
        sum.add(0, column, value);
    }
    for row in rows {
        let at = sum.place((row.pop() + shift, 0));
        sealed.for_each_counter(row, |counter, value| sum.add(at, column_of(row.kind, counter), value));
    }
}
