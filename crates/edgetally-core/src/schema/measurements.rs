//! Measurements: the table of everything that the API shows, and the only place that names its fields.
//!
//! A measurement is a sum of counters (see [`crate::schema::counters`]), or a ratio of such sums. Names and meanings are
//! those of Fastly's Domain Inspector, Origin Inspector and Origin Insights real-time APIs.

use std::sync::LazyLock;

use crate::schema::counters::{compute, delivery, origin};
use crate::schema::status::{FAMILY, Status, indexes_of_range};

/// What is counted by domain, and what by origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dataset {
    /// Requests by domain.
    Domains,
    /// Responses of origins by name and address.
    OriginInsights,
    /// Responses of origins by name.
    Origins,
}

impl Dataset {
    /// Every dataset, in alphabetical order.
    pub const ALL: [Self; 3] = [Self::Domains, Self::OriginInsights, Self::Origins];

    /// Its name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Domains => "domains",
            Self::OriginInsights => "origin_insights",
            Self::Origins => "origins",
        }
    }

    /// The dataset with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dataset| dataset.name() == name)
    }
}

/// Where the counters of compute start. A dataset has two kinds of rows: measurements number the counters of delivery from
/// 0, and those of compute from here.
pub const COMPUTE: usize = delivery::LEN;

/// How a measurement is computed from counters.
#[derive(Debug, Clone, PartialEq)]
pub enum Formula {
    /// The sum of these counters.
    Sum(Vec<usize>),
    /// Hits / (hits + misses).
    EdgeHitRatio,
    /// (Bytes sent to end users − bytes received from origins) / bytes sent to end users.
    OriginOffload,
}

/// One field of the API.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// The dataset that has it.
    pub dataset: Dataset,
    /// Its key in JSON.
    pub name: String,
    /// What it says, in words.
    pub description: String,
    /// How it is computed.
    pub formula: Formula,
}

/// Every measurement of a dataset, in alphabetical order.
#[must_use]
pub fn measurements(dataset: Dataset) -> &'static [Measurement] {
    static TABLE: LazyLock<[Vec<Measurement>; 3]> = LazyLock::new(|| {
        [domains(), origin_insights(), origins()].map(|mut table| {
            table.sort_by(|one, other| one.name.cmp(&other.name));
            table
        })
    });
    &TABLE[dataset as usize]
}

/// Codes that have a field in every dataset.
const COMMON: [u16; 16] = [200, 204, 301, 302, 304, 400, 401, 403, 404, 416, 500, 501, 502, 503, 504, 505];
/// Codes that `origin_insights` counts only in their range.
const DETAILED: [u16; 3] = [206, 429, 530];

fn domains() -> Vec<Measurement> {
    let mut table = Builder { dataset: Dataset::Domains, table: vec![] };
    let codes = [&COMMON[..], &DETAILED].concat();
    domain_requests(&mut table, &codes);
    domain_fetches(&mut table, &codes);
    domain_compute(&mut table, &codes);
    table.table
}

