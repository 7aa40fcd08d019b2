//! Rankings.

use std::sync::Mutex;

use edgetally_core as core;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::locked;
use crate::schema::dataset;
use crate::window::Sealed;

fn inner(sealed: &[Py<Sealed>]) -> Vec<&core::Sealed> {
    sealed.iter().map(|one| &one.get().inner).collect()
}

pub fn by(name: &str, dataset: core::Dataset) -> PyResult<core::By> {
    core::By::named(name, dataset).ok_or_else(|| PyKeyError::new_err(name.to_owned()))
}

/// Series that are kept from one ranking to the next.
#[pyclass(frozen, module = "edgetally._core")]
pub struct KeptSeries {
    inner: Mutex<core::KeptSeries>,
}

#[pymethods]
impl KeptSeries {
    #[new]
    fn new() -> Self {
        Self { inner: Mutex::default() }
    }
}

/// The names of the columns of a ranking.
#[pyfunction]
pub fn columns(of: &str) -> PyResult<&'static [String]> {
    Ok(core::columns(dataset(of)?))
}

#[pyfunction]
#[pyo3(signature = (
    sealed, *, service_id, of, by, rows, pop, matching, focus, second, since, aggregate_delay, unit=1, until=None,
    holes=vec![], others=None, kept=None,
))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
pub fn ranking<'py>(
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
    until: Option<u64>,
    holes: Vec<(u64, u64)>,
    others: Option<usize>,
    kept: Option<Py<KeptSeries>>,
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
        until: until.unwrap_or(u64::MAX),
        holes: &holes,
        others,
        aggregate_delay,
        unit,
    };
    let ranking = py.detach(|| {
        let mut kept = kept.as_ref().map(|kept| locked(&kept.get().inner));
        core::ranking(&inner(&sealed), &question, kept.as_deref_mut())
    });
    Ok(PyBytes::new(py, &ranking))
}

/// The names that have a row in a ranking, and how many others there are.
#[pyfunction]
#[pyo3(signature = (sealed, *, of, by, rows, pop, matching, focus, second))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 passes values that live while the GIL is released")]
pub fn ranked_names(
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
        until: 0,
        holes: &[],
        others: None,
        aggregate_delay: 0,
        unit: 1,
    };
    Ok(py.detach(|| core::ranked_names(&inner(&sealed), &question)))
}
