//! Text before a record: syslog headers, and what container tools put in front of a line.
//!
//! ```text
//! <134>1 2026-11-22T04:41:06Z edge1 haproxy 12 - [ex@32473 a="{b}"] {"ts":…}     RFC 5424
//! <134>Nov 22 04:41:06 edge1 nginx[12]: {"ts":…}                                 RFC 3164, also without <134>
//! 2026-11-22T04:41:06.907+00:00 edge1 nginx: {"ts":…}                            rsyslog, in a file
//! 2026-11-22T04:41:06.123456789Z stdout F {"ts":…}                               CRI: containerd, CRI-O
//! 2026-11-22T04:41:06.123456789Z {"ts":…}                                        docker logs --timestamps
//! Sun 2026-11-22 04:41:06 UTC edge1 nginx[12]: {"ts":…}                          journalctl -o short-full
//! 1795322466.123456 edge1 nginx[12]: {"ts":…}                                    journalctl -o short-unix
//! [ 1234.567890] edge1 nginx[12]: {"ts":…}                                       journalctl -o short-monotonic
//! nginx-1  | {"ts":…}                                                            docker compose logs
//! [pod/edge-7d9/nginx] {"ts":…}                                                  kubectl logs --prefix
//! MESSAGE={"ts":…}                                                               journalctl -o export, verbose
//! access.log:12:{"ts":…}                                                         grep
//! @400000006ba29e2c1a2b3c4d {"ts":…}                                             multilog
//! 2026/11/22 04:41:06.123⇥INFO⇥http.log.access⇥handled request⇥{"status":…}  Caddy, `format console`
//! ```

pub mod found;
mod name;
mod syslog;
mod time;
mod token;

use crate::wrapper::prefix::found::Found;
use crate::wrapper::prefix::name::{bracketed_name, event, field, id, line_number, named, pod_and_container, tagged};
use crate::wrapper::prefix::syslog::{cookie, counted, monotonic, month, priority, weekday};
use crate::wrapper::prefix::time::{blank_date, bracketed_time, console, tai64n, timestamped};
use crate::wrapper::time_memo::TimeMemo;

