//! Questions about history: parts go in, series come out.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use crate::entry::JsonBuffer;
use crate::rollup::body::Body;
use crate::rollup::container::{Head, HistoryPart};
use crate::rollup::error::HistoryError;
use crate::rollup::metric::Metrics;
use crate::schema::counters::add;
use crate::schema::dataset::Dataset;
use crate::schema::formula::{Formula, Measurement};
use crate::schema::measurements::measurements;

/// The most sums that are kept, so that a question cannot take all memory: 128 MiB.
const MOST_SUMS: usize = 1 << 24;

/// What is asked.
#[derive(Debug, Clone)]
pub struct HistoryQuestion {
    /// The dataset. The channel is the row for everything of the domains.
    pub dataset: Dataset,
    /// The measurements, in the order of the answer.
    pub metrics: Vec<String>,
    /// The first second; the period that it is in counts whole.
    pub start: u64,
    /// The second before which the last period begins.
    pub end: u64,
    /// The length of periods in seconds, not 0.
    pub step: u64,
    /// The key of the name in `dimensions`, if series are split by name.
    pub name_key: Option<String>,
    /// Whether series are split by POP.
    pub by_pop: bool,
    /// Whether series are split by region.
    pub by_region: bool,
    /// The POPs that count; all if there are none.
    pub pops: BTreeSet<String>,
    /// The regions of POPs.
    pub regions: BTreeMap<String, String>,
    /// The region of other POPs.
    pub default_region: String,
    /// The regions whose POPs count; all if there are none.
    pub only_regions: BTreeSet<String>,
    /// The dimensions of the last series of the page before.
    pub after: Option<Vec<String>>,
    /// The most values in an answer.
    pub most: usize,
}

/// Name, POP and region of a series, empty if it is not split by them.
type SeriesKey = [Box<str>; 3];

/// A question and what is known of its answer.
#[derive(Debug)]
pub struct HistoryQuery {
    question: HistoryQuestion,
    metrics: Metrics,
    /// The first period, and how many there are.
    first: u64,
    periods: usize,
    /// The sums of each period, one after the other.
    series: BTreeMap<SeriesKey, Vec<u64>>,
}

/// Where a row is added: the number of its series, and where the sums of its period are. [`NOWHERE`] if it does not count.
type CellsAt = (usize, usize);

const NOWHERE: usize = usize::MAX;

