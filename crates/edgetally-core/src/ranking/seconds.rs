//! The sealed seconds that a ranking looks at, each as the rows of one dataset and perhaps of one POP.

use crate::ranking::question::Question;
use crate::schema::dataset::Dataset;
use crate::window::sealed::{Sealed, SealedRow};
use crate::window::string_interner::SortedStrings;

/// Seconds that are added up.
pub const WINDOW: u64 = 10;
/// Seconds between those and the ones they are compared with.
pub const AGO: u64 = 60;

/// One sealed second.
#[derive(Debug)]
pub struct Second<'a> {
    pub sealed: &'a Sealed,
    rows: &'a [SealedRow],
    totals: &'a [SealedRow],
    names: &'a SortedStrings,
    /// The rank of the only POP that counts.
    pop: Option<u32>,
}

impl<'a> Second<'a> {
    fn new(sealed: &'a Sealed, question: &Question<'_>) -> Option<Self> {
        let (rows, totals, names) = match question.dataset {
            Dataset::Domains => (&sealed.domain_rows, &sealed.domain_totals, &sealed.domains),
            _ => (&sealed.origin_rows, &sealed.origin_totals, &sealed.origins),
        };
        let pop = match question.pop {
            Some(pop) => Some(rank(&sealed.pops, pop)?),
            None => None,
        };
        Some(Self { sealed, rows, totals, names, pop })
    }

    /// The rows of each name, in alphabetical order; none of a name that has no rows that count.
    pub fn names(&self) -> impl Iterator<Item = (&'a str, impl Iterator<Item = &'a SealedRow> + use<'a>)> + use<'a> {
        let (names, pop) = (self.names, self.pop);
        self.rows.chunk_by(|one, other| one.name() == other.name()).filter_map(move |rows| {
            let mut rows = rows.iter().filter(move |row| pop.is_none_or(|pop| pop == row.pop())).peekable();
            let name = rows.peek()?.name();
            Some((names.get(name), rows))
        })
    }

    /// Every name of every POP, in alphabetical order.
    pub fn all_names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let names = self.names;
        (0..).take(names.len()).map(|rank| names.get(rank))
    }

    /// The rows of `name`. `hint` is where they were in a second beside this one, and will be where they are.
    pub fn rows_of(&self, name: &str, hint: &mut Hint) -> impl Iterator<Item = &'a SealedRow> + use<'a> {
        let names = self.names;
        hint.name = partition_near(names.len(), hint.name, |at| names.get(narrow(at)) < name);
        let mut rows = &self.rows[..0];
        if hint.name < names.len() && names.get(narrow(hint.name)) == name {
            let rank = narrow(hint.name);
            hint.row = partition_near(self.rows.len(), hint.row, |at| self.rows[at].name() < rank);
            rows = &self.rows[hint.row..];
            rows = &rows[..partition_near(rows.len(), 0, |at| rows[at].name() == rank)];
        }
        self.counting(rows)
    }

    /// Rows that add up to all rows, whatever their names.
    pub fn totals(&self) -> impl Iterator<Item = &'a SealedRow> + use<'a> {
        self.counting(if self.totals.is_empty() { self.rows } else { self.totals })
    }

    fn counting(&self, rows: &'a [SealedRow]) -> impl Iterator<Item = &'a SealedRow> + use<'a> {
        let pop = self.pop;
        rows.iter().filter(move |row| pop.is_none_or(|pop| pop == row.pop()))
    }
}

/// Where a name and its first row are.
#[derive(Debug, Default)]
pub struct Hint {
    name: usize,
    row: usize,
}

/// The rank of `string`, if it is there.
pub fn rank(strings: &SortedStrings, string: &str) -> Option<u32> {
    let at = partition_near(strings.len(), 0, |at| strings.get(narrow(at)) < string);
    (at < strings.len() && strings.get(narrow(at)) == string).then(|| narrow(at))
}

/// The first of `len` positions that is not `before`, which all earlier ones are. Looks near `hint` first: it is often there,
/// and every look at another place costs a cache miss.
fn partition_near(len: usize, hint: usize, before: impl Fn(usize) -> bool) -> usize {
    // The position is in low..=high.
    let (mut low, mut high) = (0, len);
    let hint = hint.min(len);
    let mut step = 1;
    if hint < len && before(hint) {
        low = hint + 1;
        while low + step < high {
            if before(low + step) {
                low += step + 1;
            } else {
                high = low + step;
            }
            step *= 2;
        }
    } else {
        high = hint;
        while high - low >= step {
            if before(high - step) {
                low = high - step + 1;
            } else {
                high -= step;
            }
            step *= 2;
        }
    }
    while low < high {
        let middle = low.midpoint(high);
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

fn narrow(rank: usize) -> u32 {
    u32::try_from(rank).expect("keys are limited")
}

/// Seconds in their order.
#[derive(Debug)]
pub struct Seconds<'a> {
    all: Vec<Second<'a>>,
    last: u64,
}

impl<'a> Seconds<'a> {
    /// Those of `sealed` that have rows of the POP that counts.
    pub fn new(sealed: &[&'a Sealed], question: &Question<'_>) -> Self {
        Self { all: sealed.iter().filter_map(|one| Second::new(one, question)).collect(), last: question.second }
    }

    /// The seconds that are shown.
    pub fn now(&self) -> &[Second<'a>] {
        self.ending(self.last, WINDOW)
    }

    /// The seconds that these are compared with.
    pub fn before(&self) -> &[Second<'a>] {
        self.last.checked_sub(AGO).map_or(&[], |last| self.ending(last, WINDOW))
    }

    /// The last `len` seconds.
    pub fn last(&self, len: u64) -> &[Second<'a>] {
        self.ending(self.last, len)
    }

    /// The `len` seconds up to `last`.
    fn ending(&self, last: u64, len: u64) -> &[Second<'a>] {
        let start = self.all.partition_point(|one| one.sealed.second + len <= last);
        let end = self.all.partition_point(|one| one.sealed.second <= last);
        &self.all[start..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_found_from_every_hint() {
        for len in 0..20 {
            for (want, hint) in (0..=len).flat_map(|want| (0..25).map(move |hint| (want, hint))) {
                assert_eq!(want, partition_near(len, hint, |at| at < want), "{want} of {len} from {hint}");
            }
        }
    }
}
