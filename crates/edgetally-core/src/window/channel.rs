//! The channel of a sealed second: what a service counts as a whole, by POP.
//!
//! Its rows have only what domains do not. The rest is summed over the rows of the domains, when it is asked for.

use crate::schema::counters::{Kind, add, channel as at, delivery};
use crate::schema::formula::{CHANNEL, COMPUTE, Formula, quotient};
use crate::schema::miss_times;
use crate::window::sealed::{Sealed, SealedRow};

/// The counters of a service in one second, of one POP or of all.
#[derive(Debug, Clone)]
pub struct ChannelCounters {
    /// As a [`Formula`] numbers them: those of domains for delivery and for compute, then those of services.
    counters: [u64; CHANNEL + at::LEN],
    miss_times: [u64; miss_times::LEN],
}

/// The value of a measurement of the channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ChannelValue<'a> {
    /// An integer.
    Integer(u64),
    /// A time in microseconds, which is shown in seconds.
    Microseconds(u64),
    /// A ratio from 0 to 1, which is 0 without a denominator.
    Ratio(f64),
    /// How many misses are in each bucket; [`MISS_ENDS_MS`](miss_times::ENDS_MS) has the upper ends.
    Histogram(&'a [u64; miss_times::LEN]),
}

impl Default for ChannelCounters {
    fn default() -> Self {
        Self { counters: [0; CHANNEL + at::LEN], miss_times: [0; miss_times::LEN] }
    }
}

impl ChannelCounters {
    /// The value of a measurement with this formula.
    #[must_use]
    pub fn value(&self, formula: &Formula) -> ChannelValue<'_> {
        let sum = |counters: &[usize]| {
            counters.iter().fold(0_u64, |sum, counter| sum.saturating_add(self.counters[*counter]))
        };
        let own = |counter: usize| self.counters[CHANNEL + counter];
        let ratio = |part, less, whole| {
            let ratio = quotient(part, less, whole);
            ChannelValue::Ratio(if ratio.is_nan() { 0.0 } else { ratio.clamp(0.0, 1.0) })
        };
        match formula {
            Formula::Sum(counters) => ChannelValue::Integer(sum(counters)),
            Formula::Seconds(counter) => ChannelValue::Microseconds(self.counters[*counter]),
            Formula::MissHistogram => ChannelValue::Histogram(&self.miss_times),
            Formula::EdgeHitRatio => {
                let (hits, misses) = (self.counters[delivery::EDGE_HITS], self.counters[delivery::EDGE_MISSES]);
                ratio([hits, 0], [0, 0], [hits, misses])
            }
            Formula::HitRatio => {
                let hits = own(at::EDGE_HITS).saturating_add(own(at::SHIELD_HITS));
                let misses = own(at::EDGE_MISSES).saturating_add(own(at::SHIELD_MISSES));
                ratio([hits, 0], [0, 0], [hits, misses])
            }
            Formula::OriginOffload => {
                use delivery as of;
                let sent = [self.counters[of::EDGE_RESP_HEADER_BYTES], self.counters[of::EDGE_RESP_BODY_BYTES]];
                let fetched = [self.counters[of::BERESP_HEADER_BYTES], self.counters[of::BERESP_BODY_BYTES]];
                ratio(sent, fetched, sent)
            }
        }
    }

    fn add_row(&mut self, sealed: &Sealed, row: &SealedRow) {
        let cells = match row.kind {
            Kind::Delivery => &mut self.counters[..],
            Kind::Compute => &mut self.counters[COMPUTE..],
            Kind::Channel => &mut self.counters[CHANNEL..],
            Kind::MissTimes => &mut self.miss_times[..],
            Kind::Origin | Kind::ComputeOrigin => return,
        };
        sealed.for_each_counter(row, |counter, value| {
            if let Some(cell) = cells.get_mut(counter) {
                add(cell, value);
            }
        });
    }

    fn add_all(&mut self, other: &Self) {
        let own = self.counters.iter_mut().chain(&mut self.miss_times);
        own.zip(other.counters.iter().chain(&other.miss_times)).for_each(|(own, other)| add(own, *other));
    }
}

/// The channel of one sealed second.
#[derive(Debug)]
pub struct Channel<'a> {
    /// The sum of all POPs.
    pub aggregated: ChannelCounters,
    /// The POPs that have rows, in alphabetical order.
    pub pops: Vec<(&'a str, ChannelCounters)>,
}

impl Sealed {
    /// What the service counts as a whole. Reads the row of every domain, unless there are so many that their sums are kept.
    #[must_use]
    pub fn channel(&self) -> Channel<'_> {
        let mut pops: Vec<Option<ChannelCounters>> = vec![None; self.pops.len()];
        let of_domains = if self.domain_totals.is_empty() { &self.domain_rows } else { &self.domain_totals };
        for row in of_domains.iter().chain(&self.channel_rows) {
            pops[row.pop() as usize].get_or_insert_default().add_row(self, row);
        }
        let mut aggregated = ChannelCounters::default();
        pops.iter().flatten().for_each(|pop| aggregated.add_all(pop));
        let named = (0..).zip(pops).filter_map(|(rank, counters)| Some((self.pops.get(rank), counters?)));
        Channel { aggregated, pops: named.collect() }
    }
}
