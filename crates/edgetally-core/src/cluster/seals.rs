//! Effective seals: how far the seals of a partition reach.

/// How many milliseconds a broker's clock may be behind the writer's without a delay. A writer whose clock is ahead seals
/// as much too early.
const TOLERANCE: u64 = 250;

/// How far a partition is sealed, and the time of its log.
#[derive(Debug)]
pub struct EffectiveSeals {
    aggregate_delay: u64,
    /// The latest append time in milliseconds. Brokers' clocks differ, so append times may go back a little.
    appended: u64,
    effective: Option<u64>,
    /// The second of the last beat.
    beat: Option<u64>,
}

impl EffectiveSeals {
    pub fn new(aggregate_delay: u64) -> Self {
        Self { aggregate_delay, appended: 0, effective: None, beat: None }
    }

    /// The latest append time in milliseconds.
    pub fn appended(&self) -> u64 {
        self.appended
    }

    /// The second up to which all is sealed.
    pub fn effective(&self) -> Option<u64> {
        self.effective
    }

    /// Takes note of an append time.
    pub fn advance(&mut self, appended: u64) {
        self.appended = self.appended.max(appended);
    }

    /// Whether a seal that is read now is the first one in its second.
    pub fn is_beat(&mut self) -> bool {
        let second = self.appended / 1000;
        let is_beat = self.beat.is_none_or(|last| last < second);
        if is_beat {
            self.beat = Some(second);
        }
        is_beat
    }

    /// Reads a seal up to `second`. Returns whether it reaches further than all before.
    ///
    /// It counts for no more than the brokers' clocks admit: a writer whose clock is ahead cannot make records late.
    pub fn seal(&mut self, second: u64) -> bool {
        let clamp = (self.appended.saturating_add(TOLERANCE) / 1000).saturating_sub(self.aggregate_delay);
        let reached = second.min(clamp);
        let is_news = self.effective.is_none_or(|effective| effective < reached);
        if is_news {
            self.effective = Some(reached);
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_broker_that_is_a_little_behind_delays_nothing() {
        for (appended, effective) in [(11_749, 9), (11_750, 10), (12_000, 10), (15_000, 10)] {
            let mut seals = EffectiveSeals::new(2);
            seals.advance(appended);
            assert!(seals.seal(10));
            assert_eq!(Some(effective), seals.effective(), "{appended}");
        }
    }

    #[test]
    fn there_is_one_beat_in_a_second() {
        let mut seals = EffectiveSeals::new(2);
        let beats = [1000, 1999, 2000, 1500, 2001, 9000, 8000].map(|appended| {
            seals.advance(appended);
            seals.is_beat()
        });
        assert_eq!([true, false, true, false, false, true, false], beats);
    }

    proptest! {
        #[test]
        fn they_never_fall_and_never_pass_the_clamp(
            delay in 0..5_u64,
            read in prop::collection::vec((0..60_000_u64, 0..80_u64), 1..50),
        ) {
            let mut seals = EffectiveSeals::new(delay);
            let (mut latest, mut before) = (0, None);
            for (appended, second) in read {
                latest = latest.max(appended);
                seals.advance(appended);
                let is_news = seals.seal(second);
                let effective = seals.effective();
                prop_assert_eq!(is_news, effective != before);
                prop_assert!(effective >= before);
                prop_assert!(effective <= Some(((latest + TOLERANCE) / 1000).saturating_sub(delay)));
                prop_assert!(effective == before || effective <= Some(second));
                before = effective;
            }
        }
    }
}
