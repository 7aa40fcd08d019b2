//! The measurements of the channel: a service as a whole.
//!
//! Most are sums of counters that its domains have. The others have counters of their own, and several fields show the same
//! counters under two names, as Fastly does.

use crate::schema::counters::{channel as at, compute, delivery};
use crate::schema::dataset::Dataset;
use crate::schema::formula::{CHANNEL, COMPUTE, Formula, Measurement};
use crate::schema::measurement_builder::{COMMON, DETAILED, MeasurementBuilder};
use crate::schema::status::{index_of, indexes_of_range};

/// What entries have when it is 0, too: clients take it for granted.
const ALWAYS_SHOWN: [&str; 13] = [
    "requests",
    "resp_header_bytes",
    "header_size",
    "resp_body_bytes",
    "body_size",
    "hits",
    "miss",
    "pass",
    "synth",
    "errors",
    "hits_time",
    "miss_time",
    "miss_histogram",
];

/// The table of the dataset, in any order.
pub(super) fn channel() -> Vec<Measurement> {
    let mut table = MeasurementBuilder::of(Dataset::Channel);
    let codes = [&COMMON[..], &DETAILED].concat();
    requests(&mut table);
    statuses(&mut table, &codes);
    cache(&mut table);
    fetches(&mut table);
    compute_requests(&mut table, &codes);
    for measurement in &mut table.table {
        measurement.is_always_shown = ALWAYS_SHOWN.contains(&&*measurement.name);
    }
    table.table
}

/// The requests of clients.
fn requests(table: &mut MeasurementBuilder) {
    use delivery as of;
    table.sum("requests", "Requests, shield requests included.", vec![of::EDGE_REQUESTS, of::SHIELD_REQUESTS]);
    table.sum("edge_requests", "Requests of end users.", vec![of::EDGE_REQUESTS]);
    for (part, word, alias, edge, shield) in [
        ("header", "Header", "header_size", of::EDGE_RESP_HEADER_BYTES, of::SHIELD_RESP_HEADER_BYTES),
        ("body", "Body", "body_size", of::EDGE_RESP_BODY_BYTES, of::SHIELD_RESP_BODY_BYTES),
    ] {
        let description = format!("{word} bytes sent to clients.");
        table.sum(&format!("resp_{part}_bytes"), &description, vec![edge, shield]);
        table.alias(alias, &format!("resp_{part}_bytes"));
        table.sum(&format!("edge_resp_{part}_bytes"), &format!("{word} bytes sent to end users."), vec![edge]);
        table.sum(&format!("shield_resp_{part}_bytes"), &format!("{word} bytes sent to other POPs."), vec![shield]);
    }
    let own = |counter| vec![CHANNEL + counter];
    table.sum("req_header_bytes", "Header bytes received from clients.", own(at::REQ_HEADER_BYTES));
    table.sum("req_body_bytes", "Body bytes received from clients.", own(at::REQ_BODY_BYTES));
    table.protocols();
    table.sum("tls", "Requests over TLS.", vec![of::TLS_V10, of::TLS_V11, of::TLS_V12, of::TLS_V13]);
    table.sum("ipv6", "Requests over IPv6.", own(at::IPV6));
    table.sum("restarts", "Restarts of requests.", own(at::RESTARTS));
    let waited = "Requests that waited for the fetch of another one";
    table.sum("request_collapse_usable_count", &format!("{waited}, and got its response."), own(at::COLLAPSED_USABLE));
    table.sum(
        "request_collapse_unusable_count",
        &format!("{waited}, and could not use its response."),
        own(at::COLLAPSED_UNUSABLE),
    );
}

/// The responses to clients, by status and by size.
fn statuses(table: &mut MeasurementBuilder, codes: &[u16]) {
    table.statuses("status", "sent to clients", &[codes, &[499]].concat(), &[delivery::STATUS]);
    table.sum("status_406", "Responses with status 406 sent to clients.", vec![CHANNEL + at::STATUS_406]);
    for range in 1..=5 {
        let all = [delivery::STATUS, COMPUTE + compute::STATUS].into_iter();
        let counters = all.flat_map(|base| indexes_of_range(range).map(move |counter| base + counter)).collect();
        let description = format!("Responses with status {range}00 to {range}99 sent to clients, by compute too.");
        table.sum(&format!("all_status_{range}xx"), &description, counters);
    }
    let names = ["1k", "10k", "100k", "1m", "10m", "100m", "1g", "other"];
    let sizes = ["1 KiB", "10 KiB", "100 KiB", "1 MiB", "10 MiB", "100 MiB", "1 GiB"];
    for (class, name) in names.into_iter().enumerate() {
        let span = match (class.checked_sub(1).map(|before| sizes[before]), sizes.get(class)) {
            (None, Some(end)) => format!("less than {end}"),
            (Some(start), Some(end)) => format!("{start} to less than {end}"),
            (start, None) => format!("{} or more", start.unwrap_or_default()),
        };
        let description = format!("Responses to clients with a body of {span}.");
        table.sum(&format!("object_size_{name}"), &description, vec![CHANNEL + at::OBJECT_SIZE + class]);
    }
}

