//! The numbers of columns: kinds of rows and their counters, as in partials. A new version adds columns and leaves the others
//! as they are.

use crate::schema::counters::{Kind, compute, delivery, origin};
use crate::schema::dataset::Dataset;
use crate::schema::formula::{CHANNEL, COMPUTE};
use crate::schema::status::FAMILY;

/// The version that this crate writes: that of the columns, and of how they are written.
pub const VERSION: u8 = 1;
/// How many columns a kind of rows may have.
const OF_KIND: u16 = 128;
/// How many columns there are.
pub const COLUMNS: usize = 128 * (Kind::ALL.len() + 1);
/// Records, late ones and overflowed rows of a service: in the row for everything, without a POP.
pub const LINES: [u16; 3] = {
    let first = OF_KIND * 6;
    [first, first + 1, first + 2]
};

/// The column of a counter.
pub fn column_of(kind: Kind, counter: usize) -> u16 {
    kind as u16 * OF_KIND + u16::try_from(counter).expect("a row has fewer than 256 counters")
}

/// The counter of a column, unless it is one of [`LINES`].
pub fn counter_of(column: u16) -> Option<(Kind, usize)> {
    let kind = *Kind::ALL.get(usize::from(column / OF_KIND))?;
    let counter = usize::from(column % OF_KIND);
    (counter < kind.counters()).then_some((kind, counter))
}

/// The column of what a measurement of `dataset` calls `counter`.
pub fn column_in(dataset: Dataset, counter: usize) -> u16 {
    let is_of_origins = matches!(dataset, Dataset::Origins | Dataset::OriginInsights);
    match (is_of_origins, counter) {
        (false, ..COMPUTE) => column_of(Kind::Delivery, counter),
        (true, ..COMPUTE) => column_of(Kind::Origin, counter),
        (false, ..CHANNEL) => column_of(Kind::Compute, counter - COMPUTE),
        (true, _) => column_of(Kind::ComputeOrigin, counter - COMPUTE),
        (false, _) => column_of(Kind::Channel, counter - CHANNEL),
    }
}

/// The columns whose sum says which names matter: requests of domains, responses of origins.
pub fn requests() -> Vec<u16> {
    let of_domains = [
        column_of(Kind::Delivery, delivery::EDGE_REQUESTS),
        column_of(Kind::Delivery, delivery::SHIELD_REQUESTS),
        column_of(Kind::Compute, compute::REQUESTS),
    ];
    let statuses = |kind| (origin::STATUS..origin::STATUS + FAMILY).map(move |counter: usize| column_of(kind, counter));
    of_domains.into_iter().chain([Kind::Origin, Kind::ComputeOrigin].into_iter().flat_map(statuses)).collect()
}
