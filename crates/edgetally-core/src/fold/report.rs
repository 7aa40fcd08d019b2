//! Reports: what became of lines.

use std::borrow::Cow;

use crate::fold::unknown_words::UnknownWords;
use crate::format::compressed::compressed;
use crate::format::foreign::{foreign, foreign_object};
use crate::rejection::{Reason, Rejection};
use crate::value::timestamp::lacks_offset;

/// The most rejected lines that a report describes.
const MAX_REJECTIONS: usize = 10;
/// The most bytes of a rejected line that are kept.
pub const MAX_SAMPLE: usize = 1024;

/// A line that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedLine {
    /// Its number in the input, from 1.
    pub line: u64,
    /// Why.
    pub reason: Reason,
    /// The offset in the line of the value that is wrong, or at which reading stopped, in bytes.
    pub at: usize,
    /// The start of the line.
    pub sample: Vec<u8>,
    /// Whether it follows the end of an array.
    pub is_after_array: bool,
    /// Of a line that is too old or too new: how far it is from now.
    pub distance: Option<Distance>,
}

/// How far the time of a record is from now, and how far it may be, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distance {
    /// How far it is.
    pub seconds: u64,
    /// How far it may be.
    pub limit: u64,
}

impl RejectedLine {
    /// Why, in words. What the line is instead, or how far away its time is, is named if it is known.
    #[must_use]
    pub fn sentence(&self) -> Cow<'static, str> {
        if let Some(Distance { seconds, limit }) = self.distance {
            match self.reason {
                Reason::TooOld => {
                    let found = format!("ts is {seconds} s back, more than records.max_lateness ({limit} s)");
                    return format!("{found}: look for delayed lines or a wrong clock").into();
                }
                Reason::TooNew => {
                    let found = format!("ts is {seconds} s ahead, more than records.max_ahead ({limit} s)");
                    return format!("{found}: check the edge's clock").into();
                }
                _ => {}
            }
        }
        let named = match self.reason {
            Reason::Compressed => compressed(&self.sample),
            Reason::NotJson if self.is_after_array => Some(AFTER_ARRAY),
            Reason::NotJson => foreign(&self.sample),
            Reason::NoPart => foreign_object(&self.sample),
            Reason::BadTs => {
                let value = self.sample.get(self.at..).unwrap_or_default();
                let end = memchr::memchr2(b'"', b'\\', value).unwrap_or(value.len());
                lacks_offset(&value[..end]).then_some(WITHOUT_OFFSET)
            }
            _ => None,
        };
        named.unwrap_or(self.reason.sentence()).into()
    }
}

const AFTER_ARRAY: &str = "data after the end of the array: expected records or other arrays";
const WITHOUT_OFFSET: &str = "ts has no offset from UTC: expected Z or +hh:mm behind the time";

/// What became of the lines since the last report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Lines, blank ones included. Several records in a line are as many lines, and a record over several lines is one.
    pub lines: u64,
    /// Lines that count.
    pub accepted: u64,
    /// Rejected lines by reason, in the order of [`Reason::ALL`].
    pub rejected: [u64; Reason::ALL.len()],
    /// The first rejected lines.
    pub rejections: Vec<RejectedLine>,
    /// Accepted lines that say no time: the second in which they arrived stands for it.
    pub without_time: u64,
    /// Accepted lines that say no time, and whose wrapper does.
    pub with_wrapper_time: u64,
    /// Unknown cache words of accepted lines. They count as neither hit nor miss.
    pub unknown_cache_words: UnknownWords,
}

impl Report {
    /// Counts a rejected line, and keeps its start, and how far its time is from now, if it is one of the first.
    pub(crate) fn reject(&mut self, line: u64, rejection: Rejection, text: &[u8], distance: Option<Distance>) {
        self.rejected[rejection.reason as usize] += 1;
        // Lines of other logs are expected: they are counted, and not shown.
        if rejection.reason != Reason::OtherLog && self.rejections.len() < MAX_REJECTIONS {
            let sample = text[..text.len().min(MAX_SAMPLE)].to_vec();
            let Rejection { reason, at } = rejection;
            self.rejections.push(RejectedLine { line, reason, at, sample, is_after_array: false, distance });
        }
    }

    /// Counts a wrong end of an array, and what follows it as a line.
    pub(crate) fn reject_end_of_array(&mut self, line: u64, reason: Reason, trailing: &[u8]) {
        let before = self.rejections.len();
        self.reject(line, Rejection::new(reason, 0), trailing, None);
        if let Some(one) = self.rejections.get_mut(before) {
            one.is_after_array = reason == Reason::NotJson;
        }
    }
}