impl HistoryQuery {
    /// Starts without parts.
    ///
    /// # Errors
    ///
    /// The name of a dataset that has no history, or of a measurement that the dataset has not, or that is a histogram.
    pub fn new(question: HistoryQuestion) -> Result<Self, String> {
        if question.dataset == Dataset::OriginInsights {
            return Err(question.dataset.name().to_owned());
        }
        let find = |name: &String| -> Result<&'static Measurement, String> {
            let found = measurements(question.dataset).iter().find(|one| one.name == *name);
            found.filter(|one| one.formula != Formula::MissHistogram).ok_or_else(|| name.clone())
        };
        let found = question.metrics.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let metrics = Metrics::new(question.dataset, &found);
        let step = question.step.max(1);
        let first = question.start / step;
        let periods = question.end.div_ceil(step).saturating_sub(first);
        let periods = usize::try_from(periods).unwrap_or(usize::MAX);
        Ok(Self { metrics, first, periods, series: BTreeMap::new(), question })
    }

    /// Adds what `parts` have of `names`.
    pub fn add(&mut self, parts: &[(Option<&str>, &[u8])], names: &[String]) -> Result<(), HistoryError> {
        let mut adding = SeriesSums { keys: HashMap::new(), sums: vec![] };
        let wanted: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        for (name, bytes) in parts {
            if name.is_some_and(|name| !wanted.contains(name)) {
                continue;
            }
            let part = HistoryPart::read(*name, bytes)?;
            if !self.question.step.is_multiple_of(part.head.step) {
                return Err(HistoryError::UnevenPeriods(part.head.step));
            }
            for name in &wanted {
                if let Some(body) = part.body(name) {
                    self.add_body(&mut adding, &part.head, name, body)?;
                }
            }
        }
        for (key, number) in adding.keys {
            let sums = std::mem::take(&mut adding.sums[number]);
            // Series of nothing but zeros are no series.
            if sums.iter().any(|sum| *sum != 0) {
                let known = self.series.entry(key).or_default();
                if known.is_empty() {
                    *known = sums;
                } else {
                    known.iter_mut().zip(sums).for_each(|(known, sum)| add(known, sum));
                }
            }
        }
        if self.series.len().saturating_mul(self.len()) > MOST_SUMS {
            return Err(HistoryError::TooMany);
        }
        Ok(())
    }

    /// How many sums a series has.
    fn len(&self) -> usize {
        self.periods.saturating_mul(self.metrics.sums)
    }

    fn add_body(&self, adding: &mut SeriesSums, head: &Head<'_>, name: &str, bytes: &[u8]) -> Result<(), HistoryError> {
        let body = Body::read(bytes, head.pops.len())?;
        let mut series: Vec<Option<usize>> = vec![None; head.pops.len()];
        let mut targets: Vec<CellsAt> = Vec::with_capacity(body.rows.len());
        for (pop, period) in &body.rows {
            let period = (head.begin(*period) / self.question.step).checked_sub(self.first);
            let period = period.and_then(|period| usize::try_from(period).ok());
            let Some(period) = period.filter(|period| *period < self.periods) else {
                targets.push((NOWHERE, 0));
                continue;
            };
            let pop = *pop as usize;
            let series = match series[pop] {
                Some(series) => series,
                None => *series[pop].insert(self.series_of(adding, name, head.pops[pop])?),
            };
            targets.push((series, period * self.metrics.sums));
        }
        if targets.iter().all(|target| target.0 == NOWHERE) {
            return Ok(());
        }
        for (column, sums) in &self.metrics.feeds {
            body.read_column(*column, |row, value| {
                let (series, at) = targets[row];
                if let Some(cells) = adding.sums.get_mut(series) {
                    for sum in sums {
                        add(&mut cells[at + sum], value);
                    }
                }
            })?;
        }
        Ok(())
    }

    /// The number of the series of a name in a POP; [`NOWHERE`] if it does not count.
    fn series_of(&self, adding: &mut SeriesSums, name: &str, pop: &str) -> Result<usize, HistoryError> {
        let question = &self.question;
        let region = question.regions.get(pop).unwrap_or(&question.default_region).as_str();
        let is_wanted = |only: &BTreeSet<String>, name: &str| only.is_empty() || only.contains(name);
        if !is_wanted(&question.pops, pop) || !is_wanted(&question.only_regions, region) {
            return Ok(NOWHERE);
        }
        let dimensions = [(question.name_key.is_some(), name), (question.by_pop, pop), (question.by_region, region)];
        let split = dimensions.iter().filter(|(is_split, _)| *is_split).map(|(_, value)| *value);
        if question.after.as_ref().is_some_and(|after| split.le(after.iter().map(String::as_str))) {
            return Ok(NOWHERE);
        }
        let key = dimensions.map(|(is_split, value)| if is_split { value.into() } else { Box::default() });
        if let Some(number) = adding.keys.get(&key) {
            return Ok(*number);
        }
        if (adding.sums.len() + 1).saturating_mul(self.len()) > MOST_SUMS {
            return Err(HistoryError::TooMany);
        }
        adding.keys.insert(key, adding.sums.len());
        adding.sums.push(vec![0; self.len()]);
        Ok(adding.sums.len() - 1)
    }

    /// The columns that are read.
    #[must_use]
    pub fn columns(&self) -> Vec<u16> {
        self.metrics.feeds.iter().map(|(column, _)| *column).collect()
    }

    /// How many series there are so far.
    #[must_use]
    pub fn series(&self) -> usize {
        self.series.len()
    }

    /// The first `limit` series as a JSON array; and the dimensions of the last one, if there are others behind it.
    pub fn page(&self, limit: usize) -> Result<(Vec<u8>, Option<Vec<String>>), HistoryError> {
        let mut json = JsonBuffer::default();
        let mut values = 0;
        json.text("[");
        for (key, sums) in self.series.iter().take(limit) {
            let start = json.len;
            json.text(if start == 1 { "{\"dimensions\":{" } else { ",{\"dimensions\":{" });
            for (number, (name, value)) in self.dimensions(key).enumerate() {
                if number > 0 {
                    json.text(",");
                }
                json.key(name);
                json.string(value);
            }
            json.text("},\"values\":[");
            let written = self.write_periods(&mut json, sums);
            values += written;
            if written == 0 {
                // All that was asked for are ratios, and all of them are 0.
                json.len = start;
            } else {
                json.text("]}");
            }
            if values > self.question.most {
                return Err(HistoryError::TooMany);
            }
        }
        json.text("]");
        let last = if self.series.len() > limit { self.series.keys().take(limit).next_back() } else { None };
        let last = last.map(|key| self.dimensions(key).map(|(_, value)| value.to_owned()).collect());
        Ok((json.written().to_vec(), last))
    }

    /// Writes an object for each period that is not 0; returns how many values these have.
    fn write_periods(&self, json: &mut JsonBuffer, sums: &[u64]) -> usize {
        let mut values = 0;
        for (period, sums) in (self.first..).zip(sums.chunks_exact(self.metrics.sums)) {
            if sums.iter().all(|sum| *sum == 0) {
                continue;
            }
            let start = json.len;
            json.text(if values == 0 { "{" } else { ",{" });
            let written = self.metrics.write(json, sums);
            if written == 0 {
                json.len = start;
                continue;
            }
            json.key("timestamp");
            json.integer(period * self.question.step);
            json.text("}");
            values += written;
        }
        values
    }

    /// Name and value of the dimensions that series are split by.
    fn dimensions<'a>(&'a self, [name, pop, region]: &'a SeriesKey) -> impl Iterator<Item = (&'a str, &'a str)> {
        let question = &self.question;
        let name = question.name_key.as_deref().map(|key| (key, &**name));
        let pop = question.by_pop.then_some(("datacenter", &**pop));
        let region = question.by_region.then_some(("region", &**region));
        name.into_iter().chain(pop).chain(region)
    }
}

/// The series that parts are added to, by number.
struct SeriesSums {
    keys: HashMap<SeriesKey, usize>,
    sums: Vec<Vec<u64>>,
}
