//! A tally: the rows of one service in one second, while they still grow.
//!
//! Keys are final here. The limits on keys apply when a key is added, and keys beyond them count under `_other`. No request
//! goes uncounted.

use foldhash::fast::RandomState;
use hashbrown::HashSet;

use crate::hash_index::NumberedKeys;
use crate::partial::EncodedCounters;
use crate::schema::counters::Kind;
use crate::value::key::OTHER;
use crate::window::sparse_rows::SparseRows;
use crate::window::string_interner::StringInterner;

/// How many keys one service may have in one second.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Domains. Domains with a reservation are exempt.
    pub domains: usize,
    /// Names of origins.
    pub origins: usize,
    /// Pairs of an origin's name and an address.
    pub addresses: usize,
    /// POPs.
    pub pops: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { domains: 10_000, origins: 1_000, addresses: 10_000, pops: 1_000 }
    }
}

/// The key of a row: numbers of the name, the address and the POP, packed in this order from the highest bits.
pub(crate) type RowKey = u128;

pub(crate) fn row_key(pop: u32, name: u32, address: u32) -> RowKey {
    u128::from(name) << 64 | u128::from(address) << 32 | u128::from(pop)
}

/// POP, name and address of a key.
#[expect(clippy::cast_possible_truncation, reason = "each part has 32 bits")]
pub(crate) fn row_parts(key: RowKey) -> (u32, u32, u32) {
    (key as u32, (key >> 64) as u32, (key >> 32) as u32)
}

/// The rows of one kind.
#[derive(Debug, Default)]
pub(crate) struct TallyRows {
    pub keys: NumberedKeys<RowKey>,
    pub counters: SparseRows,
}

impl TallyRows {
    /// The number of the row of a key, added with capacity for `counters` if it is new.
    pub fn number(&mut self, key: RowKey, counters: usize) -> u32 {
        let (row, is_new) = self.keys.intern(key);
        if is_new {
            self.counters.push(counters);
        }
        row
    }
}

/// The rows of one service in one second.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many records were added.
    pub records: u64,
    /// How many of these were late.
    pub late: u64,
    /// How many rows were added under `_other` because of a limit.
    pub overflowed: u64,
    pub(crate) pops: StringInterner,
    pub(crate) domains: StringInterner,
    pub(crate) origins: StringInterner,
    pub(crate) addresses: StringInterner,
    /// Pairs of the numbers of an origin and an address.
    pub(crate) pairs: HashSet<(u32, u32), RandomState>,
    pub(crate) delivery: TallyRows,
    pub(crate) compute: TallyRows,
    pub(crate) delivery_origins: TallyRows,
    pub(crate) compute_origins: TallyRows,
    pub(crate) channel: TallyRows,
    pub(crate) miss_times: TallyRows,
}

impl Tally {
    /// The number of `pop`, or of `_other`.
    pub fn pop(&mut self, pop: &str, limits: &Limits) -> u32 {
        intern_within(limits.pops, &mut self.pops, pop.as_bytes(), &mut self.overflowed, || false)
    }

    /// Adds `counters` to the row of a key, whose POP has a number already. A domain that `is_reserved` has a row of its own
    /// whatever the limit.
    #[expect(clippy::too_many_arguments, reason = "a key has four parts, and there is one caller")]
    pub fn add(
        &mut self,
        kind: Kind,
        pop: u32,
        name: &[u8],
        address: &[u8],
        counters: EncodedCounters<'_>,
        limits: &Limits,
        is_reserved: impl FnOnce() -> bool,
    ) {
        let key = self.key(kind, pop, name, address, limits, is_reserved);
        let rows = self.rows_mut(kind);
        let row = rows.number(key, counters.count());
        rows.counters.add(row, counters);
    }

    /// The key of a row, whose names get numbers if they are new.
    pub(crate) fn key(
        &mut self,
        kind: Kind,
        pop: u32,
        name: &[u8],
        address: &[u8],
        limits: &Limits,
        is_reserved: impl FnOnce() -> bool,
    ) -> RowKey {
        if kind.is_channel() {
            row_key(pop, 0, 0)
        } else if kind.is_origin() {
            let name = intern_within(limits.origins, &mut self.origins, name, &mut self.overflowed, || false);
            row_key(pop, name, self.address(name, address, limits.addresses))
        } else {
            let name = intern_within(limits.domains, &mut self.domains, name, &mut self.overflowed, is_reserved);
            row_key(pop, name, 0)
        }
    }

    /// Loads where the names and the rows of this kind are.
    #[inline]
    pub(crate) fn touch(&mut self, kind: Kind) -> u64 {
        let names = if kind.is_origin() { &self.origins } else { &self.domains };
        (names.len() ^ self.pops.len() ^ self.rows_mut(kind).keys.as_slice().len()) as u64
    }

    /// The rows of this kind.
    #[inline]
    pub(crate) fn rows_mut(&mut self, kind: Kind) -> &mut TallyRows {
        match kind {
            Kind::Delivery => &mut self.delivery,
            Kind::Compute => &mut self.compute,
            Kind::Origin => &mut self.delivery_origins,
            Kind::ComputeOrigin => &mut self.compute_origins,
            Kind::Channel => &mut self.channel,
            Kind::MissTimes => &mut self.miss_times,
        }
    }

    /// The number of `address` for the origin `name`, or of `_other`.
    fn address(&mut self, name: u32, address: &[u8], limit: usize) -> u32 {
        if let Some(number) = self.addresses.find(address)
            && self.pairs.contains(&(name, number))
        {
            return number;
        }
        let shown = if self.pairs.len() < limit {
            address
        } else {
            self.overflowed += 1;
            OTHER.as_bytes()
        };
        let number = self.addresses.intern(shown);
        self.pairs.insert((name, number));
        number
    }
}

/// The number of `name`, or of `_other` if it is beyond the limit and not reserved.
fn intern_within(
    limit: usize,
    names: &mut StringInterner,
    name: &[u8],
    overflowed: &mut u64,
    is_reserved: impl FnOnce() -> bool,
) -> u32 {
    if names.len() < limit {
        return names.intern(name);
    }
    names.find(name).unwrap_or_else(|| {
        if is_reserved() {
            return names.intern(name);
        }
        *overflowed += 1;
        names.intern(OTHER.as_bytes())
    })
}
