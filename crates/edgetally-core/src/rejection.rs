//! Why a line was not counted.

/// Why one line was refused. The order is the order in which a line is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Reason {
    /// Longer than the limit.
    TooLong,
    /// No JSON object, or behind the end of an array.
    NotJson,
    /// Ends before the object does, or before the array does.
    Truncated,
    /// Not as many values between tabs as fields were chosen.
    BadColumns,
    /// `weight` is no whole number from 1 to 2³².
    BadWeight,
    /// `service_id` has other characters than it may have, or more.
    BadServiceId,
    /// The service is none that the sender may push into.
    ForeignService,
    /// Neither a client part nor an origin part.
    NoPart,
    /// `status` is no number up to 999.
    BadStatus,
    /// `ts` is no time.
    BadTs,
    /// Older than records may be.
    TooOld,
    /// Further in the future than records may be.
    TooNew,
}

impl Reason {
    /// Every reason, in order.
    pub const ALL: [Self; 12] = [
        Self::TooLong,
        Self::NotJson,
        Self::Truncated,
        Self::BadColumns,
        Self::BadWeight,
        Self::BadServiceId,
        Self::ForeignService,
        Self::NoPart,
        Self::BadStatus,
        Self::BadTs,
        Self::TooOld,
        Self::TooNew,
    ];

    /// The reason with this code.
    #[must_use]
    pub fn named(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// The word for it in metrics and answers.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::NotJson => "not_json",
            Self::Truncated => "truncated",
            Self::BadColumns => "bad_columns",
            Self::BadWeight => "bad_weight",
            Self::BadServiceId => "bad_service_id",
            Self::ForeignService => "foreign_service",
            Self::NoPart => "no_part",
            Self::BadStatus => "bad_status",
            Self::BadTs => "bad_ts",
            Self::TooOld => "too_old",
            Self::TooNew => "too_new",
        }
    }

    /// The sentence for the person who sent the line.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::TooLong => "the line is longer than records.max_line allows",
            Self::NotJson => "the line is no JSON object, or follows the end of an array",
            Self::Truncated => {
                "the line ends before its JSON object or array does: something between the edge and here cut it off"
            }
            Self::BadColumns => {
                "the line has not as many values between tabs as the format has fields: which were chosen at the edge?"
            }
            Self::BadWeight => "weight is no whole number from 1 to 4294967296",
            Self::BadServiceId => "service_id is not made of 1 to 64 letters, digits, - and _",
            Self::ForeignService => "the record's service is none that its sender may push into",
            Self::NoPart => "nothing counts: neither a status nor an origin's address or status is there",
            Self::BadStatus => "status is no number up to 999",
            Self::BadTs => "ts is neither Unix time nor an RFC 3339 date",
            Self::TooOld => {
                "ts lies further back than records.max_lateness allows: has the line waited, or is its clock wrong?"
            }
            Self::TooNew => "ts lies further ahead than records.max_ahead allows: is the edge's clock right?",
        }
    }
}

/// A refusal: why, and at which byte of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reject {
    /// Why.
    pub reason: Reason,
    /// Where in the line, in bytes from its first.
    pub at: usize,
}

impl Reject {
    /// A refusal at byte `at`.
    #[cold]
    #[must_use]
    pub const fn new(reason: Reason, at: usize) -> Self {
        Self { reason, at }
    }
}
