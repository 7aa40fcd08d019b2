//! The columns of rankings: sums of measurements that can be added up over names, POPs and seconds. Shares and rates are
//! computed by who shows them.

use std::sync::LazyLock;

use crate::schema::counters::{Kind, add};
use crate::schema::dataset::Dataset;
use crate::schema::formula::{COMPUTE, Formula};
use crate::schema::measurements::measurements;
use crate::window::sealed::{Sealed, SealedRow};

/// Requests of a domain, responses of an origin.
pub(crate) const REQUESTS: usize = 0;
/// Statuses from 500.
pub(crate) const FAILURES: usize = 5;

/// Columns of domains. Compute is added in, or services of compute would look idle.
const DOMAINS: [(&str, &[&str]); 15] = [
    ("requests", &["requests", "compute_request"]),
    ("1xx", &["status_1xx", "compute_resp_status_1xx"]),
    ("2xx", &["status_2xx", "compute_resp_status_2xx"]),
    ("3xx", &["status_3xx", "compute_resp_status_3xx"]),
    ("4xx", &["status_4xx", "compute_resp_status_4xx"]),
    ("5xx", &["status_5xx", "compute_resp_status_5xx"]),
    ("hits", &["edge_hit_requests"]),
    ("misses", &["edge_miss_requests"]),
    (
        "bandwidth",
        &[
            "bandwidth",
            "compute_resp_header_bytes",
            "compute_resp_body_bytes",
            "compute_bereq_header_bytes",
            "compute_bereq_body_bytes",
        ],
    ),
    (
        "sent",
        &["edge_resp_header_bytes", "edge_resp_body_bytes", "compute_resp_header_bytes", "compute_resp_body_bytes"],
    ),
    (
        "fetched",
        &[
            "origin_fetch_resp_header_bytes",
            "origin_fetch_resp_body_bytes",
            "compute_beresp_header_bytes",
            "compute_beresp_body_bytes",
        ],
    ),
    ("fetches", &["origin_fetches", "compute_bereqs"]),
    // Fetches less ANSWERED.
    ("unanswered", &[]),
    ("origin_5xx", &["origin_status_5xx", "compute_origin_status_5xx"]),
    // Not shown.
    (
        "answered",
        &[
            "origin_status_1xx",
            "origin_status_2xx",
            "origin_status_3xx",
            "origin_status_4xx",
            "origin_status_5xx",
            "compute_origin_status_1xx",
            "compute_origin_status_2xx",
            "compute_origin_status_3xx",
            "compute_origin_status_4xx",
            "compute_origin_status_5xx",
        ],
    ),
];
const FETCHES: usize = 11;
const UNANSWERED: usize = 12;
const ANSWERED: usize = 14;

/// Columns of origins, for delivery and compute together; after them the latency buckets.
const ORIGINS: [(&str, &[&str]); 7] = [
    ("responses", &["all_responses"]),
    ("1xx", &["all_status_1xx"]),
    ("2xx", &["all_status_2xx"]),
    ("3xx", &["all_status_3xx"]),
    ("4xx", &["all_status_4xx"]),
    ("5xx", &["all_status_5xx"]),
    ("bytes", &["all_resp_header_bytes", "all_resp_body_bytes"]),
];
const LATENCY: &str = "all_latency_";

/// Sums of columns, and of what they are computed from.
pub(crate) type Sums = [u64; 32];
/// Where counters go that are part of fewer columns than others.
const UNUSED: usize = 31;

/// The most columns that a counter is part of.
const MOST: usize = 2;

/// Some of the counters of delivery, and of compute.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted([u128; 2]);

impl Wanted {
    /// Whether a counter of such rows is one of them.
    pub fn has(&self, kind: Kind, counter: usize) -> bool {
        let half = usize::from(matches!(kind, Kind::Compute | Kind::ComputeOrigin));
        !kind.is_channel() && self.0[half] >> counter & 1 == 1
    }
}

/// The columns of one dataset.
#[derive(Debug)]
pub(crate) struct RankingColumns {
    names: Vec<String>,
    /// The sums that a counter is added to; counters of compute are numbered from [`COMPUTE`].
    sums: [[u8; MOST]; COMPUTE * 2],
    has_unanswered: bool,
}

