//! Made-up logs: records with colliding keys, written as different edges write them, and other lines.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// The time of arrival of made-up logs.
pub const NOW: u64 = 1_795_314_035;
/// The oldest second of a made-up record.
pub const OLDEST: u64 = NOW - 3;

const SERVICES: [&str; 3] = ["", r#""service_id":"a""#, r#""service_id":"b""#];
const POPS: [&str; 3] = ["", r#""pop":"fra""#, r#""pop":"l\u0068r""#];
const DOMAINS: [&str; 7] = [
    "",
    r#""domain":"a.example""#,
    r#""domain":"A.Example:443""#,
    r#""domain":"b.example""#,
    r#""domain":"c.example""#,
    r#""domain":"d.example""#,
    r#""domain":"no host\n""#,
];
const CLIENTS: [&str; 13] = [
    "",
    r#""status":200,"cache":"HIT""#,
    r#""status":"404","cache":"MISS","proto":"h2""#,
    r#""status":304,"tls":"TLSv1.3","proto":"HTTP\/3""#,
    r#""status":503,"edge":false"#,
    r#""status":000"#,
    r#""status":200,"cache":"hit-cluster","edge":false,"ipv6":"2001:db8::1","edge_time_ms":1.5"#,
    r#""status":301,"cache":"c; fwd=miss","edge":0,"restarts":2,"edge_time_s":0.25"#,
    r#""status":406,"cache":"PASS","edge_time_ms":7,"collapsed":false,"req_bytes":44"#,
    r#""status":200,"cache":"synth","proto":"HTTP/3","ipv6":1"#,
    r#""status":500,"cache":"ERR_CONNECT_FAIL","tls":"TLSv1.2""#,
    r#""compute":true,"status":103,"compute_request_time_ms":12.5"#,
    r#""compute":1,"status":"418","req_bytes":99"#,
];
const FETCHES: [&str; 8] = [
    "",
    "",
    r#""origin":"o1","origin_ip":"10.0.0.1","origin_status":200,"origin_ttfb_s":0.004"#,
    r#""origin":"o1","origin_addr":"10.0.0.2:80","origin_status":"-""#,
    r#""origin":"o2","origin_addr":"10.0.0.2:80, 10.0.0.3:80","origin_status":"502, 304""#,
    r#""origins":[{"name":"o3","ip":"10.0.0.4","status":206,"beresp_bytes":7},{"ip":"::1","status":500}]"#,
    r#""origin_addr":"[::1]:80","origin_status":404,"origin_ttfb_ms":60001"#,
    r#""origin":"o1","origin_ip":"10.0.0.9","origin_status":200,"origin_is_shield":true"#,
];
const EXTRAS: [&str; 6] =
    ["", "", r#""weight":3"#, r#""url":"/\"a\\""#, r#""x":{"y":[1,"}"]}"#, "\"ua\":\"\\xff\u{1}\\]\""];
const JUNK: [&str; 18] = [
    "",
    " \t\r",
    "upstream timed out",
    "[]",
    "{}",
    r#"{"status""#,
    r#"{"status":200}}"#,
    r#"{"status":200,}"#,
    r#"{"status":9999}"#,
    r#"{"status":200,"ts":"soon"}"#,
    r#"{"status":200,"weight":0}"#,
    r#"{"status":200,"service_id":"a b"}"#,
    // These are records: one without a time, one that ends in blanks, and some that saturate counters.
    r#"{"status":200}"#,
    "\t{ \"status\" : \"200\" } \r",
    r#"{"status":200,"weight":4294967296,"resp_bytes":18446744073709551615}"#,
    r#"{"status":200,"domain":"a.example","resp_body_bytes":18446744073709551615}"#,
    r#"{"origin_ip":"10.0.0.1","origin_status":200,"beresp_bytes":18446744073709551615}"#,
    r#"{"compute":true,"status":200,"compute_request_time_ms":"9223372036854"}"#,
];

/// One line of a log.
#[derive(Debug, Clone)]
pub enum Line {
    /// A record that counts.
    Record {
        /// Its second.
        second: u64,
        /// Its members without `ts`.
        members: String,
    },
    /// Anything else without a newline.
    Other(Vec<u8>),
}

impl Line {
    /// Writes the line and a newline, with its second not before `oldest`.
    fn write(&self, log: &mut Vec<u8>, oldest: u64) {
        match self {
            Self::Record { second, members } => {
                log.extend_from_slice(format!("{{\"ts\":{}.5,{members}}}", oldest.max(*second)).as_bytes());
            }
            Self::Other(bytes) => log.extend_from_slice(bytes),
        }
        log.push(b'\n');
    }
}

/// `lines` as logged.
pub fn written(lines: &[Line]) -> Vec<u8> {
    written_from(lines, 0)
}

/// `lines` as logged, with older records moved to `oldest`.
pub fn written_from(lines: &[Line], oldest: u64) -> Vec<u8> {
    let mut log = vec![];
    for line in lines {
        line.write(&mut log, oldest);
    }
    log
}

/// Lines that count, without saturating any counter.
pub fn records(most: usize) -> impl Strategy<Value = Vec<Line>> {
    vec(record(), 0..=most)
}

/// Lines of every kind.
pub fn log(most: usize) -> impl Strategy<Value = Vec<Line>> {
    vec(prop_oneof![6 => record(), 2 => select(&JUNK[..]).prop_map(other), 1 => cut_off(), 1 => soup()], 0..=most)
}

/// Any bytes: noise, and bytes that are nearly lines.
pub fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let tokens = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\n",
        " ",
        "\r",
        "-",
        "200",
        "null",
        "\"status\":",
        "\"ts\":",
        "\"a\"",
        "\"origins\":",
        "{\"status\":200",
        "\"x\":[",
        "\u{0}",
        "\\u00",
    ];
    let nearly = vec(select(&tokens[..]), 0..80).prop_map(|tokens| tokens.concat().into_bytes());
    prop_oneof![1 => vec(any::<u8>(), 0..300), 3 => nearly]
}

/// `items` cut into blocks at `cuts`.
pub fn blocks<'a, T>(items: &'a [T], cuts: &[Index]) -> Vec<&'a [T]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(items.len() + 1)).collect();
    ends.push(items.len());
    ends.sort_unstable();
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(&ends).map(|(start, end)| &items[start..*end]).collect()
}

