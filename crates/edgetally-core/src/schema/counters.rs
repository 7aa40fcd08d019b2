//! Counters: what is counted inside. Measurements, which the API shows, are sums of them (see
//! [`crate::schema::measurements`]).
//!
//! A request adds to as few counters as possible: its status once, not once for the code and once for the range; its bytes
//! once, as bytes of an edge request or of a shield request. Counters are numbered by how often they are touched, so that
//! a common request stays in a few cache lines.

use crate::schema::miss_times;

/// Adds and stops at the largest number. Saturating addition is still commutative and associative.
#[inline]
pub fn add(counter: &mut u64, amount: u64) {
    *counter = counter.saturating_add(amount);
}

/// Some of the counters of a row: bit `n` of 128 stands for counter `n`, the low 64 bits first.
pub type CounterSet = [u64; 2];

/// The order in which a row of a fold keeps its counters: those that a common record touches come first.
pub trait CounterOrder {
    /// How many counters there are.
    const COUNTERS: usize;

    /// The position of a counter in the row.
    fn position(counter: usize) -> usize;

    /// The bit of the counter at each position, as in a [`CounterSet`].
    const BITS: &'static [u128];
}

/// The positions of `N` counters: `first` in that order, then all others as they are numbered.
#[expect(clippy::cast_possible_truncation, reason = "a row has fewer than 256 counters")]
pub(crate) const fn positions<const N: usize>(first: &[usize]) -> [u8; N] {
    let mut positions = [u8::MAX; N];
    let mut next = 0;
    while next < first.len() {
        positions[first[next]] = next as u8;
        next += 1;
    }
    let mut counter = 0;
    while counter < N {
        if positions[counter] == u8::MAX {
            positions[counter] = next as u8;
            next += 1;
        }
        counter += 1;
    }
    positions
}

/// The bit of the counter at each position.
pub(crate) const fn bits<const N: usize>(positions: &[u8; N]) -> [u128; N] {
    let mut bits = [0; N];
    let mut counter = 0;
    while counter < N {
        bits[positions[counter] as usize] = 1 << counter;
        counter += 1;
    }
    bits
}

macro_rules! order {
    ($kind:ident, $len:expr, $first:expr) => {
        impl CounterOrder for $kind {
            const COUNTERS: usize = $len;
            const BITS: &'static [u128] = &bits(&positions::<{ $len }>($first));

            #[inline]
            fn position(counter: usize) -> usize {
                const POSITIONS: [u8; $len] = positions($first);
                POSITIONS[counter] as usize
            }
        }
    };
}

/// Rows of domains, delivery.
#[derive(Debug)]
pub struct Delivery;
order!(Delivery, delivery::LEN, &delivery::COMMON);

/// Rows of domains, compute.
#[derive(Debug)]
pub struct Compute;
order!(Compute, compute::LEN, &[]);

/// Rows of origins.
#[derive(Debug)]
pub struct Origin;
order!(Origin, origin::LEN, &origin::COMMON);

/// Counters of a domain for delivery: requests that no edge-compute program served.
pub mod delivery {
    use crate::schema::status::{FAMILY, index_of};

    /// What common requests touch, by cache line: every hit, some hits, and misses.
    pub const COMMON: [usize; 31] = [
        EDGE_REQUESTS,
        EDGE_RESP_HEADER_BYTES,
        EDGE_RESP_BODY_BYTES,
        EDGE_HITS,
        EDGE_MISSES,
        HTTP2,
        TLS_V13,
        STATUS + index_of(200),
        HTTP3,
        TLS_V12,
        STATUS + index_of(304),
        STATUS + index_of(404),
        STATUS + index_of(301),
        STATUS + index_of(302),
        STATUS + index_of(206),
        STATUS + index_of(204),
        ORIGIN_FETCHES,
        BEREQ_HEADER_BYTES,
        BERESP_HEADER_BYTES,
        BERESP_BODY_BYTES,
        ORIGIN_STATUS + index_of(200),
        ORIGIN_STATUS + index_of(304),
        ORIGIN_STATUS + index_of(404),
        ORIGIN_STATUS + index_of(301),
        BEREQ_BODY_BYTES,
        STATUS + index_of(403),
        STATUS + index_of(500),
        STATUS + index_of(503),
        ORIGIN_STATUS + index_of(302),
        ORIGIN_STATUS + index_of(206),
        ORIGIN_STATUS + index_of(500),
    ];

