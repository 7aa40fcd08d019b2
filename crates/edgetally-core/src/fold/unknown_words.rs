//! Words that no table knows, counted so that somebody sees them.

use crate::value::key::OTHER;
use crate::value::text::text;

/// How many different words are told apart.
const MAX_WORDS: usize = 100;
/// Bytes of a word that are kept.
const MAX_WORD: usize = 64;

/// How often each word came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unknown {
    words: Vec<(Vec<u8>, u64)>,
    others: u64,
}

impl Unknown {
    /// Counts `word`, as it was logged.
    #[cold]
    pub fn count(&mut self, word: &[u8]) {
        let word = &word[..word.len().min(MAX_WORD)];
        if let Some((_, count)) = self.words.iter_mut().find(|(known, _)| known == word) {
            *count += 1;
        } else if self.words.len() < MAX_WORDS {
            self.words.push((word.to_vec(), 1));
        } else {
            self.others += 1;
        }
    }

    /// Every word and how often it came; beyond the first hundred they are one.
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
    fn a_hundred_words_are_told_apart() {
        let mut unknown = Unknown::default();
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
