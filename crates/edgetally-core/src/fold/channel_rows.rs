//! The rows of services: what a record counts whatever its domain is.
//!
//! A service and a POP are few, and have a number already. So their row is found by that, without a look at a key.

use crate::fold::key_interner::to_index;
use crate::hash_index::NumberedKeys;
use crate::partial::Writer;
use crate::record::Client;
use crate::record::extras::Extras;
use crate::record::origin_fetch::{Fetch, Sizes};
use crate::schema::counters::channel::{self as at, size_class};
use crate::schema::counters::{Kind, add};
use crate::schema::miss_times;
use crate::schema::status::index_of;
use crate::value::cache_status::CacheStatus;

/// The counters of one service and POP in one second, and where its miss times are.
#[derive(Debug)]
#[repr(align(64))]
struct ChannelRow {
    counters: [u64; at::LEN],
    /// The number of its miss times from 1; 0 if it has none yet.
    miss_times: u32,
}

/// The last row of a scope. Logs are nearly in order, so this is nearly always the next one, too.
#[derive(Debug, Clone, Copy)]
struct LastChannelRow {
    second: u64,
    row: u32,
}

/// The rows of all services, by second and the number of a service and POP.
#[derive(Debug, Default)]
pub struct ChannelRows {
    keys: NumberedKeys<(u64, u32)>,
    /// By the number of the service and POP.
    last: Vec<Option<LastChannelRow>>,
    rows: Vec<ChannelRow>,
    miss_times: Vec<[u64; miss_times::LEN]>,
}

impl ChannelRows {
    /// Adds a client part of `weight`, which no compute program served, to the row of its second and scope.
    #[inline]
    pub fn count_client(&mut self, part: &ClientPart<'_>, second: u64, scope: u32, weight: u64) {
        let number = self.row(second, scope);
        let row = &mut self.rows[number as usize];
        row.count_client(part, weight);
        if let Some(extras) = part.extras {
            row.count_extras(extras, part.client.cache, weight);
        }
        if part.client.cache == CacheStatus::Miss
            && let Some(microseconds) = part.miss_time()
        {
            let bucket = miss_times::bucket(microseconds);
            row.count_miss_time(&mut self.miss_times, bucket, microseconds, weight);
        }
    }

    /// Adds the fetches from our other POPs to the row of their second and scope.
    #[inline(never)]
    pub fn count_shield_fetches(&mut self, fetches: &[Fetch<'_>], second: u64, scope: u32, weight: u64) {
        let row = self.row(second, scope);
        for fetch in fetches.iter().filter(|fetch| fetch.to_shield) {
            self.rows[row as usize].count_shield_fetch(fetch, weight);
        }
    }

    /// The row of a scope in a second.
    #[inline]
    fn row(&mut self, second: u64, scope: u32) -> u32 {
        match self.last.get(scope as usize) {
            Some(Some(last)) if last.second == second => last.row,
            _ => self.find_row(second, scope),
        }
    }

    /// The row of a scope in another second than its last row, added if it is new.
    #[inline(never)]
    fn find_row(&mut self, second: u64, scope: u32) -> u32 {
        let (row, is_new) = self.keys.intern((second, scope));
        if is_new {
            self.rows.push(ChannelRow { counters: [0; at::LEN], miss_times: 0 });
        }
        if self.last.len() <= scope as usize {
            self.last.resize(scope as usize + 1, None);
        }
        self.last[scope as usize] = Some(LastChannelRow { second, row });
        row
    }

    /// Writes every row to a partial.
    pub fn write(&self, writer: &mut Writer) {
        let mut counters = vec![];
        for ((second, scope), row) in self.keys.as_slice().iter().zip(self.rows.iter()) {
            let mut write = |kind, values: &[u64]| {
                counters.clear();
                counters.extend(values.iter().copied().enumerate().filter(|(_, value)| *value != 0));
                writer.channel(kind, *scope, *second, &counters);
            };
            write(Kind::Channel, &row.counters);
            if let Some(number) = row.miss_times.checked_sub(1) {
                write(Kind::MissTimes, &self.miss_times[number as usize]);
            }
        }
    }

    /// Memory that the rows take, in bytes, approximately.
    pub fn size(&self) -> usize {
        let row = size_of::<(u64, u32)>() + size_of::<ChannelRow>() + 8;
        self.keys.as_slice().len() * row
            + self.last.len() * size_of::<Option<LastChannelRow>>()
            + self.miss_times.len() * size_of::<[u64; miss_times::LEN]>()
    }

    /// Removes every row.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.last.clear();
        self.rows.clear();
        self.miss_times.clear();
    }
}

