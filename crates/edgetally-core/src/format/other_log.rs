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
//! ==> access.log <==                                                         tail
//! /docker-entrypoint.sh: Configuration complete; ready for start up  images of nginx
//! ```

/// Starts of lines, in which `9` stands for a digit and `A` for a letter.
const STARTS: [&[u8]; 34] = [
    b"9999/99/99 99:99:99 [",
    b"9999/99/99 99:99:99.999",
    b"[AAA AAA 99 99:99:99",
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
    b"-- Boot ",
    b"==> ",
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
    STARTS.iter().any(|start| starts_like(line, start)) || {
        // A connection that ended before its request: behind the address and the time, a colon ends the first word.
        let behind_address = memchr::memchr(b' ', line).map_or(&[][..], |blank| &line[blank + 1..]);
        let behind_time = behind_address.get(CONNECTION_TIME.len()..).unwrap_or_default();
        let word = memchr::memchr(b' ', behind_time).map_or(&[][..], |blank| &behind_time[..blank]);
        starts_like(behind_address, CONNECTION_TIME) && word.contains(&b'/') && word.ends_with(b":")
    }
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
        ];
        for line in others {
            assert!(is_other_log(line.as_bytes()), "{line}");
        }
        let broken =
            ["", "x", "example\",\"status\":200}", "192.0.2.1 - - [22/Nov/2026:04:41:06 +0000] \"GET /\"", "2026"];
        for line in broken {
            assert!(!is_other_log(line.as_bytes()), "{line}");
        }
    }
}
