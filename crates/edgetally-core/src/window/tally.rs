//! A tally: the counters of one service in one second, while they still grow.
//!
//! Keys here are final: limits on how many there may be are applied when a key comes in, and what is beyond them
//! counts under `_other`. No request goes uncounted for it.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::{HashSet, HashTable};

use crate::partial::Encoded;
use crate::schema::counters::Kind;
use crate::value::key::OTHER;
use crate::window::sparse_rows::Packed;
use crate::window::string_interner::Names;

/// How many keys one service may have in one second.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Domains, and besides them those that have a place.
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

/// What a row is found by: numbers of the POP, the name and the address, packed.
pub(crate) type RowKey = u128;

pub(crate) fn row_key(pop: u32, name: u32, address: u32) -> RowKey {
    u128::from(name) << 64 | u128::from(address) << 32 | u128::from(pop)
}

pub(crate) fn row_parts(key: RowKey) -> (u32, u32, u32) {
    let part = |shift: u32| u32::try_from(key >> shift & 0xFFFF_FFFF).unwrap_or(0);
    (part(0), part(64), part(32))
}

/// Rows of one kind.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    hasher: RandomState,
    index: HashTable<u32>,
    pub keys: Vec<RowKey>,
    pub counters: Packed,
}

impl Rows {
    fn add(&mut self, key: RowKey, counters: Encoded<'_>) {
        let (hasher, keys) = (&self.hasher, &self.keys);
        let hash = hasher.hash_one(key);
        let row = if let Some(row) = self.index.find(hash, |row| keys[*row as usize] == key) {
            *row
        } else {
            let row = self.counters.push(counters.count());
            self.index.insert_unique(hash, row, |row| hasher.hash_one(keys[*row as usize]));
            self.keys.push(key);
            row
        };
        self.counters.add(row, counters);
    }
}

/// The counters of one service in one second.
#[derive(Debug, Default)]
pub struct Tally {
    /// Records that were added.
    pub records: u64,
    /// Rows that were added under `_other` for a limit.
    pub overflowed: u64,
    pub(crate) pops: Names,
    pub(crate) domains: Names,
    pub(crate) origins: Names,
    pub(crate) addresses: Names,
    pub(crate) pairs: HashSet<(u32, u32), RandomState>,
    pub(crate) delivery: Rows,
    pub(crate) compute: Rows,
    pub(crate) fetched: Rows,
    pub(crate) compute_fetched: Rows,
}

impl Tally {
    /// The number of `pop`.
    pub fn pop(&mut self, pop: &str, limits: &Limits) -> u32 {
        limited(&mut self.pops, pop.as_bytes(), limits.pops, &mut self.overflowed, || false)
    }

    /// Adds `counters` to the row of a key, whose POP has a number already; `has_place` says whether a domain has its row
    /// whatever the limit.
    #[expect(clippy::too_many_arguments, reason = "a key has four parts, and nobody else adds")]
    pub fn add(
        &mut self,
        kind: Kind,
        pop: u32,
        name: &[u8],
        address: &[u8],
        counters: Encoded<'_>,
        limits: &Limits,
        has_place: impl FnOnce() -> bool,
    ) {
        if !kind.is_origin() {
            let name = limited(&mut self.domains, name, limits.domains, &mut self.overflowed, has_place);
            let key = row_key(pop, name, 0);
            match kind {
                Kind::Compute => self.compute.add(key, counters),
                _ => self.delivery.add(key, counters),
            }
            return;
        }
        let name = limited(&mut self.origins, name, limits.origins, &mut self.overflowed, || false);
        let address = self.address(name, address, limits.addresses);
        let key = row_key(pop, name, address);
        match kind {
            Kind::ComputeOrigin => self.compute_fetched.add(key, counters),
            _ => self.fetched.add(key, counters),
        }
    }

    /// The number of `address` for the origin `name`, within the limit on pairs of both.
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
        let number = self.addresses.number(shown);
        self.pairs.insert((name, number));
        number
    }
}

fn limited(
    names: &mut Names,
    name: &[u8],
    limit: usize,
    overflowed: &mut u64,
    has_place: impl FnOnce() -> bool,
) -> u32 {
    if names.len() < limit {
        return names.number(name);
    }
    names.find(name).unwrap_or_else(|| {
        if has_place() {
            return names.number(name);
        }
        *overflowed += 1;
        names.number(OTHER.as_bytes())
    })
}