    /// How many counters there are.
    pub const LEN: usize = 72;
    /// Requests of end users.
    pub const EDGE_REQUESTS: usize = 0;
    /// Header bytes sent to end users.
    pub const EDGE_RESP_HEADER_BYTES: usize = 1;
    /// Body bytes sent to end users.
    pub const EDGE_RESP_BODY_BYTES: usize = 2;
    /// Hits among the requests of end users.
    pub const EDGE_HITS: usize = 3;
    /// Misses among the requests of end users.
    pub const EDGE_MISSES: usize = 4;
    /// Requests over HTTP/2.
    pub const HTTP2: usize = 5;
    /// Requests over TLS 1.3.
    pub const TLS_V13: usize = 6;
    /// Statuses sent, one per index of their family.
    pub const STATUS: usize = 7;
    /// Requests over HTTP/3.
    pub const HTTP3: usize = STATUS + FAMILY;
    /// Requests over TLS 1.0; 1.1 and 1.2 follow.
    pub const TLS_V10: usize = HTTP3 + 1;
    /// Requests over TLS 1.1.
    pub const TLS_V11: usize = TLS_V10 + 1;
    /// Requests over TLS 1.2.
    pub const TLS_V12: usize = TLS_V11 + 1;
    /// Requests of our other POPs (shield requests).
    pub const SHIELD_REQUESTS: usize = TLS_V12 + 1;
    /// Header bytes sent to our other POPs.
    pub const SHIELD_RESP_HEADER_BYTES: usize = SHIELD_REQUESTS + 1;
    /// Body bytes sent to our other POPs.
    pub const SHIELD_RESP_BODY_BYTES: usize = SHIELD_RESP_HEADER_BYTES + 1;
    /// Requests sent to origins.
    pub const ORIGIN_FETCHES: usize = SHIELD_RESP_BODY_BYTES + 1;
    /// Header bytes sent to origins.
    pub const BEREQ_HEADER_BYTES: usize = ORIGIN_FETCHES + 1;
    /// Body bytes sent to origins.
    pub const BEREQ_BODY_BYTES: usize = BEREQ_HEADER_BYTES + 1;
    /// Header bytes received from origins.
    pub const BERESP_HEADER_BYTES: usize = BEREQ_BODY_BYTES + 1;
    /// Body bytes received from origins.
    pub const BERESP_BODY_BYTES: usize = BERESP_HEADER_BYTES + 1;
    /// Statuses received from origins, one per index of their family.
    pub const ORIGIN_STATUS: usize = BERESP_BODY_BYTES + 1;

    const _: () = assert!(ORIGIN_STATUS + FAMILY <= LEN, "counters do not fit their row");
}

/// Counters of a domain for compute: requests that an edge-compute program served.
pub mod compute {
    use crate::schema::status::FAMILY;

    /// How many counters there are.
    pub const LEN: usize = 66;
    /// Requests.
    pub const REQUESTS: usize = 0;
    /// Header bytes received from clients.
    pub const REQ_HEADER_BYTES: usize = 1;
    /// Body bytes received from clients.
    pub const REQ_BODY_BYTES: usize = 2;
    /// Header bytes sent to clients.
    pub const RESP_HEADER_BYTES: usize = 3;
    /// Body bytes sent to clients.
    pub const RESP_BODY_BYTES: usize = 4;
    /// CPU time, in milliseconds.
    pub const EXECUTION_TIME_MS: usize = 5;
    /// Time from request to response, in milliseconds.
    pub const REQUEST_TIME_MS: usize = 6;
    /// The same, each request rounded up to 50 ms.
    pub const REQUEST_TIME_BILLED_MS: usize = 7;
    /// Requests sent to backends.
    pub const BEREQS: usize = 8;
    /// Header bytes sent to backends.
    pub const BEREQ_HEADER_BYTES: usize = 9;
    /// Body bytes sent to backends.
    pub const BEREQ_BODY_BYTES: usize = 10;
    /// Header bytes received from backends.
    pub const BERESP_HEADER_BYTES: usize = 11;
    /// Body bytes received from backends.
    pub const BERESP_BODY_BYTES: usize = 12;
    /// Requests to backends that got no response.
    pub const BEREQ_ERRORS: usize = 13;
    /// Statuses sent, one per index of their family.
    pub const STATUS: usize = 14;
    /// Statuses received from backends, one per index of their family.
    pub const ORIGIN_STATUS: usize = STATUS + FAMILY;

