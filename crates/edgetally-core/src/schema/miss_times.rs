//! Counters of a service in one POP: misses by the time that they took, one per bucket.

/// How many counters there are.
pub const LEN: usize = 102;
/// Upper ends of the buckets in milliseconds; a bucket is (start, end]. The last one has what takes longer, too.
pub const ENDS_MS: [u64; LEN] = {
    // The step up to an end. Finer where times are short, as in Fastly's histogram.
    const STEPS: [(u64, u64); 7] =
        [(1, 10), (10, 250), (50, 1_000), (100, 3_000), (500, 10_000), (1_000, 20_000), (5_000, 60_000)];
    let mut ends = [LONGEST_MS + 1; LEN];
    let (mut bucket, mut range, mut end) = (0, 0, 0);
    while range < STEPS.len() {
        while end < STEPS[range].1 {
            end += STEPS[range].0;
            ends[bucket] = end;
            bucket += 1;
        }
        range += 1;
    }
    assert!(bucket == LEN - 1, "all but the last bucket have an end");
    ends
};
/// The upper end of the longest bucket that has one.
const LONGEST_MS: u64 = 60_000;
/// How many times, in whole milliseconds, are looked up.
const SHORT: usize = 1_001;

/// The bucket of each of these times.
const SHORT_BUCKETS: [u8; SHORT] = {
    let mut buckets = [0; SHORT];
    let (mut ms, mut bucket) = (0, 0);
    while ms < SHORT {
        if ms as u64 > ENDS_MS[bucket as usize] {
            bucket += 1;
        }
        buckets[ms] = bucket;
        ms += 1;
    }
    buckets
};

/// The bucket of a time in microseconds.
#[inline]
pub fn bucket(microseconds: u64) -> usize {
    let ms = microseconds.div_ceil(1_000);
    match usize::try_from(ms).ok().and_then(|ms| SHORT_BUCKETS.get(ms)) {
        Some(bucket) => usize::from(*bucket),
        None => ENDS_MS.partition_point(|end| *end < ms).min(LEN - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_bucket_that_ends_next() {
        let cases = [
            (0, 1),
            (1_000, 1),
            (1_001, 2),
            (5_400, 6),
            (10_001, 20),
            (250_000, 250),
            (250_001, 300),
            (623_000, 650),
            (1_000_000, 1_000),
            (1_000_001, 1_100),
            (3_000_001, 3_500),
            (10_000_001, 11_000),
            (20_000_001, 25_000),
            (60_000_000, 60_000),
            (60_000_001, 60_001),
            (u64::MAX, 60_001),
        ];
        for (microseconds, want) in cases {
            assert_eq!(want, ENDS_MS[bucket(microseconds)], "{microseconds}");
        }
    }
}
