//! The encode plan: which counters of a dataset feed which JSON fields, worked out once from the table of measurements.
//!
//! A row has few of its many counters. So encoding starts from the counters that are not 0: each says which fields are
//! shown, and is added to the sums that it is part of. Counters and sums live in an array of 256 cells:
//!
//! ```text
//! 0..72    counters of delivery, or of origins fetched for delivery, by their numbers
//! 72..144  counters of compute, or of origins fetched by compute, by their numbers + 72
//! 144..    sums of three or more counters; after them sums of two cells, the pairs
//! 248..    unused sums: a counter is always added to two sums, which saves branches
//! ```
//!
//! # Example
//!
//! A domain had three requests of end users, answered 200. Its row has two counters: `EDGE_REQUESTS`, number 0, and the one
//! of status 200, number 7. In the table of measurements,
//!
//! ```text
//! edge_requests = counter 0                     is cell 0 itself
//! requests      = counter 0 + counter 37        is a pair: two counters (37 is SHIELD_REQUESTS)
//! status_200    = counter 7                     is cell 7 itself
//! status_2xx    = counters 7 + 12 + 13 + 29     is a sum
//! ```
//!
//! 1. [`clear`](EncodePlan::clear) zeroes the counters and sums of the row before.
//! 2. The encoder adds the counters of the row to cells 0 and 7, and keeps their set: `{0, 7}`.
//! 3. [`sum`](EncodePlan::sum) visits that set. Counter 0 shows the fields `edge_requests` and `requests`, and counter 7
//!    shows `status_200` and `status_2xx`; counter 7 is added to the cell of `status_2xx`. Then every pair is computed, that
//!    of `requests` from cells 0 and 37.
//! 4. [`for_each_field`](EncodePlan::for_each_field) visits the fields that are shown, in alphabetical order. The encoder
//!    writes the key and the cell of each: `{"edge_requests":3,"requests":3,"status_200":3,"status_2xx":3}`.

use std::sync::LazyLock;

use crate::schema::counters::{CounterSet, Kind, add, delivery as at};
use crate::schema::dataset::Dataset;
use crate::schema::formula::{COMPUTE, Formula, Measurement};
use crate::schema::measurements::measurements;

/// Longest key with its comma, quotes and colon. Keys are copied in this length, which is faster than in their own.
pub const KEY: usize = 40;

/// A set of the fields of one dataset, a bit each.
pub type FieldSet = [u64; WORDS];
const WORDS: usize = 3;

/// Counters and sums; see the [module](self).
pub type Cells = [u64; 256];
const SUMS: usize = COMPUTE * 2;
const UNUSED: usize = 248;

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldValue {
    /// The value of its cell.
    Cell,
    /// Hits / (hits + misses).
    EdgeHitRatio,
    /// (Bytes sent to end users − bytes received from origins) / bytes sent to end users.
    OriginOffload,
}

/// A measurement, prepared to be written. On a cache line of its own.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub struct PlanField {
    /// `,"name":` and padding.
    pub key: [u8; KEY],
    pub key_len: u8,
    pub cell: u8,
    pub value: FieldValue,
}

impl PlanField {
    fn new(measurement: &Measurement, cell: u8) -> Self {
        let text = format!(",\"{}\":", measurement.name);
        let mut key = [0; KEY];
        key.get_mut(..text.len()).expect("the table names fields shorter than this").copy_from_slice(text.as_bytes());
        let value = match measurement.formula {
            Formula::EdgeHitRatio => FieldValue::EdgeHitRatio,
            Formula::OriginOffload => FieldValue::OriginOffload,
            Formula::Sum(_) | Formula::HitRatio | Formula::Seconds(_) | Formula::MissHistogram => FieldValue::Cell,
        };
        Self { key, key_len: narrow(text.len()), cell, value }
    }
}

/// The most sums that a counter can be part of, pairs aside.
const MAX_SUMS: usize = 2;

/// What a counter that is not 0 does.
#[derive(Debug, Clone, Copy)]
struct CounterPlan {
    /// The fields that it shows.
    fields: FieldSet,
    /// The cells of the sums that it is added to.
    sums: [u8; MAX_SUMS],
}

/// The datasets whose entries have a key, which have a plan.
const KEYED: [Dataset; 3] = [Dataset::Domains, Dataset::OriginInsights, Dataset::Origins];

