//! Which envelopes every reader refuses, by nothing but the second in which they were made and the append time.

/// How many seconds the clock of a writer may be ahead of the broker's.
pub const MAX_AHEAD: u64 = 5;

/// Why every reader refuses an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It was appended more than the horizon after it was made: it may be a copy whose id is forgotten.
    Expired,
    /// It was appended before it was made: its writer's clock is ahead, and its copies would expire too late.
    Early,
}

impl Refusal {
    /// Why an envelope of the second `born` that was appended at `appended`, in milliseconds, is refused.
    #[must_use]
    pub fn of(born: u64, appended: u64, horizon: u64) -> Option<Self> {
        let second = appended / 1000;
        if second > born.saturating_add(horizon) {
            Some(Self::Expired)
        } else if second.saturating_add(MAX_AHEAD) < born {
            Some(Self::Early)
        } else {
            None
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Early => "early",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_the_append_decides() {
        for (appended, expected) in
            [(994_999, Some(Refusal::Early)), (995_000, None), (1_600_999, None), (1_601_000, Some(Refusal::Expired))]
        {
            assert_eq!(expected, Refusal::of(1000, appended, 600), "{appended}");
        }
        assert_eq!(Some(Refusal::Early), Refusal::of(u64::MAX, 0, u64::MAX));
        assert_eq!(None, Refusal::of(0, u64::MAX, u64::MAX));
    }
}
