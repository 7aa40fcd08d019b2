//! Adding parts up, name by name.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::rollup::body::{Body, NameRows};
use crate::rollup::columns::requests;
use crate::rollup::container::{Head, HistoryPart, MinuteWriter, write_chunk};
use crate::rollup::error::HistoryError;
use crate::rollup::name_sum::NameSum;
use crate::schema::counters::add;
use crate::value::key::OTHER;

/// A body, and which of the parts it is of.
type PartBody<'a> = (usize, &'a [u8]);

/// A name and its chunk.
type NamedChunk = (String, Vec<u8>);

/// Adds parts up, in periods of `step` seconds: a chunk of each name, in alphabetical order. Beyond `names`, those with the
/// fewest requests count as `_other`.
///
/// # Panics
///
/// If there are more than 4 billion POPs.
pub fn pack(parts: &[(Option<&str>, &[u8])], step: u64, names: usize) -> Result<Vec<NamedChunk>, HistoryError> {
    let parts = parts.iter().map(|(name, bytes)| HistoryPart::read(*name, bytes)).collect::<Result<Vec<_>, _>>()?;
    let mut chunks = vec![];
    add_up(&parts, step, names, |name, head, rows| chunks.push((name.to_owned(), own_chunk(head, rows))))?;
    Ok(chunks)
}

/// The same for two lengths of periods, reading the parts once. The second is a multiple of the first.
pub fn pack_twice(
    parts: &[(Option<&str>, &[u8])],
    (step, longer): (u64, u64),
    names: usize,
) -> Result<[Vec<NamedChunk>; 2], HistoryError> {
    let parts = parts.iter().map(|(name, bytes)| HistoryPart::read(*name, bytes)).collect::<Result<Vec<_>, _>>()?;
    if step == 0 || !longer.is_multiple_of(step) {
        return Err(HistoryError::UnevenPeriods(step));
    }
    let mut chunks = [vec![], vec![]];
    add_up(&parts, step, names, |name, head, rows| {
        let (longer_head, mut longer_rows) = in_longer_periods(head, rows, longer);
        chunks[0].push((name.to_owned(), own_chunk(head, rows)));
        chunks[1].push((name.to_owned(), own_chunk(&longer_head, &mut longer_rows)));
    })?;
    Ok(chunks)
}

/// The same rows added up in longer periods.
fn in_longer_periods<'a>(head: &Head<'a>, rows: &NameRows, step: u64) -> (Head<'a>, NameRows) {
    let first = head.begin(0) / step;
    let mut longer = NameRows::default();
    let mut places = Vec::with_capacity(rows.rows.len());
    for (pop, period) in &rows.rows {
        // Below the number of the shorter period.
        let row = (*pop, u32::try_from(head.begin(*period) / step - first).unwrap_or(*period));
        if longer.rows.last() != Some(&row) {
            longer.rows.push(row);
        }
        places.push(longer.rows.len() - 1);
    }
    for (column, values) in &rows.columns {
        let mut sums = vec![0; longer.rows.len()];
        places.iter().zip(values).for_each(|(place, value)| add(&mut sums[*place], *value));
        longer.columns.push((*column, sums));
    }
    (Head { step, first, pops: head.pops.clone() }, longer)
}

/// A chunk with its own POPs, and periods from its first one.
fn own_chunk(head: &Head<'_>, rows: &mut NameRows) -> Vec<u8> {
    let mut numbers = vec![None; head.pops.len()];
    rows.rows.iter().for_each(|(pop, _)| numbers[*pop as usize] = Some(0));
    let mut pops = vec![];
    for (number, pop) in numbers.iter_mut().zip(&head.pops) {
        if let Some(number) = number {
            *number = u32::try_from(pops.len()).expect("POPs are limited");
            pops.push(*pop);
        }
    }
    let first = rows.rows.iter().map(|(_, period)| *period).min().unwrap_or_default();
    for (pop, period) in &mut rows.rows {
        *pop = numbers[*pop as usize].unwrap_or_default();
        *period -= first;
    }
    write_chunk(&Head { step: head.step, first: head.first + u64::from(first), pops }, rows)
}

/// Adds minutes up, which are of the same minute. Beyond `names`, those with the fewest requests count as `_other`.
pub fn merge_minutes(minutes: &[&[u8]], names: usize) -> Result<Vec<u8>, HistoryError> {
    let parts = minutes.iter().map(|bytes| HistoryPart::read(None, bytes)).collect::<Result<Vec<_>, _>>()?;
    let Some(Head { step, first, .. }) = parts.first().map(|part| part.head.clone()) else {
        return Err(HistoryError::Damaged);
    };
    if let Some(other) = parts.iter().find(|part| (part.head.step, part.head.first) != (step, first)) {
        return Err(HistoryError::OtherMinute(other.head.begin(0)));
    }
    let mut writer: Option<MinuteWriter<'_>> = None;
    add_up(&parts, step, names, |name, head, rows| {
        writer.get_or_insert_with(|| MinuteWriter::new(head.clone())).push(name, rows);
    })?;
    let empty = || MinuteWriter::new(Head { step, first, pops: vec![] });
    Ok(writer.unwrap_or_else(empty).finish())
}