fn other(line: &str) -> Line {
    Line::Other(line.as_bytes().to_vec())
}

fn record() -> impl Strategy<Value = Line> {
    let keys = (select(&SERVICES[..]), select(&POPS[..]), select(&DOMAINS[..]));
    let parts = (select(&CLIENTS[..]), select(&FETCHES[..]), select(&EXTRAS[..]), 0_u64..5_000);
    (OLDEST..=NOW, keys, parts, 0_usize..6).prop_map(|(second, keys, parts, turn)| {
        let (client, fetch, extra, bytes) = parts;
        let client = if client.is_empty() && fetch.is_empty() { CLIENTS[1] } else { client };
        let sizes = format!("\"resp_bytes\":\"{bytes}\",\"bereq_bytes\":{},\"beresp_body_bytes\":{bytes}", bytes / 7);
        let mut members = vec![keys.0, keys.1, keys.2, client, fetch, extra, &sizes];
        members.retain(|member| !member.is_empty());
        // Edges order their fields differently.
        let turn = turn % members.len();
        members.rotate_left(turn);
        Line::Record { second, members: members.join(",") }
    })
}

fn cut_off() -> impl Strategy<Value = Line> {
    (record(), any::<Index>()).prop_map(|(line, cut)| {
        let mut whole = vec![];
        line.write(&mut whole, 0);
        whole.truncate(cut.index(whole.len()));
        Line::Other(whole)
    })
}

fn soup() -> impl Strategy<Value = Line> {
    bytes().prop_map(|mut bytes| {
        bytes.retain(|byte| *byte != b'\n');
        Line::Other(bytes)
    })
}
