//! Tables: where a fold counts, and what counts where.
//!
//! The rules are those of `docs/counters.md`: a record of edge compute counts in tables of its own, a fetch from
//! another POP of ours counts nowhere, and an origin has a row only for what it answered.

use crate::cache::Cache;
use crate::counter::{Counters, add, compute, delivery, origin};
use crate::key::{self, INVALID};
use crate::partial::Writer;
use crate::record::{Client, Fetch, Record};
use crate::table::{Key, Table};

/// A key field longer than this names nothing: the longest host, every byte escaped, is shorter.
pub const MAX_RAW_KEY: usize = 4096;

/// Rows of every kind.
#[derive(Debug, Default)]
pub struct Tables {
    delivery: Table<{ delivery::LEN }>,
    compute: Table<{ compute::LEN }>,
    origins: Table<{ origin::LEN }>,
    compute_origins: Table<{ origin::LEN }>,
}

impl Tables {
    /// Adds a record of `weight` to the rows of its second and scope.
    #[inline]
    pub fn count(&mut self, record: &Record<'_>, second: u64, scope: u32, weight: u64) {
        let key = Key { second, scope, name: bounded(record.domain), address: &[] };
        let fetches = record.fetches.as_slice();
        let origins = if record.compute {
            let row = self.compute.row(key);
            if let Some(client) = &record.client {
                compute_client(row, client, weight);
            }
            for fetch in fetches.iter().filter(|fetch| !fetch.to_shield) {
                compute_fetch(row, fetch, weight);
            }
            &mut self.compute_origins
        } else {
            let row = self.delivery.row(key);
            if let Some(client) = &record.client {
                delivery_client(row, client, weight);
            }
            for fetch in fetches.iter().filter(|fetch| !fetch.to_shield) {
                delivery_fetch(row, fetch, weight);
            }
            &mut self.origins
        };
        for fetch in fetches.iter().filter(|fetch| !fetch.to_shield && fetch.status.is_some()) {
            let key = Key { second, scope, name: bounded(fetch.name), address: bounded(fetch.address) };
            origin_response(origins.row(key), fetch, weight);
        }
    }

    /// Appends every row to a partial, its keys cleaned.
    pub fn write(&self, writer: &mut Writer) {
        for (key, counters) in self.delivery.rows() {
            writer.domain(crate::Kind::Delivery, key.scope, key.second, &key::domain(key.name), counters);
        }
        for (key, counters) in self.compute.rows() {
            writer.domain(crate::Kind::Compute, key.scope, key.second, &key::domain(key.name), counters);
        }
        for (kind, table) in [(crate::Kind::Origin, &self.origins), (crate::Kind::ComputeOrigin, &self.compute_origins)]
        {
            for (key, counters) in table.rows() {
                let address = key::ip(key.address);
                writer.origin(kind, key.scope, key.second, &key::origin(key.name, &address), &address, counters);
            }
        }
    }

    /// Bytes that the rows take, about.
    pub fn size(&self) -> usize {
        self.delivery.size() + self.compute.size() + self.origins.size() + self.compute_origins.size()
    }

    /// Forgets every row.
    pub fn clear(&mut self) {
        self.delivery.clear();
        self.compute.clear();
        self.origins.clear();
        self.compute_origins.clear();
    }
}

/// A key as it was logged, unless it is too long to name anything.
#[inline]
pub fn bounded(raw: &[u8]) -> &[u8] {
    if raw.len() > MAX_RAW_KEY { INVALID.as_bytes() } else { raw }
}

