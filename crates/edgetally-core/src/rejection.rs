//! Rejections: why a line does not count.

/// Why a line does not count, in the order in which a line is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Reason {
    /// Longer than the limit.
    TooLong,
    /// Not a JSON object, or data after the end of an array.
    NotJson,
    /// The line ends inside its object or array.
    Truncated,
    /// The number of values between tabs is not that of the columns.
    BadColumns,
    /// `weight` is not an integer from 1 to 2³².
    BadWeight,
    /// `service_id` has a character that it may not have, or too many.
    BadServiceId,
    /// The sender may not push into the service.
    ForeignService,
    /// There is neither a client part nor an origin part.
    NoPart,
    /// `status` is not an integer up to 999.
    BadStatus,
    /// `ts` is not a time.
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

    /// Its code in metrics and answers.
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

    /// The reason in words, for the person who sent the line.
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

/// Why a line does not count, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    /// Why.
    pub reason: Reason,
    /// The offset in the line of the value that is wrong, or at which reading stopped, in bytes.
    pub at: usize,
}

impl Rejection {
    /// A rejection at byte `at`.
    #[cold]
    #[must_use]
    pub const fn new(reason: Reason, at: usize) -> Self {
        Self { reason, at }
    }
}
