//! Measurements: what the API shows, and how it is computed from counters.

use crate::schema::counters::delivery;
use crate::schema::dataset::Dataset;

/// Where the counters of compute start. A dataset has two kinds of rows: measurements number the counters of delivery from
/// 0, and those of compute from here.
pub const COMPUTE: usize = delivery::LEN;
/// Where the counters of the channel start, which it has beside those of all its domains.
pub const CHANNEL: usize = 2 * COMPUTE;

/// How a measurement is computed from counters.
#[derive(Debug, Clone, PartialEq)]
pub enum Formula {
    /// The sum of these counters.
    Sum(Vec<usize>),
    /// Hits / (hits + misses).
    EdgeHitRatio,
    /// (Bytes sent to end users − bytes received from origins) / bytes sent to end users.
    OriginOffload,
    /// Hits / (hits + misses), of end users and of our other POPs.
    HitRatio,
    /// The seconds of this counter of microseconds.
    Seconds(usize),
    /// Misses by the upper end of their time in milliseconds.
    MissHistogram,
}

impl Formula {
    /// What its values are: a `counter`, a `ratio` from 0 to 1, `seconds`, or a `histogram`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Sum(_) => "counter",
            Self::EdgeHitRatio | Self::OriginOffload | Self::HitRatio => "ratio",
            Self::Seconds(_) => "seconds",
            Self::MissHistogram => "histogram",
        }
    }
}

/// One field of the API.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// The dataset that has it.
    pub dataset: Dataset,
    /// Its key in JSON.
    pub name: String,
    /// What it says, in words.
    pub description: String,
    /// How it is computed.
    pub formula: Formula,
    /// Whether entries have it when it is 0, too.
    pub is_always_shown: bool,
}

/// (`part` − `less`) / `whole`, each of these a sum, with numerator and denominator rounded once. Not a number if `whole` is
/// 0.
#[expect(clippy::cast_precision_loss, reason = "a ratio is as precise as a double")]
pub fn quotient(part: [u64; 2], less: [u64; 2], whole: [u64; 2]) -> f64 {
    let sum = |[one, other]: [u64; 2]| i64::try_from(one.checked_add(other)?).ok();
    if let (Some(part), Some(less), Some(whole)) = (sum(part), sum(less), sum(whole)) {
        // The processor converts these in one instruction.
        return (part - less) as f64 / whole as f64;
    }
    let wide_sum = |[one, other]: [u64; 2]| i128::from(one) + i128::from(other);
    (wide_sum(part) - wide_sum(less)) as f64 / wide_sum(whole) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_do_not_depend_on_the_size_of_their_parts() {
        for one in [2, 1 << 62] {
            assert_eq!(Some(0.5), Some(quotient([one, one], [one, 0], [one, one])));
            assert_eq!(Some(-0.5), Some(quotient([one, 0], [one, one], [one, one])));
            assert!(quotient([0, 0], [0, 0], [0, 0]).is_nan());
        }
    }
}
