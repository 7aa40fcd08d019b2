//! What is asked for: measurements, and the sums that they are made of.

use std::collections::BTreeMap;

use crate::entry::JsonBuffer;
use crate::rollup::columns::column_in;
use crate::schema::counters::{channel, delivery};
use crate::schema::dataset::Dataset;
use crate::schema::formula::{CHANNEL, Formula, Measurement, quotient};

/// How a measurement is made of sums. The numbers are those of its first sum.
#[derive(Debug, Clone, Copy)]
enum Making {
    /// A sum.
    Sum(usize),
    /// A sum of microseconds, in seconds.
    Seconds(usize),
    /// The first of two / both.
    Share(usize),
    /// What the first two of four have more than the others, in parts of the first two.
    Excess(usize),
}

/// Some measurements of a dataset.
#[derive(Debug)]
pub struct Metrics {
    keys: Vec<String>,
    makings: Vec<Making>,
    /// The columns that are read, and the sums that each is added to.
    pub feeds: Vec<(u16, Vec<usize>)>,
    /// How many sums there are.
    pub sums: usize,
}

impl Metrics {
    /// These measurements, which are not histograms.
    pub fn new(dataset: Dataset, measurements: &[&Measurement]) -> Self {
        let (mut feeds, mut sums, mut makings) = (BTreeMap::<u16, Vec<usize>>::new(), 0, vec![]);
        let mut sum = |counters: &[usize]| {
            for counter in counters {
                feeds.entry(column_in(dataset, *counter)).or_default().push(sums);
            }
            sums += 1;
            sums - 1
        };
        for one in measurements {
            makings.push(match &one.formula {
                Formula::Sum(counters) => Making::Sum(sum(counters)),
                Formula::Seconds(counter) => Making::Seconds(sum(&[*counter])),
                Formula::EdgeHitRatio => {
                    let hits = sum(&[delivery::EDGE_HITS]);
                    sum(&[delivery::EDGE_MISSES]);
                    Making::Share(hits)
                }
                Formula::HitRatio => {
                    let hits = sum(&[CHANNEL + channel::EDGE_HITS, CHANNEL + channel::SHIELD_HITS]);
                    sum(&[CHANNEL + channel::EDGE_MISSES, CHANNEL + channel::SHIELD_MISSES]);
                    Making::Share(hits)
                }
                Formula::OriginOffload => {
                    let first = sum(&[delivery::EDGE_RESP_HEADER_BYTES]);
                    for counter in
                        [delivery::EDGE_RESP_BODY_BYTES, delivery::BERESP_HEADER_BYTES, delivery::BERESP_BODY_BYTES]
                    {
                        sum(&[counter]);
                    }
                    Making::Excess(first)
                }
                Formula::MissHistogram => unreachable!("it was checked"),
            });
        }
        let keys = measurements.iter().map(|one| one.name.clone()).collect();
        Self { keys, makings, feeds: feeds.into_iter().collect(), sums }
    }

    /// Writes the members of those that are not 0, each with a comma behind it; returns how many there are.
    pub fn write(&self, json: &mut JsonBuffer, sums: &[u64]) -> usize {
        let mut written = 0;
        for (key, making) in self.keys.iter().zip(&self.makings) {
            let ratio = match *making {
                Making::Sum(at) => {
                    if sums[at] != 0 {
                        json.key(key);
                        json.integer(sums[at]);
                        json.text(",");
                        written += 1;
                    }
                    continue;
                }
                #[expect(clippy::cast_precision_loss, reason = "seconds are shown as a double")]
                Making::Seconds(at) => sums[at] as f64 / 1e6,
                Making::Share(at) => quotient([sums[at], 0], [0, 0], [sums[at], sums[at + 1]]),
                Making::Excess(at) => {
                    let sent = [sums[at], sums[at + 1]];
                    quotient(sent, [sums[at + 2], sums[at + 3]], sent)
                }
            };
            if ratio > 0.0 {
                json.key(key);
                json.text(zmij::Buffer::new().format_finite(ratio));
                json.text(",");
                written += 1;
            }
        }
        written
    }
}
