//! Laws of folding, merging and sealing, which hold for every log.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use edgetally_core::partial::{VERSION, join};
use edgetally_core::{
    Dataset, Fold, Formula, Framing, Limits, PartialError, Report, Sealed, Settings, Window, measurements,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use support::{Line, NOW, OLDEST, blocks, bytes, log, records, written, written_from};

/// A second after any that a made-up record can have.
const END: u64 = u64::MAX - 1;

fn window(limits: Limits) -> Window {
    Window::new(limits, 10_000)
}

fn fold(settings: &Settings, blocks: &[&[u8]]) -> (Vec<u8>, Report) {
    let mut fold = Fold::new(settings.clone());
    for block in blocks {
        fold.feed(block, NOW);
    }
    fold.finish(NOW);
    let report = fold.report();
    (fold.drain(), report)
}

/// The partial of a log.
fn partial(log: &[u8]) -> Vec<u8> {
    fold(&Settings::default(), &[log]).0
}

/// Merges a drained partial, which is empty if no record counted; returns how many records were late.
fn merge(window: &mut Window, partial: &[u8]) -> u64 {
    if partial.is_empty() {
        return 0;
    }
    let merged = window.merge(partial).expect("a fold writes partials that a window reads");
    merged.iter().map(|service| service.late).sum()
}

/// A window into which `partials` were merged.
fn merged(limits: Limits, partials: &[Vec<u8>]) -> Window {
    let mut window = window(limits);
    for partial in partials {
        merge(&mut window, partial);
    }
    window
}

/// Everything that sealed seconds show.
fn shown(sealed: &[Sealed]) -> Vec<String> {
    let entries = |one: &Sealed| Dataset::ALL.map(|dataset| text(one, dataset)).join("\n");
    let line = |one: &Sealed| format!("{} {} {}\n{}", one.second, one.service_id, one.records, entries(one));
    sealed.iter().map(line).collect()
}

fn text(sealed: &Sealed, dataset: Dataset) -> String {
    String::from_utf8(sealed.entry(dataset)).expect("an entry is UTF-8")
}

/// What a window shows of `partials` when everything is sealed.
fn entries(partials: &[Vec<u8>]) -> Vec<String> {
    shown(&merged(Limits::default(), partials).seal(END))
}

/// The sum of every counter over all entries.
fn sums(sealed: &[Sealed]) -> BTreeMap<(Dataset, &'static str), u128> {
    let mut sums = BTreeMap::new();
    for (one, dataset) in sealed.iter().flat_map(|one| Dataset::ALL.map(|dataset| (one, dataset))) {
        let entry = text(one, dataset);
        for measurement in measurements(dataset).iter().filter(|one| matches!(one.formula, Formula::Sum(_))) {
            for (at, key) in entry.match_indices(&format!("\"{}\":", measurement.name)) {
                let digits = &entry[at + key.len()..];
                let len = digits.find(|c: char| !c.is_ascii_digit()).expect("an entry ends with a bracket");
                *sums.entry((dataset, &*measurement.name)).or_default() +=
                    digits[..len].parse::<u128>().expect("counters are whole numbers");
            }
        }
    }
    sums
}

/// The names of the first level of `aggregated`. In made-up logs, none of them has a quote or a brace.
fn names(sealed: &Sealed, dataset: Dataset) -> BTreeSet<String> {
    let entry = text(sealed, dataset);
    let aggregated = entry.split("\"aggregated\":{").nth(1).and_then(|rest| rest.split(",\"datacenter\":").next());
    let (mut names, mut depth) = (BTreeSet::new(), 0);
    for part in aggregated.expect("an entry has both parts").split_inclusive(['{', '}']) {
        if part.ends_with('{') {
            if depth == 0 {
                names.insert(part.trim_start_matches(',').trim_end_matches(":{").to_owned());
            }
            depth += 1;
        } else {
            depth -= 1;
        }
    }
    names
}

fn settings() -> impl Strategy<Value = Settings> {
    let max_line = prop_oneof![Just(150), Just(250), Just(256 * 1024)];
    let bound = || prop_oneof![Just(None), (0_u64..3).prop_map(Some)];
    (max_line, bound(), bound()).prop_map(|(max_line, max_lateness, max_ahead)| Settings {
        max_line,
        max_lateness,
        max_ahead,
        ..Settings::default()
    })
}

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 0..6)
}