impl RankingColumns {
    /// The columns of `dataset`: those of domains, or those of origins.
    pub fn of(dataset: Dataset) -> &'static Self {
        static DOMAIN_COLUMNS: LazyLock<RankingColumns> = LazyLock::new(|| {
            let columns = DOMAINS.map(|(name, sum)| (name.to_owned(), sum.iter().map(ToString::to_string).collect()));
            RankingColumns::new(Dataset::Domains, &columns, DOMAINS.len() - 1)
        });
        static ORIGIN_COLUMNS: LazyLock<RankingColumns> = LazyLock::new(|| {
            let named = ORIGINS.map(|(name, sum)| (name.to_owned(), sum.iter().map(ToString::to_string).collect()));
            let mut columns = named.to_vec();
            let mut buckets: Vec<_> = measurements(Dataset::Origins)
                .iter()
                .filter_map(|one| one.name.strip_prefix(LATENCY))
                .map(|bucket| (format!("latency_{bucket}"), vec![format!("{LATENCY}{bucket}")]))
                .collect();
            // By the start of the bucket, which is in front of `_to_` or `ms`.
            let start = |name: &str| {
                name.trim_start_matches("latency_")
                    .split(|c: char| !c.is_ascii_digit())
                    .next()
                    .and_then(|digits| digits.parse::<u64>().ok())
            };
            buckets.sort_by_key(|(name, _)| start(name));
            columns.append(&mut buckets);
            RankingColumns::new(Dataset::Origins, &columns, columns.len())
        });
        match dataset {
            Dataset::Domains => &DOMAIN_COLUMNS,
            _ => &ORIGIN_COLUMNS,
        }
    }

    /// The first `shown` of `columns` are shown.
    fn new(dataset: Dataset, columns: &[(String, Vec<String>)], shown: usize) -> Self {
        let mut sums = [[narrow(UNUSED); MOST]; COMPUTE * 2];
        for (column, (_, summed)) in columns.iter().enumerate() {
            for name in summed {
                let found = measurements(dataset).iter().find(|one| one.name == *name);
                let Some(Formula::Sum(counters)) = found.map(|one| &one.formula) else {
                    panic!("{name} is no sum of counters");
                };
                for counter in counters {
                    let free = sums[*counter].iter_mut().find(|sum| usize::from(**sum) == UNUSED);
                    *free.expect("a counter is part of two columns at most") = narrow(column);
                }
            }
        }
        assert!(columns.len() <= UNUSED, "columns do not fit their sums");
        let names = columns[..shown].iter().map(|(name, _)| name.clone()).collect();
        Self { names, sums, has_unanswered: dataset == Dataset::Domains }
    }

    /// Their names, in their order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The counters of these sums.
    fn counters(&self, wanted: impl Fn(usize) -> bool) -> Wanted {
        let of = |base: usize| {
            let counters = (0..COMPUTE).filter(|counter| {
                self.sums[base + counter].iter().any(|sum| usize::from(*sum) != UNUSED && wanted((*sum).into()))
            });
            counters.fold(0, |set, counter| set | 1 << counter)
        };
        Wanted([of(0), of(COMPUTE)])
    }

    /// The counters of all columns.
    pub fn all(&self) -> Wanted {
        self.counters(|_| true)
    }

    /// The counters of series.
    pub fn of_series(&self) -> Wanted {
        self.counters(|sum| (REQUESTS..=FAILURES).contains(&sum))
    }

    /// The counters of requests and of what names are ordered by.
    pub fn of_order(&self, by: By) -> Wanted {
        let unanswered = |sum| self.has_unanswered && [FETCHES, ANSWERED].contains(&sum);
        self.counters(|sum| match by {
            By::Trouble => sum == REQUESTS || sum == FAILURES || unanswered(sum),
            By::Column(UNANSWERED) => sum == REQUESTS || sum == UNANSWERED || unanswered(sum),
            By::Column(column) => sum == REQUESTS || sum == column,
        })
    }

    /// Adds the `wanted` counters of a row; others may be added with them.
    #[inline]
    pub fn add(&self, sums: &mut Sums, sealed: &Sealed, row: &SealedRow, wanted: &Wanted) {
        let half = usize::from(matches!(row.kind, Kind::Compute | Kind::ComputeOrigin));
        sealed.for_each_of(row, wanted.0[half], |counter, value| {
            let [one, other] = self.sums[(half * COMPUTE + counter) % (COMPUTE * 2)];
            add(&mut sums[usize::from(one) % 32], value);
            add(&mut sums[usize::from(other) % 32], value);
        });
    }

    /// The value of a column.
    pub fn value(&self, sums: &Sums, column: usize) -> u64 {
        if self.has_unanswered && column == UNANSWERED {
            return sums[FETCHES].saturating_sub(sums[ANSWERED]);
        }
        sums[column]
    }

    /// The values of all columns.
    pub fn values(&self, sums: &Sums) -> impl Iterator<Item = u64> {
        (0..self.names.len()).map(|column| self.value(sums, column))
    }

    /// Failed responses, and fetches without a response.
    pub fn trouble(&self, sums: &Sums) -> u64 {
        let unanswered = if self.has_unanswered { self.value(sums, UNANSWERED) } else { 0 };
        sums[FAILURES].saturating_add(unanswered)
    }
}

/// The orders of names, the highest value first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Failed responses and fetches without a response; of a silent name, all that it had.
    Trouble,
    /// A column, by number.
    Column(usize),
}

impl By {
    /// The order of this name: `trouble`, or a column of `dataset`.
    #[must_use]
    pub fn named(name: &str, dataset: Dataset) -> Option<Self> {
        if name == "trouble" {
            return Some(Self::Trouble);
        }
        RankingColumns::of(dataset).names().iter().position(|column| column == name).map(Self::Column)
    }

    pub(crate) fn name(self, columns: &RankingColumns) -> &str {
        match self {
            Self::Trouble => "trouble",
            Self::Column(column) => &columns.names()[column],
        }
    }
}

/// Adds `other` to `sums`.
pub(crate) fn add_sums(sums: &mut Sums, other: &Sums) {
    sums.iter_mut().zip(other).for_each(|(sum, other)| add(sum, *other));
}

#[expect(clippy::cast_possible_truncation, reason = "columns are few")]
fn narrow(number: usize) -> u8 {
    debug_assert!(number < 256);
    number as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_those_of_the_documentation() {
        let domains = "requests 1xx 2xx 3xx 4xx 5xx hits misses bandwidth sent fetched fetches unanswered origin_5xx";
        assert_eq!(domains, RankingColumns::of(Dataset::Domains).names().join(" "));
        let origins = "responses 1xx 2xx 3xx 4xx 5xx bytes latency_0_to_1ms latency_1_to_5ms latency_5_to_10ms \
                       latency_10_to_50ms latency_50_to_100ms latency_100_to_250ms latency_250_to_500ms \
                       latency_500_to_1000ms latency_1000_to_5000ms latency_5000_to_10000ms latency_10000_to_60000ms \
                       latency_60000ms";
        assert_eq!(origins, RankingColumns::of(Dataset::Origins).names().join(" "));
    }
}