/// The requests of clients.
fn domain_requests(table: &mut Builder, codes: &[u16]) {
    use delivery as at;
    let resp_header = vec![at::EDGE_RESP_HEADER_BYTES, at::SHIELD_RESP_HEADER_BYTES];
    let resp_body = vec![at::EDGE_RESP_BODY_BYTES, at::SHIELD_RESP_BODY_BYTES];
    let bereq = [at::BEREQ_HEADER_BYTES, at::BEREQ_BODY_BYTES];
    let bandwidth = [&resp_header[..], &resp_body[..], &bereq[..]].concat();
    table.sum("bandwidth", "Bytes sent to clients and to origins, headers and bodies.", bandwidth);
    table.sum("requests", "Requests, shield requests included.", vec![at::EDGE_REQUESTS, at::SHIELD_REQUESTS]);
    table.sum("resp_header_bytes", "Header bytes sent to clients.", resp_header);
    table.sum("resp_body_bytes", "Body bytes sent to clients.", resp_body);
    table.sum("edge_requests", "Requests of end users.", vec![at::EDGE_REQUESTS]);
    table.sum("edge_resp_header_bytes", "Header bytes sent to end users.", vec![at::EDGE_RESP_HEADER_BYTES]);
    table.sum("edge_resp_body_bytes", "Body bytes sent to end users.", vec![at::EDGE_RESP_BODY_BYTES]);
    table.sum("edge_hit_requests", "Requests of end users that the cache answered.", vec![at::EDGE_HITS]);
    table.sum(
        "edge_miss_requests",
        "Requests of end users that the cache could have answered and did not.",
        vec![at::EDGE_MISSES],
    );
    table.push(
        "edge_hit_ratio",
        "`edge_hit_requests` / (`edge_hit_requests` + `edge_miss_requests`), from 0 to 1.",
        Formula::EdgeHitRatio,
    );
    table.push(
        "origin_offload",
        "The part of the bytes sent to end users that did not come from an origin: ((`edge_resp_body_bytes` + \
         `edge_resp_header_bytes`) − (`origin_fetch_resp_body_bytes` + `origin_fetch_resp_header_bytes`)) / \
         (`edge_resp_body_bytes` + `edge_resp_header_bytes`), from 0 to 1.",
        Formula::OriginOffload,
    );
    table.sum("http2", "Requests over HTTP/2.", vec![at::HTTP2]);
    table.sum("http3", "Requests over HTTP/3.", vec![at::HTTP3]);
    for (name, version, counter) in [
        ("tls_v10", "1.0", at::TLS_V10),
        ("tls_v11", "1.1", at::TLS_V11),
        ("tls_v12", "1.2", at::TLS_V12),
        ("tls_v13", "1.3", at::TLS_V13),
    ] {
        table.sum(name, &format!("Requests over TLS {version}."), vec![counter]);
    }
    table.statuses("status", "sent to clients", &[codes, &[499]].concat(), &[at::STATUS]);
}

/// The fetches from origins.
fn domain_fetches(table: &mut Builder, codes: &[u16]) {
    use delivery as at;
    table.sum("origin_fetches", "Requests sent to origins.", vec![at::ORIGIN_FETCHES]);
    table.sum("bereq_header_bytes", "Header bytes sent to origins.", vec![at::BEREQ_HEADER_BYTES]);
    table.sum("bereq_body_bytes", "Body bytes sent to origins.", vec![at::BEREQ_BODY_BYTES]);
    table.sum("origin_fetch_resp_header_bytes", "Header bytes received from origins.", vec![at::BERESP_HEADER_BYTES]);
    table.sum("origin_fetch_resp_body_bytes", "Body bytes received from origins.", vec![at::BERESP_BODY_BYTES]);
    table.statuses("origin_status", "received from origins", codes, &[at::ORIGIN_STATUS]);
}

/// The requests that edge-compute programs served.
fn domain_compute(table: &mut Builder, codes: &[u16]) {
    use compute as at;
    for (name, description, counter) in [
        ("compute_request", "Requests that edge-compute programs served.", at::REQUESTS),
        ("compute_req_header_bytes", "Header bytes that compute received from clients.", at::REQ_HEADER_BYTES),
        ("compute_req_body_bytes", "Body bytes that compute received from clients.", at::REQ_BODY_BYTES),
        ("compute_resp_header_bytes", "Header bytes that compute sent to clients.", at::RESP_HEADER_BYTES),
        ("compute_resp_body_bytes", "Body bytes that compute sent to clients.", at::RESP_BODY_BYTES),
        ("compute_execution_time_ms", "CPU time that compute took, in milliseconds.", at::EXECUTION_TIME_MS),
        ("compute_request_time_ms", "Time that compute requests took, in milliseconds.", at::REQUEST_TIME_MS),
        (
            "compute_request_time_billed_ms",
            "Time that compute requests took, each rounded up to 50 milliseconds.",
            at::REQUEST_TIME_BILLED_MS,
        ),
        ("compute_bereqs", "Requests that compute sent to backends.", at::BEREQS),
        ("compute_bereq_errors", "Requests of compute that got no response.", at::BEREQ_ERRORS),
        ("compute_bereq_header_bytes", "Header bytes that compute sent to backends.", at::BEREQ_HEADER_BYTES),
        ("compute_bereq_body_bytes", "Body bytes that compute sent to backends.", at::BEREQ_BODY_BYTES),
        ("compute_beresp_header_bytes", "Header bytes that compute received from backends.", at::BERESP_HEADER_BYTES),
        ("compute_beresp_body_bytes", "Body bytes that compute received from backends.", at::BERESP_BODY_BYTES),
    ] {
        table.sum(name, description, vec![COMPUTE + counter]);
    }
    let sent = [codes, &[103]].concat();
    table.statuses("compute_resp_status", "sent to clients by compute", &sent, &[COMPUTE + at::STATUS]);
    table.statuses("compute_origin_status", "received by compute", codes, &[COMPUTE + at::ORIGIN_STATUS]);
}

