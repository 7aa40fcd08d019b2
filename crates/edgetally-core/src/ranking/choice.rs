//! The choice of the names that matter most.

use std::cmp::{Ordering, Reverse};

use crate::ranking::columns::{By, REQUESTS, RankingColumns, Sums};
use crate::ranking::question::Question;
use crate::ranking::seconds::{Hint, Seconds};

/// A name, and what it is ranked by.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    pub name: &'a str,
    score: u64,
    requests: u64,
    /// Requests before, if it has none now.
    missing: u64,
}

impl<'a> Candidate<'a> {
    fn new(name: &'a str) -> Self {
        Self { name, score: 0, requests: 0, missing: 0 }
    }

    /// Whether it had requests before and has none now.
    pub fn is_silent(&self) -> bool {
        self.missing > 0
    }

    fn add(&mut self, other: &Self) {
        self.score = self.score.saturating_add(other.score);
        self.requests = self.requests.saturating_add(other.requests);
        self.missing = self.missing.saturating_add(other.missing);
    }
}

/// The chosen names in their order, and how many others there are.
#[derive(Debug)]
pub struct Choice<'a> {
    pub rows: Vec<Candidate<'a>>,
    pub others: usize,
}

/// Chooses among the names of both windows. The focus is behind the others if it is not one of them.
pub fn choose<'a>(seconds: &Seconds<'a>, question: &Question<'a>) -> Choice<'a> {
    let mut all = candidates(seconds, question);
    let names = all.len();
    if question.by == By::Trouble {
        for one in &mut all {
            one.score = one.score.saturating_add(one.missing);
        }
    }
    let matching = question.matching.to_ascii_lowercase();
    let focus =
        question.focus.map(|name| all.iter().find(|one| one.name == name).copied().ok_or_else(|| Candidate::new(name)));
    if !matching.is_empty() {
        all.retain(|one| one.name.to_ascii_lowercase().contains(&matching));
    }
    all.sort_unstable_by_key(|one| (Reverse(one.score), Reverse(one.requests), one.name));
    all.truncate(question.rows);
    let mut known = all.len();
    if let Some(focus) = focus {
        let (Ok(one) | Err(one)) = focus;
        if !all.iter().any(|row| row.name == one.name) {
            known += usize::from(focus.is_ok());
            all.push(one);
        }
    }
    Choice { rows: all, others: names - known }
}

/// Every name, in alphabetical order.
fn candidates<'a>(seconds: &Seconds<'a>, question: &Question<'_>) -> Vec<Candidate<'a>> {
    let columns = RankingColumns::of(question.dataset);
    let wanted = columns.of_order(question.by);
    let mut all: Vec<Candidate<'a>> = vec![];
    for second in seconds.now() {
        let these = second.names().map(|(name, rows)| {
            let mut sums = Sums::default();
            rows.for_each(|row| columns.add(&mut sums, second.sealed, row, &wanted));
            let score = match question.by {
                By::Trouble => columns.trouble(&sums),
                By::Column(column) => columns.value(&sums, column),
            };
            Candidate { score, requests: sums[REQUESTS], ..Candidate::new(name) }
        });
        all = merge(all, these);
    }
    for second in seconds.before() {
        let mut now = all.iter().peekable();
        // Most names have requests in both windows, and their rows need not be looked at.
        let mut hint = Hint::default();
        let missing = second.all_names().filter_map(|name| {
            while now.next_if(|one| one.name < name).is_some() {}
            if now.peek().is_some_and(|one| one.name == name && one.requests > 0) {
                return None;
            }
            let mut rows = second.rows_of(name, &mut hint).peekable();
            rows.peek()?;
            let mut sums = Sums::default();
            rows.for_each(|row| columns.add(&mut sums, second.sealed, row, &wanted));
            Some(Candidate { missing: sums[REQUESTS], ..Candidate::new(name) })
        });
        let missing: Vec<_> = missing.collect();
        if !missing.is_empty() {
            all = merge(all, missing.into_iter());
        }
    }
    all
}

/// Two lists in alphabetical order as one.
fn merge<'a>(one: Vec<Candidate<'a>>, other: impl Iterator<Item = Candidate<'a>>) -> Vec<Candidate<'a>> {
    let mut merged = Vec::with_capacity(one.len());
    let (mut one, mut other) = (one.into_iter().peekable(), other.peekable());
    while let (Some(left), Some(right)) = (one.peek_mut(), other.peek()) {
        match left.name.cmp(right.name) {
            Ordering::Less => merged.extend(one.next()),
            Ordering::Greater => merged.extend(other.next()),
            Ordering::Equal => {
                left.add(right);
                other.next();
            }
        }
    }
    merged.extend(one);
    merged.extend(other);
    merged
}
