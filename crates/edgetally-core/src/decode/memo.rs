//! Memory: what values before said that are likely to come again, so that it need not be worked out again.

use crate::value::keyword;
use crate::value::number::Digits;
use crate::value::text::content;
use crate::value::timestamp::{Moment, moment};

/// How many bytes behind a literal are looked at for a value.
pub const VALUE: usize = 32;
/// How many words are remembered; one forgets another that has the same place.
const WORDS: usize = 64;

/// Words and their meanings, and the second that was read last.
#[derive(Debug)]
pub struct Memory {
    words: [Word; WORDS],
    /// Its ten digits: most lines have the same.
    digits: [u8; 10],
    second: u64,
    /// The same of the date that was read last, without its fraction and its zone, which was UTC.
    date: [u8; DATE],
    second_of_date: u64,
}

/// Bytes of `2026-11-22T02:20:35`.
const DATE: usize = 19;

#[derive(Debug, Clone, Copy, Default)]
struct Word {
    letters: u64,
    len_and_slot: (u8, u8),
    meaning: u8,
}

impl Default for Memory {
    fn default() -> Self {
        // No word has the slot of what is skipped, and no second has zeros for digits.
        Self {
            words: [Word { len_and_slot: (0, 63), ..Word::default() }; WORDS],
            digits: [0; 10],
            second: 0,
            date: [0; DATE],
            second_of_date: 0,
        }
    }
}

impl Memory {
    /// The quoted word of up to eight letters in `slot` that `bytes` begin with, if it came before: its length and what
    /// it means.
    #[inline]
    pub fn word(&self, bytes: &[u8; VALUE], slot: usize) -> Option<(usize, u64)> {
        let word = eight(bytes, 0);
        let quotes = word ^ 0x2222_2222_2222_2222;
        let found = quotes.wrapping_sub(0x0101_0101_0101_0101) & !quotes & 0x8080_8080_8080_8080;
        let len = found.trailing_zeros() as usize / 8;
        let letters = word & KEPT[len % KEPT.len()];
        let known = &self.words[place(letters, slot)];
        let same = known.letters == letters && known.len_and_slot == pair(len, slot);
        (same && bytes[len] == b'"' && len > 0).then(|| (len, u64::from(known.meaning)))
    }

    /// Remembers a word that was between quotes.
    #[cold]
    pub fn learn_word(&mut self, text: &[u8], slot: usize) {
        // A backslash may hide a quote, which would end the word for who looks for one.
        if text.len() > 8 || text.contains(&b'\\') {
            return;
        }
        let mut letters = [0; 8];
        letters[..text.len()].copy_from_slice(text);
        let letters = u64::from_le_bytes(letters);
        let meaning = keyword::meaning(slot, content(text));
        self.words[place(letters, slot)] = Word { letters, len_and_slot: pair(text.len(), slot), meaning };
    }

    /// The second that was read last, if `bytes` begin with it again: `1795314035`, perhaps with up to seven digits
    /// behind a point, or a date; its length and the second.
    #[inline]
    pub fn moment(&self, bytes: &[u8; VALUE]) -> Option<(usize, u64)> {
        if bytes[..10] != self.digits {
            return self.date(bytes);
        }
        if bytes[10] != b'.' {
            return Some((10, self.second));
        }
        let fraction = Digits::of(eight(bytes, 11)).len();
        (1..=Digits::MOST).contains(&fraction).then_some((11 + fraction, self.second))
    }

    fn date(&self, bytes: &[u8; VALUE]) -> Option<(usize, u64)> {
        (bytes[..DATE] == self.date).then_some(())?;
        let fraction = match bytes[DATE] {
            b'.' => 1 + bytes[DATE + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count(),
            _ => 0,
        };
        let zone = DATE + fraction;
        (fraction != 1 && bytes.get(zone) == Some(&b'Z') && zone + 1 < VALUE).then_some((zone + 1, self.second_of_date))
    }

    /// Remembers the second in `text`, if it is written like that.
    #[cold]
    pub fn learn_moment(&mut self, text: &[u8]) {
        if let Some((date, rest)) = text.split_first_chunk::<DATE>()
            && rest.last() == Some(&b'Z')
            && let Moment::Second(second) = moment(text)
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

/// Where a word is remembered.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "six bits are left")]
fn place(letters: u64, slot: usize) -> usize {
    ((letters ^ slot as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - WORDS.trailing_zeros())) as usize
}

/// The length of a word and its slot.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "words have up to eight letters, and slots are few")]
fn pair(len: usize, slot: usize) -> (u8, u8) {
    (len as u8, slot as u8)
}

/// Which bits of eight letters are those of the first so many.
const KEPT: [u64; 9] =
    [0, 0xFF, 0xFFFF, 0xFF_FFFF, 0xFFFF_FFFF, 0xFF_FFFF_FFFF, 0xFFFF_FFFF_FFFF, 0xFF_FFFF_FFFF_FFFF, u64::MAX];

/// The eight bytes at `at`, the first in the lowest.
#[inline]
pub fn eight(bytes: &[u8; VALUE], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |eight| u64::from_le_bytes(*eight))
}