#[inline]
fn delivery_client(row: &mut Counters<{ delivery::LEN }>, client: &Client, weight: u64) {
    use delivery as at;
    let sent = [client.resp.header.saturating_mul(weight), client.resp.body.saturating_mul(weight)];
    if client.edge {
        add(&mut row[at::EDGE_REQUESTS], weight);
        add(&mut row[at::EDGE_RESP_HEADER_BYTES], sent[0]);
        add(&mut row[at::EDGE_RESP_BODY_BYTES], sent[1]);
        match client.cache {
            Cache::Hit => add(&mut row[at::EDGE_HITS], weight),
            Cache::Miss => add(&mut row[at::EDGE_MISSES], weight),
            Cache::Neither => {}
        }
    } else {
        add(&mut row[at::SHIELD_REQUESTS], weight);
        add(&mut row[at::SHIELD_RESP_HEADER_BYTES], sent[0]);
        add(&mut row[at::SHIELD_RESP_BODY_BYTES], sent[1]);
    }
    if let Some(status) = client.status {
        add(&mut row[at::STATUS + status.place()], weight);
    }
    match client.http {
        2 => add(&mut row[at::HTTP2], weight),
        3 => add(&mut row[at::HTTP3], weight),
        _ => {}
    }
    match client.tls {
        Some(3) => add(&mut row[at::TLS_V13], weight),
        Some(minor) => add(&mut row[at::TLS_V10 + usize::from(minor)], weight),
        None => {}
    }
}

#[inline]
fn delivery_fetch(row: &mut Counters<{ delivery::LEN }>, fetch: &Fetch<'_>, weight: u64) {
    use delivery as at;
    add(&mut row[at::ORIGIN_FETCHES], weight);
    add(&mut row[at::BEREQ_HEADER_BYTES], fetch.bereq.header.saturating_mul(weight));
    add(&mut row[at::BEREQ_BODY_BYTES], fetch.bereq.body.saturating_mul(weight));
    add(&mut row[at::BERESP_HEADER_BYTES], fetch.beresp.header.saturating_mul(weight));
    add(&mut row[at::BERESP_BODY_BYTES], fetch.beresp.body.saturating_mul(weight));
    if let Some(status) = fetch.status {
        add(&mut row[at::ORIGIN_STATUS + status.place()], weight);
    }
}

fn compute_client(row: &mut Counters<{ compute::LEN }>, client: &Client, weight: u64) {
    use compute as at;
    add(&mut row[at::REQUESTS], weight);
    add(&mut row[at::REQ_HEADER_BYTES], client.req.header.saturating_mul(weight));
    add(&mut row[at::REQ_BODY_BYTES], client.req.body.saturating_mul(weight));
    add(&mut row[at::RESP_HEADER_BYTES], client.resp.header.saturating_mul(weight));
    add(&mut row[at::RESP_BODY_BYTES], client.resp.body.saturating_mul(weight));
    add(&mut row[at::EXECUTION_TIME_MS], client.times.execution.saturating_mul(weight));
    add(&mut row[at::REQUEST_TIME_MS], client.times.request.saturating_mul(weight));
    add(&mut row[at::REQUEST_TIME_BILLED_MS], client.times.billed.saturating_mul(weight));
    if let Some(status) = client.status {
        add(&mut row[at::STATUS + status.place()], weight);
    }
}

fn compute_fetch(row: &mut Counters<{ compute::LEN }>, fetch: &Fetch<'_>, weight: u64) {
    use compute as at;
    add(&mut row[at::BEREQS], weight);
    add(&mut row[at::BEREQ_HEADER_BYTES], fetch.bereq.header.saturating_mul(weight));
    add(&mut row[at::BEREQ_BODY_BYTES], fetch.bereq.body.saturating_mul(weight));
    add(&mut row[at::BERESP_HEADER_BYTES], fetch.beresp.header.saturating_mul(weight));
    add(&mut row[at::BERESP_BODY_BYTES], fetch.beresp.body.saturating_mul(weight));
    match fetch.status {
        Some(status) => add(&mut row[at::ORIGIN_STATUS + status.place()], weight),
        None => add(&mut row[at::BEREQ_ERRORS], weight),
    }
}

#[inline]
fn origin_response(row: &mut Counters<{ origin::LEN }>, fetch: &Fetch<'_>, weight: u64) {
    use origin as at;
    add(&mut row[at::RESP_HEADER_BYTES], fetch.beresp.header.saturating_mul(weight));
    add(&mut row[at::RESP_BODY_BYTES], fetch.beresp.body.saturating_mul(weight));
    if let Some(status) = fetch.status {
        add(&mut row[at::STATUS + status.place()], weight);
    }
    if let Some(bucket) = fetch.latency {
        add(&mut row[at::LATENCY + bucket], weight);
    }
}
