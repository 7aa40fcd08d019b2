//! Series that are kept from one ranking to the next, so that only the seconds since then are added up.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::ranking::columns::FAILURES;
use crate::ranking::question::Question;
use crate::schema::dataset::Dataset;

/// Requests and statuses by class of one second.
pub(crate) type Values = [u64; FAILURES + 1];

/// How long a series is kept that no ranking shows, in seconds.
const UNUSED_SECONDS: u64 = 5;

/// By how many seconds a ranking may be behind another, because it had to wait for its turn.
const SPARE_SECONDS: u64 = 5;

/// The series of rankings of sealed seconds, which never change.
#[derive(Debug, Default)]
pub struct KeptSeries {
    scopes: HashMap<SeriesScope, HashMap<String, RecentValues>>,
    /// The newest second of a ranking.
    newest: u64,
}

/// What the names of several series belong to, and how many seconds each of them has.
#[derive(Debug, PartialEq, Eq, Hash)]
struct SeriesScope {
    service_id: Box<str>,
    dataset: Dataset,
    pop: Option<Box<str>>,
    len: u64,
}

/// The values of consecutive seconds.
#[derive(Debug, Default)]
struct RecentValues {
    values: VecDeque<Values>,
    /// The second of the last of them.
    last: u64,
}

impl RecentValues {
    /// The second of the first of them.
    fn first(&self) -> u64 {
        self.last + 1 - self.values.len() as u64
    }
}

impl KeptSeries {
    /// What `name` had in `pop`, or in all that count, in each of the last `len` seconds up to the one that is shown.
    /// `add_up` returns what it had in each second from the given one on.
    pub(crate) fn values(
        &mut self,
        question: &Question<'_>,
        pop: Option<&str>,
        name: &str,
        len: u64,
        add_up: impl FnOnce(u64) -> Vec<Values>,
    ) -> Vec<Values> {
        let (first, last) = (question.first_of(len), question.second);
        self.forget_unused(last);
        let (service_id, dataset) = (question.service_id.into(), question.dataset);
        let scope = SeriesScope { service_id, dataset, pop: pop.or(question.pop).map(Into::into), len };
        let kept = self.scopes.entry(scope).or_default().entry_ref(name).or_default();
        if kept.values.is_empty() {
            kept.values = add_up(first).into();
            kept.last = last;
        } else if kept.last < last {
            kept.values.extend(add_up(kept.last + 1));
            kept.last = last;
        } else if first < kept.first() {
            return add_up(first); // of seconds that are not kept any more
        }
        while kept.first() + SPARE_SECONDS < first {
            kept.values.pop_front();
        }
        let from = usize::try_from(first - kept.first()).unwrap_or(usize::MAX);
        let count = usize::try_from(last + 1 - first).unwrap_or(usize::MAX);
        kept.values.iter().skip(from).take(count).copied().collect()
    }

    /// Forgets what no ranking of the last seconds has shown.
    fn forget_unused(&mut self, second: u64) {
        if second > self.newest {
            self.newest = second;
            self.scopes.retain(|_, names| {
                names.retain(|_, kept| kept.last + UNUSED_SECONDS >= second);
                !names.is_empty()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::columns::By;

    #[test]
    fn series_grow_by_what_is_new_and_are_forgotten_when_nobody_looks() {
        let mut kept = KeptSeries::default();
        let mut added_up = vec![];
        let mut ask = |kept: &mut KeptSeries, second, name| {
            let question = Question {
                service_id: "shop",
                dataset: Dataset::Domains,
                by: By::Trouble,
                rows: 1,
                pop: None,
                matching: "",
                focus: None,
                second,
                since: 0,
                holes: &[],
                others: None,
                aggregate_delay: 2,
                unit: 1,
            };
            let made = |from| (from..=second).map(|one| [one; FAILURES + 1]).collect::<Vec<_>>();
            let values = kept.values(&question, None, name, 120, |from| {
                added_up.push(second + 1 - from);
                made(from)
            });
            assert_eq!(made(second - 119), values);
        };
        for second in [1_000, 1_001, 1_001, 1_004, 1_003, 999, 1_008, 1_002, 1_003, 1_400, 1_399] {
            ask(&mut kept, second, "a.example");
        }
        assert_eq!(1, kept.scopes.values().map(HashMap::len).sum::<usize>());
        ask(&mut kept, 1_406, "b.example");
        assert_eq!(vec!["b.example"], kept.scopes.values().flat_map(HashMap::keys).collect::<Vec<_>>());
        assert_eq!([120, 1, 3, 120, 4, 120, 120, 120, 120], *added_up);
    }
}
