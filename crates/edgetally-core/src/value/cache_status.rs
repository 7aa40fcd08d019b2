//! The cache word: what each server calls a hit and a miss.

/// What the edge's cache did, as far as it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cache {
    /// Answered from the cache.
    Hit,
    /// Asked of an origin although it could have been in the cache.
    Miss,
    /// Passed, made up by the edge, failed, or not said.
    #[default]
    Neither,
    /// A word that stands in no table. It counts as neither, and is reported.
    Unknown,
}

/// Every word that a server is known to write, in its own spelling, the common ones first; the first that fits holds.
/// Upper and lower case are the same, and `*` is anything.
pub const WORDS: [(&str, Cache); 66] = {
    use Cache::{Hit, Miss, Neither};
    [
        // nginx, and what most servers share
        ("HIT", Hit),
        ("MISS", Miss),
        ("PASS", Neither),
        ("EXPIRED", Miss),
        ("STALE", Hit),
        ("UPDATING", Hit),
        ("REVALIDATED", Hit),
        ("BYPASS", Neither),
        ("SCARCE", Neither),
        // Fastly
        ("HIT-*", Hit),
        ("HIT_*", Hit),
        ("MISS-*", Miss),
        ("MISS_*", Miss),
        ("HITPASS", Neither),
        ("HITPASS-*", Neither),
        ("PASS-*", Neither),
        ("PIPE-*", Neither),
        ("ERROR-*", Neither),
        ("NONE", Neither),
        ("NONE-*", Neither),
        // Varnish
        ("hitmiss", Miss),
        ("pipe", Neither),
        ("synth", Neither),
        // Traffic Server
        ("TCP_HIT", Hit),
        ("TCP_MISS", Miss),
        ("TCP_*_HIT", Hit),
        ("TCP_*_MISS", Miss),
        ("TCP_HIT_*", Hit),
        ("TCP_MISS_*", Miss),
        ("TCP_CLIENT_REFRESH", Miss),
        ("TCP_DENIED", Neither),
        ("ERR_*", Neither),
        ("UDP_*", Neither),
        // Apache
        ("cache hit*", Hit),
        ("conditional cache hit*", Hit),
        ("cache miss*", Miss),
        ("conditional cache miss*", Miss),
        ("cache invalidated by *", Neither),
        ("Response status *", Neither),
        ("HTTP Status 304 Not Modified", Neither),
        ("Query string present but no explicit expiration time", Neither),
        ("Cache-Control: *", Neither),
        ("Authorization required", Neither),
        ("Vary header contains '*'", Neither),
        ("No Last-Modified; *", Neither),
        ("Expires header already expired; not cacheable", Neither),
        ("s-maxage or max-age zero *", Neither),
        ("Broken expires header: *", Neither),
        ("invalid content length", Neither),
        ("environment variable 'no-cache' is set", Neither),
        ("r->no_cache present", Neither),
        // CloudFront
        ("RefreshHit", Hit),
        ("OriginShieldHit", Hit),
        ("Error", Neither),
        ("Redirect", Neither),
        ("LimitExceeded", Neither),
        ("CapacityExceeded", Neither),
        ("Function*", Neither),
        // Cloudflare
        ("dynamic", Neither),
        ("ignored", Neither),
        ("unknown", Neither),
        ("deferred", Neither),
        ("stream_hit", Neither),
        // What is written by hand
        ("denied", Neither),
        ("uncacheable", Neither),
        ("none", Neither),
    ]
};

/// Maps the edge's own word; nothing said is neither.
#[inline]
pub fn cache(word: &[u8]) -> Cache {
    if word.is_empty() {
        return Cache::Neither;
    }
    WORDS.iter().find(|(known, _)| fits(known.as_bytes(), word)).map_or(Cache::Unknown, |(_, cache)| *cache)
}

/// Whether `word` is `known`, in any case; `*` in `known` is anything.
fn fits(known: &[u8], word: &[u8]) -> bool {
    match known.iter().position(|byte| *byte == b'*') {
        None => known.eq_ignore_ascii_case(word),
        Some(star) => {
            let (start, end) = (&known[..star], &known[star + 1..]);
            word.len() >= start.len() + end.len()
                && word[..start.len()].eq_ignore_ascii_case(start)
                && word[word.len() - end.len()..].eq_ignore_ascii_case(end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_servers_words_are_known() {
        let hits = "HIT hit HIT-CLUSTER HIT-STALE STALE UPDATING REVALIDATED TCP_HIT TCP_MEM_HIT TCP_IMS_HIT \
                    TCP_REFRESH_HIT TCP_HIT_REDIRECT RefreshHit OriginShieldHit stale revalidated updating";
        let misses = "MISS miss MISS-WAIT MISS-CLUSTER hitmiss EXPIRED TCP_MISS TCP_EXPIRED_MISS TCP_REFRESH_MISS \
                      TCP_CLIENT_REFRESH TCP_IMS_MISS Miss expired";
        let neither = "HITPASS PASS BYPASS synth pipe dynamic error Error Redirect none unknown ERR_CONNECT_FAIL \
                       LimitExceeded SCARCE stream_hit PASS-SHIELD";
        let unknown = "tcp_ hits whit TCP_FUTURE misses h";
        for (want, words) in
            [(Cache::Hit, hits), (Cache::Miss, misses), (Cache::Neither, neither), (Cache::Unknown, unknown)]
        {
            for word in words.split_whitespace() {
                assert_eq!(want, cache(word.as_bytes()), "{word}");
            }
        }
    }

    #[test]
    fn every_word_can_be_reached() {
        for (known, want) in WORDS {
            assert_eq!(want, cache(known.replace('*', "x").as_bytes()), "{known}");
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
            ("Response status 503", Cache::Neither),
            ("Vary header contains '*'", Cache::Neither),
        ];
        for (word, want) in cases {
            assert_eq!(*want, cache(word.as_bytes()), "{word}");
        }
    }
}
