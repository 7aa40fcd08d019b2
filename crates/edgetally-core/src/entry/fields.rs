//! Fields: the measurements of one key, as the members of a JSON object.

use std::sync::LazyLock;

use super::text::Text;
use crate::counter::delivery as at;
use crate::digits;
use crate::plan::{Field, FieldSet, KEY, Plan, Shown, Slots};

/// No key is as long as this. A remainder of it needs no check.
const KEY_END: usize = 64;

/// Room for one measurement: its key, the longest number.
const ROOM: usize = KEY_END + digits::MOST + 4;

/// Room for every measurement that a dataset has, and the brackets around them.
const OBJECT: usize = 192 * ROOM;

/// Writes the object of the fields in `shown`, of which the values stand in `slots`.
pub fn write(plan: &Plan, shown: FieldSet, slots: &Slots, text: &mut Text) {
    text.within(|object: &mut [u8; OBJECT]| {
        let mut len = 0;
        plan.fields(shown, |field| {
            let room = object[len..].first_chunk_mut().expect("there is room for every measurement");
            len += match field.shown {
                Shown::Slot => integer(room, field, slots[usize::from(field.slot)]),
                Shown::EdgeHitRatio => {
                    let (hits, misses) = (slots[at::EDGE_HITS], slots[at::EDGE_MISSES]);
                    match few(hits, misses) {
                        Some(text) => {
                            let key_len = key(room, field);
                            room[key_len..key_len + text.len()].copy_from_slice(text);
                            key_len + usize::from(text[LEN_AT])
                        }
                        None => ratio(room, field, [hits, 0], [0, 0], [hits, misses]),
                    }
                }
                Shown::OriginOffload => {
                    let sent = [slots[at::EDGE_RESP_HEADER_BYTES], slots[at::EDGE_RESP_BODY_BYTES]];
                    let fetched = [slots[at::BERESP_HEADER_BYTES], slots[at::BERESP_BODY_BYTES]];
                    ratio(room, field, sent, fetched, sent)
                }
            };
        });
        // In the place of the first comma, if there is one.
        object[0] = b'{';
        len = len.max(1);
        object[len] = b'}';
        len + 1
    });
}

#[inline]
fn key(room: &mut [u8; ROOM], field: &Field) -> usize {
    room[..KEY].copy_from_slice(&field.key);
    usize::from(field.key_len) % KEY_END
}

/// Where a text of [`few`] has its length.
const LEN_AT: usize = 23;

/// How much of few hits and misses are hits, as text and its length: what a POP has of a key in a second.
fn few(hits: u64, misses: u64) -> Option<&'static [u8; LEN_AT + 1]> {
    const FEW: u64 = 32;
    static TEXTS: LazyLock<Vec<[u8; LEN_AT + 1]>> = LazyLock::new(|| {
        let pairs = (1..FEW).flat_map(|hits| (0..FEW).map(move |misses| (hits, misses)));
        let text = |(hits, misses)| {
            let mut text = [0; LEN_AT + 1];
            let mut written = zmij::Buffer::new();
            let digits = written.format_finite(quotient([hits, 0], [0, 0], [hits, misses]));
            text[..digits.len()].copy_from_slice(digits.as_bytes());
            text[LEN_AT] = u8::try_from(digits.len()).expect("a ratio has fewer digits");
            text
        };
        pairs.map(text).collect()
    });
    let row = hits.checked_sub(1).filter(|row| *row < FEW - 1 && misses < FEW)?;
    TEXTS.get(usize::try_from(row * FEW + misses).ok()?)
}

/// Writes a field; how many bytes it has. Copies have a fixed length; what is too much, the next field overwrites.
#[inline]
fn integer(room: &mut [u8; ROOM], field: &Field, value: u64) -> usize {
    let key_len = key(room, field);
    let rest = room[key_len..].first_chunk_mut().expect("a key leaves room for a number");
    key_len + digits::write(value, rest)
}

/// Writes (`part` − `less`) / `whole`, each of these a sum, as a number from 0 to 1; how many bytes it has. Nothing is
/// written of what is 0 or has no denominator.
fn ratio(room: &mut [u8; ROOM], field: &Field, part: [u64; 2], less: [u64; 2], whole: [u64; 2]) -> usize {
    let ratio = quotient(part, less, whole);
    if ratio.is_nan() || ratio <= 0.0 {
        return 0;
    }
    let mut written = zmij::Buffer::new();
    let text = written.format_finite(ratio.min(1.0)).as_bytes();
    let key_len = key(room, field);
    room[key_len..key_len + text.len()].copy_from_slice(text);
    key_len + text.len()
}

/// (`part` − `less`) / `whole`, rounded once on either side of the line.
#[expect(clippy::cast_precision_loss, reason = "a ratio is as precise as a double")]
fn quotient(part: [u64; 2], less: [u64; 2], whole: [u64; 2]) -> f64 {
    let small = |[one, other]: [u64; 2]| i64::try_from(one.checked_add(other)?).ok();
    if let (Some(part), Some(less), Some(whole)) = (small(part), small(less), small(whole)) {
        // One instruction each.
        return (part - less) as f64 / whole as f64;
    }
    let large = |[one, other]: [u64; 2]| i128::from(one) + i128::from(other);
    (large(part) - large(less)) as f64 / large(whole) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_few_hits_are_is_known_beforehand_and_what_many_are_is_not() {
        for (hits, misses) in (0..40).flat_map(|hits| (0..40).map(move |misses| (hits, misses))) {
            let known =
                few(hits, misses).map(|text| String::from_utf8_lossy(&text[..text[LEN_AT].into()]).into_owned());
            #[expect(clippy::cast_precision_loss, reason = "these are few")]
            let ratio = hits as f64 / (hits + misses) as f64;
            let want = (1..32).contains(&hits) && misses < 32;
            assert_eq!(want.then(|| zmij::Buffer::new().format_finite(ratio).to_owned()), known, "{hits} and {misses}");
        }
    }

    #[test]
    fn quotients_are_the_same_whether_their_parts_are_small_or_large() {
        for one in [2, 1 << 62] {
            assert_eq!(Some(0.5), Some(quotient([one, one], [one, 0], [one, one])));
            assert_eq!(Some(-0.5), Some(quotient([one, 0], [one, one], [one, one])));
            assert!(quotient([0, 0], [0, 0], [0, 0]).is_nan());
        }
    }

    proptest::proptest! {
        #[test]
        fn a_ratio_is_read_as_what_it_is(part in 1..u64::MAX, shift in 0..64_u32, whole in 1..u64::MAX) {
            #[expect(clippy::cast_precision_loss, reason = "a ratio is as precise as a double")]
            let ratio = ((part >> shift).max(1) as f64 / whole as f64).min(1.0);
            let mut written = zmij::Buffer::new();
            let text = written.format_finite(ratio);
            proptest::prop_assert!(serde_json::from_str::<f64>(text).is_ok(), "{} is no JSON", text);
            proptest::prop_assert_eq!(Ok(ratio), text.parse::<f64>());
        }
    }
}