#[derive(Debug, Clone)]
enum Step {
    Merge(Vec<Line>),
    Seal(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let merge = records(8).prop_map(Step::Merge);
    let seal = (OLDEST - 2..=NOW + 1).prop_map(Step::Seal);
    vec(prop_oneof![2 => merge, 1 => seal], 0..10)
}

/// Whether nothing of `log` waits for a line behind it. A record may be spread over lines, whose place is in one fold.
fn ends_with_a_record(log: &[u8]) -> bool {
    let mut fold = Fold::new(Settings::default());
    fold.feed(log, NOW);
    fold.pending().is_empty()
}

proptest! {
    // As many as are quick without optimization.
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn where_blocks_are_cut_does_not_matter(lines in log(20), cuts in cuts(), settings in settings(), ended: bool) {
        let mut log = written(&lines);
        if !ended {
            log.pop();
        }
        let (whole, whole_report) = fold(&settings, &[&log]);
        let (cut, cut_report) = fold(&settings, &blocks(&log, &cuts));
        prop_assert_eq!(whole_report, cut_report);
        prop_assert_eq!(entries(&[whole]), entries(&[cut]));
    }

    #[test]
    fn pieces_folded_apart_add_up_to_the_whole(lines in log(20), cuts in cuts()) {
        let pieces: Vec<_> = blocks(&lines, &cuts).into_iter().map(written).collect();
        prop_assume!(pieces.iter().all(|piece| ends_with_a_record(piece)));
        let apart: Vec<_> = pieces.iter().map(|piece| partial(piece)).collect();
        prop_assert_eq!(entries(&[partial(&written(&lines))]), entries(&apart));
    }

    #[test]
    fn draining_early_does_not_matter(lines in log(20), cuts in cuts()) {
        let log = written(&lines);
        let mut fold = Fold::new(Settings::default());
        let mut drain = |block: &&[u8]| {
            fold.feed(block, NOW);
            fold.drain()
        };
        let drained: Vec<_> = blocks(&log, &cuts).iter().map(&mut drain).collect();
        prop_assert_eq!(entries(&[partial(&log)]), entries(&drained));
        prop_assert_eq!(0, fold.size());
    }

    #[test]
    fn partials_add_up_in_any_order_and_grouping(
        shuffled in vec(log(6), 0..8).prop_flat_map(|logs| (Just(logs.clone()), Just(logs).prop_shuffle())),
        cuts in cuts(),
        kept in vec(0_usize..4, 8),
    ) {
        let (logs, shuffled) = shuffled;
        prop_assume!(logs.iter().all(|lines| ends_with_a_record(&written(lines))));
        let one_by_one: Vec<_> = logs.iter().map(|lines| partial(&written(lines))).collect();
        let mut grouped = window(Limits::default());
        for (group, keep) in blocks(&shuffled, &cuts).into_iter().zip(kept) {
            merge(&mut grouped, &partial(&written(&group.concat())));
            grouped.freeze(keep);
        }
        prop_assert_eq!(entries(&one_by_one), shown(&grouped.seal(END)));
    }

    #[test]
    fn partials_that_are_joined_are_merged_together(logs in vec(log(6), 0..6)) {
        let apart: Vec<_> = logs.iter().map(|lines| partial(&written(lines))).collect();
        let mut joined = vec![];
        for partial in &apart {
            join(&mut joined, partial);
        }
        prop_assert_eq!(entries(&apart), entries(&[joined]));
    }

    #[test]
    fn sealing_in_steps_is_sealing_at_once(lines in records(30), mut seals in vec(OLDEST - 2..=NOW + 1, 0..5)) {
        let all = [partial(&written(&lines))];
        let mut window = merged(Limits::default(), &all);
        let mut stepwise = vec![];
        seals.sort_unstable();
        for second in seals.into_iter().chain([END]) {
            stepwise.extend(shown(&window.seal(second)));
            prop_assert_eq!(Some(second), window.sealed());
        }
        prop_assert_eq!(entries(&all), stepwise);
    }

    #[test]
    fn sealing_each_second_live_is_sealing_at_once(lines in records(30)) {
        let log = written(&lines);
        let (mut window, mut live) = (window(Limits::default()), vec![]);
        for now in OLDEST..=NOW {
            let this_second = Settings { max_lateness: Some(0), max_ahead: Some(0), ..Settings::default() };
            let mut fold = Fold::new(this_second);
            fold.feed(&log, now);
            prop_assert_eq!(0, merge(&mut window, &fold.drain()));
            live.extend(shown(&window.seal(now)));
        }
        prop_assert_eq!(entries(&[partial(&log)]), live);
    }

    #[test]
    fn late_records_count_in_the_oldest_open_second(steps in steps()) {
        let (mut window, mut sealed, mut oldest_open) = (window(Limits::default()), vec![], 0);
        let (mut moved, mut unmoved) = (vec![], vec![]);
        for step in &steps {
            match step {
                Step::Merge(lines) => {
                    let is_late = |line: &Line| matches!(line, Line::Record { second, .. } if *second < oldest_open);
                    let late = lines.iter().filter(|line| is_late(line)).count();
                    unmoved.push(partial(&written(lines)));
                    moved.push(partial(&written_from(lines, oldest_open)));
                    prop_assert_eq!(late as u64, merge(&mut window, &partial(&written(lines))));
                }
                Step::Seal(second) => {
                    sealed.extend(window.seal(*second));
                    oldest_open = oldest_open.max(second + 1);
                }
            }
        }
        sealed.extend(window.seal(END));
        prop_assert_eq!(entries(&moved), shown(&sealed));
        prop_assert_eq!(sums(&merged(Limits::default(), &unmoved).seal(END)), sums(&sealed));
    }

    #[test]
    fn sealing_again_changes_nothing(lines in records(20), second in OLDEST..=NOW, again in OLDEST..=NOW) {
        let all = [partial(&written(&lines))];
        let mut once = merged(Limits::default(), &all);
        let mut twice = merged(Limits::default(), &all);
        once.seal(second);
        twice.seal(second);
        prop_assert!(twice.seal(again.min(second)).is_empty());
        prop_assert_eq!(Some(second), twice.sealed());
        prop_assert_eq!(shown(&once.seal(END)), shown(&twice.seal(END)));
    }

    #[test]
    fn a_damaged_partial_is_merged_or_changes_nothing(
        before in records(5),
        lines in records(5),
        edits in vec((any::<Index>(), 0_usize..3, any::<u8>()), 1..4),
        cut in proptest::option::of(any::<Index>()),
    ) {
        let before = [partial(&written(&before))];
        let mut damaged = partial(&written(&lines));
        for (at, remove, byte) in edits {
            let at = at.index(damaged.len() + 1);
            damaged.splice(at..(at + remove).min(damaged.len()), [byte].into_iter().take(2 - remove.min(1)));
        }
        if let Some(cut) = cut {
            damaged.truncate(cut.index(damaged.len() + 1));
        }
        let mut window = merged(Limits::default(), &before);
        let is_error = window.merge(&damaged).is_err();
        let seen = shown(&window.seal(u64::MAX));
        if is_error {
            prop_assert_eq!(entries(&before), seen);
        }
    }

    #[test]
    fn a_partial_of_another_version_is_an_error(mut bytes in vec(any::<u8>(), 1..20)) {
        prop_assume!(!(1..=VERSION).contains(&bytes[0]));
        let merged = window(Limits::default()).merge(&bytes);
        prop_assert_eq!(Err(PartialError::UnknownVersion(bytes[0])), merged);
        bytes.clear();
        prop_assert_eq!(Err(PartialError::Damaged(0)), window(Limits::default()).merge(&bytes));
    }

    #[test]
    fn every_line_is_accepted_or_rejected_or_blank(bytes in bytes(), cuts in cuts(), settings in settings()) {
        let (partial, report) = fold(&settings, &blocks(&bytes, &cuts));
        // Zero bytes, record separators and the punctuation of an array are blank, too.
        let blank = |line: &&[u8]| {
            line.len() <= settings.max_line && line.iter().all(|byte| b" \t\r\0\x1E[],".contains(byte))
        };
        // Several records or messages in a line, one over several lines, and empty ones behind the name of a container
        // have tests of their own.
        let without = |line: &[u8], left_out: &[u8]| -> Vec<u8> {
            line.iter().copied().filter(|byte| !left_out.contains(byte)).collect()
        };
        let is_joint = |two: &[u8]| two == b"}{" || two == b"}," || (b"\0\x1E".contains(&two[0]) && two[1] != two[0]);
        let is_one = |line: &[u8]| {
            let packed = without(line, b" \t\r\0");
            let may_go_on = packed.contains(&b'{') && packed.last().is_some_and(|last| b",{[:".contains(last));
            let mut twos = without(line, b" \t\r");
            twos.push(b'\n');
            twos.extend(without(&packed, b"[],"));
            !may_go_on && packed.last() != Some(&b'|') && !twos.windows(2).any(is_joint)
        };
        prop_assume!(bytes.split(|byte| *byte == b'\n').all(is_one));
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !blank(line)).count();
        prop_assert_eq!(lines as u64, report.accepted + report.rejected.iter().sum::<u64>());
        let records: u64 = merged(Limits::default(), &[partial]).seal(END).iter().map(|sealed| sealed.records).sum();
        prop_assert_eq!(report.accepted, records);
    }

