//! The focus: everything of one name.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::entry::{JsonBuffer, write_measurements};
use crate::ranking::columns::{REQUESTS, RankingColumns, Sums};
use crate::ranking::kept_series::KeptSeries;
use crate::ranking::question::Question;
use crate::ranking::seconds::{Hint, Seconds, rank};
use crate::ranking::series::{OF_ALL, OF_ROW, Series};
use crate::schema::dataset::Dataset;
use crate::window::sealed::{Sealed, SealedRow};
use crate::window::string_interner::SortedStrings;

/// The rows of one part of the focus, now and before.
type Part<'a> = [Vec<(&'a Sealed, &'a SealedRow)>; 2];

/// Writes the object of the focus `name`.
pub fn write_focus(
    json: &mut JsonBuffer,
    seconds: &Seconds<'_>,
    question: &Question<'_>,
    name: &str,
    mut kept: Option<&mut KeptSeries>,
) {
    let columns = RankingColumns::of(question.dataset);
    let mut hint = Hint::default();
    let rows = [seconds.now(), seconds.before()].map(|seconds| {
        seconds.iter().flat_map(|second| second.rows_of(name, &mut hint).map(|row| (second.sealed, row))).collect()
    });
    json.text("{\"name\":");
    json.string(name);
    write_both(json, question.dataset, &rows);
    json.text(",\"series\":");
    let series = Series::kept(kept.as_deref_mut(), seconds, question, OF_ALL, (name, None), |second| {
        second.rows_of(name, &mut hint)
    });
    series.write(json, columns, true);
    json.text(",\"pops\":[");
    for (number, (pop, rows)) in parts(&rows, |sealed| &sealed.pops, SealedRow::pop).iter().enumerate() {
        start_part(json, number, pop);
        write_both(json, question.dataset, rows);
        json.text(",\"series\":");
        let series = Series::kept(kept.as_deref_mut(), seconds, question, OF_ROW, (name, Some(pop)), |second| {
            let rank = rank(&second.sealed.pops, pop);
            second.rows_of(name, &mut hint).filter(move |row| Some(row.pop()) == rank)
        });
        series.write(json, columns, false);
        json.text("}");
    }
    json.text("]");
    if question.dataset != Dataset::Domains {
        write_addresses(json, question, &rows);
    }
    json.text("}");
}

/// Writes the addresses of an origin, those with the most trouble first, and how many more there are.
fn write_addresses(json: &mut JsonBuffer, question: &Question<'_>, rows: &Part<'_>) {
    let columns = RankingColumns::of(question.dataset);
    let parts = parts(rows, |sealed| &sealed.addresses, SealedRow::address);
    let wanted = columns.all();
    let mut ordered: Vec<_> = parts.iter().collect();
    ordered.sort_by_cached_key(|(address, [now, _])| {
        let mut sums = Sums::default();
        for (sealed, row) in now {
            columns.add(&mut sums, sealed, row, &wanted);
        }
        (Reverse(columns.trouble(&sums)), Reverse(sums[REQUESTS]), **address)
    });
    json.text(",\"addresses\":[");
    for (number, (address, rows)) in ordered.iter().take(question.rows).enumerate() {
        start_part(json, number, address);
        write_both(json, question.dataset, rows);
        json.text("}");
    }
    json.text("],\"more_addresses\":");
    json.integer(ordered.len().saturating_sub(question.rows) as u64);
}

/// The rows by POP or address, in alphabetical order.
fn parts<'a>(
    rows: &Part<'a>,
    names: impl Fn(&'a Sealed) -> &'a SortedStrings,
    part: impl Fn(&SealedRow) -> u32,
) -> BTreeMap<&'a str, Part<'a>> {
    let mut parts: BTreeMap<&str, Part<'a>> = BTreeMap::new();
    for (window, rows) in rows.iter().enumerate() {
        for (sealed, row) in rows {
            parts.entry(names(sealed).get(part(row))).or_default()[window].push((sealed, row));
        }
    }
    parts
}

fn start_part(json: &mut JsonBuffer, number: usize, name: &str) {
    json.text(if number == 0 { "{\"name\":" } else { ",{\"name\":" });
    json.string(name);
}

fn write_both(json: &mut JsonBuffer, dataset: Dataset, [now, before]: &Part<'_>) {
    json.text(",\"now\":");
    write_measurements(json, dataset, now.iter().copied());
    json.text(",\"before\":");
    write_measurements(json, dataset, before.iter().copied());
}
