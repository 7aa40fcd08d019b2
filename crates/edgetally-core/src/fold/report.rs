//! Reports: what became of the lines that a fold was fed.

use crate::fold::unknown_words::Unknown;
use crate::rejection::{Reason, Reject};

/// Refused lines that are described in a report.
const MAX_REFUSED: usize = 10;
/// Bytes of a refused line that are kept to be looked at.
pub const MAX_SAMPLE: usize = 1024;

/// A line that was not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its number in the input, from 1.
    pub line: u64,
    /// Why.
    pub reason: Reason,
    /// At which byte of the line.
    pub at: usize,
    /// How it begins.
    pub sample: Vec<u8>,
}

/// What became of the lines since the last report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Lines in all, blank ones included.
    pub lines: u64,
    /// Lines that count.
    pub accepted: u64,
    /// Lines that do not, by reason in the order of [`Reason::ALL`].
    pub rejected: [u64; Reason::ALL.len()],
    /// The first of these.
    pub refused: Vec<Refused>,
    /// Words for what the cache did that are in no table: they count as neither hit nor miss.
    pub unknown_cache_words: Unknown,
}

impl Report {
    /// Counts a line that is refused, and keeps how it begins if it is among the first.
    pub(crate) fn refuse(&mut self, line: u64, reject: Reject, text: &[u8]) {
        self.rejected[reject.reason as usize] += 1;
        if self.refused.len() < MAX_REFUSED {
            let sample = text[..text.len().min(MAX_SAMPLE)].to_vec();
            self.refused.push(Refused { line, reason: reject.reason, at: reject.at, sample });
        }
    }
}
