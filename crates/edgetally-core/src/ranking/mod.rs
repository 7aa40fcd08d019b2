//! Rankings: what the views show of one second. The names that matter most, what they were a minute before, and all others
//! as one row.
//!
//! ```json
//! {"service":"shop","of":"domains","by":"trouble","second":1795322466,"Timestamp":1795322468,"AggregateDelay":2,
//!  "since":1795322167,"window":10,"ago":60,"known":{"now":10,"before":10},"columns":["requests","1xx","…"],
//!  "all":{"now":[11508,0],"before":[9920,0],"series":{"requests":[null,1150],"5xx":[null,3]}},
//!  "rows":[{"name":"a.example","silent":false,"now":[371,0],"before":[402,0],"series":{},"pops":[[84,45],[61,33]]}],
//!  "rest":{"names":261,"now":[11137,0],"before":[9518,0]},
//!  "pops":[{"name":"AMS","now":[5000,0],"before":[5100,0]}],"focus":null,"late":0,"overflowed":0,
//!  "other":0,"invalid":4}
//! ```
//!
//! A ranking is a pure function of sealed seconds, so the same question has the same answer, byte for byte.

mod choice;
pub mod columns;
mod focus;
pub mod kept_series;
pub mod question;
mod seconds;
mod series;

use std::collections::BTreeMap;

use crate::entry::JsonBuffer;
use crate::ranking::choice::{Candidate, choose};
use crate::ranking::columns::{FAILURES, REQUESTS, RankingColumns, Sums, add_sums};
use crate::ranking::focus::write_focus;
use crate::ranking::kept_series::KeptSeries;
use crate::ranking::question::Question;
use crate::ranking::seconds::{AGO, Hint, Second, Seconds, WINDOW};
use crate::ranking::series::{OF_ALL, OF_ROW, Series};
use crate::schema::dataset::Dataset;
use crate::value::key::{INVALID, OTHER};
use crate::window::sealed::Sealed;

/// The names of the columns of `dataset`.
#[must_use]
pub fn columns(dataset: Dataset) -> &'static [String] {
    RankingColumns::of(dataset).names()
}

/// The ranking that answers `question` as JSON. `sealed` are the last 300 seconds of the service up to the one that is
/// shown, in their order, without those that have no traffic. The answer is the same whatever is `kept`.
#[must_use]
pub fn ranking(sealed: &[&Sealed], question: &Question<'_>, kept: Option<&mut KeptSeries>) -> Vec<u8> {
    let seconds = Seconds::new(sealed, question);
    let mut writer = RankingWriter {
        question,
        columns: RankingColumns::of(question.dataset),
        pops: pops(&seconds, question.dataset),
        seconds: &seconds,
        kept,
        json: JsonBuffer::default(),
    };
    writer.write(sealed);
    writer.json.written().to_vec()
}

/// The names that have a row in the ranking that answers `question`, and how many others there are. Of `sealed`, what is
/// shown and what that is compared with is looked at, and only the counters that names are ordered by.
#[must_use]
pub fn ranked_names(sealed: &[&Sealed], question: &Question<'_>) -> (Vec<String>, usize) {
    let choice = choose(&Seconds::new(sealed, question), question);
    (choice.rows.iter().map(|row| row.name.to_owned()).collect(), choice.others)
}

/// Sums now and before.
type Both = [Sums; 2];

/// The sums of each POP.
fn pops<'a>(seconds: &Seconds<'a>, dataset: Dataset) -> BTreeMap<&'a str, Both> {
    let columns = RankingColumns::of(dataset);
    let wanted = columns.all();
    let mut pops: BTreeMap<&str, Both> = BTreeMap::new();
    for (window, seconds) in [seconds.now(), seconds.before()].into_iter().enumerate() {
        for second in seconds {
            for row in second.totals() {
                let sums = &mut pops.entry(second.sealed.pops.get(row.pop())).or_default()[window];
                columns.add(sums, second.sealed, row, &wanted);
            }
        }
    }
    pops
}

struct RankingWriter<'a> {
    question: &'a Question<'a>,
    columns: &'static RankingColumns,
    seconds: &'a Seconds<'a>,
    kept: Option<&'a mut KeptSeries>,
    /// By name, so they are written in alphabetical order.
    pops: BTreeMap<&'a str, Both>,
    json: JsonBuffer,
}

