//! Plans: what is done to write the measurements of a dataset, worked out of their table once.
//!
//! A row has few counters of the many that there are. So everything begins with a counter that is not 0: it says which
//! fields are shown, and is added to the sums that it is a part of.

use std::sync::LazyLock;

use crate::schema::counters::{CounterSet, Kind, add, delivery as at};
use crate::schema::measurements::{Dataset, Formula, Measurement, SECOND, measurements};

/// Longest key with its comma, quotes and colon. Keys are copied in this length, which costs less than in their own.
pub const KEY: usize = 40;

/// A set of the fields of one dataset, a bit each.
pub type FieldSet = [u64; WORDS];
const WORDS: usize = 3;

/// Where counters and sums of them stand: counters by place, those of the second kind from [`SECOND`] on, then sums.
pub type Slots = [u64; 256];
const SUMS: usize = SECOND * 2;
/// From here on stands what nobody reads.
const NOWHERE: usize = 248;

/// What a field shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shown {
    /// What stands in its slot.
    Slot,
    /// Hits among hits and misses.
    EdgeHitRatio,
    /// The part of the bytes sent to end users that no origin had to send.
    OriginOffload,
}

/// A measurement, made ready to be written. On a cache line of its own.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub struct Field {
    /// `,"name":` and whatever behind it.
    pub key: [u8; KEY],
    pub key_len: u8,
    pub slot: u8,
    pub shown: Shown,
}

impl Field {
    fn new(measurement: &Measurement, slot: u8) -> Self {
        let text = format!(",\"{}\":", measurement.name);
        let mut key = [0; KEY];
        key.get_mut(..text.len()).expect("the table names fields shorter than this").copy_from_slice(text.as_bytes());
        let shown = match measurement.value {
            Formula::Sum(_) => Shown::Slot,
            Formula::EdgeHitRatio => Shown::EdgeHitRatio,
            Formula::OriginOffload => Shown::OriginOffload,
        };
        Self { key, key_len: narrow(text.len()), slot, shown }
    }
}

/// How many sums one counter can be a part of, besides those of two.
const DEPTH: usize = 2;

/// What a counter does.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// The fields that are not shown unless some counter says so, and this one does.
    fields: FieldSet,
    /// The sums that it is added to.
    sums: [u8; DEPTH],
}

/// What the entries of a dataset are made of.
#[derive(Debug)]
pub struct Plan {
    /// In alphabetical order, filled up to what a set can name.
    fields: [[Field; 64]; WORDS],
    parts: [Part; SUMS],
    /// Where the sums of two counters, or of two sums, stand, and these two.
    pairs: Vec<[u8; 3]>,
    /// Where the sums of more end.
    sums_end: usize,
    /// Whether it shows both kinds of rows as one.
    one_kind: bool,
}

