//! Keywords: words for the status of the cache, a protocol or a flag.

use crate::schema::record_fields as field;
use crate::value::cache_status::{CacheStatus, cache_status};
use crate::value::number::flag;
use crate::value::text::{content, text, trim};

/// The meaning of `word` in the field `slot`, as a number for one of the functions below.
#[inline(never)]
pub fn meaning(slot: usize, word: &[u8]) -> u8 {
    match slot {
        field::CACHE => read_word(word, cache_status) as u8,
        field::PROTO => read_word(word, http_version),
        field::TLS => read_word(word, tls_version).unwrap_or(NONE),
        _ => read_word(word, flag).map_or(NONE, u8::from),
    }
}

/// The meaning of an unknown word, and of no word.
pub const NONE: u8 = u8::MAX;

/// The meaning as a cache status.
#[inline]
pub fn as_cache_status(meaning: u8) -> CacheStatus {
    CacheStatus::ALL.get(usize::from(meaning)).copied().unwrap_or_default()
}

/// The meaning as a flag.
#[inline]
pub fn as_flag(meaning: u8) -> Option<bool> {
    if meaning == NONE { None } else { Some(meaning == 1) }
}

/// The meaning as a minor version of TLS 1.
#[inline]
pub fn as_tls_version(meaning: u8) -> Option<u8> {
    (meaning != NONE).then_some(meaning)
}

/// The major version in `HTTP/2.0`, `h2`, `2` and their kin.
fn http_version(word: &[u8]) -> u8 {
    let version = strip(word, &[b"http/", b"http", b"h"]);
    match version.first() {
        Some(b'2') => 2,
        Some(b'3'..=b'9') => 3,
        _ => 1,
    }
}

/// The minor version in `TLSv1.2`, `1.2`, `TLSv1` and their kin.
fn tls_version(word: &[u8]) -> Option<u8> {
    match trim(strip(word, &[b"tlsv", b"tls"])) {
        // After the bar: the number of the version in the protocol itself.
        b"1.3" | b"772" => Some(3),
        b"1.2" | b"771" => Some(2),
        b"1.1" | b"770" => Some(1),
        b"1.0" | b"1" | b"769" => Some(0),
        _ => None,
    }
}

/// `word` without the first of `starts` that it starts with, in any case.
fn strip<'a>(word: &'a [u8], starts: &[&[u8]]) -> &'a [u8] {
    for start in starts {
        if let Some((head, rest)) = word.split_at_checked(start.len())
            && head.eq_ignore_ascii_case(start)
        {
            return rest;
        }
    }
    word
}

/// Reads a word without its escapes: `HAProxy` and Traffic Server write `HTTP\/1.1`.
fn read_word<T>(word: &[u8], read: impl Fn(&[u8]) -> T) -> T {
    if word.contains(&b'\\') { read(content(text(word).as_bytes())) } else { read(word) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_distinguished_by_their_major_version() {
        for (word, want) in
            [("HTTP/1.1", 1), ("h2", 2), ("http/2", 2), ("HTTP/2.5", 2), ("2.0", 2), ("HTTP/3", 3), ("", 1)]
        {
            assert_eq!(want, http_version(word.as_bytes()), "{word}");
        }
        for (word, want) in [
            ("TLSv1.3", Some(3)),
            ("1.2", Some(2)),
            ("TLSv1", Some(0)),
            ("772", Some(3)),
            ("SSLv3", None),
            ("none", None),
        ] {
            assert_eq!(want, tls_version(word.as_bytes()), "{word}");
        }
    }
}