impl RankingWriter<'_> {
    fn write(&mut self, sealed: &[&Sealed]) {
        let question = self.question;
        let choice = choose(self.seconds, question);
        self.head();
        let mut all = Both::default();
        for pop in self.pops.values() {
            all.iter_mut().zip(pop).for_each(|(all, pop)| add_sums(all, pop));
        }
        self.json.text(",\"all\":{");
        self.both(&all);
        self.json.text(",\"series\":");
        Series::new(self.seconds, question, OF_ALL, Second::totals).write(&mut self.json, self.columns, true);
        self.json.text("},\"rows\":[");
        for (number, row) in choice.rows.iter().enumerate() {
            self.json.text(if number == 0 { "{" } else { ",{" });
            let sums = self.row(row);
            self.json.text("}");
            for (all, row) in all.iter_mut().zip(&sums) {
                all.iter_mut().zip(row).for_each(|(all, row)| *all = all.saturating_sub(*row));
            }
        }
        self.json.text("],\"rest\":{");
        self.number("names", question.others.unwrap_or(choice.others) as u64);
        self.json.text(",");
        self.both(&all);
        self.json.text("},\"pops\":[");
        for (number, (name, sums)) in std::mem::take(&mut self.pops).into_iter().enumerate() {
            self.json.text(if number == 0 { "{\"name\":" } else { ",{\"name\":" });
            self.json.string(name);
            self.json.text(",");
            self.both(&sums);
            self.json.text("}");
        }
        self.json.text("],\"focus\":");
        match question.focus {
            Some(name) => write_focus(&mut self.json, self.seconds, question, name, self.kept.as_deref_mut()),
            None => self.json.text("null"),
        }
        // Also of a second without rows of this dataset.
        let now = || sealed.iter().filter(|one| one.second <= question.second && one.second + WINDOW > question.second);
        self.json.text(",");
        self.number("late", now().map(|one| one.late).sum());
        self.json.text(",");
        self.number("overflowed", now().map(|one| one.overflowed).sum());
        // Known also when they have no row.
        for (member, name) in [("other", OTHER), ("invalid", INVALID)] {
            self.json.text(",");
            self.number(member, self.requests_of(name));
        }
        self.json.text("}");
    }

    /// The requests (or responses) of a name now.
    fn requests_of(&self, name: &str) -> u64 {
        let (wanted, mut hint, mut sums) = (self.columns.all(), Hint::default(), Sums::default());
        for second in self.seconds.now() {
            for row in second.rows_of(name, &mut hint) {
                self.columns.add(&mut sums, second.sealed, row, &wanted);
            }
        }
        sums[REQUESTS]
    }

    fn head(&mut self) {
        let question = self.question;
        let of = question.dataset.name();
        for (before, name, text) in
            [("{", "service", question.service_id), (",", "of", of), (",", "by", question.by.name(self.columns))]
        {
            self.json.text(before);
            self.json.key(name);
            self.json.string(text);
        }
        for (name, value) in [
            ("second", question.second * question.unit),
            ("Timestamp", question.second * question.unit + question.aggregate_delay),
            ("AggregateDelay", question.aggregate_delay),
            ("since", question.since),
            ("window", WINDOW * question.unit),
            ("ago", AGO * question.unit),
        ] {
            self.json.text(",");
            self.number(name, value);
        }
        self.json.text(",\"known\":{");
        self.number("now", question.known_of(question.second, WINDOW));
        self.json.text(",");
        self.number("before", question.second.checked_sub(AGO).map_or(0, |last| question.known_of(last, WINDOW)));
        self.json.text("},\"columns\":");
        for (number, name) in self.columns.names().iter().enumerate() {
            self.json.text(if number == 0 { "[" } else { "," });
            self.json.string(name);
        }
        self.json.text("]");
    }

    /// Writes the members of a row; returns its sums.
    fn row(&mut self, row: &Candidate<'_>) -> Both {
        let name = row.name;
        let mut sums = Both::default();
        let mut pops: BTreeMap<&str, Sums> = BTreeMap::new();
        let (wanted, mut hint) = (self.columns.all(), Hint::default());
        for (window, seconds) in [self.seconds.now(), self.seconds.before()].into_iter().enumerate() {
            for second in seconds {
                for row in second.rows_of(name, &mut hint) {
                    self.columns.add(&mut sums[window], second.sealed, row, &wanted);
                    if window == 0 {
                        let pop = pops.entry(second.sealed.pops.get(row.pop())).or_default();
                        self.columns.add(pop, second.sealed, row, &wanted);
                    }
                }
            }
        }
        self.json.text("\"name\":");
        self.json.string(name);
        self.json.text(if row.is_silent() { ",\"silent\":true," } else { ",\"silent\":false," });
        self.both(&sums);
        self.json.text(",\"series\":");
        let series =
            Series::kept(self.kept.as_deref_mut(), self.seconds, self.question, OF_ROW, (name, None), |second| {
                second.rows_of(name, &mut hint)
            });
        series.write(&mut self.json, self.columns, false);
        self.json.text(",\"pops\":[");
        for (number, pop) in self.pops.keys().enumerate() {
            let sums = pops.get(pop).copied().unwrap_or_default();
            self.json.text(if number == 0 { "[" } else { ",[" });
            self.json.integer(sums[REQUESTS]);
            self.json.text(",");
            self.json.integer(sums[FAILURES]);
            self.json.text("]");
        }
        self.json.text("]");
        sums
    }

    /// Writes the members `now` and `before`.
    fn both(&mut self, sums: &Both) {
        for (start, sums) in ["\"now\":[", "],\"before\":["].into_iter().zip(sums) {
            self.json.text(start);
            for (number, value) in self.columns.values(sums).enumerate() {
                if number > 0 {
                    self.json.text(",");
                }
                self.json.integer(value);
            }
        }
        self.json.text("]");
    }

    fn number(&mut self, name: &str, value: u64) {
        self.json.key(name);
        self.json.integer(value);
    }
}
