//! What holds for any bytes whatever, in any framing, cut anywhere. Asked by the tests here and by `make fuzz`.

use edgetally_core::{Dataset, Fold, Format, Framing, Limits, Report, Sealed, Settings, Window};

/// The present of all input: a few seconds after that of the logs in `tests/edges/lines`.
pub const NOW: u64 = 1_795_326_010;

/// How input is read; the default is as a log.
#[derive(Debug, Clone, Default)]
pub struct Form {
    /// What a fold is told.
    pub settings: Settings,
    /// Bytes of the pieces that are fed one after the other.
    pub piece: usize,
    /// Whether the fold is drained behind each.
    pub drains: bool,
    /// How many keys of each sort one service may have in one second, when there are few.
    pub few: usize,
}

impl Form {
    /// The form that three bytes name: a run that is given nothing but bytes tries all of them.
    pub fn of([form, limit, piece]: [u8; 3]) -> Self {
        let framing = [Framing::Lines, Framing::Arrays, Framing::Datagrams, Framing::Stream][usize::from(form % 4)];
        let formats: Vec<_> = Format::names().collect();
        let format =
            Format::named(formats[usize::from(limit) % formats.len()]).expect("a format that is listed is one");
        let settings = Settings {
            framing,
            format,
            max_line: if form & 4 == 0 { 256 * 1024 } else { 64 + usize::from(limit) },
            max_lateness: (form & 8 != 0).then_some(120),
            max_ahead: (form & 16 != 0).then_some(5),
            ..Settings::default()
        };
        let (piece, few) = (1 + usize::from(piece), 1 + usize::from(piece % 4));
        Self { settings, piece, drains: form & 32 != 0, few }
    }
}

/// Reads `log` in every way that `form` knows.
///
/// # Panics
///
/// When a record is lost or invented, when where the input is cut can be seen, or when what is shown is no JSON.
pub fn check(log: &[u8], form: &Form) {
    let (whole, report) = fold(&form.settings, std::iter::once(log), false);
    let (pieces, piecemeal) = fold(&form.settings, log.chunks(form.piece), form.drains);
    assert_eq!(report, piecemeal, "where the input is cut changes what is reported");

    let all = sealed(Limits::default(), &whole);
    assert_eq!(entries(&all), entries(&sealed(Limits::default(), &pieces)), "where it is cut changes what is shown");
    let limits = Limits { domains: form.few, origins: form.few, addresses: form.few, pops: form.few };
    let few = sealed(limits, &whole);
    for seconds in [&all, &few] {
        let records: u64 = seconds.iter().map(|one| one.records).sum();
        assert_eq!(report.accepted, records, "a record is lost or invented");
    }
    for entry in entries(&all).into_iter().chain(entries(&few)) {
        let text = String::from_utf8(entry).expect("an entry is UTF-8");
        serde_json::from_str::<serde_json::Value>(&text).expect("an entry is JSON");
    }
}

/// The partials of a log, and what became of its lines.
fn fold<'a>(settings: &Settings, blocks: impl Iterator<Item = &'a [u8]>, drains: bool) -> (Vec<Vec<u8>>, Report) {
    let mut fold = Fold::new(settings.clone());
    let mut partials = vec![];
    for block in blocks {
        fold.feed(block, NOW);
        if drains {
            partials.push(fold.drain());
        }
    }
    fold.finish(NOW);
    partials.push(fold.drain());
    partials.retain(|partial| !partial.is_empty());
    (partials, fold.report())
}

fn sealed(limits: Limits, partials: &[Vec<u8>]) -> Vec<Sealed> {
    let mut window = Window::new(limits, 10_000);
    for partial in partials {
        window.merge(partial).expect("a fold writes partials that a window reads");
    }
    window.seal(u64::MAX - 1)
}

fn entries(sealed: &[Sealed]) -> Vec<Vec<u8>> {
    sealed.iter().flat_map(|one| Dataset::ALL.map(|dataset| one.entry(dataset))).collect()
}