/// How the entries of a dataset with a key are encoded.
#[derive(Debug)]
pub struct EncodePlan {
    /// In alphabetical order, with padding up to the size of a set.
    fields: [[PlanField; 64]; WORDS],
    counters: [CounterPlan; SUMS],
    /// The cells of sums of two cells: the sum, and these two.
    pairs: Vec<[u8; 3]>,
    /// The end of the cells of other sums.
    sums_end: usize,
    /// Whether rows of compute count like the others.
    merges_kinds: bool,
}

impl EncodePlan {
    /// The plan of `dataset`.
    pub fn of(dataset: Dataset) -> &'static Self {
        static PLANS: LazyLock<[EncodePlan; 3]> = LazyLock::new(|| KEYED.map(EncodePlan::new));
        KEYED.iter().zip(&*PLANS).find(|(one, _)| **one == dataset).expect("the channel has no plan").1
    }

    fn new(dataset: Dataset) -> Self {
        let table = measurements(dataset);
        let merges_kinds = table.iter().all(|measurement| match &measurement.formula {
            Formula::Sum(counters) => counters.iter().all(|one| counters.contains(&((one + COMPUTE) % SUMS))),
            _ => false,
        });
        let counters: Vec<Vec<usize>> = table
            .iter()
            .map(|measurement| match &measurement.formula {
                Formula::Sum(counters) if merges_kinds => {
                    counters.iter().copied().filter(|counter| *counter < COMPUTE).collect()
                }
                Formula::Sum(counters) => counters.clone(),
                Formula::EdgeHitRatio => vec![at::EDGE_HITS],
                Formula::OriginOffload => vec![at::EDGE_RESP_HEADER_BYTES, at::EDGE_RESP_BODY_BYTES],
                // These are of the channel.
                Formula::HitRatio | Formula::Seconds(_) | Formula::MissHistogram => vec![],
            })
            .collect();
        let mut plans: [CounterPlan; SUMS] = std::array::from_fn(|counter| CounterPlan {
            fields: FieldSet::default(),
            sums: [narrow(UNUSED + counter % (256 - UNUSED)); MAX_SUMS],
        });
        for (field, counters) in counters.iter().enumerate() {
            for counter in counters {
                plans[*counter].fields[field / 64] |= 1 << (field % 64);
            }
        }
        let (mut cells, mut used, mut pairs, mut sums) = (vec![0; table.len()], SUMS, vec![], [0; SUMS]);
        // The two fields of which a field is the sum: one of delivery and one of compute.
        let halves = |field: usize| {
            let (one, other): (Vec<_>, Vec<_>) = counters[field].iter().partition(|counter| **counter < COMPUTE);
            let find = |half: &[usize]| counters.iter().position(|counters| !half.is_empty() && counters[..] == *half);
            Some((find(&one)?, find(&other)?))
        };
        let fields = (0..table.len()).filter(|field| matches!(table[*field].formula, Formula::Sum(_)));
        let (sums_of_fields, others): (Vec<usize>, Vec<usize>) = fields.partition(|field| halves(*field).is_some());
        for field in others.iter().copied().filter(|field| counters[*field].len() > 2) {
            cells[field] = narrow(used);
            for counter in &counters[field] {
                plans[*counter].sums[sums[*counter]] = narrow(used);
                sums[*counter] += 1;
            }
            used += 1;
        }
        let sums_end = used;
        for field in others {
            match counters[field][..] {
                [counter] => cells[field] = narrow(counter),
                [one, other] => {
                    cells[field] = narrow(used);
                    pairs.push([narrow(used), narrow(one), narrow(other)]);
                    used += 1;
                }
                // It has the cell of its sum, or no counter at all.
                _ => {}
            }
        }
        for field in sums_of_fields {
            let (one, other) = halves(field).expect("it was partitioned by this");
            cells[field] = narrow(used);
            pairs.push([narrow(used), cells[one], cells[other]]);
            used += 1;
        }
        assert!(used <= UNUSED, "sums do not fit their cells");
        let mut all = table.iter().zip(cells).map(|(measurement, cell)| PlanField::new(measurement, cell));
        let padding = PlanField { key: [0; KEY], key_len: 0, cell: 0, value: FieldValue::Cell };
        let fields = std::array::from_fn(|_| std::array::from_fn(|_| all.next().unwrap_or(padding)));
        assert!(all.next().is_none(), "fields do not fit their set");
        Self { fields, counters: plans, pairs, sums_end, merges_kinds }
    }

    /// Whether the counters of rows of `kind` are in the first half of the cells for counters (0), or in the second (1).
    #[inline]
    pub fn half(&self, kind: Kind) -> usize {
        usize::from(matches!(kind, Kind::Compute | Kind::ComputeOrigin) && !self.merges_kinds)
    }

    /// Zeroes the counters and the sums.
    #[inline]
    pub fn clear(&self, cells: &mut Cells) {
        cells[..self.sums_end].fill(0);
    }

    /// Computes all sums from the counters that are not 0, by half; returns the fields to show.
    #[inline]
    pub fn sum(&self, cells: &mut Cells, counters: [CounterSet; 2]) -> FieldSet {
        let mut shown = FieldSet::default();
        for (base, set) in [0, COMPUTE].into_iter().zip(counters) {
            for (word, mut left) in set.into_iter().enumerate() {
                while left != 0 {
                    let counter = base + word * 64 + left.trailing_zeros() as usize;
                    left &= left - 1;
                    // Every counter of a row has a plan and a cell.
                    let (Some(plan), Some(value)) = (self.counters.get(counter), cells.get(counter).copied()) else {
                        break;
                    };
                    shown.iter_mut().zip(plan.fields).for_each(|(shown, fields)| *shown |= fields);
                    plan.sums.iter().for_each(|sum| add(&mut cells[usize::from(*sum)], value));
                }
            }
        }
        for [sum, one, other] in &self.pairs {
            cells[usize::from(*sum)] = cells[usize::from(*one)].saturating_add(cells[usize::from(*other)]);
        }
        shown
    }

    /// The fields whose names are `wanted`.
    pub fn fields_that(&self, wanted: impl Fn(&str) -> bool) -> FieldSet {
        let mut set = FieldSet::default();
        for (number, field) in self.fields.as_flattened().iter().enumerate() {
            // Without `,"` and `":`.
            let name = field.key.get(2..usize::from(field.key_len).saturating_sub(2)).unwrap_or_default();
            if std::str::from_utf8(name).is_ok_and(|name| !name.is_empty() && wanted(name)) {
                set[number / 64] |= 1 << (number % 64);
            }
        }
        set
    }

    /// Calls `found` with the fields in `shown`, in alphabetical order.
    #[inline]
    pub fn for_each_field(&self, shown: FieldSet, mut found: impl FnMut(&PlanField)) {
        for (fields, mut left) in self.fields.iter().zip(shown) {
            while left != 0 {
                found(&fields[left.trailing_zeros() as usize]);
                left &= left - 1;
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the tables are small")]
fn narrow(number: usize) -> u8 {
    debug_assert!(number < 256);
    number as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_above_is_true() {
        let plan = EncodePlan::of(Dataset::Domains);
        let mut cells = [0; 256];
        (cells[at::EDGE_REQUESTS], cells[7]) = (3, 3);
        let shown = plan.sum(&mut cells, [[1 << at::EDGE_REQUESTS | 1 << 7, 0], [0, 0]]);
        let mut found = vec![];
        plan.for_each_field(shown, |field| {
            let key = String::from_utf8_lossy(&field.key[..field.key_len.into()]).into_owned();
            found.push((key, field.cell, cells[usize::from(field.cell)]));
        });
        let pair = plan.pairs.iter().find(|pair| pair[1..] == [0, narrow(at::SHIELD_REQUESTS)]).expect("it is a pair");
        let sum = plan.counters[7].sums.into_iter().find(|sum| usize::from(*sum) < UNUSED).expect("it is a sum");
        let want = [("edge_requests", 0), ("requests", pair[0]), ("status_200", 7), ("status_2xx", sum)];
        assert_eq!(want.map(|(name, cell)| (format!(",\"{name}\":"), cell, 3)).to_vec(), found);
        assert_eq!(37, at::SHIELD_REQUESTS);
        let Formula::Sum(counters) =
            &measurements(Dataset::Domains).iter().find(|one| one.name == "status_2xx").expect("it exists").formula
        else {
            panic!("it is a sum")
        };
        assert_eq!([7, 12, 13, 29], counters[..]);
    }
}
