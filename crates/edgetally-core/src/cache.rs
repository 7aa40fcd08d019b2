//! The cache word: what each server calls a hit and a miss.

/// What the edge's cache did, as far as it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cache {
    /// Answered from the cache.
    Hit,
    /// Asked of an origin although it could have been in the cache.
    Miss,
    /// Passed, made up by the edge, failed, or not known.
    #[default]
    Neither,
}

const HITS: [&[u8]; 6] = [b"hit", b"stale", b"updating", b"revalidated", b"refreshhit", b"originshieldhit"];
const MISSES: [&[u8]; 4] = [b"miss", b"hitmiss", b"expired", b"tcp_client_refresh"];
const HIT_BEGINNINGS: [&[u8]; 4] = [b"hit-", b"hit_", b"cache hit", b"conditional cache hit"];
const MISS_BEGINNINGS: [&[u8]; 3] = [b"miss-", b"miss_", b"cache miss"];
/// Longer than every word and beginning above.
const LONGEST: usize = 48;

/// Maps the edge's own word; words that no table knows are neither.
#[inline]
pub fn cache(word: &[u8]) -> Cache {
    match word {
        b"HIT" | b"hit" => Cache::Hit,
        b"MISS" | b"miss" => Cache::Miss,
        b"" => Cache::Neither,
        _ => cache_slowly(word),
    }
}

fn cache_slowly(word: &[u8]) -> Cache {
    let mut lower = [0; LONGEST];
    let len = word.len().min(LONGEST);
    lower[..len].copy_from_slice(&word[..len]);
    lower.make_ascii_lowercase();
    let start = &lower[..len];
    // Only beginnings can match a word that was cut here.
    let whole = if word.len() > LONGEST { &b""[..] } else { start };
    let squid = |end: &[u8]| whole.starts_with(b"tcp_") && whole.ends_with(end);

    if HITS.contains(&whole) || squid(b"_hit") || HIT_BEGINNINGS.iter().any(|hit| start.starts_with(hit)) {
        Cache::Hit
    } else if MISSES.contains(&whole) || squid(b"_miss") || MISS_BEGINNINGS.iter().any(|miss| start.starts_with(miss)) {
        Cache::Miss
    } else {
        Cache::Neither
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_servers_words_are_known() {
        let hits = "HIT hit HIT-CLUSTER HIT-STALE STALE UPDATING REVALIDATED TCP_HIT TCP_MEM_HIT TCP_IMS_HIT \
                    TCP_REFRESH_HIT RefreshHit OriginShieldHit stale revalidated updating";
        let misses = "MISS miss MISS-WAIT MISS-CLUSTER hitmiss EXPIRED TCP_MISS TCP_EXPIRED_MISS TCP_REFRESH_MISS \
                      TCP_CLIENT_REFRESH TCP_IMS_MISS Miss expired";
        let neither = "HITPASS PASS BYPASS synth pipe dynamic error Error Redirect none unknown ERR_CONNECT_FAIL tcp_ \
                       LimitExceeded SCARCE";
        for (want, words) in [(Cache::Hit, hits), (Cache::Miss, misses), (Cache::Neither, neither)] {
            for word in words.split_whitespace() {
                assert_eq!(want, cache(word.as_bytes()), "{word}");
            }
        }
    }

    #[test]
    fn apache_writes_sentences() {
        let cases: &[(&str, Cache)] = &[
            ("cache hit", Cache::Hit),
            ("conditional cache hit: entity refreshed", Cache::Hit),
            ("cache miss: attempting entity save", Cache::Miss),
            ("cache miss: cache unwilling to store response", Cache::Miss),
            ("cache invalidated by POST", Cache::Neither),
            ("Query string present but no explicit expiration time", Cache::Neither),
        ];
        for (word, want) in cases {
            assert_eq!(*want, cache(word.as_bytes()), "{word}");
        }
    }
}
