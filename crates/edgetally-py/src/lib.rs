//! `edgetally._core`: the Python face of `edgetally-core`.
//!
//! This crate translates and decides nothing. An `if` that is not about Python belongs in `edgetally-core`, where it can be
//! tested without an interpreter. Two things happen only here:
//!
//! * The GIL is released around every call that takes long.
//! * Rust errors become Python exceptions.

mod cluster;

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;

/// A panic while the lock was held has reached Python as an exception already, and the state is still sound.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The Rust half of Edgetally. `_core.pyi` has its types and documentation.
#[pymodule(gil_used = false)]
mod _core {
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use edgetally_core as core;
    use pyo3::exceptions::{PyKeyError, PyOverflowError, PyValueError};
    use pyo3::prelude::*;
    use pyo3::types::{PyBytes, PyBytesMethods, PyList};

    #[pymodule_export]
    use crate::cluster::{LogReader, LogSeal, Reading, envelopes, partition, refusal, seal_envelope};
    use crate::locked;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "as Python has it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
    #[pymodule_export]
    const MAX_WEIGHT: u64 = core::MAX_WEIGHT;
    #[pymodule_export]
    const MAX_POP_BYTES: usize = core::MAX_POP_BYTES;
    #[pymodule_export]
    const MAX_SERVICE_ID_BYTES: usize = core::MAX_SERVICE_ID_BYTES;
    #[pymodule_export]
    const INVALID: &str = core::INVALID;
    #[pymodule_export]
    const OTHER: &str = core::OTHER;
    #[pymodule_export]
    const AGGREGATE: &str = core::AGGREGATE;
    #[pymodule_export]
    const ENVELOPE_VERSION: u8 = core::ENVELOPE_VERSION;
    #[pymodule_export]
    const MAX_ENVELOPE_BYTES: usize = core::MAX_ENVELOPE_BYTES;
    #[pymodule_export]
    const PARTIAL_VERSION: u8 = core::partial::VERSION;
    #[pymodule_export]
    const PLACEMENT_VERSION: u8 = core::PLACEMENT_VERSION;

    thread_local! {
        /// Encodes entries in this thread.
        static ENCODER: RefCell<core::Encoder> = RefCell::default();
    }

    fn dataset(name: &str) -> PyResult<core::Dataset> {
        core::Dataset::named(name).ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    }

    fn format(name: &str) -> PyResult<core::Format> {
        core::Format::named(name).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// A chunk with its name, or a minute.
    type Part<'py> = (Option<String>, Bound<'py, PyBytes>);

    fn inner(sealed: &[Py<Sealed>]) -> Vec<&core::Sealed> {
        sealed.iter().map(|one| &one.get().inner).collect()
    }

    fn by(name: &str, dataset: core::Dataset) -> PyResult<core::By> {
        core::By::named(name, dataset).ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    }

    fn parts<'a>(parts: &'a [Part<'_>]) -> Vec<(Option<&'a str>, &'a [u8])> {
        parts.iter().map(|(name, bytes)| (name.as_deref(), bytes.as_bytes())).collect()
    }

