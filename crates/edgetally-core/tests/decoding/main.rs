//! Any bytes in any framing and format, cut anywhere: logs of real edges, the same with damage, and noise.

mod check;

use std::fs;
use std::path::Path;

use check::{Form, check};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Logs of real edges, and golden logs with odd lines.
fn real() -> Vec<Vec<u8>> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests");
    let logs = ["edges/lines", "golden"].map(|folder| tests.join(folder)).into_iter().flat_map(|folder| {
        let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        files.map(|file| file.expect("a folder can be listed").path())
    });
    let logs: Vec<_> = logs.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    assert!(logs.len() >= 9, "the logs are gone");
    logs.iter().map(|path| fs::read(path).expect("a log can be read")).collect()
}

/// Some neighbouring lines of real logs, with a few bytes replaced, put in or taken out.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let lines: Vec<Vec<u8>> =
        real().iter().flat_map(|log| log.split_inclusive(|byte| *byte == b'\n')).map(<[u8]>::to_vec).collect();
    let edits = vec((any::<Index>(), 0_usize..4, any::<u8>()), 0..6);
    (any::<Index>(), 1_usize..5, edits).prop_map(move |(from, count, edits)| {
        let from = from.index(lines.len());
        let mut log = lines[from..lines.len().min(from + count)].concat();
        for (at, remove, byte) in edits {
            let at = at.index(log.len() + 1);
            log.splice(at..(at + remove).min(log.len()), [byte].into_iter().take(2 - remove.min(1)));
        }
        log
    })
}

proptest! {
    // As many as are quick without optimization.
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn damaged_lines_are_counted_or_rejected_wherever_they_are_cut(log in damaged(), form: [u8; 3]) {
        check(&log, &Form::of(form));
    }

    #[test]
    fn noise_is_counted_or_rejected_wherever_it_is_cut(log in vec(any::<u8>(), 0..300), form: [u8; 3]) {
        check(&log, &Form::of(form));
    }
}

#[test]
fn real_logs_can_be_read_in_any_form() {
    for log in real() {
        for form in 0..64 {
            // This tries every format, because there are fewer formats than forms.
            check(&log, &Form::of([form, 96 + form, 210]));
        }
    }
}

#[test]
fn inputs_that_once_depended_on_where_they_were_cut() {
    // A stream whose first block is blank and whose second one is a byte that is ignored between messages.
    check(&[b"\t\0\xa9$".as_slice(), &[b'7'; 110]].concat(), &Form::of([0x37, 0, 0]));
    // Blanks before an array, in a block of their own.
    check(b"\n\n  [no\n", &Form::of([1, 0, 2]));
    check(b"\n \n  {no\n", &Form::of([5, 0, 0]));
}
