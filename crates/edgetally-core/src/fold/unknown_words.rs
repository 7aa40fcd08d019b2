//! Unknown cache words, counted so that an operator sees them.

use crate::value::key::OTHER;
use crate::value::text::text;

/// The most words that are counted separately.
const MAX_WORDS: usize = 100;
/// The longest word. Others are cut.
const MAX_WORD_BYTES: usize = 64;

/// How many lines had each word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnknownWords {
    words: Vec<(Vec<u8>, u64)>,
    others: u64,
}

impl UnknownWords {
    /// Counts `word`, as it was logged.
    #[cold]
    pub fn count(&mut self, word: &[u8]) {
        let word = &word[..word.len().min(MAX_WORD_BYTES)];
        if let Some((_, count)) = self.words.iter_mut().find(|(counted, _)| counted == word) {
            *count += 1;
        } else if self.words.len() < MAX_WORDS {
            self.words.push((word.to_vec(), 1));
        } else {
            self.others += 1;
        }
    }

    /// Every word with the number of its lines. Words beyond the first hundred are counted under [`OTHER`].
    #[must_use]
    pub fn words(&self) -> Vec<(String, u64)> {
        let words = self.words.iter().map(|(word, count)| (text(word).into_owned(), *count));
        words.chain((self.others > 0).then(|| (OTHER.to_owned(), self.others))).collect()
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
}