impl Plan {
    pub fn of(dataset: Dataset) -> &'static Self {
        static PLANS: LazyLock<[Plan; 3]> = LazyLock::new(|| Dataset::ALL.map(Plan::new));
        &PLANS[dataset as usize]
    }

    fn new(dataset: Dataset) -> Self {
        let table = measurements(dataset);
        let one_kind = table.iter().all(|measurement| match &measurement.value {
            Formula::Sum(places) => places.iter().all(|place| places.contains(&((place + SECOND) % SUMS))),
            _ => false,
        });
        let places: Vec<Vec<usize>> = table
            .iter()
            .map(|measurement| match &measurement.value {
                Formula::Sum(places) if one_kind => places.iter().copied().filter(|place| *place < SECOND).collect(),
                Formula::Sum(places) => places.clone(),
                Formula::EdgeHitRatio => vec![at::EDGE_HITS],
                Formula::OriginOffload => vec![at::EDGE_RESP_HEADER_BYTES, at::EDGE_RESP_BODY_BYTES],
            })
            .collect();
        let mut parts: [Part; SUMS] = std::array::from_fn(|place| Part {
            fields: FieldSet::default(),
            sums: [narrow(NOWHERE + place % (256 - NOWHERE)); DEPTH],
        });
        for (number, places) in places.iter().enumerate() {
            for place in places {
                parts[*place].fields[number / 64] |= 1 << (number % 64);
            }
        }
        let (mut slots, mut used, mut pairs, mut depths) = (vec![0; table.len()], SUMS, vec![], [0; SUMS]);
        let is_sum = |number: &usize| matches!(table[*number].value, Formula::Sum(_));
        let numbers = || (0..table.len()).filter(is_sum);
        // What a field shows of both kinds of rows, when others show it of each.
        let halves = |number: usize| {
            let (one, other): (Vec<_>, Vec<_>) = places[number].iter().partition(|place| **place < SECOND);
            let with = |half: &[usize]| places.iter().position(|places| !half.is_empty() && places[..] == *half);
            Some((with(&one)?, with(&other)?))
        };
        let (double, single): (Vec<usize>, Vec<usize>) = numbers().partition(|number| halves(*number).is_some());
        for number in single.iter().copied().filter(|number| places[*number].len() > 2) {
            slots[number] = narrow(used);
            for place in &places[number] {
                parts[*place].sums[depths[*place]] = narrow(used);
                depths[*place] += 1;
            }
            used += 1;
        }
        let sums_end = used;
        for number in single {
            match places[number][..] {
                [place] => slots[number] = narrow(place),
                [one, other] => {
                    slots[number] = narrow(used);
                    pairs.push([narrow(used), narrow(one), narrow(other)]);
                    used += 1;
                }
                // Its sum has a slot, or nothing counts for it.
                _ => {}
            }
        }
        for number in double {
            let (one, other) = halves(number).expect("it was asked before");
            slots[number] = narrow(used);
            pairs.push([narrow(used), slots[one], slots[other]]);
            used += 1;
        }
        assert!(used <= NOWHERE, "sums do not fit their slots");
        let mut all = table.iter().zip(slots).map(|(measurement, slot)| Field::new(measurement, slot));
        let blank = Field { key: [0; KEY], key_len: 0, slot: 0, shown: Shown::Slot };
        let fields = std::array::from_fn(|_| std::array::from_fn(|_| all.next().unwrap_or(blank)));
        assert!(all.next().is_none(), "fields do not fit their set");
        Self { fields, parts, pairs, sums_end, one_kind }
    }

    /// Whether the counters of rows of `kind` stand in the first half of the slots for counters, or in the second.
    #[inline]
    pub fn half(&self, kind: Kind) -> usize {
        match kind {
            Kind::Delivery | Kind::Origin => 0,
            Kind::Compute | Kind::ComputeOrigin => usize::from(!self.one_kind),
        }
    }

    /// Forgets what was counted in `slots`.
    #[inline]
    pub fn clear(&self, slots: &mut Slots) {
        slots[..self.sums_end].fill(0);
    }

    /// Works out the sums of what is counted in `slots`, from `base` on at `places`; which fields it is shown in.
    #[inline]
    pub fn sum(&self, slots: &mut Slots, places: [CounterSet; 2]) -> FieldSet {
        let mut shown = FieldSet::default();
        for (base, places) in [0, SECOND].into_iter().zip(places) {
            for (word, mut left) in places.into_iter().enumerate() {
                while left != 0 {
                    let place = base + word * 64 + left.trailing_zeros() as usize;
                    left &= left - 1;
                    // What a row counts, its kind has a place for.
                    let (Some(part), Some(value)) = (self.parts.get(place), slots.get(place).copied()) else { break };
                    shown.iter_mut().zip(part.fields).for_each(|(shown, fields)| *shown |= fields);
                    part.sums.iter().for_each(|sum| add(&mut slots[usize::from(*sum)], value));
                }
            }
        }
        for [sum, one, other] in &self.pairs {
            slots[usize::from(*sum)] = slots[usize::from(*one)].saturating_add(slots[usize::from(*other)]);
        }
        shown
    }

    /// Calls `each` with the fields in `shown`, in alphabetical order.
    #[inline]
    pub fn fields(&self, shown: FieldSet, mut each: impl FnMut(&Field)) {
        for (fields, mut left) in self.fields.iter().zip(shown) {
            while left != 0 {
                each(&fields[left.trailing_zeros() as usize]);
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
