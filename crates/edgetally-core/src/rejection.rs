//! Rejections: why a line does not count.

/// Why a line does not count, in the order in which a line is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Reason {
    /// Compressed data.
    Compressed,
    /// Longer than the limit.
    TooLong,
    /// Not a JSON object, or data after the end of an array.
    NotJson,
    /// The line ends inside its object or array.
    Truncated,
    /// The number of values between tabs is not that of the columns.
    BadColumns,
    /// Not an access line, but one of another log of the same server.
    OtherLog,
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
    pub const ALL: [Self; 14] = [
        Self::Compressed,
        Self::TooLong,
        Self::NotJson,
        Self::Truncated,
        Self::BadColumns,
        Self::OtherLog,
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
            Self::Compressed => "compressed",
            Self::TooLong => "too_long",
            Self::NotJson => "not_json",
            Self::Truncated => "truncated",
            Self::BadColumns => "bad_columns",
            Self::OtherLog => "other_log",
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
            Self::Compressed => "compressed data: expected lines of text",
            Self::TooLong => "line longer than records.max_line",
            Self::NotJson => "not a JSON object: expected one record per line, in JSON",
            Self::Truncated => {
                "line ends inside its JSON object or array: look for a size limit on the way from the edge"
            }
            Self::BadColumns => "wrong number of tab-separated values: check the fields chosen for the real-time log",
            Self::OtherLog => "belongs to another log of the server: not an access line, and not an error",
            Self::BadWeight => "weight must be an integer from 1 to 4294967296",
            Self::BadServiceId => "service_id must be 1 to 64 letters, digits, - and _",
            Self::ForeignService => "the token does not allow this service",
            Self::NoPart => "no status and no origin field (origin_ip, origin_addr, origin_status)",
            Self::BadStatus => "status must be an integer up to 999",
            Self::BadTs => "ts must be Unix time or a date with its offset from UTC, as in RFC 3339",
            Self::TooOld => "ts is further back than records.max_lateness: look for delayed lines or a wrong clock",
            Self::TooNew => "ts is further ahead than records.max_ahead: check the edge's clock",
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