/// The prefix of `line`, if there is one that is known.
pub fn prefix(line: &[u8], times: &mut TimeMemo) -> Option<Found> {
    match line.first()? {
        b'<' => priority(line, times),
        b'@' => cookie(line).or_else(|| tai64n(line)),
        b'[' => bracketed_name(line).or_else(|| monotonic(line)).or_else(|| bracketed_time(line, times)),
        b'0'..=b'9' => counted(line, times)
            .or_else(|| timestamped(line, times))
            .or_else(|| console(line))
            .or_else(|| blank_date(line, 0, times))
            .or_else(|| named(line))
            .or_else(|| line_number(line))
            .or_else(|| id(line)),
        b'J' | b'F' | b'M' | b'A' | b'S' | b'O' | b'N' | b'D' | b'T' | b'W' => month(line, 0)
            .or_else(|| weekday(line, times))
            .or_else(|| field(line))
            .or_else(|| named(line))
            .or_else(|| tagged(line)),
        b'a'..=b'z' | b'A'..=b'Z' => event(line)
            .or_else(|| pod_and_container(line))
            .or_else(|| named(line))
            .or_else(|| tagged(line))
            .or_else(|| id(line)),
        b'/' | b'.' => tagged(line),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wrapper::prefix::found::Prefix;

    const SECOND: Option<u64> = Some(1_795_322_466);

    #[test]
    fn the_record_behind_a_prefix_is_found() {
        let cri = |is_part, is_stderr| Prefix::Cri { is_part, is_stderr };
        let cases: &[(&str, Prefix, Option<u64>)] = &[
            ("<134>1 2026-11-22T04:41:06Z edge1 haproxy 12 - - ", Prefix::Syslog, SECOND),
            ("<134>1 2026-11-22T04:41:06Z edge1 haproxy 12 - [ex@32473 route=\"/a/{id}\"] ", Prefix::Syslog, SECOND),
            ("<134>1 2026-11-22T04:41:06Z edge1 haproxy 12 - [a b=\"\\\"]{\"][c d=\"{\\]}\"] ", Prefix::Syslog, SECOND),
            ("<134>1 - - - - - - ", Prefix::Syslog, None),
            ("<134>1 2026-11-22T05:41:06+01:00 {edge} {app} {1} {x} - ", Prefix::Syslog, SECOND),
            ("<190>Nov 22 04:41:06 edge1 nginx: ", Prefix::Syslog, None),
            ("<190>Nov  2 04:41:06 edge1 nginx[12]: ", Prefix::Syslog, None),
            ("<190>Nov 22 04:41:06 nginx: ", Prefix::Syslog, None),
            ("<190>Nov 22 04:41:06 {edge} {ng}inx{[12]: ", Prefix::Syslog, None),
            ("<190>2026-11-22T04:41:06Z edge1 nginx: ", Prefix::Syslog, SECOND),
            ("<190>nginx: ", Prefix::Syslog, None),
            ("97 <134>1 2026-11-22T04:41:06Z edge1 nginx 12 - - ", Prefix::Syslog, SECOND),
            ("85 <190>Nov 22 04:41:06 edge1 nginx: ", Prefix::Syslog, None),
            ("<190>", Prefix::Syslog, None),
            ("Nov 22 04:41:06 edge1 nginx[12]: ", Prefix::Syslog, None),
            ("2026-11-22T04:41:06.907+00:00 edge1 nginx[12]: ", Prefix::Syslog, SECOND),
            ("2026-11-22T04:41:06.123456789Z stdout F ", cri(false, false), SECOND),
            ("2026-11-22T04:41:06.123456789Z stderr P ", cri(true, true), SECOND),
            ("2026-11-22T04:41:06.1Z stdout P:x:y ", cri(true, false), SECOND),
            ("2026-11-22T05:41:06.1+01:00 stdout F ", cri(false, false), SECOND),
            ("2026-11-22T04:41:06.123456789Z ", Prefix::Time, SECOND),
            ("2026-11-22T04:41:06.123456789Z\t", Prefix::Time, SECOND),
            ("2026-11-22 04:41:06 ", Prefix::Time, None),
            ("2026-11-22 04:41:06,123\t", Prefix::Time, None),
            ("Nov 22 04:41:06.123456 edge1 nginx[12]: ", Prefix::Syslog, None),
            ("Sun 2026-11-22 04:41:06 UTC edge1 nginx[12]: ", Prefix::Syslog, SECOND),
            ("Thu 2026-11-22 05:41:06.123456 CET edge1 nginx.service[12]: ", Prefix::Syslog, None),
            ("1795322466.123456 edge1 nginx[12]: ", Prefix::Syslog, SECOND),
            ("[ 1234.567890] edge1 nginx[12]: ", Prefix::Syslog, None),
            ("data: ", Prefix::Event, None),
            ("nginx-1  | ", Prefix::Name, None),
            ("web.1.x7k@node-2    | ", Prefix::Name, None),
            ("[pod/edge-7d9/nginx] ", Prefix::Name, None),
            ("2026-11-22 05:41:06.123456789 +0100 edge.access: ", Prefix::Time, SECOND),
            ("@cee: ", Prefix::Syslog, None),
            ("@cee:", Prefix::Syslog, None),
            ("[edge-7d9 nginx] ", Prefix::Name, None),
            ("edge-7d9 nginx ", Prefix::Name, None),
            ("default edge-7d9 nginx ", Prefix::Name, None),
            ("default/edge-7d9[nginx]: ", Prefix::Name, None),
            ("nginx: ", Prefix::Name, None),
            ("edge1 nginx[12]: ", Prefix::Name, None),
            ("access.log:", Prefix::Name, None),
            ("/var/log/nginx/access.log-20261122:12:", Prefix::Name, None),
            ("./access.log:", Prefix::Name, None),
            ("12:", Prefix::Name, None),
            ("3f2a1b9c0d1e ", Prefix::Name, None),
            ("af2a1b9c0d1e ", Prefix::Name, None),
            ("04:41:06 web.1  | ", Prefix::Name, None),
            ("[    4.567890 <    0.000123 >] edge1 nginx: ", Prefix::Syslog, None),
            ("[2026-11-22T04:41:06Z] ", Prefix::Time, SECOND),
            ("[1795322466] ", Prefix::Time, SECOND),
            ("[22/Nov/2026:05:41:06 +0100] ", Prefix::Time, SECOND),
            ("[2026-11-22 04:41:06.123] ", Prefix::Time, None),
            ("2026-11-22T04:41:06 ", Prefix::Time, None),
            ("2026-11-22_04:41:06.12345 ", Prefix::Time, None),
            ("2026/11/22 04:41:06 ", Prefix::Time, None),
            ("2026/11/22 04:41:06.123 ", Prefix::Time, None),
            ("2026-11-22T04:41:06Z  ", Prefix::Time, SECOND),
            ("@400000006b02726c1a2b3c4d ", Prefix::Time, SECOND),
            ("2026-11-22T04:41:06Z stdout ", cri(false, false), SECOND),
            ("MESSAGE=", Prefix::Field, None),
            ("2026/11/22 04:41:06.123\tINFO\thttp.log.access\thandled request\t", Prefix::Console, None),
            ("2026/11/22 04:41:06.123\t\u{1b}[34mINFO\u{1b}[0m\thttp.log.access.log0\tx\t", Prefix::Console, None),
        ];
        for (before, want, second) in cases {
            let line = format!("{before}{{\"ts\":1795322466,\"domain\":\"{{a}}\",\"status\":200}}");
            let found = prefix(line.as_bytes(), &mut TimeMemo::default());
            assert_eq!(Some(Found { prefix: *want, end: before.len(), second: *second }), found, "{line}");
        }
    }

    #[test]
    fn what_is_no_prefix_is_left_alone() {
        let lines = [
            "",
            "{\"status\":200}",
            "[{\"status\":200}]",
            "[1,2]",
            "[] {}",
            "[WARNING] (1) : Server app/a is DOWN",
            "<",
            "<1234>x",
            "<13",
            "12345",
            "12345678 <13>{}",
            "12 <13",
            "2026-11-22T04:41:06Z",
            "1.5\t200\t9\tGET\ta.example",
            "GET / HTTP/1.1",
            "domain\":\"a\",\"status\":200}",
            "November rain",
            "1795322466 200 a.example",
            "2026-11-22 04:41:06 INFO started",
            "[123] x",
            "data: x",
            "a b {\"status\":200}",
            "one-word {\"status\":200}",
            "edge-7d9 nginx started",
            "Edge-7d9 nginx {\"status\":200}",
            "[edge-7d9 nginx] started",
            "[warn] {\"status\":200}",
            "2026/11/22 04:41:06 [error] 12#12: *1 open() failed",
            "2026/11/22 04:41:06.123\tERROR\thttp.log.error\tdial tcp\t{\"status\":502}",
            "error: no {\"status\":200}",
            "a b c: {\"status\":200}",
            "nginx: {x}",
            "12: x",
            "MESSAGE_ID=x",
            "@400000006b02726c1a2b3c4d x",
            "@600000006b02726c1a2b3c4d {}",
            "[2026-11-22T04:41:06.123Z] \"GET / HTTP/1.1\" 200",
        ];
        for line in lines {
            assert_eq!(None, prefix(line.as_bytes(), &mut TimeMemo::default()), "{line}");
        }
    }

    #[test]
    fn an_object_in_a_record_is_not_taken_for_it() {
        for before in ["<190>Nov 22 04:41:06 ", "<190>", "2026-11-22T04:41:06Z ", "Nov 22 04:41:06 ", "<190>nginx: "] {
            for record in [r#"{"a": {"b":1}, "c": [ {}]}"#, r#"{ "a":1, "x: {": {"y":2} }"#, "{}"] {
                let line = format!("{before}{record}");
                let found = prefix(line.as_bytes(), &mut TimeMemo::default()).map(|found| found.end);
                assert_eq!(Some(before.len()), found, "{line}");
            }
        }
    }

    #[test]
    fn the_message_of_another_program_is_found_too() {
        let line = b"<187>Nov 22 04:41:06 edge1 nginx: 2026/11/22 04:41:06 [error] 12#12: *1 upstream {x} failed";
        let found = prefix(line, &mut TimeMemo::default()).map(|found| &line[found.end..]);
        assert_eq!(Some(&b"2026/11/22 04:41:06 [error] 12#12: *1 upstream {x} failed"[..]), found);
    }
}
