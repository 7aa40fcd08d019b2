//! A series: what one row had in each of the last seconds.

use crate::entry::JsonBuffer;
use crate::ranking::columns::{FAILURES, REQUESTS, RankingColumns, Sums};
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
    /// None: nothing is known of it.
    values: Vec<Option<[u64; FAILURES + 1]>>,
}

impl Series {
    /// Adds up `rows` of each of the last `len` seconds.
    pub fn new<'a, R: Iterator<Item = &'a SealedRow>>(
        seconds: &Seconds<'a>,
        question: &Question<'_>,
        len: u64,
        mut rows: impl FnMut(&Second<'a>) -> R,
    ) -> Self {
        let columns = RankingColumns::of(question.dataset);
        let first = (question.second + 1).saturating_sub(len);
        let is_known = |second: u64| {
            let mut holes = question.holes.iter();
            second >= question.since && !holes.any(|(first, behind)| (*first..*behind).contains(&second))
        };
        let values = (first..=question.second).map(|second| is_known(second).then(Default::default));
        let mut series = Self { values: values.collect() };
        let wanted = columns.of_series();
        for second in seconds.last(len) {
            let mut sums = Sums::default();
            rows(second).for_each(|row| columns.add(&mut sums, second.sealed, row, &wanted));
            let at = usize::try_from(second.sealed.second - first).unwrap_or(usize::MAX);
            if let Some(Some(values)) = series.values.get_mut(at) {
                values.copy_from_slice(&sums[REQUESTS..=FAILURES]);
            }
        }
        series
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
            for values in &self.values {
                json.text(before);
                before = ",";
                match values {
                    Some(values) => json.integer(values[column]),
                    None => json.text("null"),
                }
            }
            json.text("]");
        }
        json.text("}");
    }
}