/// What a record says of a request.
#[derive(Debug)]
pub struct ClientPart<'a> {
    pub client: &'a Client,
    pub extras: Option<&'a Extras>,
    pub fetches: &'a [Fetch<'a>],
    /// The sizes of the response times the weight.
    pub sent: Sizes,
}

impl ClientPart<'_> {
    /// How long a miss took, in microseconds: until the first bytes of its fetches came, or else what the edge says.
    #[inline]
    fn miss_time(&self) -> Option<u64> {
        let times = self.fetches.iter().filter_map(|fetch| Some(fetch.ttfb?.microseconds()));
        times.reduce(u64::saturating_add).or_else(|| self.extras?.edge_time_us)
    }
}

impl ChannelRow {
    #[inline]
    fn count_client(&mut self, part: &ClientPart<'_>, weight: u64) {
        let (counters, client, sent) = (&mut self.counters, part.client, part.sent);
        add(&mut counters[at::REQ_HEADER_BYTES], client.req.header.saturating_mul(weight));
        add(&mut counters[at::REQ_BODY_BYTES], client.req.body.saturating_mul(weight));
        if let Some(status) = client.status {
            add(&mut counters[at::OBJECT_SIZE + size_class(client.resp.body)], weight);
            if status.code() == 406 {
                add(&mut counters[at::STATUS_406], weight);
            }
        }
        match client.cache {
            CacheStatus::Hit | CacheStatus::Miss => {
                // One index for both: which of them comes next cannot be predicted.
                let is_miss = usize::from(client.cache == CacheStatus::Miss);
                let is_shield = usize::from(!client.edge);
                let hits = at::EDGE_HITS + is_miss * at::EDGE_MISSES + is_shield * at::SHIELD_HITS;
                add(&mut counters[hits], weight);
                add(&mut counters[hits + 1], sent.header);
                add(&mut counters[hits + 2], sent.body);
            }
            CacheStatus::Pass => {
                add(&mut counters[at::PASSES], weight);
                add(&mut counters[at::PASSES + 1], sent.body);
            }
            CacheStatus::Synth => add(&mut counters[at::SYNTHS], weight),
            CacheStatus::Error => add(&mut counters[at::ERRORS], weight),
            CacheStatus::Nothing | CacheStatus::Unknown => {}
        }
    }

    #[inline(never)]
    fn count_extras(&mut self, extras: &Extras, cache: CacheStatus, weight: u64) {
        let mut add = |counter: usize, amount: u64| add(&mut self.counters[counter], amount.saturating_mul(weight));
        add(at::IPV6, u64::from(extras.is_ipv6));
        add(at::RESTARTS, extras.restarts);
        match extras.collapsed {
            Some(true) => add(at::COLLAPSED_USABLE, 1),
            Some(false) => add(at::COLLAPSED_UNUSABLE, 1),
            None => {}
        }
        match (cache, extras.edge_time_us) {
            (CacheStatus::Hit, Some(microseconds)) => add(at::HITS_TIME_US, microseconds),
            (CacheStatus::Pass, Some(microseconds)) => add(at::PASS_TIME_US, microseconds),
            _ => {}
        }
    }

    #[inline]
    fn count_miss_time(
        &mut self,
        all: &mut Vec<[u64; miss_times::LEN]>,
        bucket: usize,
        microseconds: u64,
        weight: u64,
    ) {
        if self.miss_times == 0 {
            all.push([0; miss_times::LEN]);
            self.miss_times = to_index(all.len());
        }
        add(&mut self.counters[at::MISS_TIME_US], microseconds.saturating_mul(weight));
        add(&mut all[self.miss_times as usize - 1][bucket], weight);
    }

    #[inline(never)]
    fn count_shield_fetch(&mut self, fetch: &Fetch<'_>, weight: u64) {
        let mut add = |counter: usize, amount: u64| add(&mut self.counters[counter], amount.saturating_mul(weight));
        add(at::SHIELD_FETCHES, 1);
        add(at::SHIELD_BEREQ_HEADER_BYTES, fetch.bereq.header);
        add(at::SHIELD_BEREQ_BODY_BYTES, fetch.bereq.body);
        add(at::SHIELD_BERESP_HEADER_BYTES, fetch.beresp.header);
        add(at::SHIELD_BERESP_BODY_BYTES, fetch.beresp.body);
        add(at::SHIELD_REVALIDATIONS, u64::from(fetch.status.is_some_and(|status| status.index() == index_of(304))));
    }
}