    #[test]
    fn any_bytes_may_be_an_array(bytes in bytes(), cuts in cuts()) {
        let settings = Settings { framing: Framing::Arrays, ..Settings::default() };
        let array = [b"[", &bytes[..]].concat();
        let (whole, whole_report) = fold(&settings, &[&array]);
        let (cut, cut_report) = fold(&settings, &blocks(&array, &cuts));
        prop_assert_eq!(whole_report, cut_report);
        prop_assert_eq!(entries(&[whole]), entries(&[cut]));
    }

    #[test]
    fn keys_beyond_a_limit_count_under_other(
        logs in vec(records(12), 0..4),
        domains in 1_usize..4, origins in 1_usize..4, addresses in 1_usize..6, pops in 1_usize..3,
    ) {
        let partials: Vec<_> = logs.iter().map(|lines| partial(&written(lines))).collect();
        let limits = Limits { domains, origins, addresses, pops };
        let limited = merged(limits, &partials).seal(END);
        let unlimited = merged(Limits::default(), &partials).seal(END);
        prop_assert_eq!(sums(&unlimited), sums(&limited));
        for (limited, all) in limited.iter().zip(&unlimited) {
            prop_assert_eq!(limited.records, all.records);
            for (dataset, limit) in [(Dataset::Domains, domains), (Dataset::Origins, origins)] {
                let (limited, all) = (names(limited, dataset), names(all, dataset));
                prop_assert_eq!(limited.len(), all.len().min(limit + 1));
                prop_assert_eq!(limited.contains("\"_other\""), all.len() > limit);
            }
            if limited.overflowed == 0 {
                prop_assert_eq!(shown(std::slice::from_ref(limited)), shown(std::slice::from_ref(all)));
            }
        }
        let overflowed = |all: &[Sealed]| all.iter().map(|sealed| sealed.overflowed).sum::<u64>();
        prop_assert_eq!(0, overflowed(&unlimited));

        let mut frozen = window(limits);
        for partial in &partials {
            merge(&mut frozen, partial);
            frozen.freeze(1);
        }
        let frozen = frozen.seal(END);
        prop_assert_eq!(shown(&limited), shown(&frozen));
        prop_assert_eq!(overflowed(&limited), overflowed(&frozen));
    }
}

