//! Splitting partials: rows go to the partition of their service, and into parts that fit into an envelope.

use std::collections::BTreeMap;

use crate::cluster::envelope::{LogPart, add_partial, part_envelope, start_partials};
use crate::cluster::id::Id;
use crate::cluster::placement::partition;
use crate::partial::{self, PartialError, Scope, VERSION, write_number, write_text};
use crate::schema::counters::Kind;

/// What one partition gets of a partial, as partials that are small enough.
type FittingPartials = Vec<Vec<u8>>;

/// More than an envelope has around a part.
const ENVELOPE_BYTES: usize = 80;
/// More than a partial has before its scopes.
const HEADER_BYTES: usize = 12;
/// The longest number.
const NUMBER_BYTES: usize = 10;

/// Splits partials by partition and puts them into envelopes of at most `max_bytes`, unless a single row is larger.
///
/// A partition gets each id once: in an envelope that it may share with others, or in several, as the parts of one
/// `attempt`. Returns partition and envelope of each, ordered by partition.
///
/// # Panics
///
/// If there are no partitions.
pub fn envelopes(
    sections: &[(Id, &[u8])],
    born: u64,
    attempt: u64,
    partitions: u32,
    max_bytes: usize,
) -> Result<Vec<(u32, Vec<u8>)>, PartialError> {
    let mut sent: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
    // Envelopes to which another partial may be added.
    let mut open: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    for (id, partial) in sections {
        for (partition, parts) in split(partial, partitions, max_bytes.saturating_sub(ENVELOPE_BYTES))? {
            let sent = sent.entry(partition).or_default();
            if let [partial] = &*parts {
                let envelope = open.entry(partition).or_insert_with(|| start_partials(born));
                if envelope.len() + id.len() + NUMBER_BYTES + partial.len() > max_bytes {
                    sent.push(std::mem::replace(envelope, start_partials(born)));
                }
                add_partial(envelope, id, partial);
                continue;
            }
            let count = parts.len() as u64;
            for (number, partial) in (0..).zip(&parts) {
                sent.push(part_envelope(born, id, LogPart { attempt, number, count, partial }));
            }
        }
    }
    for (partition, envelope) in open {
        sent.entry(partition).or_default().push(envelope);
    }
    Ok(sent.into_iter().flat_map(|(to, envelopes)| envelopes.into_iter().map(move |one| (to, one))).collect())
}

/// Splits a partial by partition, and what a partition gets into partials of at most `max_bytes`.
///
/// The order of the rows stays, so limits on keys have the same effect within a partition.
fn split(bytes: &[u8], partitions: u32, max_bytes: usize) -> Result<Vec<(u32, FittingPartials)>, PartialError> {
    let mut slices: Vec<(u32, Slice)> = vec![];
    let mut indexes: BTreeMap<u32, usize> = BTreeMap::new();
    if bytes.is_empty() {
        return Ok(vec![]);
    }
    for section in partial::read(bytes)? {
        let mut scopes = vec![];
        for scope in &section.scopes {
            let partition = partition(scope.service_id, partitions);
            let index = *indexes.entry(partition).or_insert_with(|| {
                slices.push((partition, Slice::default()));
                slices.len() - 1
            });
            scopes.push((index, slices[index].1.add_records(scope, section.records(scope), max_bytes)));
        }
        for row in section.raw_rows() {
            let (kind, scope, rest) = row?;
            let (index, number) = &mut scopes[scope];
            slices[*index].1.add_row(kind, &section.scopes[scope], number, rest, max_bytes);
        }
    }
    let parts = slices.into_iter().map(|(partition, slice)| (partition, slice.finish()));
    Ok(parts.filter(|(_, parts)| !parts.is_empty()).collect())
}

/// What one partition gets of a partial.
#[derive(Debug, Default)]
struct Slice {
    parts: FittingPartials,
    /// Scopes and rows of the next part.
    scopes: u32,
    scope_bytes: Vec<u8>,
    row_bytes: Vec<u8>,
}

/// Which number a scope has, in the part that was the next one when it got it.
#[derive(Debug, Clone, Copy)]
struct ScopeNumber {
    part: usize,
    number: u32,
}

impl Slice {
    /// Adds the records of a scope. Returns its number, if it has one by that.
    fn add_records(&mut self, scope: &Scope<'_>, mut records: &[(u64, u64)], max_bytes: usize) -> Option<ScopeNumber> {
        let mut number = None;
        while !records.is_empty() {
            let fitting = max_bytes.saturating_sub(self.len() + scope_bytes(scope)) / (2 * NUMBER_BYTES);
            if fitting < records.len() && self.finish_part() {
                continue;
            }
            let (now, later) = records.split_at(fitting.clamp(1, records.len()));
            number = Some(self.add_scope(scope, now));
            records = later;
        }
        number
    }

    fn add_row(
        &mut self,
        kind: Kind,
        scope: &Scope<'_>,
        number: &mut Option<ScopeNumber>,
        rest: &[u8],
        max_bytes: usize,
    ) {
        if self.len() + scope_bytes(scope) + 1 + NUMBER_BYTES + rest.len() > max_bytes {
            self.finish_part();
        }
        let scope = match *number {
            Some(ScopeNumber { part, number }) if part == self.parts.len() => number,
            _ => number.insert(self.add_scope(scope, &[])).number,
        };
        self.row_bytes.push(kind as u8);
        write_number(&mut self.row_bytes, u64::from(scope));
        self.row_bytes.extend_from_slice(rest);
    }

    fn add_scope(&mut self, scope: &Scope<'_>, records: &[(u64, u64)]) -> ScopeNumber {
        write_text(&mut self.scope_bytes, scope.service_id.as_bytes());
        write_text(&mut self.scope_bytes, scope.pop.as_bytes());
        write_number(&mut self.scope_bytes, records.len() as u64);
        for (second, count) in records {
            write_number(&mut self.scope_bytes, *second);
            write_number(&mut self.scope_bytes, *count);
        }
        self.scopes += 1;
        ScopeNumber { part: self.parts.len(), number: self.scopes - 1 }
    }

    /// At least the length of the next part as it is.
    fn len(&self) -> usize {
        HEADER_BYTES + self.scope_bytes.len() + self.row_bytes.len()
    }

    /// Finishes the next part. Returns whether it had anything.
    fn finish_part(&mut self) -> bool {
        if self.scopes == 0 {
            return false;
        }
        let mut part = Vec::with_capacity(self.len());
        part.push(VERSION);
        write_number(&mut part, u64::from(self.scopes));
        part.append(&mut self.scope_bytes);
        part.append(&mut self.row_bytes);
        self.scopes = 0;
        self.parts.push(part);
        true
    }

    fn finish(mut self) -> FittingPartials {
        self.finish_part();
        self.parts
    }
}

/// More than a scope without records takes.
fn scope_bytes(scope: &Scope<'_>) -> usize {
    scope.service_id.len() + scope.pop.len() + 3 * NUMBER_BYTES
}
