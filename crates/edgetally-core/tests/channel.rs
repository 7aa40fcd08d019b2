//! Laws of the channel, which hold for every log: what its fields have to do with each other and with those of domains.

#[allow(dead_code, reason = "other laws need more of it")]
mod support;

use std::collections::BTreeMap;

use edgetally_core::{
    Channel, ChannelCounters, ChannelValue, Dataset, Fold, Formula, Limits, Sealed, Settings, Window, measurements,
};
use proptest::prelude::*;
use serde_json::Value;
use support::{NOW, records, written};

/// What is sealed of a log.
fn sealed(log: &[u8], limits: Limits) -> Vec<Sealed> {
    let (mut fold, mut window) = (Fold::new(Settings::default()), Window::new(limits, 10_000));
    fold.feed(log, NOW);
    fold.finish(NOW);
    let partial = fold.drain();
    if !partial.is_empty() {
        window.merge(&partial).expect("a fold writes partials that a window reads");
    }
    window.seal(u64::MAX - 1)
}

fn entry(sealed: &Sealed, dataset: Dataset) -> Value {
    serde_json::from_slice(&sealed.entry(dataset)).expect("an entry is JSON")
}

/// The number in a field; 0 if it is left out.
fn count(shown: &Value, field: &str) -> u64 {
    shown.get(field).map_or(0, |value| value.as_u64().expect("counters are whole numbers"))
}

fn sum(shown: &Value, fields: &[String]) -> u64 {
    fields.iter().map(|field| count(shown, field)).sum()
}

fn misses(shown: &Value) -> u64 {
    let histogram = shown["miss_histogram"].as_object().expect("it is always there");
    histogram.values().map(|count| count.as_u64().expect("counters are whole numbers")).sum()
}

/// Everything that an entry of the channel shows: the sum first, then each POP.
fn all_shown(entry: &Value) -> Vec<&Value> {
    let pops = entry["datacenter"].as_object().expect("it is an object");
    std::iter::once(&entry["aggregated"]).chain(pops.values()).collect()
}

fn named(prefix: &str, members: &[&str]) -> Vec<String> {
    members.iter().map(|member| format!("{prefix}{member}")).collect()
}