proptest! {
    // Few, because these logs are long.
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn long_logs_count_alike_in_one_block_and_line_by_line(lines in log(20), padding in 0_usize..200) {
        let log = written(&lines);
        let mut long = vec![b' '; padding];
        while long.len() < 300_000 && !log.is_empty() {
            long.extend_from_slice(&log);
        }
        let (at_once, at_once_report) = fold(&Settings::default(), &[&long]);
        let line_by_line: Vec<_> = long.split_inclusive(|byte| *byte == b'\n').collect();
        let (by_line, by_line_report) = fold(&Settings::default(), &line_by_line);
        prop_assert_eq!(at_once_report, by_line_report);
        prop_assert_eq!(entries(&[at_once]), entries(&[by_line]));
    }
}

#[test]
fn rows_beyond_the_memory_limit_are_spilled_and_count() {
    let mut fold = Fold::new(Settings::default());
    let (mut most, mut blocks) = (0, 0);
    while fold.size() >= most {
        most = fold.size();
        assert!(most < 60 << 20, "rows are never spilled");
        let line = |host: u32| format!("{{\"status\":200,\"domain\":\"{blocks}-{host}.example\"}}\n");
        fold.feed((0..1_000).map(line).collect::<String>().as_bytes(), NOW);
        // One domain that comes back, among those that come once.
        fold.feed(b"{\"status\":200,\"domain\":\"a.example\"}\n", NOW);
        blocks += 1;
    }
    fold.feed(b"{\"status\":200,\"domain\":\"a.example\"}\n", NOW);

    let sealed = merged(Limits { domains: 2_000, ..Limits::default() }, &[fold.drain()]).seal(END);
    assert_eq!([blocks * 1_001 + 1], *sealed.iter().map(|one| one.records).collect::<Vec<_>>());
    let returning = format!("\"a.example\":{{\"edge_requests\":{},", blocks + 1);
    let others = format!("\"_other\":{{\"edge_requests\":{},", blocks * 1_000 - 1_999);
    for row in [returning, others] {
        assert!(text(&sealed[0], Dataset::Domains).contains(&row), "{row}");
    }
    assert_eq!(0, fold.size());
}