    const _: () = assert!(ORIGIN_STATUS + FAMILY <= LEN, "counters do not fit their row");
}

/// Counters of an origin, the same for delivery and for compute.
pub mod origin {
    use crate::schema::status::{FAMILY, index_of};

    /// What common responses touch, by cache line.
    pub const COMMON: [usize; 26] = [
        RESP_HEADER_BYTES,
        RESP_BODY_BYTES,
        STATUS + index_of(200),
        LATENCY + 1,
        LATENCY + 2,
        LATENCY + 3,
        LATENCY + 4,
        LATENCY + 5,
        LATENCY,
        LATENCY + 6,
        LATENCY + 7,
        STATUS + index_of(304),
        STATUS + index_of(404),
        STATUS + index_of(301),
        STATUS + index_of(302),
        STATUS + index_of(206),
        STATUS + index_of(204),
        STATUS + index_of(403),
        STATUS + index_of(500),
        STATUS + index_of(502),
        STATUS + index_of(503),
        STATUS + index_of(504),
        LATENCY + 8,
        LATENCY + 9,
        LATENCY + 10,
        LATENCY + 11,
    ];

    /// How many counters there are.
    pub const LEN: usize = 40;
    /// Header bytes received.
    pub const RESP_HEADER_BYTES: usize = 0;
    /// Body bytes received.
    pub const RESP_BODY_BYTES: usize = 1;
    /// Statuses received, one per index of their family. Their sum is the number of responses.
    pub const STATUS: usize = 2;
    /// Responses by time to first byte, one per bucket.
    pub const LATENCY: usize = STATUS + FAMILY;
    /// Upper ends of the latency buckets in milliseconds; a bucket is (start, end], and the last one has no end.
    pub const LATENCY_ENDS_MS: [u64; 11] = [1, 5, 10, 50, 100, 250, 500, 1_000, 5_000, 10_000, 60_000];

    const _: () = assert!(LATENCY + LATENCY_ENDS_MS.len() < LEN, "counters do not fit their row");
}

/// Counters of a service in one POP, which the rows of its domains do not have: by cache status, by size, by time.
pub mod channel {
    /// How many counters there are.
    pub const LEN: usize = 40;
    /// Hits of end users; their header bytes and body bytes follow, here and for the next three.
    pub const EDGE_HITS: usize = 0;
    /// Misses of end users.
    pub const EDGE_MISSES: usize = 3;
    /// Hits of our other POPs.
    pub const SHIELD_HITS: usize = 6;
    /// Misses of our other POPs.
    pub const SHIELD_MISSES: usize = 9;
    /// Requests that the cache may not answer; their body bytes follow.
    pub const PASSES: usize = 12;
    /// Responses that the edge generated.
    pub const SYNTHS: usize = 14;
    /// Requests that failed.
    pub const ERRORS: usize = 15;
    /// Header bytes received from clients.
    pub const REQ_HEADER_BYTES: usize = 16;
    /// Body bytes received from clients.
    pub const REQ_BODY_BYTES: usize = 17;
    /// Responses by the size of their body, one per class.
    pub const OBJECT_SIZE: usize = 18;
    /// How many classes there are.
    pub const OBJECT_SIZES: usize = LARGEST.len();
    /// The largest size of each class, in bytes. The last one has everything that is larger.
    const LARGEST: [u64; 8] = {
        const KIB: u64 = 1024;
        const MIB: u64 = 1024 * KIB;
        let ends = [KIB, 10 * KIB, 100 * KIB, MIB, 10 * MIB, 100 * MIB, 1024 * MIB];
        let (mut largest, mut class) = ([u64::MAX; 8], 0);
        while class < ends.len() {
            largest[class] = ends[class] - 1;
            class += 1;
        }
        largest
    };
    /// The class of the smallest size of so many bits. Sizes of as many bits are in that class or the next.
    const CLASS_OF_BITS: [u8; 65] = {
        let (mut classes, mut bits, mut class) = ([0; 65], 1, 0);
        while bits <= 64 {
            if 1 << (bits - 1) > LARGEST[class as usize] {
                class += 1;
            }
            classes[bits] = class;
            bits += 1;
        }
        classes
    };

