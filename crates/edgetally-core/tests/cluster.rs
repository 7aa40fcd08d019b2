//! Laws of a cluster's log: what is appended counts once at every reader, wherever it begins to read.

use std::collections::BTreeMap;

use edgetally_core::{
    Dataset, Fold, Id, Limits, LogReader, MAX_ENVELOPE_BYTES, Reading, Refusal, Settings, Window, envelopes, partition,
    seal_envelope,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Short, so that made-up logs reach far beyond it.
const HORIZON: u32 = 5;
const DELAY: u64 = 2;
/// How many seconds the second of a record may lie after its append.
const AHEAD: u64 = 3;
/// When made-up logs begin, in milliseconds.
const START: u64 = 1_000_000_000;

/// What a window shows, by second and service: records, and late ones.
type Shown = BTreeMap<(u64, String), (u64, u64)>;

fn number(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

/// A partial in which each service has a record in `second`, and a row of its domain with one request.
fn partial(services: &[String], second: u64) -> Vec<u8> {
    let mut bytes = vec![2];
    number(&mut bytes, services.len() as u64);
    for service in services {
        number(&mut bytes, service.len() as u64);
        bytes.extend_from_slice(service.as_bytes());
        bytes.extend_from_slice(b"\x03fra\x01");
        number(&mut bytes, second);
        bytes.push(1);
    }
    for scope in 0..services.len() as u64 {
        bytes.push(0);
        number(&mut bytes, scope);
        number(&mut bytes, second);
        bytes.extend_from_slice(b"\x09a.example\x01\x00\x01");
    }
    bytes
}

/// A line of a log, with rows of every kind.
fn line() -> impl Strategy<Value = String> {
    (0..4_u8, 0..3_u8, 0..4_u8, 0..3_u8, 0..3_u64).prop_map(|(service, pop, domain, origin, before)| {
        let second = START / 1000 - before;
        let compute = if domain == 0 { ",\"compute\":true" } else { "" };
        format!(
            "{{\"ts\":{second},\"status\":200,\"service_id\":\"s{service}\",\"pop\":\"p{pop}\",\"domain\":\"{domain}.example\",\
             \"origin\":\"o{origin}\",\"origin_ip\":\"10.0.0.{origin}\",\"origin_status\":503,\"edge_time_ms\":{domain}{compute}}}\n"
        )
    })
}

/// The partial of a log.
fn folded(lines: &[String]) -> Vec<u8> {
    let mut fold = Fold::new(Settings::default());
    fold.feed(lines.concat().as_bytes(), START / 1000);
    fold.drain()
}

fn id(number: usize) -> Id {
    (number as u128).to_le_bytes()
}

fn shown(window: &mut Window, second: u64) -> Shown {
    let sealed = window.seal(second);
    sealed.iter().map(|one| ((one.second, one.service_id.to_string()), (one.records, one.late))).collect()
}

/// All entries of all that a window has.
fn entries(window: &mut Window) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut entries: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for sealed in window.seal(u64::MAX) {
        let all = Dataset::ALL.map(|dataset| sealed.entry(dataset));
        entries.entry(sealed.service_id.to_string()).or_default().extend(all);
    }
    entries
}

fn window() -> Window {
    Window::new(Limits::default(), 10_000)
}

/// A reader of a log, with its window.
struct Reader {
    log: LogReader,
    window: Window,
    shown: Shown,
}

impl Reader {
    fn new(is_beginning: bool) -> Self {
        let log = LogReader::new(HORIZON, DELAY, is_beginning);
        Self { log, window: window(), shown: Shown::new() }
    }

    fn read(&mut self, envelope: &[u8], appended: u64) -> Reading {
        let reading = self.log.read(envelope, appended).expect("it is an envelope");
        if !reading.partial.is_empty() {
            self.window.merge(&reading.partial).expect("it is a partial");
        }
        if let Some(seal) = &reading.seal {
            self.shown.extend(shown(&mut self.window, seal.effective));
        }
        reading
    }

    /// All that it shows in the end.
    fn end(mut self) -> Shown {
        self.shown.extend(shown(&mut self.window, u64::MAX));
        self.shown
    }
}

/// What happens to a cluster.
#[derive(Debug, Clone)]
enum Event {
    /// Time passes, in milliseconds.
    Wait(u64),
    /// A partial with so many services is made and sent, in parts if the envelopes are that small.
    Send { services: usize, delay: i64, max_bytes: usize },
    /// What was sent before is sent again: the same bytes, or made anew under the same id as at another node.
    Again { of: Index, is_new: bool, max_bytes: usize },
    /// Only some of what was sent before arrives again.
    Some { of: Index, which: Index },
    /// A node whose clock is so many milliseconds ahead writes a seal.
    Seal(i64),
    /// The partition gets a leader whose clock is so many milliseconds ahead.
    Leader(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let max_bytes = || prop_oneof![Just(MAX_ENVELOPE_BYTES), 100_usize..300];
    prop_oneof![
        6 => (0_u64..1000).prop_map(Event::Wait),
        1 => prop_oneof![4 => 0_u64..3000, 1 => 3000_u64..60_000].prop_map(Event::Wait),
        4 => (1_usize..6, -4000_i64..3000, max_bytes())
            .prop_map(|(services, delay, max_bytes)| Event::Send { services, delay, max_bytes }),
        2 => (any::<Index>(), any::<bool>(), max_bytes())
            .prop_map(|(of, is_new, max_bytes)| Event::Again { of, is_new, max_bytes }),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(of, which)| Event::Some { of, which }),
        6 => (-5000_i64..5000).prop_map(Event::Seal),
        1 => (-5000_i64..5000).prop_map(Event::Leader),
    ]
}

/// A partial on its way.
struct Sent {
    id: Id,
    second: u64,
    services: Vec<String>,
    attempts: Vec<Attempt>,
    /// How many seals there were when it was last made anew.
    seals: usize,
}

/// Its envelopes.
struct Attempt {
    born: u64,
    envelopes: Vec<Vec<u8>>,
    /// Which of them stand in the log and are not refused.
    came: Vec<bool>,
}

/// The log of one partition, and what was sent to it.
#[derive(Default)]
struct Cluster {
    log: Vec<(Vec<u8>, u64)>,
    sent: Vec<Sent>,
}

fn shift(time: u64, by: i64) -> u64 {
    time.checked_add_signed(by).expect("it is far from 0")
}

impl Cluster {
    fn new(events: &[Event]) -> Self {
        let mut cluster = Self::default();
        let (mut now, mut leader, mut seals) = (START, 0, 0);
        for (number, event) in (0..).zip(events) {
            let appended = shift(now, leader);
            let born = now / 1000;
            let log = &mut cluster.log;
            match event {
                Event::Wait(time) => now += time,
                Event::Leader(ahead) => leader = *ahead,
                Event::Seal(ahead) => {
                    log.push((seal_envelope(shift(now, *ahead) / 1000 - DELAY, "reader", b""), appended));
                    seals += 1;
                }
                Event::Send { services, delay, max_bytes } => {
                    let services = (0..*services).map(|index| format!("s{number}-{index}")).collect();
                    let (id, second) = (id(cluster.sent.len()), shift(now, *delay) / 1000);
                    let mut sent = Sent { id, second, services, attempts: vec![], seals };
                    sent.make(born, number, *max_bytes);
                    sent.append(log, appended);
                    cluster.sent.push(sent);
                }
                Event::Again { .. } | Event::Some { .. } if cluster.sent.is_empty() => {}
                Event::Again { of, is_new, max_bytes } => {
                    let sent = of.get_mut(&mut cluster.sent);
                    // With a new second of birth, only the memory of ids helps.
                    if *is_new && seals - sent.seals <= HORIZON as usize {
                        sent.seals = seals;
                        sent.make(born, number, *max_bytes);
                    }
                    sent.append(log, appended);
                }
                Event::Some { of, which } => {
                    let attempt = of.get_mut(&mut cluster.sent).last();
                    attempt.append(which.index(attempt.came.len()), log, appended);
                }
            }
        }
        cluster
    }
}

impl Sent {
    /// Makes envelopes with a new second of birth.
    fn make(&mut self, born: u64, attempt: u64, max_bytes: usize) {
        let partial = partial(&self.services, self.second);
        let envelopes = envelopes(&[(self.id, &partial)], born, attempt, 1, max_bytes).expect("it is a partial");
        let envelopes: Vec<_> = envelopes.into_iter().map(|(_, envelope)| envelope).collect();
        self.attempts.push(Attempt { born, came: vec![false; envelopes.len()], envelopes });
    }

    fn last(&mut self) -> &mut Attempt {
        self.attempts.last_mut().expect("there is one")
    }

    fn append(&mut self, log: &mut Vec<(Vec<u8>, u64)>, appended: u64) {
        let attempt = self.last();
        (0..attempt.came.len()).for_each(|which| attempt.append(which, log, appended));
    }

    fn is_counted(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.came.iter().all(|came| *came))
    }
}