const RANGES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn fields_add_up(lines in records(30)) {
        let sizes = named("object_size_", &["1k", "10k", "100k", "1m", "10m", "100m", "1g", "other"]);
        let outcomes = named("", &["hits", "miss", "pass", "synth", "errors"]);
        for one in sealed(&written(&lines), Limits::default()) {
            for shown in all_shown(&entry(&one, Dataset::Channel)) {
                let requests = count(shown, "requests");
                prop_assert_eq!(sum(shown, &named("status_", &RANGES)), sum(shown, &sizes));
                prop_assert!(misses(shown) <= count(shown, "miss"));
                prop_assert!(sum(shown, &outcomes) <= requests);
                prop_assert!(count(shown, "http2") + count(shown, "http3") <= requests);
                for (whole, name) in [("hits", "hit"), ("miss", "miss")] {
                    let parts = named("", &[&format!("edge_{name}_requests"), &format!("shield_{name}_requests")]);
                    prop_assert_eq!(count(shown, whole), sum(shown, &parts));
                }
                for part in ["header", "body"] {
                    let parts = named("", &[&format!("edge_resp_{part}_bytes"), &format!("shield_resp_{part}_bytes")]);
                    prop_assert_eq!(count(shown, &format!("resp_{part}_bytes")), sum(shown, &parts));
                }
                for range in RANGES {
                    let parts = named("", &[&format!("status_{range}"), &format!("compute_resp_status_{range}")]);
                    prop_assert_eq!(count(shown, &format!("all_status_{range}")), sum(shown, &parts));
                }
            }
        }
    }

    #[test]
    fn it_is_the_sum_of_the_domains_in_every_pop(lines in records(30), domains in 1_usize..4, pops in 1_usize..3) {
        let limits = Limits { domains, pops, ..Limits::default() };
        let shared: Vec<&str> = measurements(Dataset::Domains)
            .iter()
            .filter(|one| matches!(one.formula, Formula::Sum(_)))
            .map(|one| &*one.name)
            .filter(|name| measurements(Dataset::Channel).iter().any(|one| one.name == *name))
            .collect();
        prop_assert!(shared.len() > 80, "{}", shared.len());
        for one in sealed(&written(&lines), limits) {
            let (channel, domains) = (entry(&one, Dataset::Channel), entry(&one, Dataset::Domains));
            let by_pop = domains["datacenter"].as_object().expect("it is an object").iter();
            for (pop, by_domain) in by_pop {
                for field in &shared {
                    let of_domains: u64 = by_domain.as_object().expect("it is an object").values().map(|one| count(one, field)).sum();
                    prop_assert_eq!(of_domains, count(&channel["datacenter"][pop], field), "{}", field);
                }
            }
        }
    }

    #[test]
    fn the_sum_is_that_of_all_pops(lines in records(30)) {
        for one in sealed(&written(&lines), Limits::default()) {
            let channel = entry(&one, Dataset::Channel);
            let pops = channel["datacenter"].as_object().expect("it is an object");
            for measurement in measurements(Dataset::Channel) {
                let name = &*measurement.name;
                if measurement.formula.kind() == "counter" {
                    let of_pops: u64 = pops.values().map(|pop| count(pop, name)).sum();
                    prop_assert_eq!(of_pops, count(&channel["aggregated"], name), "{}", name);
                }
            }
            prop_assert_eq!(pops.values().map(misses).sum::<u64>(), misses(&channel["aggregated"]));
        }
    }

    #[test]
    fn what_is_read_in_the_core_is_what_is_shown(lines in records(20)) {
        for one in sealed(&written(&lines), Limits::default()) {
            let (shown, Channel { aggregated, pops }) = (entry(&one, Dataset::Channel), one.channel());
            let read: BTreeMap<&str, ChannelCounters> = pops.into_iter().collect();
            let named = shown["datacenter"].as_object().expect("it is an object");
            prop_assert_eq!(named.keys().map(|pop| &**pop).collect::<Vec<_>>(), read.keys().copied().collect::<Vec<_>>());
            let pairs = std::iter::once((&shown["aggregated"], &aggregated));
            for (shown, counters) in pairs.chain(named.values().zip(read.values())) {
                for measurement in measurements(Dataset::Channel) {
                    let value = shown.get(&measurement.name).and_then(Value::as_f64).unwrap_or(0.0);
                    #[expect(clippy::cast_precision_loss, reason = "made-up counters are small")]
                    let same = match counters.value(&measurement.formula) {
                        ChannelValue::Integer(integer) => (value - integer as f64).abs() < 0.1,
                        ChannelValue::Microseconds(time) => (value * 1e6 - time as f64).abs() < 0.01,
                        // Parsed to a unit in the last place.
                        ChannelValue::Ratio(ratio) => (value - ratio).abs() < 1e-12,
                        ChannelValue::Histogram(counts) => misses(shown) == counts.iter().sum::<u64>(),
                    };
                    prop_assert!(same, "{}", measurement.name);
                }
            }
        }
    }
}