#[test]
fn limits_apply_to_every_part_of_a_key() {
    let limits = Limits { domains: 10, origins: 2, addresses: 2, pops: 1 };
    let mut window = Window::new(limits, 1);
    for (service, pop, origin, ip) in
        [("a", "p", "o", "1"), ("a", "p", "o", "2"), ("a", "q", "o", "3"), ("a", "q", "x", "1"), ("b", "p", "y", "1")]
    {
        let keys = format!(r#""ts":5,"service_id":"{service}","pop":"{pop}","origin":"{origin}","origin_ip":"{ip}""#);
        merge(&mut window, &partial(format!("{{{keys},\"origin_status\":299}}").as_bytes()));
    }
    let one = r#"{"responses":1,"status_2xx":1}"#;
    let beyond = format!(r#"{{"o":{{"_other":{one}}},"x":{{"_other":{one}}}}}"#);
    let want = [
        format!(r#"{{"_other":{{"p":{{"y":{{"1":{one}}}}}}}}}"#),
        format!(r#"{{"a":{{"_other":{beyond},"p":{{"o":{{"1":{one},"2":{one}}}}}}}}}"#),
    ];
    let sealed = window.seal(5);
    let datacenters = sealed.iter().map(|sealed| {
        let entry = text(sealed, Dataset::OriginInsights);
        let (_, datacenter) = entry.split_once("\"datacenter\":").expect("an entry has both parts");
        format!("{{\"{}\":{datacenter}", sealed.service_id)
    });
    assert_eq!(want.to_vec(), datacenters.collect::<Vec<_>>());
}

#[test]
fn damage_is_reported_where_it_is() {
    let scope = [VERSION, 1, 1, b's', 1, b'p', 1, 5, 1];
    let cases: &[(&str, &[u8], Result<(), usize>)] = &[
        ("no rows", &[], Ok(())),
        ("one request", &[0, 0, 5, 1, b'd', 1, 0, 1], Ok(())),
        ("the largest number", &[0, 0, 5, 1, b'd', 1, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], Ok(())),
        ("a larger number", &[0, 0, 5, 1, b'd', 1, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2], Err(26)),
        (
            "a number that does not end",
            &[0, 0, 5, 1, b'd', 1, 0, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 0],
            Err(27),
        ),
        ("no such kind", &[6], Err(10)),
        ("a row of a service", &[4, 0, 5, 1, 0, 1], Ok(())),
        ("no such counter of a service", &[4, 0, 5, 1, 40, 1], Err(14)),
        ("no such time of a miss", &[5, 0, 5, 1, 102, 1], Err(14)),
        ("a section with nothing in it", &[255, VERSION, 0], Ok(())),
        ("a section that is cut off", &[255], Err(10)),
        ("no such scope", &[0, 1], Err(11)),
        ("a name that is cut off", &[0, 0, 5, 2, b'd'], Err(13)),
        ("a name that is not UTF-8", &[0, 0, 5, 1, 0xFF], Err(14)),
        ("a name of a huge length", &[0, 0, 5, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], Err(22)),
        ("no such counter of a domain", &[0, 0, 5, 1, b'd', 1, 72, 1], Err(16)),
        ("no such counter of an origin", &[2, 0, 5, 1, b'o', 1, b'a', 1, 40, 1], Err(18)),
        ("no counters", &[0, 0, 5, 1, b'd'], Err(14)),
    ];
    for (what, rows, want) in cases {
        let mut window = window(Limits::default());
        let partial = [&scope, *rows].concat();
        let merged = window.merge(&partial);
        assert_eq!(want.map_err(PartialError::Damaged), merged.map(drop), "{what}");
        assert_eq!(want.is_ok(), !window.seal(END).is_empty(), "{what}");
    }
}

#[test]
fn a_partial_of_the_version_before_is_read() {
    let row = [1, 1, 1, b's', 1, b'p', 1, 5, 1, 0, 0, 5, 1, b'd', 1, 0, 3];
    let mut window = window(Limits::default());
    window.merge(&row).expect("its rows are a part of today's");
    let sealed = window.seal(END);
    assert!(text(&sealed[0], Dataset::Domains).contains(r#""d":{"edge_requests":3,"requests":3}"#));
    assert!(text(&sealed[0], Dataset::Channel).contains(r#""edge_requests":3,"#));
}

#[test]
fn counts_saturate() {
    // One service and POP: as many records as can be, in second 5 and again in second 6.
    let most = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1];
    let partial = [&[VERSION, 1, 1, b's', 1, b'p', 2, 5][..], &most, &[6], &most].concat();
    let merged = window(Limits::default()).merge(&partial).expect("it is well-formed");
    assert_eq!([u64::MAX], *merged.iter().map(|service| service.records).collect::<Vec<_>>());
}

/// Merges one request of `second` for each of `domains`, one after the other.
fn ask(window: &mut Window, second: u64, domains: impl IntoIterator<Item = String>) {
    for domain in domains {
        merge(window, &partial(format!("{{\"ts\":{second},\"status\":200,\"domain\":\"{domain}\"}}").as_bytes()));
    }
}

#[test]
fn known_domains_keep_their_row_when_made_up_names_use_up_the_limit() {
    let known = || ["a.example".to_owned(), "b.example".to_owned()];
    let made_up = |second: u64| (0..50).map(move |number| format!("{second}-{number}.example"));
    let limits = Limits { domains: 10, ..Limits::default() };
    let (mut live, mut journal, mut sealed) = (window(limits), vec![], vec![]);
    for second in 1..=20 {
        let reserved = live.reservations(second, second, second);
        merge(&mut live, &reserved);
        journal.push(reserved);
        if second > 3 {
            ask(&mut live, second, made_up(second));
        }
        // Too late without their reservations.
        ask(&mut live, second, known());
        sealed.extend(live.seal(second));
    }
    for one in &sealed {
        let (entry, names) = (text(one, Dataset::Domains), names(one, Dataset::Domains));
        assert_eq!(one.records, if one.second > 3 { 52 } else { 2 });
        assert!(names.contains("\"a.example\"") && names.contains("\"b.example\""), "{}: {entry}", one.second);
        assert!(names.len() <= 13, "the limit, two known domains, and the overflow key");
    }
    // A reader that starts with the fifth second builds the same entries: reservations are facts of the journal.
    let mut later = window(limits);
    for (second, reserved) in (1..).zip(&journal).skip(4) {
        merge(&mut later, reserved);
        ask(&mut later, second, made_up(second));
        ask(&mut later, second, known());
    }
    assert_eq!(shown(&sealed[4..]), shown(&later.seal(20)));
}

#[test]
fn a_domain_that_becomes_known_has_reservations_at_once() {
    let mut window = window(Limits { domains: 10, ..Limits::default() });
    let new = || ["new.example".to_owned()];
    let reserved: Vec<_> = (1..=20)
        .map(|second| {
            // Six seconds ahead, as the sealer does it: all but the last were proposed before.
            let reserved = window.reservations(second + 1, second + 6, second + 6);
            ask(
                &mut window,
                second,
                ["old.example".to_owned()].into_iter().chain(new().into_iter().filter(|_| second > 9)),
            );
            window.seal(second);
            reserved
        })
        .collect();

    // Seen in seconds 10 and 11, so that it is known in second 12, and then has a row in each of 13 to 18.
    let rows = |second: usize, name: &str| {
        let text = String::from_utf8_lossy(&reserved[second - 1]).into_owned();
        text.matches(name).count()
    };
    assert_eq!([0, 6, 1], [11, 12, 13].map(|second| rows(second, "new.example")));
    for second in 13..=18 {
        let mut reader = self::window(Limits { domains: 10, ..Limits::default() });
        merge(&mut reader, &reserved[11]);
        ask(&mut reader, second, (0..50).map(|number| format!("{number}.example")).chain(new()));
        let sealed = reader.seal(second);
        assert!(names(&sealed[0], Dataset::Domains).contains("\"new.example\""), "second {second}");
    }
}

#[test]
fn what_a_lost_proposal_reserved_is_proposed_again() {
    // The domain is seen in seconds 10 and 11, so that it is known in second 12. Then others take all rows.
    for lost in 10..16 {
        let mut window = window(Limits { domains: 10, ..Limits::default() });
        let mut reserved = 0;
        for second in 1..=17 {
            let (soon, last) = (second + 1, second + 6);
            let proposal = window.reservations(soon, soon.max(reserved + 1), last);
            // As the sealer does it: everything is proposed again.
            reserved = 0;
            if second != lost {
                merge(&mut window, &proposal);
                reserved = last;
            }
            let flood = (0..if second < 12 { 1 } else { 50 }).map(|number| format!("{number}.example"));
            ask(&mut window, second, flood.chain((second > 9).then(|| "new.example".to_owned())));
            let sealed = window.seal(second);
            let has_row = names(&sealed[0], Dataset::Domains).contains("\"new.example\"");
            let from = if lost == 12 { 14 } else { 13 };
            assert_eq!(second == 10 || second == 11 || second >= from, has_row, "second {second}, lost {lost}");
        }
    }
}

#[test]
fn a_reservation_that_comes_too_late_makes_no_row_that_lacks_requests() {
    let known = || ["a.example".to_owned()];
    let made_up = || (0..20).map(|number| format!("{number}.example"));
    let limits = Limits { domains: 10, ..Limits::default() };
    let mut live = window(limits);
    for second in 1..=3 {
        ask(&mut live, second, known());
        live.seal(second);
    }
    let reserved = live.reservations(4, 4, 5);
    // The flood, and the domain in the midst of it, come before its reservation.
    ask(&mut live, 4, made_up().chain(known()));
    merge(&mut live, &reserved);
    ask(&mut live, 4, known());
    ask(&mut live, 5, made_up().chain(known()));
    let sealed = live.seal(5);
    assert!(!names(&sealed[0], Dataset::Domains).contains("\"a.example\""), "it would have one request of two");
    assert!(names(&sealed[1], Dataset::Domains).contains("\"a.example\""));
    assert_eq!([22, 21], [sealed[0].records, sealed[1].records]);

    // The same for a service.
    let request = |service: &str, second: u64| {
        partial(format!("{{\"ts\":{second},\"status\":200,\"service_id\":\"{service}\"}}").as_bytes())
    };
    let mut window = Window::new(Limits::default(), 2);
    merge(&mut window, &request("real", 1));
    window.seal(1);
    let reserved = window.reservations(2, 2, 2);
    for service in ["one", "two", "real"] {
        merge(&mut window, &request(service, 2));
    }
    merge(&mut window, &reserved);
    merge(&mut window, &request("real", 2));
    let shown: Vec<_> = window.seal(2).iter().map(|one| (one.service_id.to_string(), one.records)).collect();
    assert_eq!([("_other".to_owned(), 2), ("one".to_owned(), 1), ("two".to_owned(), 1)], *shown);
}

#[test]
fn a_domain_that_was_seen_once_gets_no_reservation() {
    let mut window = window(Limits { domains: 10, ..Limits::default() });
    for second in 1..=500 {
        ask(&mut window, second, [format!("{second}.example"), format!("{}.example", second % 70)]);
        window.seal(second);
    }
    let reserved = window.reservations(501, 501, 501);
    assert!(reserved.is_empty() || !String::from_utf8_lossy(&reserved).contains("499.example"));
}

#[test]
fn known_services_keep_their_tally_when_made_up_services_use_up_the_limit() {
    let line = |service: &str, second: u64| format!("{{\"ts\":{second},\"status\":200,\"service_id\":\"{service}\"}}");
    let mut window = Window::new(Limits::default(), 3);
    let mut seen = BTreeSet::new();
    for second in 1..=30 {
        let reserved = window.reservations(second, second, second);
        merge(&mut window, &reserved);
        for number in 0..5 {
            merge(&mut window, &partial(line(&format!("made-up-{second}-{number}"), second).as_bytes()));
        }
        merge(&mut window, &partial(line("real", second).as_bytes()));
        for one in window.seal(second) {
            assert_eq!(second, one.second);
            seen.insert(one.service_id.to_string());
        }
    }
    // The services of the first second have reservations until they are forgotten. All others overflow.
    assert!(seen.len() <= 5, "{seen:?}");
    assert!(seen.contains("_other"));
}