impl Attempt {
    fn append(&mut self, which: usize, log: &mut Vec<(Vec<u8>, u64)>, appended: u64) {
        log.push((self.envelopes[which].clone(), appended));
        self.came[which] |= Refusal::of(self.born, appended, u64::from(HORIZON)).is_none();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_was_appended_counts_once(events in vec(event(), 0..300)) {
        let cluster = Cluster::new(&events);
        let mut reader = Reader::new(true);
        for (envelope, appended) in &cluster.log {
            reader.read(envelope, *appended);
        }

        let mut counted: BTreeMap<String, u64> = BTreeMap::new();
        for ((_, service), (records, _)) in reader.end() {
            *counted.entry(service).or_default() += records;
        }

        for sent in &cluster.sent {
            for service in &sent.services {
                prop_assert_eq!(u64::from(sent.is_counted()), counted.remove(service).unwrap_or_default(), "{}", service);
            }
        }
        prop_assert!(counted.is_empty());
    }

    #[test]
    fn readers_agree_wherever_they_begin(events in vec(event(), 350..500), begin: Index, more in 0_usize..20) {
        let cluster = Cluster::new(&events);
        prop_assume!(!cluster.log.is_empty());
        let mut whole = Reader::new(true);
        for (envelope, appended) in &cluster.log {
            whole.read(envelope, *appended);
        }

        let mut reader = Reader::new(false);
        let (mut complete_after, mut waited) = (None, 0);
        for (envelope, appended) in &cluster.log[begin.index(cluster.log.len() / 4 + 1)..] {
            if reader.log.missing() == 0 && complete_after.is_none() {
                waited += 1;
                if waited > more {
                    complete_after = Some(reader.log.start_merging(AHEAD));
                }
            }
            reader.read(envelope, *appended);
        }

        prop_assume!(complete_after.is_some());
        prop_assert_eq!(whole.log.effective(), reader.log.effective());
        let after = |shown: Shown| -> Shown {
            shown.into_iter().filter(|((second, _), _)| Some(*second) > complete_after).collect()
        };
        prop_assert_eq!(after(whole.end()), after(reader.end()));
    }

    #[test]
    fn what_was_split_is_merged_as_the_whole(
        logs in vec(vec(line(), 0..30), 1..3),
        partitions in 1_u32..6,
        max_bytes in prop_oneof![Just(MAX_ENVELOPE_BYTES), 0_usize..3000],
        sections in 1_usize..3,
    ) {
        // Several sections in a partial, and several partials in an envelope.
        let folded: Vec<_> = logs.iter().map(|lines| folded(lines)).collect();
        let mut whole = window();
        let mut partials = vec![];
        for (number, partial) in folded.iter().enumerate() {
            let mut repeated = vec![];
            for _ in 0..sections {
                edgetally_core::partial::join(&mut repeated, partial);
            }
            if !repeated.is_empty() {
                whole.merge(&repeated).expect("it is a partial");
            }
            partials.push((id(number), repeated));
        }
        let borrowed: Vec<_> = partials.iter().map(|(id, partial)| (*id, &**partial)).collect();

        let envelopes = envelopes(&borrowed, START / 1000, 7, partitions, max_bytes).expect("these are partials");

        let mut all = BTreeMap::new();
        for number in 0..partitions {
            let mut reader = Reader::new(true);
            for (_, envelope) in envelopes.iter().filter(|(to, _)| *to == number) {
                // A row of a made-up record has less.
                prop_assert!(envelope.len() <= max_bytes.max(700), "{} bytes", envelope.len());
                let reading = reader.read(envelope, START);
                prop_assert_eq!((0, 0, false), (reading.copies, reading.refused, reading.is_foreign));
            }
            prop_assert_eq!(0, reader.log.held_bytes());
            let entries = entries(&mut reader.window);
            prop_assert!(entries.keys().all(|service| partition(service, partitions) == number));
            all.extend(entries);
        }
        prop_assert_eq!(entries(&mut whole), all);
    }

    #[test]
    fn parts_of_different_attempts_never_mix(order in vec((0_usize..3, any::<Index>()), 0..60)) {
        let services: Vec<_> = (0..12).map(|number| format!("service-{number}")).collect();
        let whole = partial(&services, START / 1000);
        let attempt = |attempt: u64, max_bytes| -> Vec<_> {
            let envelopes = envelopes(&[(id(1), &*whole)], START / 1000, attempt, 1, max_bytes).expect("it is a partial");
            envelopes.into_iter().map(|(_, envelope)| envelope).collect()
        };
        let attempts = [attempt(1, 250), attempt(2, 300), attempt(3, 250)];
        let mut reader = Reader::new(true);
        let mut came = attempts.each_ref().map(|envelopes| vec![false; envelopes.len()]);

        let mut merged = vec![];
        for (attempt, which) in order {
            let which = which.index(attempts[attempt].len());
            let was_counted = came.iter().any(|came| came.iter().all(|came| *came));
            let reading = reader.read(&attempts[attempt][which], START);
            prop_assert_eq!(usize::from(was_counted), reading.copies);
            came[attempt][which] = true;
            if !reading.partial.is_empty() {
                merged.push(reading.partial);
            }
        }

        let is_counted = came.iter().any(|came| came.iter().all(|came| *came));
        prop_assert_eq!(usize::from(is_counted), merged.len());
        prop_assert!(!is_counted || reader.log.held_bytes() == 0);
        let mut expected = window();
        if is_counted {
            expected.merge(&whole).expect("it is a partial");
        }
        prop_assert_eq!(entries(&mut expected), entries(&mut reader.window));
    }

    #[test]
    fn writers_with_wrong_clocks_make_nothing_late(
        clocks in [-5000_i64..=5000, -5000_i64..=5000, -5000_i64..=5000],
        gaps in vec((1_u64..300, 0..DELAY), 50..200),
    ) {
        let mut reader = Reader::new(true);
        let mut now = START;
        let mut written = clocks.map(|clock| shift(START, clock) / 1000);
        for (number, (gap, more)) in gaps.into_iter().enumerate() {
            now += gap;
            for (clock, written) in clocks.iter().zip(&mut written) {
                let second = shift(now, *clock) / 1000;
                if *written < second {
                    *written = second;
                    reader.read(&seal_envelope(second - DELAY, "reader", b""), now);
                }
            }
            // A writer whose clock is ahead seals a quarter of a second early.
            let second = (now + 250) / 1000 - DELAY + 1 + more;
            let partial = partial(&[format!("s{number}")], second);
            let envelopes = envelopes(&[(id(number), &*partial)], now / 1000, 1, 1, 1000).expect("it is a partial");
            reader.read(&envelopes[0].1, now);

            // The best of clocks that are behind seals late, and one that is ahead before its second, to which it is clamped.
            let best = clocks.into_iter().max().unwrap_or_default().min(0);
            let due = shift(now, best) / 1000 - DELAY - 1;
            if now >= START + 6000 {
                prop_assert!(reader.log.effective() >= Some(due), "{:?} < {due}", reader.log.effective());
            }
        }
        prop_assert!(reader.end().values().all(|(_, late)| *late == 0));
    }

    #[test]
    fn what_is_damaged_is_read_or_changes_nothing(
        services in 1_usize..4,
        max_bytes in prop_oneof![Just(MAX_ENVELOPE_BYTES), 80_usize..200],
        edits in vec((any::<Index>(), any::<Index>(), 0_usize..3, any::<u8>()), 1..5),
    ) {
        let services: Vec<_> = (0..services).map(|number| format!("s{number}")).collect();
        let partial = partial(&services, START / 1000);
        let mut all = envelopes(&[(id(1), &*partial)], START / 1000, 1, 1, max_bytes).expect("it is a partial");
        all.push((0, seal_envelope(START / 1000, "reader", b"terms")));
        for (which, at, remove, byte) in edits {
            let which = which.index(all.len());
            let envelope = &mut all[which].1;
            let at = at.index(envelope.len() + 1);
            envelope.splice(at..(at + remove).min(envelope.len()), [byte].into_iter().take(2 - remove.min(1)));
        }
        let mut log = LogReader::new(HORIZON, DELAY, true);
        let state = |log: &LogReader| (log.ids(), log.held_bytes(), log.effective(), log.appended());
        for (number, (_, envelope)) in (0..).zip(all) {
            let before = state(&log);
            if let Ok(reading) = log.read(&envelope, START + number) {
                // The window says whether the partial is one.
                drop(window().merge(&reading.partial));
            } else {
                prop_assert_eq!(before, state(&log));
            }
        }
    }
}