#[test]
fn a_miss_is_in_the_histogram_if_its_time_is_known() {
    let lines = [
        // Of several fetches, the times add up, to whatever they went.
        r#"{"ts":5,"status":200,"cache":"MISS","origin_addr":"a, b","origin_ttfb_s":"0.004, 0.0355"}"#,
        r#"{"ts":5,"status":200,"cache":"MISS","origin_ip":"a","origin_is_shield":true,"origin_ttfb_ms":60000.5}"#,
        // Without a fetch, the edge says.
        r#"{"ts":5,"status":200,"cache":"MISS","edge_time_s":0.623,"weight":2}"#,
        r#"{"ts":5,"status":200,"cache":"MISS","origin_ip":"a","origin_status":200,"duration_ms":5.4}"#,
        r#"{"ts":5,"status":200,"cache":"MISS","origin_ip":"a","origin_status":200}"#,
        r#"{"ts":5,"status":200,"cache":"HIT","edge_time_ms":0.0129}"#,
        r#"{"ts":5,"status":200,"cache":"PASS","origin_ip":"a","origin_ttfb_ms":3,"edge_time_ms":4}"#,
    ];
    let sealed = sealed(lines.join("\n").as_bytes(), Limits::default());
    let shown = entry(&sealed[0], Dataset::Channel);
    let shown = &shown["aggregated"];
    let histogram: BTreeMap<&str, u64> = [("6", 1), ("40", 1), ("60001", 1), ("650", 2)].into_iter().collect();
    assert_eq!(serde_json::json!(histogram), shown["miss_histogram"]);
    assert_eq!(6, count(shown, "miss"));
    let times = ["miss_time", "hits_time", "pass_time"].map(|name| shown[name].to_string());
    assert_eq!(["61.2914", "0.000012", "0.004"], times.each_ref().map(String::as_str));
}

#[test]
fn a_fetch_alone_is_an_entry_without_requests() {
    let lines = [
        r#"{"ts":5,"pop":"A","origin":"o","origin_ip":"a","origin_status":304,"beresp_body_bytes":9}"#,
        r#"{"ts":6,"pop":"A","origin":"o","origin_ip":"a","origin_status":304,"origin_is_shield":true,"bereq_header_bytes":8}"#,
    ];
    let sealed = sealed(lines.join("\n").as_bytes(), Limits::default());
    let always = r#""hits":0,"hits_time":0.0,"miss":0,"miss_histogram":{},"miss_time":0.0,"#;
    let sizes = r#""resp_body_bytes":0,"resp_header_bytes":0,"#;
    let (start, middle) = (r#"{"body_size":0,"errors":0,"header_size":0,"#, r#""pass":0,"requests":0,"#);
    let fetched = format!(
        r#"{start}{always}"origin_fetch_resp_body_bytes":9,"origin_fetches":1,"origin_revalidations":1,{middle}{sizes}"synth":0}}"#
    );
    let shielded = format!(
        r#"{start}{always}{middle}{sizes}"shield":1,"shield_fetch_header_bytes":8,"shield_fetches":1,"shield_revalidations":1,"synth":0}}"#
    );
    let want = [(5, fetched), (6, shielded)]
        .map(|(second, shown)| format!(r#"{{"recorded":{second},"aggregated":{shown},"datacenter":{{"A":{shown}}}}}"#));
    let got = sealed.iter().map(|one| String::from_utf8(one.entry(Dataset::Channel)).expect("an entry is UTF-8"));
    assert_eq!(want.to_vec(), got.collect::<Vec<_>>());
    assert_eq!([true, true], *sealed.iter().map(|one| one.has(Dataset::Channel)).collect::<Vec<_>>());
    assert_eq!([true, false], *sealed.iter().map(|one| one.has(Dataset::Domains)).collect::<Vec<_>>());
}

#[test]
fn what_compute_served_has_no_part_in_the_fields_of_delivery() {
    let line =
        r#"{"ts":5,"compute":true,"status":406,"cache":"HIT","resp_bytes":9,"ipv6":1,"edge_time_ms":3,"req_bytes":5}"#;
    let sealed = sealed(line.as_bytes(), Limits::default());
    let entry = entry(&sealed[0], Dataset::Channel);
    let shown = entry["aggregated"].as_object().expect("it is an object");
    let counted: BTreeMap<&str, u64> =
        shown.iter().filter_map(|(name, value)| Some((&**name, value.as_u64().filter(|count| *count > 0)?))).collect();
    let want = [
        ("all_status_4xx", 1),
        ("compute_req_header_bytes", 5),
        ("compute_requests", 1),
        ("compute_resp_header_bytes", 9),
        ("compute_resp_status_4xx", 1),
    ];
    assert_eq!(BTreeMap::from(want), counted);
}
