//! A memo of values: what values meant before that are likely to come again.

use crate::decode::short_value::{VALUE, load_u64};
use crate::schema::record_fields::SLOTS;
use crate::value::keyword;
use crate::value::number::Digits;
use crate::value::text::content;
use crate::value::timestamp::{Timestamp, timestamp};

/// How many keywords are remembered. Two with the same bucket replace each other.
const WORDS: usize = 64;
/// Added to the slot of words without quotes.
const BARE: usize = SLOTS;
/// Bytes of `2026-11-22T02:20:35`.
const DATE: usize = 19;

/// Keywords with their meanings, and the last timestamp of either form with its second.
#[derive(Debug)]
pub struct Memo {
    words: [MemoWord; WORDS],
    /// The ten digits of the last Unix time.
    digits: [u8; 10],
    second: u64,
    /// The last date, without its fraction and its zone, which was UTC.
    date: [u8; DATE],
    second_of_date: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct MemoWord {
    letters: u64,
    len_and_slot: (u8, u8),
    meaning: u8,
}

impl Default for Memo {
    fn default() -> Self {
        // No word is in the slot of other keys, and no second has zero bytes for digits.
        Self {
            words: [MemoWord { len_and_slot: (0, 63), ..MemoWord::default() }; WORDS],
            digits: [0; 10],
            second: 0,
            date: [0; DATE],
            second_of_date: 0,
        }
    }
}

impl Memo {
    /// The length and the meaning of the word of up to eight letters at the start of `bytes`, if it is remembered and `quote`
    /// ends it.
    #[inline]
    pub fn word(&self, bytes: &[u8; VALUE], slot: usize, quote: u8) -> Option<(usize, u64)> {
        let len = found(load_u64(bytes, 0), quote).trailing_zeros() as usize / 8;
        self.meaning(bytes, slot, len).filter(|_| bytes[len] == quote && len > 0)
    }

    /// The same for a word without quotes, if a comma or a brace ends it.
    #[inline]
    pub fn bare_word(&self, bytes: &[u8; VALUE], slot: usize) -> Option<(usize, u64)> {
        let letters = load_u64(bytes, 0);
        let len = (found(letters, b',') | found(letters, b'}')).trailing_zeros() as usize / 8;
        self.meaning(bytes, slot | BARE, len).filter(|_| matches!(bytes[len], b',' | b'}'))
    }

    #[inline]
    fn meaning(&self, bytes: &[u8; VALUE], slot: usize, len: usize) -> Option<(usize, u64)> {
        let letters = load_u64(bytes, 0) & MASKS[len % MASKS.len()];
        let known = &self.words[bucket(letters, slot)];
        let same = known.letters == letters && known.len_and_slot == pack(len, slot);
        same.then(|| (len, u64::from(known.meaning)))
    }

    /// Remembers a word that was between quotes, or not.
    #[cold]
    pub fn learn_word(&mut self, text: &[u8], slot: usize, is_quoted: bool) {
        // A word with a backslash may contain a quote, at which a look-up would stop. Without quotes, `null` is no word.
        if text.len() > 8 || text.contains(&b'\\') || !is_quoted && text == b"null" {
            return;
        }
        let mut letters = [0; 8];
        letters[..text.len()].copy_from_slice(text);
        let letters = u64::from_le_bytes(letters);
        let meaning = keyword::meaning(slot, content(text));
        let slot = if is_quoted { slot } else { slot | BARE };
        self.words[bucket(letters, slot)] = MemoWord { letters, len_and_slot: pack(text.len(), slot), meaning };
    }

    /// The length and the second of the timestamp at the start of `bytes`, if its second is the last one: ten digits, perhaps
    /// with a point and up to seven digits, or a date.
    #[expect(clippy::inline_always, reason = "it is small, and both kinds of templates call it for each line")]
    #[inline(always)]
    pub fn timestamp(&self, bytes: &[u8; VALUE], is_quoted: bool) -> Option<(usize, u64)> {
        if bytes[..10] != self.digits {
            // Without quotes, the colons of a date break the line.
            return if is_quoted { self.date(bytes) } else { None };
        }
        if bytes[10] != b'.' {
            return Some((10, self.second));
        }
        let fraction = Digits::of(load_u64(bytes, 11)).len();
        (1..=Digits::MAX).contains(&fraction).then_some((11 + fraction, self.second))
    }

    fn date(&self, bytes: &[u8; VALUE]) -> Option<(usize, u64)> {
        (bytes[..DATE] == self.date).then_some(())?;
        let fraction = match bytes[DATE] {
            b'.' => match Digits::of(load_u64(bytes, DATE + 1)).len() {
                8 => 9 + bytes[DATE + 9..].iter().take_while(|byte| byte.is_ascii_digit()).count(),
                digits => 1 + digits,
            },
            _ => 0,
        };
        let zone = DATE + fraction;
        (fraction != 1 && bytes.get(zone) == Some(&b'Z') && zone + 1 < VALUE).then_some((zone + 1, self.second_of_date))
    }

    /// Remembers the second of a timestamp, if `text` has one of these forms.
    #[cold]
    pub fn learn_timestamp(&mut self, text: &[u8]) {
        if let Some((date, rest)) = text.split_first_chunk::<DATE>()
            && rest.last() == Some(&b'Z')
            && let Timestamp::Second(second) = timestamp(text)
        {
            (self.date, self.second_of_date) = (*date, second);
        }
        if let Some((digits, rest)) = text.split_first_chunk::<10>()
            && digits.iter().all(u8::is_ascii_digit)
            && matches!(rest, [] | [b'.', _, ..])
        {
            self.second = digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
            self.digits = *digits;
        }
    }
}

/// The highest bit of each of eight bytes that is `byte`, at least up to the first such byte.
#[inline]
fn found(bytes: u64, byte: u8) -> u64 {
    let differences = bytes ^ u64::from_le_bytes([byte; 8]);
    differences.wrapping_sub(0x0101_0101_0101_0101) & !differences & 0x8080_8080_8080_8080
}

/// The bucket of a word.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "six bits are left")]
fn bucket(letters: u64, slot: usize) -> usize {
    ((letters ^ slot as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - WORDS.trailing_zeros())) as usize
}

/// The length of a word and its slot.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "words have up to eight letters, and slots are few")]
fn pack(len: usize, slot: usize) -> (u8, u8) {
    (len as u8, slot as u8)
}

/// The bits of the first letters of eight, by how many these are.
const MASKS: [u64; 9] =
    [0, 0xFF, 0xFFFF, 0xFF_FFFF, 0xFFFF_FFFF, 0xFF_FFFF_FFFF, 0xFFFF_FFFF_FFFF, 0xFF_FFFF_FFFF_FFFF, u64::MAX];
