//! Laws of history, which hold for every log: how it is added up does not matter.

#[allow(dead_code, reason = "other laws need more of it")]
mod support;

use std::collections::BTreeMap;

use edgetally_core::{
    Dataset, Fold, HistoryQuery, HistoryQuestion, Limits, Rollup, Settings, Window, merge_minutes, pack,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use support::{Line, NOW, blocks, log, written};

const ALL: usize = usize::MAX;

type Chunks = Vec<(String, Vec<u8>)>;

/// The minutes of domains of a log. Its seconds are moved apart, so that there are several in several hours.
fn minutes(lines: &[Line]) -> Vec<Vec<u8>> {
    let (mut fold, mut window) = (Fold::new(Settings::default()), Window::new(Limits::default(), 10_000));
    fold.feed(&written(lines), NOW);
    fold.finish(NOW);
    let partial = fold.drain();
    if !partial.is_empty() {
        window.merge(&partial).expect("a fold writes partials that a window reads");
    }
    let mut rollups: BTreeMap<(String, u64), Rollup> = BTreeMap::new();
    for mut sealed in window.seal(u64::MAX - 1) {
        sealed.second = NOW / 60 * 60 + sealed.second % 7 * 1_600;
        let start = sealed.second / 60 * 60;
        let rollup = rollups.entry((sealed.service_id.to_string(), start)).or_insert_with(|| Rollup::new(start, ALL));
        rollup.add(&sealed).expect("it is of this minute");
    }
    let minutes = rollups.values_mut().flat_map(|rollup| rollup.close(ALL));
    minutes.filter(|(dataset, _)| *dataset == Dataset::Domains).map(|(_, minute)| minute).collect()
}

/// Adds minutes and chunks up.
fn add_up(minutes: &[Vec<u8>], chunks: &[Chunks], step: u64) -> Chunks {
    let minutes = minutes.iter().map(|minute| (None, &**minute));
    let chunks = chunks.iter().flatten().map(|(name, chunk)| (Some(&**name), &**chunk));
    let parts: Vec<_> = minutes.chain(chunks).collect();
    pack(&parts, step, ALL).expect("they are whole")
}

/// Requests by name.
fn requests(chunks: &Chunks) -> BTreeMap<&str, String> {
    let question = HistoryQuestion {
        dataset: Dataset::Domains,
        metrics: vec!["requests".to_owned(), "compute_request".to_owned()],
        start: NOW - 86_400,
        end: NOW + 86_400,
        step: 86_400 * 7,
        name_key: None,
        by_pop: false,
        by_region: false,
        pops: [].into(),
        regions: [].into(),
        default_region: String::new(),
        only_regions: [].into(),
        after: None,
        most: ALL,
    };
    let read = |(name, chunk): &(String, Vec<u8>)| {
        let mut query = HistoryQuery::new(question.clone()).expect("there are such measurements");
        query.add(&[(Some(name), chunk)], std::slice::from_ref(name)).expect("it is whole");
        String::from_utf8(query.page(1).expect("it is short").0).expect("JSON is UTF-8")
    };
    chunks.iter().map(|one| (&*one.0, read(one))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn parts_add_up_in_any_order_and_grouping(
        shuffled in vec(log(8), 0..5).prop_map(|logs| logs.iter().flat_map(|log| minutes(log)).collect::<Vec<_>>())
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        cuts in vec(any::<Index>(), 0..6),
        is_chunk in vec(any::<bool>(), 8),
    ) {
        let (all, shuffled) = shuffled;
        let whole = add_up(&all, &[], 60);
        let (mut minutes, mut chunks) = (vec![], vec![]);
        for (group, is_chunk) in blocks(&shuffled, &cuts).into_iter().zip(is_chunk) {
            if is_chunk { chunks.push(add_up(group, &[], 60)) } else { minutes.extend_from_slice(group) }
        }
        prop_assert_eq!(&whole, &add_up(&minutes, &chunks, 60));
        // Through hours, or at once.
        let hours = add_up(&[], std::slice::from_ref(&whole), 3_600);
        prop_assert_eq!(&hours, &add_up(&minutes, &chunks, 3_600));
        let days = add_up(&[], std::slice::from_ref(&hours), 86_400);
        prop_assert_eq!(&days, &add_up(&all, &[], 86_400));
        prop_assert_eq!(requests(&whole), requests(&days));
    }

    #[test]
    fn minutes_are_merged_as_they_are_packed(one in log(8), other in log(8)) {
        let (one, other) = (minutes(&one), minutes(&other));
        for (one, other) in one.iter().flat_map(|one| other.iter().map(move |other| (one, other))) {
            // Not if they are of different minutes.
            if let Ok(merged) = merge_minutes(&[one, other], ALL) {
                prop_assert_eq!(add_up(&[one.clone(), other.clone()], &[], 60), add_up(&[merged], &[], 60));
            }
        }
    }
}
