//! Snapshot: the totals as they were at one second.

use std::sync::Arc;

use crate::exposition::families::Subject;
use crate::schema::counters::{add, delivery as at};

/// The totals of some services, which stay as they are.
#[derive(Debug)]
pub struct Snapshot {
    /// The newest second that was added.
    pub newest: u64,
    /// In alphabetical order.
    pub services: Vec<ServiceSnapshot>,
    /// The labels of each POP, in alphabetical order.
    pub pops: Vec<Box<str>>,
}

/// The totals of one service.
#[derive(Debug)]
pub struct ServiceSnapshot {
    /// `service_id="…",service_name="…"`.
    pub labels: Arc<str>,
    /// Its first second.
    pub first: u64,
    /// In how many seconds it had traffic.
    pub seconds: u64,
    /// Its keys, by subject.
    pub rows: [TotalRows; Subject::ALL.len()],
}

/// Keys with their values, numbered from 0.
#[derive(Debug, Clone, Default)]
pub struct TotalRows {
    /// The labels of each key besides those of its service, as text.
    pub labels: Vec<Arc<str>>,
    /// The slots of all keys, one key after the other.
    pub values: Vec<u64>,
    /// The latest second of each key; of domains only.
    pub latest: Vec<LatestSecond>,
}

/// What the ratios of a domain are computed from, in the latest second in which it had traffic.
#[derive(Debug, Clone, Copy, Default)]
pub struct LatestSecond {
    second: u64,
    /// Hits among the requests of end users.
    pub hits: u64,
    /// Misses among them.
    pub misses: u64,
    /// Bytes sent to end users, headers and bodies.
    pub sent: [u64; 2],
    /// Bytes received from origins, headers and bodies.
    pub fetched: [u64; 2],
}

impl LatestSecond {
    /// This, from zero if `second` is another one.
    pub fn of(&mut self, second: u64) -> &mut Self {
        if self.second != second {
            *self = Self { second, ..Self::default() };
        }
        self
    }

    /// Adds a counter of delivery.
    #[inline]
    pub fn add(&mut self, counter: usize, value: u64) {
        let total = match counter {
            at::EDGE_HITS => &mut self.hits,
            at::EDGE_MISSES => &mut self.misses,
            at::EDGE_RESP_HEADER_BYTES => &mut self.sent[0],
            at::EDGE_RESP_BODY_BYTES => &mut self.sent[1],
            at::BERESP_HEADER_BYTES => &mut self.fetched[0],
            at::BERESP_BODY_BYTES => &mut self.fetched[1],
            _ => return,
        };
        add(total, value);
    }
}
