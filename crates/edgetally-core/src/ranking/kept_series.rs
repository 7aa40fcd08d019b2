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

/// How many are kept: some 60 MB. Those beyond are added up for each ranking.
const MOST_SERIES: usize = 10_000;

/// The series of rankings of sealed seconds, which never change.
#[derive(Debug, Default)]
pub struct KeptSeries {
    scopes: HashMap<SeriesScope, HashMap<String, RecentValues>>,
    /// How many series there are.
    count: usize,
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
#[derive(Debug)]
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
        let names = self.scopes.entry(scope).or_default();
        let Some(kept) = names.get_mut(name) else {
            let made = add_up(first);
            if self.count < MOST_SERIES {
                self.count += 1;
                let spare = usize::try_from(SPARE_SECONDS).unwrap_or_default();
                let mut values = VecDeque::with_capacity(made.len() + spare);
                values.extend(&made);
                names.insert(name.to_owned(), RecentValues { values, last });
            }
            return made;
        };
        if kept.last < last {
            // What is too old goes first, so that the memory need not grow.
            let spare = first.saturating_sub(SPARE_SECONDS).saturating_sub(kept.first());
            kept.values.drain(..usize::try_from(spare).unwrap_or(usize::MAX).min(kept.values.len()));
            kept.values.extend(add_up(kept.last + 1));
            kept.last = last;
        } else if first < kept.first() {
            return add_up(first); // of seconds that are not kept any more
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
            self.count = self.scopes.values().map(HashMap::len).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::columns::By;

    fn asked_at(second: u64) -> Question<'static> {
        Question {
            service_id: "shop",
            dataset: Dataset::Domains,
            by: By::Trouble,
            rows: 1,
            pop: None,
            matching: "",
            focus: None,
            second,
            since: 0,
            until: u64::MAX,
            holes: &[],
            others: None,
            aggregate_delay: 2,
            unit: 1,
        }
    }

    #[test]
    fn series_grow_by_what_is_new_and_are_forgotten_when_others_are_shown() {
        let mut kept = KeptSeries::default();
        let mut added_up = vec![];
        let mut ask = |kept: &mut KeptSeries, second, name| {
            let question = asked_at(second);
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

    #[test]
    fn only_so_many_series_are_kept_and_none_takes_more_memory_with_time() {
        let mut kept = KeptSeries::default();
        for second in 1_000..1_010 {
            for number in 0..=MOST_SERIES {
                let made = |from| vec![[number as u64; FAILURES + 1]; usize::try_from(second + 1 - from).unwrap()];
                let values = kept.values(&asked_at(second), None, &format!("{number}.example"), 120, made);
                assert_eq!(vec![[number as u64; FAILURES + 1]; 120], values);
            }
            let series = || kept.scopes.values().flat_map(HashMap::values);
            assert_eq!((MOST_SERIES, MOST_SERIES), (kept.count, series().count()));
            assert!(series().all(|one| one.values.capacity() == 125));
        }
        kept.values(&asked_at(1_100), None, "a.example", 120, |_| vec![[0; FAILURES + 1]; 120]);
        assert_eq!(1, kept.count);
    }
}
