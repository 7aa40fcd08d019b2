//! Merging many rows at once is merging one after the other, whatever limits and reservations do to them.

use edgetally_core::partial::VERSION;
use edgetally_core::{Dataset, Limits, Sealed, Window};
use proptest::collection::vec;
use proptest::prelude::*;

/// Services and POPs of the scopes of every partial.
const SCOPES: [[u8; 2]; 5] = [*b"ap", *b"bp", *b"aq", *b"cp", *b"cr"];

/// The content of a partial: seconds and counts of each scope, and the rows.
#[derive(Debug, Clone)]
struct Partial {
    records: [Vec<(u8, u8)>; SCOPES.len()],
    rows: Vec<Vec<u8>>,
}

impl Partial {
    /// The section of some of the rows, with or without the records.
    fn section(&self, with_records: bool, rows: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![VERSION, u8::try_from(SCOPES.len()).expect("there are few")];
        for ([service, pop], records) in SCOPES.iter().zip(&self.records) {
            let records = if with_records { &**records } else { &[] };
            bytes.extend([1, *service, 1, *pop, u8::try_from(records.len()).expect("there are few")]);
            bytes.extend(records.iter().flat_map(|(second, count)| [*second, *count]));
        }
        bytes.extend(rows.concat());
        bytes
    }
}

fn row() -> impl Strategy<Value = Vec<u8>> {
    let seconds = prop_oneof![4 => Just(5_u8), 1 => 1..7_u8];
    let scope = 0..u8::try_from(SCOPES.len()).expect("there are few");
    let counters = prop::collection::btree_map(0..6_u8, 1..100_u8, 1..6);
    // One row of ten is a reservation, half of them for a service.
    (0..60_u8, scope, seconds, b'd'..=b'h', b'1'..=b'3', counters).prop_map(
        |(kind, scope, second, name, address, counters)| {
            if kind < 6 {
                return if kind < 3 { vec![0, scope, second, 0, 0] } else { vec![0, scope, second, 1, name, 0] };
            }
            let kind = kind % 6;
            let mut row = vec![kind, scope, second];
            if kind < 4 {
                row.extend([1, name]);
            }
            if matches!(kind, 2 | 3) {
                row.extend([1, address]);
            }
            row.push(u8::try_from(counters.len()).expect("there are few"));
            row.extend(counters.into_iter().flat_map(|(counter, value)| [counter, value]));
            row
        },
    )
}

fn partial() -> impl Strategy<Value = Partial> {
    let records = std::array::from_fn(|_| vec((1..7_u8, 1..100_u8), 0..3));
    (records, vec(row(), 0..70)).prop_map(|(records, rows)| Partial { records, rows })
}

fn limits() -> impl Strategy<Value = Limits> {
    [1..6_usize, 1..4_usize, 1..6_usize, 1..4_usize].prop_map(|[domains, origins, addresses, pops]| Limits {
        domains,
        origins,
        addresses,
        pops,
    })
}

/// Everything that a sealed second shows.
fn shown(one: &Sealed) -> String {
    let entries = Dataset::ALL.map(|dataset| String::from_utf8(one.entry(dataset)).expect("an entry is UTF-8"));
    let counts = [one.second, one.records, one.late, one.overflowed];
    format!("{} {counts:?}\n{}", one.service_id, entries.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn rows_at_once_are_rows_one_after_the_other(
        steps in vec((partial(), 0..5_u64), 1..4),
        limits in limits(),
        services in 1..4_usize,
    ) {
        let (mut at_once, mut one_by_one) = (Window::new(limits, services), Window::new(limits, services));
        let (mut all, mut each) = (vec![], vec![]);
        for (partial, seal) in &steps {
            let merge = |window: &mut Window, bytes: Vec<u8>| {
                window.merge(&bytes).expect("it is well-formed").iter().map(|one| format!("{one:?}")).collect::<Vec<_>>()
            };
            let merged = merge(&mut at_once, partial.section(true, &partial.rows));
            prop_assert!(merged.is_sorted());
            prop_assert_eq!(merged, merge(&mut one_by_one, partial.section(true, &[])));
            for row in &partial.rows {
                merge(&mut one_by_one, partial.section(false, std::slice::from_ref(row)));
            }
            all.extend(at_once.seal(*seal).iter().map(shown));
            each.extend(one_by_one.seal(*seal).iter().map(shown));
        }
        all.extend(at_once.seal(u64::MAX).iter().map(shown));
        each.extend(one_by_one.seal(u64::MAX).iter().map(shown));
        prop_assert_eq!(all, each);
    }
}
