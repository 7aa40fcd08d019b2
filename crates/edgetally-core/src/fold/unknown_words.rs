//! Unknown cache words, counted so that an operator sees them.

use crate::value::key::OTHER;
use crate::value::text::text;

/// The most words that are counted separately.
const MAX_WORDS: usize = 100;
/// The longest word. Others are counted under [`OTHER`].
const MAX_WORD_BYTES: usize = 32;

/// How many lines had each word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnknownWords {
    words: Vec<(String, u64)>,
    others: u64,
}

impl UnknownWords {
    /// Counts `word`, as it was logged, up to its first parameter.
    ///
    /// Words become labels of a metric. What is longer than a word, or has other characters, may be what a client sent.
    #[cold]
    pub fn count(&mut self, word: &[u8]) {
        let word = text(word);
        let word = word.split(';').next().unwrap_or_default().trim();
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b' ');
        if word.is_empty() || word.len() > MAX_WORD_BYTES || !word.bytes().all(is_word) {
            self.others += 1;
        } else if let Some((_, count)) = self.words.iter_mut().find(|(counted, _)| counted == word) {
            *count += 1;
        } else if self.words.len() < MAX_WORDS {
            self.words.push((word.to_owned(), 1));
        } else {
            self.others += 1;
        }
    }

    /// Every word with the number of its lines. Words beyond the first hundred, and what is no word, are under [`OTHER`].
    #[must_use]
    pub fn words(&self) -> Vec<(String, u64)> {
        self.words.iter().cloned().chain((self.others > 0).then(|| (OTHER.to_owned(), self.others))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_words_are_counted_separately() {
        let mut unknown = UnknownWords::default();
        for round in 0..2 {
            for number in 0..103 {
                unknown.count(format!("w{number}").as_bytes());
            }
            let words = unknown.words();
            assert_eq!(101, words.len());
            assert_eq!(("w0".to_owned(), round + 1), words[0]);
            assert_eq!((OTHER.to_owned(), 3 * (round + 1)), words[100]);
        }
    }

    #[test]
    fn only_words_are_kept() {
        let mut unknown = UnknownWords::default();
        let long = "x".repeat(33);
        for word in ["a\\u0062; key=/secret", "ab", "/secret", "a=b", "\u{e4}", "", ";x", &long, &long[1..]] {
            unknown.count(word.as_bytes());
        }
        let want = [("ab", 2), (&long[1..], 1), (OTHER, 6)].map(|(word, count)| (word.to_owned(), count));
        assert_eq!(want.to_vec(), unknown.words());
    }
}