    /// Names and their chunks.
    type NamedChunks<'py> = Vec<(String, Bound<'py, PyBytes>)>;

    fn named_chunks(py: Python<'_>, chunks: Vec<(String, Vec<u8>)>) -> NamedChunks<'_> {
        chunks.into_iter().map(|(name, chunk)| (name, PyBytes::new(py, &chunk))).collect()
    }

    fn by_dataset(
        py: Python<'_>,
        minutes: Vec<(core::Dataset, Vec<u8>)>,
    ) -> BTreeMap<&'static str, Bound<'_, PyBytes>> {
        minutes.into_iter().map(|(dataset, bytes)| (dataset.name(), PyBytes::new(py, &bytes))).collect()
    }

    fn history_error(error: core::HistoryError) -> PyErr {
        match error {
            core::HistoryError::TooMany => PyOverflowError::new_err(error.to_string()),
            _ => PyValueError::new_err(error.to_string()),
        }
    }

    #[pyclass(frozen, module = "edgetally._core")]
    struct Fold {
        inner: Mutex<core::Fold>,
    }

    #[pymethods]
    impl Fold {
        #[new]
        #[pyo3(signature = (
            *, service_id="default", pop="local", services=None, max_line=262_144, max_lateness=None, max_ahead=None, framing="lines",
            format="canonical", weight=1
        ))]
        #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
        fn new(
            service_id: &str,
            pop: &str,
            services: Option<Vec<String>>,
            max_line: usize,
            max_lateness: Option<u64>,
            max_ahead: Option<u64>,
            framing: &str,
            format: &str,
            weight: u64,
        ) -> PyResult<Self> {
            let framing = core::Framing::named(framing).ok_or_else(|| PyKeyError::new_err(framing.to_owned()))?;
            let format = self::format(format)?;
            let settings = core::Settings {
                service_id: service_id.to_owned(),
                pop: pop.to_owned(),
                services,
                max_line,
                max_lateness,
                max_ahead,
                framing,
                format,
                weight,
            };
            Ok(Self { inner: Mutex::new(core::Fold::new(settings)) })
        }

        #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
        fn feed(&self, py: Python<'_>, block: Bound<'_, PyBytes>, now: u64) {
            let block = block.as_bytes();
            py.detach(|| locked(&self.inner).feed(block, now));
        }

        fn finish(&self, py: Python<'_>, now: u64) {
            py.detach(|| locked(&self.inner).finish(now));
        }

        fn drain<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
            let partial = py.detach(|| locked(&self.inner).drain());
            PyBytes::new(py, &partial)
        }

        #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
        fn fold_all<'py>(
            &self,
            py: Python<'py>,
            inputs: Vec<Vec<Bound<'py, PyBytes>>>,
            now: u64,
            max_bytes: usize,
        ) -> Option<(Bound<'py, PyBytes>, Vec<Report>)> {
            let inputs: Vec<Vec<&[u8]>> =
                inputs.iter().map(|blocks| blocks.iter().map(PyBytesMethods::as_bytes).collect()).collect();
            let (partial, reports) = py.detach(|| locked(&self.inner).fold_all(&inputs, now, max_bytes))?;
            Some((PyBytes::new(py, &partial), reports.into_iter().map(Report::from).collect()))
        }

        fn report(&self) -> Report {
            locked(&self.inner).report().into()
        }

        #[getter]
        fn size(&self) -> usize {
            locked(&self.inner).size()
        }

        #[getter]
        fn wrapper(&self) -> Option<&'static str> {
            locked(&self.inner).wrapper().map(core::Wrapper::name)
        }

        #[getter]
        fn pending(&self) -> Vec<u8> {
            locked(&self.inner).pending()
        }

        fn resume(&self, pending: &[u8]) {
            locked(&self.inner).resume(pending);
        }

        #[getter]
        fn unfinished(&self) -> usize {
            locked(&self.inner).unfinished()
        }
    }

    #[pyclass(frozen, get_all, module = "edgetally._core")]
    struct Report {
        lines: u64,
        accepted: u64,
        rejected: Vec<(&'static str, u64)>,
        rejections: Vec<Rejection>,
        without_time: u64,
        with_wrapper_time: u64,
        unknown_cache_words: Vec<(String, u64)>,
    }

    impl From<core::Report> for Report {
        fn from(report: core::Report) -> Self {
            let core::Report {
                lines,
                accepted,
                rejected,
                rejections,
                without_time,
                with_wrapper_time,
                unknown_cache_words,
            } = report;
            let reasons = core::Reason::ALL.iter().zip(rejected).filter(|(_, count)| *count > 0);
            Self {
                lines,
                accepted,
                rejected: reasons.map(|(reason, count)| (reason.code(), count)).collect(),
                rejections: rejections.into_iter().map(|inner| Rejection { inner }).collect(),
                without_time,
                with_wrapper_time,
                unknown_cache_words: unknown_cache_words.words(),
            }
        }
    }

    #[pyclass(frozen, eq, module = "edgetally._core")]
    #[derive(Clone, PartialEq)]
    struct Rejection {
        inner: core::RejectedLine,
    }

    #[pymethods]
    impl Rejection {
        #[new]
        #[pyo3(signature = (*, line, reason, at, sample))]
        fn new(line: u64, reason: &str, at: usize, sample: &[u8]) -> PyResult<Self> {
            let reason = core::Reason::named(reason).ok_or_else(|| PyKeyError::new_err(reason.to_owned()))?;
            Ok(Self { inner: core::RejectedLine { line, reason, at, sample: sample.to_vec(), is_after_array: false } })
        }

        #[getter]
        fn line(&self) -> u64 {
            self.inner.line
        }

        #[getter]
        fn reason(&self) -> &'static str {
            self.inner.reason.code()
        }

        #[getter]
        fn sentence(&self) -> &'static str {
            self.inner.sentence()
        }

        #[getter]
        fn at(&self) -> usize {
            self.inner.at
        }

        #[getter]
        fn sample(&self) -> &[u8] {
            &self.inner.sample
        }

        fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
            let sample = PyBytes::new(py, &self.inner.sample).repr()?;
            let (line, reason, at) = (self.inner.line, self.inner.reason.code(), self.inner.at);
            Ok(format!("Rejection(line={line}, reason='{reason}', at={at}, sample={sample})"))
        }
    }

    #[pyclass(frozen, module = "edgetally._core")]
    struct Window {
        inner: Mutex<core::Window>,
    }

    #[pymethods]
    impl Window {
        #[new]
        #[pyo3(signature = (*, domains=10_000, origins=1_000, addresses=10_000, pops=1_000, services=10_000))]
        fn new(domains: usize, origins: usize, addresses: usize, pops: usize, services: usize) -> Self {
            let limits = core::Limits { domains, origins, addresses, pops };
            Self { inner: Mutex::new(core::Window::new(limits, services)) }
        }

        #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
        fn merge(&self, py: Python<'_>, partial: Bound<'_, PyBytes>) -> PyResult<Vec<(String, u64, u64)>> {
            let partial = partial.as_bytes();
            let merged = py.detach(|| locked(&self.inner).merge(partial));
            let merged = merged.map_err(|error| PyValueError::new_err(error.to_string()))?;
            Ok(merged.into_iter().map(|one| (one.service_id, one.records, one.late)).collect())
        }

        fn seal(&self, py: Python<'_>, second: u64) -> Vec<Sealed> {
            let sealed = py.detach(|| locked(&self.inner).seal(second));
            sealed.into_iter().map(|inner| Sealed { inner }).collect()
        }

        fn reservations<'py>(&self, py: Python<'py>, first: u64, last: u64) -> Bound<'py, PyBytes> {
            let partial = py.detach(|| locked(&self.inner).reservations(first, last));
            PyBytes::new(py, &partial)
        }

        fn freeze(&self, py: Python<'_>, keep: usize) {
            py.detach(|| locked(&self.inner).freeze(keep));
        }

        #[getter]
        fn sealed(&self) -> Option<u64> {
            locked(&self.inner).sealed()
        }

        #[getter]
        fn newest(&self) -> Option<u64> {
            locked(&self.inner).newest()
        }
    }

    #[pyclass(frozen, module = "edgetally._core")]
    struct Sealed {
        inner: core::Sealed,
    }

    #[pymethods]
    impl Sealed {
        #[getter]
        fn service_id(&self) -> &str {
            &self.inner.service_id
        }

        #[getter]
        fn second(&self) -> u64 {
            self.inner.second
        }

        #[getter]
        fn records(&self) -> u64 {
            self.inner.records
        }

        #[getter]
        fn late(&self) -> u64 {
            self.inner.late
        }

        #[getter]
        fn overflowed(&self) -> u64 {
            self.inner.overflowed
        }

        #[getter]
        fn size(&self) -> usize {
            self.inner.size()
        }

        fn has(&self, dataset: &str) -> PyResult<bool> {
            Ok(self.inner.has(self::dataset(dataset)?))
        }

        #[pyo3(signature = (dataset, *, by_pop=true, names=BTreeSet::new(), fields=BTreeSet::new()))]
        fn entry<'py>(
            &self,
            py: Python<'py>,
            dataset: &str,
            by_pop: bool,
            names: BTreeSet<String>,
            fields: BTreeSet<String>,
        ) -> PyResult<Bound<'py, PyBytes>> {
            let dataset = self::dataset(dataset)?;
            let filter = core::EntryFilter { by_pop, names, fields };
            ENCODER.with_borrow_mut(|encoder| {
                let entry = py.detach(|| encoder.encode_part(&self.inner, dataset, &filter));
                let bytes = PyBytes::new(py, entry);
                encoder.shrink();
                Ok(bytes)
            })
        }
    }

    #[pyclass(frozen, module = "edgetally._core")]
    struct SeriesTotals {
        inner: Mutex<core::SeriesTotals>,
    }

    #[pymethods]
    impl SeriesTotals {
        #[new]
        #[pyo3(signature = (*, series, domains, origins, split_by_pop=true))]
        fn new(series: usize, domains: usize, origins: usize, split_by_pop: bool) -> Self {
            let limits = core::SeriesLimits { series, domains, origins };
            Self { inner: Mutex::new(core::SeriesTotals::new(limits, split_by_pop)) }
        }

        fn name(
            &self,
            py: Python<'_>,
            services: BTreeMap<String, String>,
            pops: BTreeMap<String, (String, String, String, String)>,
        ) {
            let place = |(name, group, latitude, longitude)| core::PopPlace { name, group, latitude, longitude };
            let pops = pops.into_iter().map(|(pop, one)| (pop, place(one))).collect();
            py.detach(|| locked(&self.inner).name(core::ExpositionNames { services, pops }));
        }

        #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
        fn add(&self, py: Python<'_>, second: u64, sealed: Vec<Bound<'_, Sealed>>) -> (usize, u64) {
            let sealed: Vec<&core::Sealed> = sealed.iter().map(|one| &one.get().inner).collect();
            py.detach(|| {
                let mut totals = locked(&self.inner);
                for one in sealed {
                    totals.add(one);
                }
                totals.advance(second);
                (totals.series(), totals.overflowed())
            })
        }

        fn services(&self, py: Python<'_>) -> Vec<String> {
            py.detach(|| locked(&self.inner).services())
        }

        #[pyo3(signature = (services=None, *, openmetrics=false))]
        #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
        fn scrape(&self, py: Python<'_>, services: Option<Vec<String>>, openmetrics: bool) -> Scrape {
            let format = if openmetrics { core::TextFormat::OpenMetrics } else { core::TextFormat::Prometheus };
            let snapshot = py.detach(|| locked(&self.inner).snapshot(services.as_deref()));
            Scrape { inner: Mutex::new(core::Scrape::new(snapshot, format)) }
        }
    }

    #[pyclass(frozen, module = "edgetally._core")]
    struct Scrape {
        inner: Mutex<core::Scrape>,
    }

    #[pymethods]
    impl Scrape {
        fn write<'py>(&self, py: Python<'py>, most: usize) -> (Bound<'py, PyBytes>, bool) {
            let mut text = vec![];
            let is_end = py.detach(|| locked(&self.inner).write(&mut text, most));
            (PyBytes::new(py, &text), is_end)
        }
    }

    #[pyclass(frozen, module = "edgetally._core")]
    struct KeptPops {
        inner: Mutex<core::KeptPops>,
    }

    #[pymethods]
    impl KeptPops {
        #[new]
        fn new() -> Self {
            Self { inner: Mutex::default() }
        }

        #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
        fn add(&self, py: Python<'_>, sealed: Vec<Py<Sealed>>, forget: u64) {
            py.detach(|| {
                let mut kept = locked(&self.inner);
                for one in &sealed {
                    kept.add(&one.get().inner);
                }
                kept.forget(forget);
            });
        }

        #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
        fn of(&self, py: Python<'_>, services: Vec<String>, after: u64) -> Vec<String> {
            py.detach(|| {
                let kept = locked(&self.inner);
                kept.of(services.iter().map(String::as_str), after).into_iter().map(str::to_owned).collect()
            })
        }
    }

    #[pyclass(frozen, module = "edgetally._core")]
    struct Rollup {
        inner: Mutex<core::Rollup>,
    }

    #[pymethods]
    impl Rollup {
        #[new]
        #[pyo3(signature = (start, *, names=100_000))]
        fn new(start: u64, names: usize) -> Self {
            Self { inner: Mutex::new(core::Rollup::new(start, names)) }
        }

        #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
        fn add(&self, py: Python<'_>, sealed: Py<Sealed>) -> PyResult<()> {
            let sealed = sealed.get();
            py.detach(|| locked(&self.inner).add(&sealed.inner)).map_err(history_error)
        }

        #[pyo3(signature = (names=20_000))]
        fn minute<'py>(&self, py: Python<'py>, names: usize) -> BTreeMap<&'static str, Bound<'py, PyBytes>> {
            by_dataset(py, py.detach(|| locked(&self.inner).minute(names)))
        }

        #[pyo3(signature = (names=20_000))]
        fn close<'py>(&self, py: Python<'py>, names: usize) -> BTreeMap<&'static str, Bound<'py, PyBytes>> {
            by_dataset(py, py.detach(|| locked(&self.inner).close(names)))
        }

        #[getter]
        fn overflowed(&self) -> u64 {
            locked(&self.inner).overflowed()
        }
    }

    #[pyclass(frozen, module = "edgetally._core")]
    struct HistoryQuery {
        inner: Mutex<core::HistoryQuery>,
    }

    #[pymethods]
    impl HistoryQuery {
        #[new]
        #[pyo3(signature = (
            *, dataset, metrics, start, end, step, group_by=BTreeSet::new(), pops=BTreeSet::new(), regions=BTreeMap::new(),
            default_region="", only_regions=BTreeSet::new(), after=None, most=1_000_000, name_key="name"
        ))]
        #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
        fn new(
            dataset: &str,
            metrics: Vec<String>,
            start: u64,
            end: u64,
            step: u64,
            mut group_by: BTreeSet<String>,
            pops: BTreeSet<String>,
            regions: BTreeMap<String, String>,
            default_region: &str,
            only_regions: BTreeSet<String>,
            after: Option<Vec<String>>,
            most: usize,
            name_key: &str,
        ) -> PyResult<Self> {
            let question = core::HistoryQuestion {
                dataset: self::dataset(dataset)?,
                metrics,
                start,
                end,
                step,
                name_key: group_by.remove("name").then(|| name_key.to_owned()),
                by_pop: group_by.remove("datacenter"),
                by_region: group_by.remove("region"),
                pops,
                regions,
                default_region: default_region.to_owned(),
                only_regions,
                after,
                most,
            };
            if let Some(unknown) = group_by.into_iter().next() {
                return Err(PyKeyError::new_err(unknown));
            }
            Ok(Self { inner: Mutex::new(core::HistoryQuery::new(question).map_err(PyKeyError::new_err)?) })
        }

        #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
        fn add(&self, py: Python<'_>, parts: Vec<Part<'_>>, names: Vec<String>) -> PyResult<()> {
            let parts = self::parts(&parts);
            py.detach(|| locked(&self.inner).add(&parts, &names)).map_err(history_error)
        }

        #[getter]
        fn columns(&self) -> Vec<u16> {
            locked(&self.inner).columns()
        }

        #[getter]
        fn series(&self) -> usize {
            locked(&self.inner).series()
        }

        fn page<'py>(&self, py: Python<'py>, limit: usize) -> PyResult<(Bound<'py, PyBytes>, Option<Vec<String>>)> {
            let (data, last) = py.detach(|| locked(&self.inner).page(limit)).map_err(history_error)?;
            Ok((PyBytes::new(py, &data), last))
        }
    }

    /// The domains of some sealed seconds: at most `most`, those of the first seconds.
    #[pyfunction]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
    fn domain_names(py: Python<'_>, sealed: Vec<Py<Sealed>>, most: usize) -> PyResult<Bound<'_, PyList>> {
        let names = py.detach(|| core::domain_names(sealed.iter().map(|one| &one.get().inner), most));
        PyList::new(py, names)
    }

    /// The fields of a format: where each is in a line, and which field of a record it fills.
    #[pyfunction]
    fn format_fields(name: &str) -> PyResult<Vec<(&'static str, &'static str)>> {
        Ok(format(name)?.fields().collect())
    }

    /// Raises `ValueError` if a fold cannot read the format.
    #[pyfunction]
    fn check_format(name: &str) -> PyResult<()> {
        format(name).map(|_| ())
    }

    /// Every known cache word, and what it counts as.
    #[pyfunction]
    fn cache_words() -> Vec<(&'static str, &'static str)> {
        core::CACHE_WORDS.into_iter().map(|(word, status)| (word, status.name())).collect()
    }

    /// The format that finds the most fields in some lines.
    #[pyfunction]
    fn detect_format(lines: &[u8]) -> Option<&'static str> {
        core::detect_format(lines)
    }

    /// The names of all formats.
    #[pyfunction]
    fn formats() -> Vec<&'static str> {
        core::Format::names().collect()
    }

    /// Name, description, what its values are and whether it is always shown, of every measurement of a dataset.
    #[pyfunction]
    fn measurements(dataset: &str) -> PyResult<Vec<(&'static str, &'static str, &'static str, bool)>> {
        let table = core::measurements(self::dataset(dataset)?);
        Ok(table.iter().map(|one| (&*one.name, &*one.description, one.formula.kind(), one.is_always_shown)).collect())
    }

    /// The names of the columns of a ranking.
    #[pyfunction]
    fn columns(of: &str) -> PyResult<&'static [String]> {
        Ok(core::columns(dataset(of)?))
    }

    #[pyfunction]
    #[pyo3(signature = (
        sealed, *, service_id, of, by, rows, pop, matching, focus, second, since, aggregate_delay, unit=1, holes=vec![],
        others=None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
    fn ranking<'py>(
        py: Python<'py>,
        sealed: Vec<Py<Sealed>>,
        service_id: &str,
        of: &str,
        by: &str,
        rows: usize,
        pop: Option<&str>,
        matching: &str,
        focus: Option<&str>,
        second: u64,
        since: u64,
        aggregate_delay: u64,
        unit: u64,
        holes: Vec<(u64, u64)>,
        others: Option<usize>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let dataset = dataset(of)?;
        let by = self::by(by, dataset)?;
        let question = core::Question {
            service_id,
            dataset,
            by,
            rows,
            pop,
            matching,
            focus,
            second,
            since,
            holes: &holes,
            others,
            aggregate_delay,
            unit,
        };
        let ranking = py.detach(|| core::ranking(&inner(&sealed), &question));
        Ok(PyBytes::new(py, &ranking))
    }

    /// The names that have a row in a ranking, and how many others there are.
    #[pyfunction]
    #[pyo3(signature = (sealed, *, of, by, rows, pop, matching, focus, second))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
    fn ranked_names(
        py: Python<'_>,
        sealed: Vec<Py<Sealed>>,
        of: &str,
        by: &str,
        rows: usize,
        pop: Option<&str>,
        matching: &str,
        focus: Option<&str>,
        second: u64,
    ) -> PyResult<(Vec<String>, usize)> {
        let dataset = dataset(of)?;
        let question = core::Question {
            service_id: "",
            dataset,
            by: self::by(by, dataset)?,
            rows,
            pop,
            matching,
            focus,
            second,
            since: 0,
            holes: &[],
            others: None,
            aggregate_delay: 0,
            unit: 1,
        };
        Ok(py.detach(|| core::ranked_names(&inner(&sealed), &question)))
    }

    /// Adds minutes up.
    #[pyfunction]
    #[pyo3(signature = (minutes, *, names))]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
    fn merge_minutes<'py>(
        py: Python<'py>,
        minutes: Vec<Bound<'py, PyBytes>>,
        names: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let minutes: Vec<&[u8]> = minutes.iter().map(PyBytesMethods::as_bytes).collect();
        let merged = py.detach(|| core::merge_minutes(&minutes, names)).map_err(history_error)?;
        Ok(PyBytes::new(py, &merged))
    }

    /// Adds parts up: a chunk of each name.
    #[pyfunction]
    #[pyo3(signature = (parts, *, step, names))]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
    fn pack<'py>(py: Python<'py>, parts: Vec<Part<'py>>, step: u64, names: usize) -> PyResult<NamedChunks<'py>> {
        let parts = self::parts(&parts);
        let chunks = py.detach(|| core::pack(&parts, step, names)).map_err(history_error)?;
        Ok(named_chunks(py, chunks))
    }

    /// Adds parts up in periods of two lengths: chunks for each.
    #[pyfunction]
    #[pyo3(signature = (parts, *, steps, names))]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
    fn pack_twice<'py>(
        py: Python<'py>,
        parts: Vec<Part<'py>>,
        steps: (u64, u64),
        names: usize,
    ) -> PyResult<(NamedChunks<'py>, NamedChunks<'py>)> {
        let parts = self::parts(&parts);
        let [first, second] = py.detach(|| core::pack_twice(&parts, steps, names)).map_err(history_error)?;
        Ok((named_chunks(py, first), named_chunks(py, second)))
    }

    /// The names in some parts.
    #[pyfunction]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
    fn names_in(py: Python<'_>, parts: Vec<Part<'_>>, after: &str, most: usize) -> PyResult<Vec<String>> {
        let parts = self::parts(&parts);
        py.detach(|| core::names_in(&parts, after, most)).map_err(history_error)
    }

    /// The rows of some parts as lines of JSON.
    #[pyfunction]
    #[pyo3(signature = (parts, *, dataset, service_id, start, end))]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
    fn history_lines<'py>(
        py: Python<'py>,
        parts: Vec<Part<'py>>,
        dataset: &str,
        service_id: &str,
        start: u64,
        end: u64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (parts, dataset) = (self::parts(&parts), self::dataset(dataset)?);
        let lines = py.detach(|| core::history_lines(&parts, dataset, service_id, start, end));
        Ok(PyBytes::new(py, &lines.map_err(history_error)?))
    }

    /// The counters of some parts as lines of JSON.
    #[pyfunction]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
    fn counter_rows<'py>(py: Python<'py>, parts: Vec<Part<'py>>, members: &str) -> PyResult<Bound<'py, PyBytes>> {
        let parts = self::parts(&parts);
        let rows = py.detach(|| core::counter_rows(&parts, members)).map_err(history_error)?;
        Ok(PyBytes::new(py, &rows))
    }

    /// Sums of a database as chunks.
    #[pyfunction]
    #[pyo3(signature = (rows, *, step))]
    fn summed_chunks<'py>(py: Python<'py>, rows: &[u8], step: u64) -> PyResult<Vec<(String, Bound<'py, PyBytes>)>> {
        let chunks = py.detach(|| core::summed_chunks(rows, step)).map_err(history_error)?;
        Ok(chunks.into_iter().map(|(name, chunk)| (name, PyBytes::new(py, &chunk))).collect())
    }

    /// Periods as sealed seconds.
    #[pyfunction]
    #[pyo3(signature = (domains, origins, *, service_id, start, end, step, order=None, names=None))]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
    #[expect(clippy::too_many_arguments, reason = "all but two are keywords")]
    fn sealed_periods(
        py: Python<'_>,
        domains: Vec<Part<'_>>,
        origins: Vec<Part<'_>>,
        service_id: &str,
        start: u64,
        end: u64,
        step: u64,
        order: Option<(String, String)>,
        names: Option<Vec<String>>,
    ) -> PyResult<Vec<Sealed>> {
        let mut parts = self::parts(&domains);
        parts.append(&mut self::parts(&origins));
        let rows = match (order, names) {
            (Some((of, by)), _) => {
                let of = dataset(&of)?;
                core::PeriodRows::Order(of, self::by(&by, of)?)
            }
            (None, Some(names)) => core::PeriodRows::Names(names.into_iter().collect()),
            (None, None) => core::PeriodRows::All,
        };
        let sealed = py.detach(|| core::sealed_periods(&parts, service_id, (start, end), step, &rows));
        Ok(sealed.map_err(history_error)?.into_iter().map(|inner| Sealed { inner }).collect())
    }

    /// Code and sentence of every reason to reject a line.
    #[pyfunction]
    fn reasons() -> Vec<(&'static str, &'static str)> {
        core::Reason::ALL.iter().map(|reason| (reason.code(), reason.sentence())).collect()
    }
}
