//! The counting rules: to which counters of which rows a record adds.
//!
//! `docs/counters.md` has the rules: compute has rows of its own, a fetch from another of our POPs counts for its service
//! alone, and an origin gets a row only if it responded.

use crate::fold::channel_rows::{ChannelRows, ClientPart};
use crate::fold::key_interner::Key;
use crate::fold::row_table::{RowMut, RowTable};
use crate::fold::waiting::Waiting;
use crate::partial::Writer;
use crate::record::Client;
use crate::record::origin_fetch::{Fetch, Fetches, Sizes, latency};
use crate::schema::counters::{Compute, Delivery, Kind, Origin, compute, delivery, origin};
use crate::value::cache_status::CacheStatus;
use crate::value::key::{self, INVALID};

/// The longest name or address that can be valid: the longest host with every byte escaped is shorter.
pub const MAX_RAW_KEY: usize = 4096;

/// The rows of every kind.
#[derive(Debug, Default)]
pub struct FoldRows {
    delivery: RowTable<Delivery>,
    compute: RowTable<Compute>,
    origins: RowTable<Origin>,
    compute_origins: RowTable<Origin>,
    channel: ChannelRows,
}

impl FoldRows {
    /// Adds records to the rows of their seconds and scopes, in their order.
    ///
    /// It takes several steps over all of them, so that keys and rows are loaded for several at once.
    #[inline(never)]
    pub fn count(&mut self, batch: &mut [Option<Waiting<'_>>]) {
        if batch.len() > 1 {
            self.find_keys(batch);
            self.touch(batch);
        }
        for waiting in batch.iter().flatten() {
            self.count_one(waiting);
        }
    }

    /// Finds the keys that nearly all records have: a domain for delivery, and one fetch or none.
    #[inline]
    fn find_keys(&self, batch: &mut [Option<Waiting<'_>>]) {
        for waiting in batch.iter_mut().flatten().filter(|waiting| !waiting.record.compute) {
            waiting.domain = Some(self.delivery.candidate(waiting.domain_key()));
            if let Fetches::One(fetch) = &waiting.record.fetches {
                waiting.origin = Some(self.origins.candidate(waiting.origin_key(fetch)));
            }
        }
    }

    /// Loads the keys that were found and their rows, for all records at once.
    #[inline]
    fn touch(&self, batch: &mut [Option<Waiting<'_>>]) {
        let mut seen = 0;
        for waiting in batch.iter().flatten() {
            seen ^= waiting.domain.map_or(0, |found| self.delivery.touch_key(found));
            seen ^= waiting.origin.map_or(0, |found| self.origins.touch_key(found));
        }
        for waiting in batch.iter().flatten() {
            seen ^= waiting.domain.map_or(0, |found| self.delivery.touch_row(found));
            seen ^= waiting.origin.map_or(0, |found| self.origins.touch_row(found));
        }
        // Otherwise the compiler would leave all of it out.
        std::hint::black_box(seen);
    }

    #[inline]
    fn count_one(&mut self, waiting: &Waiting<'_>) {
        let Waiting { record, second, scope, weight, .. } = waiting;
        let (second, scope, weight) = (*second, *scope, *weight);
        let fetches = record.fetches.as_slice();
        let origins = if record.compute {
            let row = &mut self.compute.row(second, waiting.domain_key(), None);
            if let Some(client) = &record.client {
                compute_client(row, client, weight);
            }
            for fetch in fetches.iter().filter(|fetch| !fetch.to_shield) {
                compute_fetch(row, fetch, weight);
            }
            &mut self.compute_origins
        } else {
            let row = &mut self.delivery.row(second, waiting.domain_key(), waiting.domain);
            if let Some(client) = &record.client {
                let (header, body) =
                    (client.resp.header.saturating_mul(weight), client.resp.body.saturating_mul(weight));
                let sent = Sizes { header, body };
                delivery_client(row, client, sent, weight);
                let part = ClientPart { client, extras: waiting.extras.as_ref(), fetches, sent };
                self.channel.count_client(&part, second, scope, weight);
            }
            for fetch in fetches.iter().filter(|fetch| !fetch.to_shield) {
                delivery_fetch(row, fetch, weight);
            }
            &mut self.origins
        };
        for fetch in fetches.iter().filter(|fetch| !fetch.to_shield && fetch.status.is_some()) {
            origin_response(&mut origins.row(second, waiting.origin_key(fetch), waiting.origin), fetch, weight);
        }
        if fetches.iter().any(|fetch| fetch.to_shield) {
            self.channel.count_shield_fetches(fetches, second, scope, weight);
        }
    }

    /// Writes every row to a partial, with its key normalized.
    pub fn write(&self, writer: &mut Writer) {
        self.delivery.for_each(|second, key, counters| {
            writer.domain(Kind::Delivery, key.scope, second, &key::domain(key.name), counters);
        });
        self.compute.for_each(|second, key, counters| {
            writer.domain(Kind::Compute, key.scope, second, &key::domain(key.name), counters);
        });
        for (kind, table) in [(Kind::Origin, &self.origins), (Kind::ComputeOrigin, &self.compute_origins)] {
            table.for_each(|second, key, counters| {
                let address = key::ip(key.address);
                writer.origin(kind, key.scope, second, &key::origin(key.name, &address), &address, counters);
            });
        }
        self.channel.write(writer);
    }

    /// Memory that the rows take, in bytes, approximately.
    pub fn size(&self) -> usize {
        let domains = self.delivery.size() + self.compute.size();
        domains + self.origins.size() + self.compute_origins.size() + self.channel.size()
    }

    /// Removes every row.
    pub fn clear(&mut self) {
        self.delivery.clear();
        self.compute.clear();
        self.origins.clear();
        self.compute_origins.clear();
        self.channel.clear();
    }
}

impl Waiting<'_> {
    #[inline]
    fn domain_key(&self) -> Key<'_> {
        Key { scope: self.scope, name: bound(self.record.domain), address: &[] }
    }

    #[inline]
    fn origin_key<'f>(&self, fetch: &Fetch<'f>) -> Key<'f> {
        Key { scope: self.scope, name: bound(fetch.name), address: bound(fetch.address) }
    }
}