fn origins() -> Vec<Measurement> {
    let mut table = Builder { dataset: Dataset::Origins, table: vec![] };
    let codes = [&COMMON[..], &DETAILED].concat();
    for (prefix, of, bases) in [
        ("", "for delivery", &[0][..]),
        ("compute_", "for compute", &[COMPUTE]),
        ("waf_", "for the web application firewall (no source can tell these yet)", &[]),
        ("all_", "for delivery and compute", &[0, COMPUTE]),
    ] {
        table.responses(prefix, of, &codes, bases);
        let ends = origin::LATENCY_ENDS_MS;
        for bucket in 0..=ends.len() {
            let start = if bucket == 0 { 0 } else { ends[bucket - 1] };
            let (name, span) = match ends.get(bucket) {
                Some(end) => (format!("{start}_to_{end}ms"), format!("more than {start} and at most {end} ms")),
                None => (format!("{start}ms"), format!("more than {start} ms")),
            };
            let span = if bucket == 0 { "at most 1 ms".to_owned() } else { span };
            let counters = bases.iter().map(|base| base + origin::LATENCY + bucket).collect();
            let description = format!("Responses {of} whose first byte came after {span}.");
            table.sum(&format!("{prefix}latency_{name}"), &description, counters);
        }
    }
    table.table
}

fn origin_insights() -> Vec<Measurement> {
    let mut table = Builder { dataset: Dataset::OriginInsights, table: vec![] };
    table.responses("", "from origins", &COMMON, &[0, COMPUTE]);
    table.table
}

struct Builder {
    dataset: Dataset,
    table: Vec<Measurement>,
}

impl Builder {
    fn push(&mut self, name: &str, description: &str, formula: Formula) {
        let (name, description) = (name.to_owned(), description.to_owned());
        self.table.push(Measurement { dataset: self.dataset, name, description, formula });
    }

    fn sum(&mut self, name: &str, description: &str, counters: Vec<usize>) {
        self.push(name, description, Formula::Sum(counters));
    }

    /// The fields of statuses: one per code and one per range, each the sum over the families that start at `bases`.
    fn statuses(&mut self, prefix: &str, what: &str, codes: &[u16], bases: &[usize]) {
        for code in codes {
            let counter = Status::new(u64::from(*code)).expect("the table names real statuses").index();
            let description = format!("Responses with status {code} {what}.");
            self.sum(&format!("{prefix}_{code}"), &description, bases.iter().map(|base| base + counter).collect());
        }
        for range in 1..=5 {
            let counters =
                bases.iter().flat_map(|base| indexes_of_range(range).map(move |counter| base + counter)).collect();
            self.sum(
                &format!("{prefix}_{range}xx"),
                &format!("Responses with status {range}00 to {range}99 {what}."),
                counters,
            );
        }
    }

    /// The fields that every dataset of origins has.
    fn responses(&mut self, prefix: &str, of: &str, codes: &[u16], bases: &[usize]) {
        let at = |counter: usize| bases.iter().map(|base| base + counter).collect::<Vec<_>>();
        let all = bases.iter().flat_map(|base| (0..FAMILY).map(move |counter| base + origin::STATUS + counter));
        self.sum(&format!("{prefix}responses"), &format!("Responses {of}."), all.collect());
        for (name, what, counter) in
            [("header", "Header", origin::RESP_HEADER_BYTES), ("body", "Body", origin::RESP_BODY_BYTES)]
        {
            self.sum(&format!("{prefix}resp_{name}_bytes"), &format!("{what} bytes of responses {of}."), at(counter));
        }
        self.statuses(&format!("{prefix}status"), of, codes, &at(origin::STATUS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datasets_have_as_many_fields_as_documented() {
        let count = |dataset| measurements(dataset).len();
        assert_eq!([134, 24, 156], Dataset::ALL.map(count));
    }
}
