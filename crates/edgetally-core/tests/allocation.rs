//! Memory grows with keys, not lines: folding lines whose second and keys were seen before allocates nothing.
#![allow(unsafe_code, reason = "counting allocations needs a global allocator, which is unsafe")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use edgetally_core::{Fold, Format, Settings};

const NOW: u64 = 1_795_314_035;

thread_local! {
    /// Allocations of this thread. The test harness has other threads.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    /// Bytes that this thread has allocated and not freed.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator with counters.
struct Counting;

fn count(taken: usize, given_back: usize) {
    if taken > 0 {
        ALLOCATIONS.with(|allocations| allocations.set(allocations.get() + 1));
    }
    HELD.with(|held| held.set(held.get().wrapping_add(taken).wrapping_sub(given_back)));
}

// SAFETY: every call is passed to `System` unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size, layout.size());
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// Hits, misses, compute, and fetches alone, with few keys, and different from line to line.
fn log() -> Vec<u8> {
    (0..2_000).map(line).collect::<String>().into_bytes()
}

fn line(number: u64) -> String {
    let (domain, service, pop) = (number % 40, number % 5, number % 7);
    let (second, fraction) = (NOW - number % 3, number % 1_000);
    let fetch = format!(r#""origin":"o{service}","origin_addr":"10.0.0.{service}:80","origin_status":"200""#);
    let parts = match number % 4 {
        0 => format!(r#","status":200,"cache":"HIT","tls":"TLSv1.3","url":"/a\"b/{number}"}}"#),
        1 => format!(r#","status":"404","cache":"MISS",{fetch},"origin_ttfb_s":"0.0{number}"}}"#),
        2 => format!(r#","compute":true,"status":503,"compute_request_time_ms":{number}.25,"x":{{"y":[1]}}}}"#),
        _ => format!(r#", {fetch}, "beresp_bytes" : {number}, "weight":2}}"#),
    };
    let keys = format!(r#""service_id":"s{service}","pop":"P{pop}","domain":"www{domain}.Example:443""#);
    format!("{{\"ts\":{second}.{fraction:03},{keys}{parts}\n")
}

#[test]
fn lines_whose_keys_were_seen_allocate_nothing() {
    let log = log();
    let mut fold = Fold::new(Settings::default());
    assert_ne!(0, allocations(|| fold.feed(&log, NOW)), "the first time, keys are new");
    assert_eq!(0, allocations(|| fold.feed(&log, NOW)), "in one block");
    assert_eq!(4_000, fold.report().accepted);

    let blocks = || log.chunks(1_000);
    blocks().for_each(|block| fold.feed(block, NOW));
    assert_eq!(0, allocations(|| blocks().for_each(|block| fold.feed(block, NOW))), "cut within lines");

    fold.drain();
    fold.feed(&log, NOW);
    assert_eq!(0, allocations(|| fold.feed(&log, NOW)), "after a drain");
}

/// A line of another format, as its server writes it.
fn foreign_line(format: &str, number: u64) -> String {
    let (domain, second, fraction) = (number % 40, 33 + number % 3, number % 1_000);
    let host = format!("www{domain}.Example:443");
    match format {
        "caddy" => {
            let headers = match number % 3 {
                0 => {
                    r#""Server":["Caddy"],"X-Edgetally-Origin-Addr":["10.0.0.1:80"],"X-Edgetally-Origin-Status":["200"]"#
                }
                1 => r#""Via":["1.1 Caddy"],"Server":["Caddy","a\"b"]"#,
                _ => "",
            };
            let tls = if number.is_multiple_of(2) { r#","tls":{"resumed":false,"version":772}"# } else { "" };
            format!(
                r#"{{"ts":17953140{second}.{fraction:03},"msg":"x","request":{{"proto":"HTTP/2.0","host":"{host}","headers":{{"A":["}}"]}}{tls}}},"size":{number},"status":200,"resp_headers":{{{headers}}},"origin_addr":null}}"#
            )
        }
        "traefik" => format!(
            r#"{{"Duration":{number}00000,"DownstreamStatus":200,"RequestHost":"{host}","ServiceAddr":"10.0.0.1:80","ServiceName":"app@file","OriginStatus":502,"OriginContentSize":11,"StartUTC":"2026-11-22T02:20:{second}.{fraction:03}Z"}}"#
        ),
        "cloudflare" => format!(
            r#"{{"ClientRequestHost":"{host}","CacheCacheStatus":"miss","ClientRequestSource":"eyeball","EdgeEndTimestamp":17953140{second}000000000,"EdgeResponseStatus":200,"OriginIP":"192.0.2.7","OriginResponseHeaderReceiveDurationMs":{number},"OriginResponseStatus":522}}"#
        ),
        _ => format!("17953140{second}.{fraction:03}\t200\t{number}\tHEAD\t{host}\t9\tAMS1\tHTTP/2.0\t-\tHit\t9"),
    }
}

#[test]
fn lines_of_other_formats_allocate_nothing() {
    for name in ["caddy", "traefik", "cloudflare", "cloudfront"] {
        let log: String = (0..2_000).map(|number| foreign_line(name, number) + "\n").collect();
        let format = Format::named(name).expect("there is one");
        let mut fold = Fold::new(Settings { format, ..Settings::default() });
        fold.feed(log.as_bytes(), NOW);
        assert_eq!(0, allocations(|| fold.feed(log.as_bytes(), NOW)), "{name}");
        assert_eq!(4_000, fold.report().accepted, "{name}");
    }
}

#[test]
fn rejected_lines_allocate_only_for_the_report() {
    let rejected = b"upstream timed out\n{\"status\":9999}\n".repeat(1_000);
    let mut fold = Fold::new(Settings::default());
    fold.feed(&rejected, NOW);
    assert_eq!(0, allocations(|| fold.feed(&rejected, NOW)));
    assert_eq!(4_000, fold.report().rejected.iter().sum::<u64>());
}

#[test]
fn rejected_lines_leave_no_memory_allocated() {
    let mut fold = Fold::new(Settings::default());
    let mut held = [0; 2];
    for (round, held) in (0..).zip(&mut held) {
        for number in 0..10_000 {
            fold.feed(format!("{{\"service_id\":\"s{round}-{number}\",\"pop\":\"p\"}}\n").as_bytes(), NOW);
        }
        fold.report();
        fold.drain();
        *held = HELD.get();
    }
    assert!(held[1] < held[0] + 100_000, "{held:?}");
}
