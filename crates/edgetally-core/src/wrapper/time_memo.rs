//! The times of wrappers, of which most are in the second of the one before.

use crate::value::timestamp::{Timestamp, timestamp};

/// Bytes of `2026-11-22T02:20:35`.
const DATE: usize = 19;
/// The most bytes of an offset from UTC: `+01:00`.
const ZONE: usize = 6;

/// The last time that was read.
#[derive(Debug, Default)]
pub struct TimeMemo {
    date: [u8; DATE],
    zone: [u8; ZONE],
    second: u64,
}

impl TimeMemo {
    /// The second of the time `text`; nothing if it is none.
    pub fn second(&mut self, text: &[u8]) -> Option<u64> {
        let parts = text.split_first_chunk().and_then(|(date, rest)| Some((*date, zone(rest)?)));
        if let Some((date, zone)) = parts
            && (date, zone) == (self.date, self.zone)
        {
            return Some(self.second);
        }
        let Timestamp::Second(second) = timestamp(text) else { return None };
        if let Some((date, zone)) = parts {
            *self = Self { date, zone, second };
        }
        Some(second)
    }

    /// The same for a time with its date alone; nothing for a number.
    pub fn second_of_date(&mut self, text: &[u8]) -> Option<u64> {
        if text.get(4) == Some(&b'-') { self.second(text) } else { None }
    }
}

/// The offset from UTC in the `rest` of a time behind its date.
fn zone(rest: &[u8]) -> Option<[u8; ZONE]> {
    let rest = match rest {
        [b'.', first, rest @ ..] if first.is_ascii_digit() => {
            &rest[rest.iter().take_while(|byte| byte.is_ascii_digit()).count()..]
        }
        rest => rest,
    };
    let mut zone = [0; ZONE];
    zone.get_mut(..rest.len())?.copy_from_slice(rest);
    Some(zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_like_the_first_one_of_its_second() {
        let texts = [
            "2026-11-22T04:41:06Z",
            "2026-11-22T04:41:06.1Z",
            "2026-11-22T04:41:06.123456789Z",
            "2026-11-22T04:41:06+00:00",
            "2026-11-22T04:41:06.907+01:00",
            "2026-11-22T04:41:06-0100",
            "2026-11-22T04:41:06",
            "2026-11-22T04:41:06.Z",
            "2026-11-22T04:41:06.",
            "2026-11-22T04:41:06.1",
            "2026-11-22T04:41:06.1ZZ",
            "2026-11-22T04:41:07Z",
            "1795322466",
            "1795322466123456",
            "",
        ];
        let mut memo = TimeMemo::default();
        for first in texts {
            for second in texts {
                for text in [first, second] {
                    let want = match timestamp(text.as_bytes()) {
                        Timestamp::Second(second) => Some(second),
                        Timestamp::Absent | Timestamp::Junk => None,
                    };
                    assert_eq!(want, memo.second(text.as_bytes()), "{text} after {first}");
                }
            }
        }
    }
}
