//! Minutes, hours and days.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Mutex;

use edgetally_core as core;
use pyo3::exceptions::{PyKeyError, PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyBytesMethods};

use crate::locked;
use crate::ranking::by;
use crate::schema::dataset;
use crate::window::Sealed;

/// A chunk with its name, or a minute.
type Part<'py> = (Option<String>, Bound<'py, PyBytes>);

fn parts<'a>(parts: &'a [Part<'_>]) -> Vec<(Option<&'a str>, &'a [u8])> {
    parts.iter().map(|(name, bytes)| (name.as_deref(), bytes.as_bytes())).collect()
}

/// Names and their chunks.
type NamedChunks<'py> = Vec<(String, Bound<'py, PyBytes>)>;

fn named_chunks(py: Python<'_>, chunks: Vec<(String, Vec<u8>)>) -> NamedChunks<'_> {
    chunks.into_iter().map(|(name, chunk)| (name, PyBytes::new(py, &chunk))).collect()
}

fn by_dataset(py: Python<'_>, minutes: Vec<(core::Dataset, Vec<u8>)>) -> BTreeMap<&'static str, Bound<'_, PyBytes>> {
    minutes.into_iter().map(|(dataset, bytes)| (dataset.name(), PyBytes::new(py, &bytes))).collect()
}

fn history_error(error: core::HistoryError) -> PyErr {
    match error {
        core::HistoryError::TooMany => PyOverflowError::new_err(error.to_string()),
        _ => PyValueError::new_err(error.to_string()),
    }
}

#[pyclass(frozen, module = "edgetally._core")]
pub struct Rollup {
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
pub struct HistoryQuery {
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

/// Adds minutes up.
#[pyfunction]
#[pyo3(signature = (minutes, *, names))]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
pub fn merge_minutes<'py>(
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
pub fn pack<'py>(py: Python<'py>, parts: Vec<Part<'py>>, step: u64, names: usize) -> PyResult<NamedChunks<'py>> {
    let parts = self::parts(&parts);
    let chunks = py.detach(|| core::pack(&parts, step, names)).map_err(history_error)?;
    Ok(named_chunks(py, chunks))
}

/// Adds parts up in periods of two lengths: chunks for each.
#[pyfunction]
#[pyo3(signature = (parts, *, steps, names))]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
pub fn pack_twice<'py>(
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
pub fn names_in(py: Python<'_>, parts: Vec<Part<'_>>, after: &str, most: usize) -> PyResult<Vec<String>> {
    let parts = self::parts(&parts);
    py.detach(|| core::names_in(&parts, after, most)).map_err(history_error)
}

/// The rows of some parts as lines of JSON.
#[pyfunction]
#[pyo3(signature = (parts, *, dataset, service_id, start, end))]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
pub fn history_lines<'py>(
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
pub fn counter_rows<'py>(py: Python<'py>, parts: Vec<Part<'py>>, members: &str) -> PyResult<Bound<'py, PyBytes>> {
    let parts = self::parts(&parts);
    let rows = py.detach(|| core::counter_rows(&parts, members)).map_err(history_error)?;
    Ok(PyBytes::new(py, &rows))
}

/// Sums of a database as chunks.
#[pyfunction]
#[pyo3(signature = (rows, *, step))]
pub fn summed_chunks<'py>(py: Python<'py>, rows: &[u8], step: u64) -> PyResult<Vec<(String, Bound<'py, PyBytes>)>> {
    let chunks = py.detach(|| core::summed_chunks(rows, step)).map_err(history_error)?;
    Ok(chunks.into_iter().map(|(name, chunk)| (name, PyBytes::new(py, &chunk))).collect())
}

/// Periods as sealed seconds.
#[pyfunction]
#[pyo3(signature = (domains, origins, *, service_id, start, end, step, order=None, names=None))]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
#[expect(clippy::too_many_arguments, reason = "all but two are keywords")]
pub fn sealed_periods(
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