    /// The class of a size, found without a branch for each class.
    #[inline]
    pub fn size_class(bytes: u64) -> usize {
        // The remainders change nothing. They spare the checks of the indexes.
        let class = usize::from(CLASS_OF_BITS[(u64::BITS - bytes.leading_zeros()) as usize]) % OBJECT_SIZES;
        (class + usize::from(bytes > LARGEST[class])) % OBJECT_SIZES
    }

    /// Responses with status 406.
    pub const STATUS_406: usize = OBJECT_SIZE + OBJECT_SIZES;
    /// Requests over IPv6.
    pub const IPV6: usize = STATUS_406 + 1;
    /// Restarts of requests.
    pub const RESTARTS: usize = IPV6 + 1;
    /// Requests that waited for the fetch of another one, and got its response.
    pub const COLLAPSED_USABLE: usize = RESTARTS + 1;
    /// Requests that waited for the fetch of another one, and could not use its response.
    pub const COLLAPSED_UNUSABLE: usize = COLLAPSED_USABLE + 1;
    /// Time that hits took, in microseconds.
    pub const HITS_TIME_US: usize = COLLAPSED_UNUSABLE + 1;
    /// Time that passes took, in microseconds.
    pub const PASS_TIME_US: usize = HITS_TIME_US + 1;
    /// Time that misses took, in microseconds.
    pub const MISS_TIME_US: usize = PASS_TIME_US + 1;
    /// Requests sent to our other POPs.
    pub const SHIELD_FETCHES: usize = MISS_TIME_US + 1;
    /// Header bytes sent to our other POPs.
    pub const SHIELD_BEREQ_HEADER_BYTES: usize = SHIELD_FETCHES + 1;
    /// Body bytes sent to our other POPs.
    pub const SHIELD_BEREQ_BODY_BYTES: usize = SHIELD_BEREQ_HEADER_BYTES + 1;
    /// Header bytes received from our other POPs.
    pub const SHIELD_BERESP_HEADER_BYTES: usize = SHIELD_BEREQ_BODY_BYTES + 1;
    /// Body bytes received from our other POPs.
    pub const SHIELD_BERESP_BODY_BYTES: usize = SHIELD_BERESP_HEADER_BYTES + 1;
    /// Fetches from our other POPs with status 304.
    pub const SHIELD_REVALIDATIONS: usize = SHIELD_BERESP_BODY_BYTES + 1;

    const _: () = assert!(SHIELD_REVALIDATIONS < LEN, "counters do not fit their row");

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_size_is_in_the_class_that_ends_above_it() {
            assert_eq!((0, OBJECT_SIZES - 1), (size_class(0), size_class(u64::MAX)));
            for (class, largest) in LARGEST.iter().enumerate().take(OBJECT_SIZES - 1) {
                assert_eq!((class, class + 1), (size_class(*largest), size_class(largest + 1)), "{largest}");
            }
        }
    }
}

/// What a row counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A domain, delivery.
    Delivery = 0,
    /// A domain, compute.
    Compute = 1,
    /// An origin, fetched for delivery.
    Origin = 2,
    /// An origin, fetched by compute.
    ComputeOrigin = 3,
    /// A service: what the rows of its domains do not count.
    Channel = 4,
    /// A service: misses by time.
    MissTimes = 5,
}

impl Kind {
    /// Every kind, by number.
    pub const ALL: [Self; 6] =
        [Self::Delivery, Self::Compute, Self::Origin, Self::ComputeOrigin, Self::Channel, Self::MissTimes];

    /// How many counters a row of this kind has.
    #[must_use]
    pub const fn counters(self) -> usize {
        match self {
            Self::Delivery => delivery::LEN,
            Self::Compute => compute::LEN,
            Self::Origin | Self::ComputeOrigin => origin::LEN,
            Self::Channel => channel::LEN,
            Self::MissTimes => miss_times::LEN,
        }
    }

    /// Whether it counts all of a service, and has no key but the POP.
    #[must_use]
    pub const fn is_channel(self) -> bool {
        matches!(self, Self::Channel | Self::MissTimes)
    }

    /// Whether its key is an origin's name and address.
    #[must_use]
    pub const fn is_origin(self) -> bool {
        matches!(self, Self::Origin | Self::ComputeOrigin)
    }
}
