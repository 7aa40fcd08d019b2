//! What holds for any bytes in any framing and format, cut anywhere. The tests here and `make fuzz` check it.

use edgetally_core::{Dataset, Fold, Format, Framing, Limits, Report, Sealed, Settings, Window};

/// The time of arrival: a few seconds after the logs in `tests/edges/lines`.
pub const NOW: u64 = 1_795_326_010;

/// How input is read.
#[derive(Debug, Clone, Default)]
pub struct Form {
    /// The settings of the fold.
    pub settings: Settings,
    /// Bytes of the blocks that are fed one after the other.
    pub block: usize,
    /// Whether the fold is drained after each.
    pub drains: bool,
    /// A small limit on the keys of each sort that one service may have in one second.
    pub max_keys: usize,
}

impl Form {
    /// The form that three bytes choose, so that a run with nothing but bytes tries all forms.
    pub fn of([form, limit, block]: [u8; 3]) -> Self {
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
        let (block, max_keys) = (1 + usize::from(block), 1 + usize::from(block % 4));
        Self { settings, block, drains: form & 32 != 0, max_keys }
    }
}

/// Reads `log` whole and in blocks.
///
/// # Panics
///
/// If a record is lost or invented, if blocks change the result, or if an entry is not JSON.
pub fn check(log: &[u8], form: &Form) {
    let (whole, report) = fold(&form.settings, std::iter::once(log), false);
    let (in_blocks, report_in_blocks) = fold(&form.settings, log.chunks(form.block), form.drains);
    assert_eq!(report, report_in_blocks, "blocks change the report");

    let all = sealed(Limits::default(), &whole);
    assert_eq!(entries(&all), entries(&sealed(Limits::default(), &in_blocks)), "blocks change the entries");
    let max = form.max_keys;
    let limited = sealed(Limits { domains: max, origins: max, addresses: max, pops: max }, &whole);
    for seconds in [&all, &limited] {
        let records: u64 = seconds.iter().map(|one| one.records).sum();
        assert_eq!(report.accepted, records, "a record is lost or invented");
    }
    for entry in entries(&all).into_iter().chain(entries(&limited)) {
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
