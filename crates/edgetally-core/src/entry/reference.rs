//! A reference encoder: every sum over all counters, straight from the table of measurements. It is slow, and the encoder
//! must write the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::partial::{EncodedCounters, write_counters};
use crate::schema::counters::{Kind, channel, delivery as at};
use crate::schema::dataset::Dataset;
use crate::schema::formula::{CHANNEL, COMPUTE, Formula};
use crate::schema::measurements::measurements;
use crate::schema::miss_times::ENDS_MS;
use crate::window::sealed::Sealed;
use crate::window::tally::{Limits, Tally};

/// Microseconds in a second.
const MICROSECONDS: u64 = 1_000_000;

/// What was counted for one key: kind, POP, name, address, and values by counter.
type Counted = (Kind, String, String, String, BTreeMap<usize, u64>);

fn reference_entry(all: &[Counted], dataset: Dataset) -> String {
    let shown = |(kind, ..): &&Counted| match dataset {
        Dataset::Channel => !kind.is_origin(),
        Dataset::Domains => !kind.is_origin() && !kind.is_channel(),
        Dataset::Origins | Dataset::OriginInsights => kind.is_origin(),
    };
    let all: Vec<&Counted> = all.iter().filter(shown).collect();
    let pops: BTreeSet<&str> = all.iter().map(|one| &*one.1).collect();
    let of = |pop| all.iter().copied().filter(|one| one.1 == pop).collect::<Vec<_>>();
    let datacenter = object(pops.into_iter().map(|pop| (pop, names(&of(pop), dataset))));
    format!("{{\"recorded\":7,\"aggregated\":{},\"datacenter\":{datacenter}}}", names(&all, dataset))
}

fn names(all: &[&Counted], dataset: Dataset) -> String {
    if dataset == Dataset::Channel {
        return measurements_of(all, dataset);
    }
    let names: BTreeSet<&str> = all.iter().map(|one| &*one.2).collect();
    let of = |name| all.iter().copied().filter(|one| one.2 == name).collect::<Vec<_>>();
    object(names.into_iter().map(|name| match dataset {
        Dataset::OriginInsights => (name, addresses(&of(name))),
        _ => (name, measurements_of(&of(name), dataset)),
    }))
}

fn addresses(all: &[&Counted]) -> String {
    let addresses: BTreeSet<&str> = all.iter().map(|one| &*one.3).collect();
    let of = |address| all.iter().copied().filter(|one| one.3 == address).collect::<Vec<_>>();
    object(addresses.into_iter().map(|address| (address, measurements_of(&of(address), Dataset::OriginInsights))))
}

fn measurements_of(all: &[&Counted], dataset: Dataset) -> String {
    let sum = |summed: &[usize]| {
        let counters = all.iter().filter(|(kind, ..)| *kind != Kind::MissTimes).flat_map(|(kind, .., counters)| {
            let base = match kind {
                Kind::Compute | Kind::ComputeOrigin => COMPUTE,
                Kind::Channel => CHANNEL,
                _ => 0,
            };
            counters.iter().map(move |(counter, value)| (base + counter, *value))
        });
        counters
            .filter(|(counter, _)| summed.contains(counter))
            .fold(0_u64, |sum, (_, value)| sum.saturating_add(value))
    };
    let wide_sum = |summed: &[usize]| summed.iter().map(|counter| i128::from(sum(&[*counter]))).sum::<i128>();
    #[expect(clippy::cast_precision_loss, reason = "a ratio is as precise as a double")]
    let ratio = |part: i128, whole: i128| {
        let ratio = (part as f64 / whole as f64).min(1.0);
        // A ratio needs a denominator.
        (whole != 0 && ratio > 0.0).then(|| zmij::Buffer::new().format_finite(ratio).to_owned())
    };
    object(measurements(dataset).iter().filter_map(|measurement| {
        let value = match &measurement.formula {
            Formula::Sum(counters) => {
                Some(sum(counters)).filter(|sum| *sum != 0 || measurement.is_always_shown).map(|sum| sum.to_string())
            }
            Formula::Seconds(counter) => Some(sum(&[*counter]))
                .filter(|sum| *sum != 0 || measurement.is_always_shown)
                .map(|sum| decimal(sum, MICROSECONDS)),
            Formula::HitRatio => {
                let of = |counters: [usize; 2]| i128::from(sum(&counters.map(|counter| CHANNEL + counter)));
                let hits = of([channel::EDGE_HITS, channel::SHIELD_HITS]);
                ratio(hits, hits + of([channel::EDGE_MISSES, channel::SHIELD_MISSES]))
            }
            Formula::MissHistogram => Some(miss_histogram(all)),
            Formula::EdgeHitRatio => ratio(wide_sum(&[at::EDGE_HITS]), wide_sum(&[at::EDGE_HITS, at::EDGE_MISSES])),
            Formula::OriginOffload => {
                let sent = wide_sum(&[at::EDGE_RESP_HEADER_BYTES, at::EDGE_RESP_BODY_BYTES]);
                ratio(sent - wide_sum(&[at::BERESP_HEADER_BYTES, at::BERESP_BODY_BYTES]), sent)
            }
        };
        Some((&*measurement.name, value?))
    }))
}