/// `raw`, or [`INVALID`] if it is too long to be valid.
#[inline]
pub fn bound(raw: &[u8]) -> &[u8] {
    if raw.len() > MAX_RAW_KEY { INVALID.as_bytes() } else { raw }
}

#[inline]
fn delivery_client(row: &mut RowMut<'_, Delivery>, client: &Client, sent: Sizes, weight: u64) {
    use delivery as at;
    // Adding 0 costs less than a branch that cannot be predicted.
    let weight_if = |counts: bool| if counts { weight } else { 0 };
    if client.edge {
        row.add(at::EDGE_REQUESTS, weight);
        row.add(at::EDGE_RESP_HEADER_BYTES, sent.header);
        row.add(at::EDGE_RESP_BODY_BYTES, sent.body);
        row.add(at::EDGE_HITS, weight_if(client.cache == CacheStatus::Hit));
        row.add(at::EDGE_MISSES, weight_if(client.cache == CacheStatus::Miss));
    } else {
        row.add(at::SHIELD_REQUESTS, weight);
        row.add(at::SHIELD_RESP_HEADER_BYTES, sent.header);
        row.add(at::SHIELD_RESP_BODY_BYTES, sent.body);
    }
    if let Some(status) = client.status {
        row.add(at::STATUS + status.index(), weight);
    }
    let (http, counts) = if client.http == 3 { (at::HTTP3, true) } else { (at::HTTP2, client.http == 2) };
    row.add(http, weight_if(counts));
    let (tls, counts) = match client.tls {
        Some(minor @ 0..=2) => (at::TLS_V10 + usize::from(minor), true),
        minor => (at::TLS_V13, minor.is_some()),
    };
    row.add(tls, weight_if(counts));
}

#[inline]
fn delivery_fetch(row: &mut RowMut<'_, Delivery>, fetch: &Fetch<'_>, weight: u64) {
    use delivery as at;
    row.add(at::ORIGIN_FETCHES, weight);
    row.add(at::BEREQ_HEADER_BYTES, fetch.bereq.header.saturating_mul(weight));
    row.add(at::BEREQ_BODY_BYTES, fetch.bereq.body.saturating_mul(weight));
    row.add(at::BERESP_HEADER_BYTES, fetch.beresp.header.saturating_mul(weight));
    row.add(at::BERESP_BODY_BYTES, fetch.beresp.body.saturating_mul(weight));
    if let Some(status) = fetch.status {
        row.add(at::ORIGIN_STATUS + status.index(), weight);
    }
}

fn compute_client(row: &mut RowMut<'_, Compute>, client: &Client, weight: u64) {
    use compute as at;
    row.add(at::REQUESTS, weight);
    row.add(at::REQ_HEADER_BYTES, client.req.header.saturating_mul(weight));
    row.add(at::REQ_BODY_BYTES, client.req.body.saturating_mul(weight));
    row.add(at::RESP_HEADER_BYTES, client.resp.header.saturating_mul(weight));
    row.add(at::RESP_BODY_BYTES, client.resp.body.saturating_mul(weight));
    row.add(at::EXECUTION_TIME_MS, client.times.execution.saturating_mul(weight));
    row.add(at::REQUEST_TIME_MS, client.times.request.saturating_mul(weight));
    row.add(at::REQUEST_TIME_BILLED_MS, client.times.billed.saturating_mul(weight));
    if let Some(status) = client.status {
        row.add(at::STATUS + status.index(), weight);
    }
}

fn compute_fetch(row: &mut RowMut<'_, Compute>, fetch: &Fetch<'_>, weight: u64) {
    use compute as at;
    row.add(at::BEREQS, weight);
    row.add(at::BEREQ_HEADER_BYTES, fetch.bereq.header.saturating_mul(weight));
    row.add(at::BEREQ_BODY_BYTES, fetch.bereq.body.saturating_mul(weight));
    row.add(at::BERESP_HEADER_BYTES, fetch.beresp.header.saturating_mul(weight));
    row.add(at::BERESP_BODY_BYTES, fetch.beresp.body.saturating_mul(weight));
    match fetch.status {
        Some(status) => row.add(at::ORIGIN_STATUS + status.index(), weight),
        None => row.add(at::BEREQ_ERRORS, weight),
    }
}

#[inline]
fn origin_response(row: &mut RowMut<'_, Origin>, fetch: &Fetch<'_>, weight: u64) {
    use origin as at;
    row.add(at::RESP_HEADER_BYTES, fetch.beresp.header.saturating_mul(weight));
    row.add(at::RESP_BODY_BYTES, fetch.beresp.body.saturating_mul(weight));
    if let Some(status) = fetch.status {
        row.add(at::STATUS + status.index(), weight);
    }
    if let Some(time) = fetch.ttfb {
        row.add(at::LATENCY + latency(time), weight);
    }
}
