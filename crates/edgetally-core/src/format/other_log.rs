//! Lines of text that known servers write beside their access logs.
//!
//! ```text
//! 2026/11/22 04:41:06 [error] 12#12: *1 connect() failed …           nginx
//! [Sun Nov 22 04:41:06.123456 2026] [core:error] [pid 12:tid 3] …    Apache
//! [2026-11-22 04:41:06.123][12][info][main] …                        Envoy
//! [Nov 22 04:41:06.123] [ET_NET 0] ERROR: …                          Traffic Server
//! 2026-11-22T04:41:06Z INF Configuration loaded …                    Traefik
//! time="2026-11-22T04:41:06Z" level=info msg="…"                     Traefik 2
//! 2026/11/22 04:41:06.123 INFO admin endpoint started …              Caddy
//! Server app/a is DOWN, reason: …                                    HAProxy
//! 192.0.2.7:50000 [22/Nov/2026:04:41:06.123] web/1: SSL handshake failure    HAProxy
//! Child (12) Started                                                         Varnish
//! Started nginx.service - …                                                  systemd
//! -- Boot 4d5a8f3c9a2b4c5d8e7f6a5b4c3d2e1f --                                 journalctl
//! _PID=12, PRIORITY=6, Sun 2026-11-22 04:41:06.123456 UTC [s=…               journalctl -o export, verbose
//! ==> access.log <==                                                         tail
//! /docker-entrypoint.sh: Configuration complete; ready for start up  images of nginx
//! ```

/// Starts of lines, in which `9` stands for a digit and `A` for a letter.
const STARTS: [&[u8]; 47] = [
    b"9999/99/99 99:99:99 [",
    b"9999/99/99 99:99:99.999",
    b"nginx: [",
    b"[AAA AAA 99 99:99:99",
    b"AH99999: ",
    b"[AAA 99 99:99:99",
    b"[9999-99-99 99:99:99.999][",
    b"9999-99-99A99:99:99Z AAA ",
    b"9999-99-99A99:99:99+99:99 AAA ",
    b"9999-99-99A99:99:99-99:99 AAA ",
    b"time=\"9999-99-99A99:99:99",
    b"Proxy ",
    b"Server ",
    b"Backend ",
    b"Stopping ",
    b"Pausing ",
    b"Health check for ",
    b"Connect from ",
    b"[NOTICE]  ",
    b"[WARNING] ",
    b"[ALERT]   ",
    b"Child (",
    b"Started ",
    b"Starting ",
    b"Stopped ",
    b"Reloading ",
    b"Reloaded ",
    b"-- Logs begin at ",
    b"-- Journal begins at ",
    b"-- No entries --",
    b"-- Reboot --",
    b"-- Boot ",
    b"==> ",
    b"PRIORITY=",
    b"SYSLOG_",
    b"MESSAGE_ID=",
    b"CODE_",
    b"TID=",
    b"UNIT=",
    b"INVOCATION_ID=",
    b"JOB_",
    b"/docker-entrypoint.",
    b"99-listen-on-ipv9",
    b"99-envsubst",
    b"99-tune-worker",
    b"#Version:",
    b"#Fields:",
];

/// Whether `line`, which is not a record, belongs to another log of a known server.
pub fn is_other_log(line: &[u8]) -> bool {
    let fits = |pattern: u8, byte: u8| match pattern {
        b'9' => byte.is_ascii_digit(),
        b'A' => byte.is_ascii_alphabetic(),
        same => same == byte,
    };
    let starts_like = |line: &[u8], start: &[u8]| {
        line.len() >= start.len() && start.iter().zip(line).all(|(pattern, byte)| fits(*pattern, *byte))
    };
    STARTS.iter().any(|start| starts_like(line, start)) || is_journal_field(line) || {
        // A connection that ended before its request: behind the address and the time, a colon ends the first word.
        let behind_address = memchr::memchr(b' ', line).map_or(&[][..], |blank| &line[blank + 1..]);
        let behind_time = behind_address.get(CONNECTION_TIME.len()..).unwrap_or_default();
        let word = memchr::memchr(b' ', behind_time).map_or(&[][..], |blank| &behind_time[..blank]);
        starts_like(behind_address, CONNECTION_TIME) && word.contains(&b'/') && word.ends_with(b":")
    }
}

/// Whether `line` begins an entry of the journal, or is one of its fields that the journal itself adds: `_PID=12`.
fn is_journal_field(line: &[u8]) -> bool {
    let name = line.iter().take_while(|byte| byte.is_ascii_uppercase() || **byte == b'_').count();
    let is_field = line.starts_with(b"_") && name > 1 && line.get(name) == Some(&b'=');
    let is_entry =
        matches!(line, [_, _, _, b' ', _, _, _, _, b'-', ..]) && memchr::memmem::find(line, b" [s=").is_some();
    is_field || is_entry
}

/// When a connection was accepted.
const CONNECTION_TIME: &[u8] = b"[99/AAA/9999:99:99:99.999] ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_logs_of_servers_are_known_and_broken_records_are_not() {
        let others = [
            "2026/11/22 04:41:06 [error] 12#12: *1 connect() failed (111: Connection refused)",
            "2026/11/22 04:41:06.123\tINFO\tadmin\tadmin endpoint started",
            "[Sun Nov 22 04:41:06.123456 2026] [core:error] [pid 12:tid 3] AH00126: Invalid URI",
            "[Nov 22 04:41:06.123] [ET_NET 0] ERROR: connection refused",
            "[2026-11-22 04:41:06.123][12][info][main] [source/server/server.cc:1] starting",
            "2026-11-22T04:41:06Z INF Configuration loaded",
            "2026-11-22T05:41:06+01:00 ERR Cannot connect",
            "time=\"2026-11-22T04:41:06Z\" level=info msg=\"Configuration loaded\"",
            "Server app/a is DOWN, reason: Layer4 timeout",
            "Proxy http-in started.",
            "192.0.2.7:50000 [22/Nov/2026:04:41:06.123] web/1: SSL handshake failure",
            "Connect from 192.0.2.7:50000 to 192.0.2.1:443 (web/TCP)",
            "[WARNING]  (1) : Server app/a is DOWN, reason: Layer4 timeout",
            "Started nginx.service - A high performance web server.",
            "-- Boot 4d5a8f3c9a2b4c5d8e7f6a5b4c3d2e1f --",
            "==> /var/log/nginx/access.log <==",
            "/docker-entrypoint.sh: Configuration complete; ready for start up",
            "#Version: 1.0",
            "nginx: [warn] conflicting server name",
            "AH00558: apache2: Could not reliably determine the server's name",
            "-- No entries --",
            "__CURSOR=s=1;i=2",
            "_PID=12",
            "PRIORITY=6",
            "Sun 2026-11-22 04:41:06.123456 UTC [s=1;i=2]",
        ];
        for line in others {
            assert!(is_other_log(line.as_bytes()), "{line}");
        }
        let broken = [
            "",
            "x",
            "example\",\"status\":200}",
            "192.0.2.1 - - [22/Nov/2026:04:41:06 +0000] \"GET /\"",
            "2026",
            "_",
            "_=1",
            "STATUS=200",
        ];
        for line in broken {
            assert!(!is_other_log(line.as_bytes()), "{line}");
        }
    }
}