fn miss_histogram(all: &[&Counted]) -> String {
    let mut misses = BTreeMap::<usize, u64>::new();
    for (.., counters) in all.iter().filter(|(kind, ..)| *kind == Kind::MissTimes) {
        for (bucket, value) in counters {
            let sum = misses.entry(*bucket).or_default();
            *sum = sum.saturating_add(*value);
        }
    }
    let members: Vec<String> =
        misses.iter().map(|(bucket, value)| format!("\"{}\":{value}", ENDS_MS[*bucket])).collect();
    format!("{{{}}}", members.join(","))
}

/// `value` divided by `unit`, with a digit or more behind the point, and without other zeros at its end.
fn decimal(value: u64, unit: u64) -> String {
    let (mut text, mut left, mut unit) = (format!("{}.", value / unit), value % unit, unit);
    while left != 0 || text.ends_with('.') {
        unit /= 10;
        text += &(left / unit).to_string();
        left %= unit;
    }
    text
}

fn object<'a>(members: impl Iterator<Item = (&'a str, String)>) -> String {
    let quoted = |name| serde_json::to_string(name).expect("a name is text");
    let members: Vec<String> = members.map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
    format!("{{{}}}", members.join(","))
}

/// Few names, so that keys collide; counters small, large, and so large that their sums saturate.
fn counted() -> impl Strategy<Value = Counted> {
    let pop = prop_oneof![Just("AMS"), Just("LHR"), Just("local")];
    let name = prop_oneof![Just("a.example"), Just("b.example"), Just("\"\\\u{1}é"), Just("z")];
    let address = prop_oneof![Just("10.0.0.1"), Just("2001:db8::1")];
    let value = (1..=u64::MAX, prop_oneof![2 => Just(60_u32), 2 => 0..60_u32, 1 => Just(0)]);
    let counters = prop::collection::btree_map(0..128_usize, value, 1..40);
    (prop::sample::select(&Kind::ALL[..]), pop, name, address, counters).prop_map(
        |(kind, pop, name, address, counters)| {
            let counters = counters.into_iter().filter(|(counter, _)| *counter < kind.counters());
            let counters = counters.map(|(counter, (value, shift))| (counter, (value >> shift).max(1))).collect();
            (kind, pop.to_owned(), name.to_owned(), address.to_owned(), counters)
        },
    )
}

proptest! {
    #[test]
    fn an_entry_is_what_the_reference_encoder_writes(all in prop::collection::vec(counted(), 0..24)) {
        let limits = Limits::default();
        let mut tally = Tally::default();
        for (kind, pop, name, address, counters) in &all {
            let mut bytes = vec![];
            write_counters(&mut bytes, counters.iter().map(|(counter, value)| (*counter, *value)));
            let pop = tally.pop(pop, &limits);
            tally.add(*kind, pop, name.as_bytes(), address.as_bytes(), EncodedCounters::at(&bytes, 0), &limits, || false);
        }
        let sealed = Sealed::new(&tally, "default", 7);
        for dataset in Dataset::ALL {
            let entry = String::from_utf8(sealed.entry(dataset)).expect("an entry is UTF-8");
            prop_assert_eq!(reference_entry(&all, dataset), entry);
        }
    }
}