/// Calls `done` with every name, in alphabetical order, and its rows.
fn add_up<'a>(
    parts: &[HistoryPart<'a>],
    step: u64,
    names: usize,
    mut done: impl FnMut(&str, &Head<'a>, &mut NameRows),
) -> Result<(), HistoryError> {
    if let Some(part) = parts.iter().find(|part| step == 0 || !step.is_multiple_of(part.head.step)) {
        return Err(HistoryError::UnevenPeriods(part.head.step));
    }
    let pops: BTreeSet<&str> = parts.iter().flat_map(|part| part.head.pops.iter().copied()).collect();
    let first = parts.iter().map(|part| part.head.begin(0) / step).min().unwrap_or_default();
    let head = Head { step, first, pops: pops.into_iter().collect() };
    let mut bodies: Vec<(&str, PartBody<'_>)> = vec![];
    for (number, part) in parts.iter().enumerate() {
        bodies.extend(part.bodies().map(|(name, body)| (name, (number, body))));
    }
    // A stable sort: what is read first stays the first.
    bodies.sort_by_key(|(name, _)| *name);
    let mut adding = Adding::new(parts, head);
    let dropped = adding.dropped(&bodies, names)?;
    let mut others: Vec<PartBody<'_>> = vec![];
    let mut groups = bodies.chunk_by(|one, other| one.0 == other.0).peekable();
    let mut is_other_done = false;
    loop {
        let name = groups.peek().map(|group| group[0].0);
        if !dropped.is_empty() && !is_other_done && name.is_none_or(|name| name >= OTHER) {
            others.extend(bodies.iter().filter(|(name, _)| *name == OTHER || dropped.contains(name)).map(|one| one.1));
            let mut rows = adding.sum(&others)?;
            done(OTHER, &adding.head, &mut rows);
            is_other_done = true;
        }
        let Some(group) = groups.next() else { return Ok(()) };
        let name = group[0].0;
        let is_done = dropped.contains(name) || is_other_done && name == OTHER;
        if !is_done {
            let group: Vec<_> = group.iter().map(|one| one.1).collect();
            let mut rows = adding.sum(&group)?;
            done(name, &adding.head, &mut rows);
        }
    }
}

/// The sum of several bodies.
struct Adding<'p, 'a> {
    parts: &'p [HistoryPart<'a>],
    head: Head<'a>,
    /// The number of each POP of each part.
    pops: Vec<Vec<u32>>,
    sum: NameSum,
}

impl<'p, 'a> Adding<'p, 'a> {
    fn new(parts: &'p [HistoryPart<'a>], head: Head<'a>) -> Self {
        let number =
            |pop: &&str| u32::try_from(head.pops.partition_point(|other| other < pop)).expect("POPs are limited");
        let pops = parts.iter().map(|part| part.head.pops.iter().map(number).collect()).collect();
        Self { parts, head, pops, sum: NameSum::default() }
    }

    /// The names with the fewest requests, if there are more than `most`.
    fn dropped(&self, bodies: &[(&'a str, PartBody<'_>)], most: usize) -> Result<BTreeSet<&'a str>, HistoryError> {
        let is_kept = |name: &str| name.is_empty() || name == OTHER;
        let groups = || bodies.chunk_by(|one, other| one.0 == other.0).filter(|group| !is_kept(group[0].0));
        if groups().count() <= most {
            return Ok(BTreeSet::new());
        }
        let columns = requests();
        let mut names = vec![];
        for group in groups() {
            let mut sum = 0;
            for (_, (part, body)) in group {
                let body = Body::read(body, self.pops[*part].len())?;
                for column in &columns {
                    body.read_column(*column, |_, value| add(&mut sum, value))?;
                }
            }
            names.push((Reverse(sum), group[0].0));
        }
        names.sort_unstable();
        Ok(names.split_off(most).into_iter().map(|(_, name)| name).collect())
    }

    /// The sum of some bodies.
    fn sum(&mut self, bodies: &[PartBody<'_>]) -> Result<NameRows, HistoryError> {
        let mut read = Vec::with_capacity(bodies.len());
        for (number, body) in bodies {
            let mut body = Body::read(body, self.pops[*number].len())?;
            let (head, pops) = (&self.parts[*number].head, &self.pops[*number]);
            for (pop, period) in &mut body.rows {
                let new = (head.begin(*period) / self.head.step).checked_sub(self.head.first);
                *period = new.and_then(|period| u32::try_from(period).ok()).ok_or(HistoryError::Damaged)?;
                *pop = pops[*pop as usize];
            }
            read.push(body);
        }
        self.sum.start(read.iter().flat_map(|body| body.rows.iter().copied()));
        let mut at: Vec<usize> = vec![];
        for body in &read {
            at.clear();
            at.extend(body.rows.iter().map(|row| self.sum.place(*row)));
            for number in 0..body.columns.len() {
                let values = self.sum.column(body.columns[number].0).ok_or(HistoryError::Damaged)?;
                body.read_column_at(number, |row, value| add(&mut values[at[row]], value))?;
            }
        }
        Ok(self.sum.finish())
    }
}

/// The names behind `after` in some parts, in alphabetical order, each once: at most `most`.
pub fn names_in(parts: &[(Option<&str>, &[u8])], after: &str, most: usize) -> Result<Vec<String>, HistoryError> {
    let mut found = BTreeSet::new();
    for (name, bytes) in parts {
        let part = HistoryPart::read(*name, bytes)?;
        found.extend(part.bodies().map(|(name, _)| name).filter(|name| *name > after).take(most));
    }
    Ok(found.into_iter().take(most).map(str::to_owned).collect())
}