/// What the cache did.
fn cache(table: &mut MeasurementBuilder) {
    const HIT: &str = "that the cache answered";
    const MISS: &str = "that the cache could have answered and did not";
    let own = |counters: &[usize]| counters.iter().map(|counter| CHANNEL + counter).collect::<Vec<_>>();
    for (name, alias, what, counters) in [
        ("hits", "all_hit_requests", HIT, &[at::EDGE_HITS, at::SHIELD_HITS][..]),
        ("miss", "all_miss_requests", MISS, &[at::EDGE_MISSES, at::SHIELD_MISSES]),
        ("pass", "all_pass_requests", "that the cache could not answer", &[at::PASSES]),
        ("synth", "all_synth_requests", "that the edge answered itself", &[at::SYNTHS]),
        ("errors", "all_error_requests", "that failed", &[at::ERRORS]),
    ] {
        table.sum(name, &format!("Requests {what}."), own(counters));
        table.alias(alias, name);
    }
    for (name, what, edge, shield, of_domains) in [
        ("hit", HIT, at::EDGE_HITS, at::SHIELD_HITS, delivery::EDGE_HITS),
        ("miss", MISS, at::EDGE_MISSES, at::SHIELD_MISSES, delivery::EDGE_MISSES),
    ] {
        let edge_requests = format!("edge_{name}_requests");
        table.sum(&edge_requests, &format!("Requests of end users {what}."), vec![of_domains]);
        table.alias(&format!("all_{edge_requests}"), &edge_requests);
        table.sum(&format!("shield_{name}_requests"), &format!("Requests of other POPs {what}."), own(&[shield]));
        let on = if name == "hit" { "hits" } else { "misses" };
        for (part, word, at) in [("header", "Header", 1), ("body", "Body", 2)] {
            for (whose, who, counter) in [("edge", "end users", edge), ("shield", "other POPs", shield)] {
                let description = format!("{word} bytes sent to {who} on {on}.");
                table.sum(&format!("{whose}_{name}_resp_{part}_bytes"), &description, own(&[counter + at]));
            }
        }
        let description = format!("Body bytes sent to clients on {on}.");
        table.sum(&format!("{name}_resp_body_bytes"), &description, own(&[edge + 2, shield + 2]));
    }
    let passed = "Body bytes sent to clients on passes.";
    table.sum("pass_resp_body_bytes", passed, own(&[at::PASSES + 1]));
    table.push("hit_ratio", "`hits` / (`hits` + `miss`), from 0 to 1.", Formula::HitRatio);
    for (name, what, counter) in [
        ("hits_time", "Seconds that hits took, of those whose time is logged.", at::HITS_TIME_US),
        ("pass_time", "Seconds that passes took, of those whose time is logged.", at::PASS_TIME_US),
        ("miss_time", "Seconds that misses took, of those whose time is logged.", at::MISS_TIME_US),
    ] {
        table.push(name, what, Formula::Seconds(CHANNEL + counter));
    }
    table.push(
        "miss_histogram",
        "Misses whose time is logged, by that time: an object from the upper end of a bucket in milliseconds to its misses. \
         The ends are 1 to 10 by 1, to 250 by 10, to 1000 by 50, to 3000 by 100, to 10000 by 500, to 20000 by 1000, to \
         60000 by 5000, and 60001 for what took longer.",
        Formula::MissHistogram,
    );
}

/// The fetches from origins and from our other POPs.
fn fetches(table: &mut MeasurementBuilder) {
    use delivery as of;
    table.sum("origin_fetches", "Requests sent to origins.", vec![of::ORIGIN_FETCHES]);
    for (part, word, sent, received) in [
        ("header", "Header", of::BEREQ_HEADER_BYTES, of::BERESP_HEADER_BYTES),
        ("body", "Body", of::BEREQ_BODY_BYTES, of::BERESP_BODY_BYTES),
    ] {
        let description = format!("{word} bytes sent to origins.");
        table.sum(&format!("bereq_{part}_bytes"), &description, vec![sent]);
        table.alias(&format!("origin_fetch_{part}_bytes"), &format!("bereq_{part}_bytes"));
        let description = format!("{word} bytes received from origins.");
        table.sum(&format!("origin_fetch_resp_{part}_bytes"), &description, vec![received]);
    }
    let revalidated = of::ORIGIN_STATUS + index_of(304);
    table.sum("origin_revalidations", "Fetches from origins with status 304.", vec![revalidated]);
    table.push(
        "origin_offload",
        "The part of the bytes sent to end users that did not come from an origin: ((`edge_resp_body_bytes` + \
         `edge_resp_header_bytes`) − (`origin_fetch_resp_body_bytes` + `origin_fetch_resp_header_bytes`)) / \
         (`edge_resp_body_bytes` + `edge_resp_header_bytes`), from 0 to 1.",
        Formula::OriginOffload,
    );
    for (name, description, counter) in [
        ("shield_fetches", "Requests sent to other POPs.", at::SHIELD_FETCHES),
        ("shield_fetch_header_bytes", "Header bytes of requests to other POPs.", at::SHIELD_BEREQ_HEADER_BYTES),
        ("shield_fetch_body_bytes", "Body bytes of requests to other POPs.", at::SHIELD_BEREQ_BODY_BYTES),
        ("shield_fetch_resp_header_bytes", "Header bytes received from other POPs.", at::SHIELD_BERESP_HEADER_BYTES),
        ("shield_fetch_resp_body_bytes", "Body bytes received from other POPs.", at::SHIELD_BERESP_BODY_BYTES),
        ("shield_revalidations", "Fetches from other POPs with status 304.", at::SHIELD_REVALIDATIONS),
    ] {
        table.sum(name, description, vec![CHANNEL + counter]);
    }
    table.alias("shield", "shield_fetches");
}

/// The requests that edge-compute programs served.
fn compute_requests(table: &mut MeasurementBuilder, codes: &[u16]) {
    table.compute("compute_requests");
    table.compute_statuses(codes);
    table.alias("compute_service_bereq_error", "compute_bereq_errors");
}
