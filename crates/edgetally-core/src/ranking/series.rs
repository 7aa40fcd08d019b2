//! A series: what one row had in each of the last seconds.

use crate::entry::JsonBuffer;
use crate::ranking::columns::{FAILURES, REQUESTS, RankingColumns, Sums};
use crate::ranking::kept_series::{KeptSeries, Values};
use crate::ranking::question::Question;
use crate::ranking::seconds::{Second, Seconds};
use crate::window::sealed::SealedRow;

/// Seconds in the series of a row.
pub const OF_ROW: u64 = 120;
/// Seconds in the series of all, and of the focus.
pub const OF_ALL: u64 = 300;

/// Requests and statuses by class, of each second from `first`.
#[derive(Debug)]
pub struct Series {
    values: Vec<Values>,
    /// Whether anything is known of each.
    known: Vec<bool>,
}

impl Series {
    /// Adds up `rows` of each of the last `len` seconds.
    pub fn new<'a, R: Iterator<Item = &'a SealedRow>>(
        seconds: &Seconds<'a>,
        question: &Question<'_>,
        len: u64,
        rows: impl FnMut(&Second<'a>) -> R,
    ) -> Self {
        let first = question.first_of(len);
        Self::of(add_up(seconds, question, first, rows), question, first)
    }

    /// The same of the rows of `name`, which are those of `pop` if there is one; only the seconds that are not kept are added
    /// up.
    pub fn kept<'a, R: Iterator<Item = &'a SealedRow>>(
        kept: Option<&mut KeptSeries>,
        seconds: &Seconds<'a>,
        question: &Question<'_>,
        len: u64,
        (name, pop): (&str, Option<&str>),
        rows: impl FnMut(&Second<'a>) -> R,
    ) -> Self {
        let Some(kept) = kept else {
            return Self::new(seconds, question, len, rows);
        };
        let values = kept.values(question, pop, name, len, |first| add_up(seconds, question, first, rows));
        Self::of(values, question, question.first_of(len))
    }

    fn of(values: Vec<Values>, question: &Question<'_>, first: u64) -> Self {
        let known = (first..).take(values.len()).map(|second| question.is_known(second)).collect();
        Self { values, known }
    }

    /// Writes the object of all classes, or of the failures alone.
    pub fn write(&self, json: &mut JsonBuffer, columns: &RankingColumns, is_whole: bool) {
        let shown = |column: &usize| is_whole || [REQUESTS, FAILURES].contains(column);
        let mut before = "{";
        for column in (REQUESTS..=FAILURES).filter(shown) {
            json.text(before);
            before = ",";
            json.key(&columns.names()[column]);
            let mut before = "[";
            for (values, is_known) in self.values.iter().zip(&self.known) {
                json.text(before);
                before = ",";
                if *is_known {
                    json.integer(values[column]);
                } else {
                    json.text("null");
                }
            }
            json.text("]");
        }
        json.text("}");
    }
}

/// What `rows` add up to in each second from `first` to the one that is shown.
fn add_up<'a, R: Iterator<Item = &'a SealedRow>>(
    seconds: &Seconds<'a>,
    question: &Question<'_>,
    first: u64,
    mut rows: impl FnMut(&Second<'a>) -> R,
) -> Vec<Values> {
    let columns = RankingColumns::of(question.dataset);
    let wanted = columns.of_series();
    let len = question.second + 1 - first;
    let mut values: Vec<_> = (0..len).map(|_| Values::default()).collect();
    for second in seconds.last(len) {
        let mut sums = Sums::default();
        rows(second).for_each(|row| columns.add(&mut sums, second.sealed, row, &wanted));
        let at = usize::try_from(second.sealed.second - first).unwrap_or(usize::MAX);
        if let Some(values) = values.get_mut(at) {
            values.copy_from_slice(&sums[REQUESTS..=FAILURES]);
        }
    }
    values
}
