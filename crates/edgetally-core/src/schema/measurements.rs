//! The table of everything that the API shows: with [`crate::schema::channel_measurements`], the only place that names its
//! fields.
//!
//! A measurement is a sum of counters (see [`crate::schema::counters`]), or made of such sums. Names and meanings are those
//! of Fastly's real-time APIs: its real-time analytics, Domain Inspector, Origin Inspector and Origin Insights.

use std::sync::LazyLock;

use crate::schema::channel_measurements::channel;
use crate::schema::counters::{compute, delivery, origin};
use crate::schema::dataset::Dataset;
use crate::schema::formula::{COMPUTE, Formula, Measurement};
use crate::schema::measurement_builder::{COMMON, DETAILED, MeasurementBuilder};

/// Every measurement of a dataset, in alphabetical order.
#[must_use]
pub fn measurements(dataset: Dataset) -> &'static [Measurement] {
    static TABLE: LazyLock<[Vec<Measurement>; 4]> = LazyLock::new(|| {
        [channel(), domains(), origin_insights(), origins()].map(|mut table| {
            table.sort_by(|one, other| one.name.cmp(&other.name));
            table
        })
    });
    &TABLE[dataset as usize]
}

fn domains() -> Vec<Measurement> {
    let mut table = MeasurementBuilder::of(Dataset::Domains);
    let codes = [&COMMON[..], &DETAILED].concat();
    domain_requests(&mut table, &codes);
    domain_fetches(&mut table, &codes);
    domain_compute(&mut table, &codes);
    table.table
}

/// The requests of clients.
fn domain_requests(table: &mut MeasurementBuilder, codes: &[u16]) {
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
    table.protocols();
    table.statuses("status", "sent to clients", &[codes, &[499]].concat(), &[at::STATUS]);
}

/// The fetches from origins.
fn domain_fetches(table: &mut MeasurementBuilder, codes: &[u16]) {
    use delivery as at;
    table.sum("origin_fetches", "Requests sent to origins.", vec![at::ORIGIN_FETCHES]);
    table.sum("bereq_header_bytes", "Header bytes sent to origins.", vec![at::BEREQ_HEADER_BYTES]);
    table.sum("bereq_body_bytes", "Body bytes sent to origins.", vec![at::BEREQ_BODY_BYTES]);
    table.sum("origin_fetch_resp_header_bytes", "Header bytes received from origins.", vec![at::BERESP_HEADER_BYTES]);
    table.sum("origin_fetch_resp_body_bytes", "Body bytes received from origins.", vec![at::BERESP_BODY_BYTES]);
    table.statuses("origin_status", "received from origins", codes, &[at::ORIGIN_STATUS]);
}

/// The requests that edge-compute programs served.
fn domain_compute(table: &mut MeasurementBuilder, codes: &[u16]) {
    table.compute("compute_request");
    table.compute_statuses(codes);
    let base = COMPUTE + compute::ORIGIN_STATUS;
    table.statuses("compute_origin_status", "received by compute", codes, &[base]);
}

fn origins() -> Vec<Measurement> {
    let mut table = MeasurementBuilder::of(Dataset::Origins);
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
    let mut table = MeasurementBuilder::of(Dataset::OriginInsights);
    table.responses("", "from origins", &COMMON, &[0, COMPUTE]);
    table.table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datasets_have_as_many_fields_as_documented() {
        let count = |dataset| measurements(dataset).len();
        assert_eq!([150, 134, 24, 156], Dataset::ALL.map(count));
    }
}
